//! Packages of the Python index and the npm registry, fetched by their own programs.
//!
//! pip and npm know the user's mirrors, proxies and credentials; asking the registries directly would
//! have to learn all of that again. Nothing that is fetched is run: of pip wheels are asked for, of npm what was published,
//! and a package that pip has as sources only is fetched from where pip says it is, and unpacked.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::archive::{self, Limits};
use super::cache::{Cache, Manifest, Stored};
use super::web::{self, WebError};
use super::{Located, Locator, place};
use crate::atomic::AtomicFolder;
use crate::progress::Progress;
use crate::{DataError, hash, text};

/// How often a running download is asked whether it is done, and the user whether to stop.
const POLL: Duration = Duration::from_millis(50);

pub(super) fn fetch(locator: &Locator, cache: &Cache, progress: &dyn Progress) -> Result<Located, DataError> {
    let (registry, name, version) = match locator {
        Locator::Pypi { name, version, .. } => ("pypi", name, version),
        Locator::Npm { name, version, .. } => ("npm", name, version),
        other => {
            return Err(DataError::Locator {
                text: other.to_string(),
                reason: "it names no package".to_owned(),
            });
        }
    };
    let package = cache.package(registry, name, version)?;
    let manifest = match Cache::stored(&package) {
        Stored::Complete(manifest) => manifest,
        Stored::Absent => download(locator, cache, &package, false, progress)?,
        Stored::Damaged(reason) => {
            progress.note(&format!("{} is damaged ({reason}); fetching it again", package.display()));
            download(locator, cache, &package, true, progress)?
        }
    };
    let path = place::inside(locator, &Cache::content(&package), locator.inner())?;
    let hash = match locator.inner() {
        None => manifest.content,
        Some(_) => hash::hash_path(&path)?,
    };
    Ok(Located { path, hash, locator: locator.clone(), checksum: Some(manifest.checksum) })
}

/// Downloads beside the cache, unpacks, writes the manifest, and renames the whole into place.
fn download(
    locator: &Locator,
    cache: &Cache,
    package: &Path,
    replace: bool,
    progress: &dyn Progress,
) -> Result<Manifest, DataError> {
    let building = AtomicFolder::create(package)?;
    let downloads = building.path().join("download");
    let content = Cache::content(building.path());
    for folder in [&downloads, &content] {
        fs::create_dir_all(folder).map_err(DataError::io("make the folder", folder))?;
    }
    progress.start(&format!("fetching {locator}"), 0, "bytes");
    let archive = match locator {
        Locator::Npm { name, version, .. } => {
            npm(locator, cache, &format!("{name}@{version}"), &downloads, progress)?
        }
        Locator::Pypi { name, version, .. } => pip(locator, cache, (name, version), &downloads, progress)?,
        _ => {
            return Err(DataError::Locator {
                text: locator.to_string(),
                reason: "it names no package".to_owned(),
            });
        }
    };
    let checksum = sha256(&archive)?;
    archive::unpack(&archive, &content, Limits::default(), progress)?;
    let names = hash::list_files(&content)?;
    let archive_name = archive.file_name().map(|name| name.to_string_lossy().into_owned());
    let bare = match locator {
        Locator::Npm { name, version, .. } => format!("npm:{name}@{version}"),
        Locator::Pypi { name, version, .. } => format!("pypi:{name}=={version}"),
        other => other.to_string(),
    };
    let manifest = Manifest::of(bare, archive_name, checksum, &content, names)?;
    fs::remove_dir_all(&downloads).map_err(DataError::io("remove", &downloads))?;
    Cache::write_manifest(building.path(), &manifest)?;
    progress.finish();
    if replace {
        building.commit_owned()?;
        return Ok(manifest);
    }
    if building.commit_if_absent()? {
        return Ok(manifest);
    }
    // Another process was faster; what it fetched must be the same archive.
    match Cache::stored(package) {
        Stored::Complete(theirs) if theirs.checksum == manifest.checksum => Ok(theirs),
        _ => Err(DataError::Download {
            locator: locator.to_string(),
            reason: format!("another process put something else into {}", package.display()),
            hint: "remove that folder and try again".to_owned(),
        }),
    }
}

fn pip(
    locator: &Locator,
    cache: &Cache,
    (name, version): (&str, &str),
    folder: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, DataError> {
    let own: Vec<Vec<&str>> = match &cache.environment().pip {
        Some(program) => vec![vec![program.as_str()]],
        None => vec![vec!["pip"], vec!["pip3"], vec!["python3", "-m", "pip"], vec!["python", "-m", "pip"]],
    };
    for program in &own {
        let mut command = Command::new(program[0]);
        // Of a source package pip would run the setup script, only to learn what it depends on: wheels alone are asked for.
        // `-vv` makes pip name what it passed over, among that the source package.
        command
            .args(&program[1..])
            .args(["download", "-vv", "--no-deps", "--only-binary", ":all:", "--no-input"])
            .args(["--disable-pip-version-check", "--progress-bar", "off", "--dest"])
            .arg(folder)
            .arg(format!("{name}=={version}"));
        match run(command, folder, progress)? {
            None => {}
            // `python3` without pip is as good as no pip: the next program may have it.
            Some(output) if said(&output).contains("No module named pip") => {}
            Some(output) if output.status.success() => return only_file(locator, folder),
            Some(output) => {
                return match sources(&said(&output), name, version) {
                    Some(url) => source_package(locator, &url, folder, progress),
                    None => Err(refusal(locator, "pip", &output)),
                };
            }
        }
    }
    Err(DataError::Tool { locator: locator.to_string(), program: own[0][0].to_owned() })
}

/// The address of the source package among what pip said, with its checksum after `#`.
fn sources(said: &str, name: &str, version: &str) -> Option<String> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.'], "-");
    let (name, version) = (plain(name), plain(version));
    said.split(|letter: char| letter.is_whitespace() || "()<>'\"".contains(letter)).find_map(|word| {
        let known = ["https://", "http://", "file://"].iter().any(|scheme| word.starts_with(scheme));
        let address = word.split(['#', '?']).next().unwrap_or_default();
        let file = address.rsplit('/').next().unwrap_or_default();
        let stem = SOURCE_ENDINGS.iter().find_map(|ending| file.strip_suffix(ending))?;
        let (of, number) = stem.rsplit_once('-')?;
        (known && plain(of) == name && plain(number) == version).then(|| word.to_owned())
    })
}

/// Endings of source packages that can be unpacked.
const SOURCE_ENDINGS: [&str; 3] = [".tar.gz", ".tgz", ".zip"];

/// Fetches a source package, as it was published: nothing in it is run.
fn source_package(
    locator: &Locator,
    url: &str,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, DataError> {
    let (address, checksum) = url.split_once('#').unwrap_or((url, ""));
    let file = address.rsplit('/').next().unwrap_or_default();
    let failed = |reason: String| DataError::Download {
        locator: locator.to_string(),
        reason: format!(
            "there is no wheel of it, and its source package at {} cannot be fetched: {}",
            text::name(&text::without_secrets(address)),
            text::without_secrets(&reason)
        ),
        hint: "download it yourself, unpack it, and give the path of its folder".to_owned(),
    };
    if !place::inner_path(file).is_ok_and(|path| path.components().count() == 1) {
        return Err(failed("its name is no plain file name".to_owned()));
    }
    let path = folder.join(file);
    web::fetch_plain(address, &path, progress).map_err(|error| match error {
        WebError::Here(error) => error,
        other => failed(other.to_string()),
    })?;
    if let Some(wanted) = checksum.split('&').find_map(|part| part.strip_prefix("sha256=")) {
        let found = sha256(&path)?;
        if !found.eq_ignore_ascii_case(wanted) {
            return Err(failed(format!("it arrived damaged: its SHA-256 is {found} instead of {wanted}")));
        }
    }
    Ok(path)
}

fn npm(
    locator: &Locator,
    cache: &Cache,
    requirement: &str,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, DataError> {
    let program = cache.environment().npm.as_deref().unwrap_or(if cfg!(windows) { "npm.cmd" } else { "npm" });
    let mut command = Command::new(program);
    // A package named by version is packed as published: none of its scripts run.
    command
        .args(["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination"])
        .arg(folder)
        .arg(requirement);
    match run(command, folder, progress)? {
        None => Err(DataError::Tool { locator: locator.to_string(), program: "npm".to_owned() }),
        Some(output) if output.status.success() => only_file(locator, folder),
        Some(output) => Err(refusal(locator, "npm", &output)),
    }
}

/// Runs a program to its end, or kills it when the user asks to stop. None: there is no such program.
fn run(mut command: Command, folder: &Path, progress: &dyn Progress) -> Result<Option<Output>, DataError> {
    // The output goes to files: a pipe that nobody empties would block the program.
    let log = |name: &str| folder.with_file_name(name);
    let (out, err) = (log("stdout.log"), log("stderr.log"));
    let open = |path: &Path| File::create(path).map_err(DataError::io("create", path));
    command.stdin(Stdio::null()).stdout(open(&out)?).stderr(open(&err)?);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DataError::io("start", Path::new(command.get_program()))(error)),
    };
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if progress.cancelled() => {
                // Both may fail only because it has just ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                return Err(DataError::Cancelled);
            }
            Ok(None) => std::thread::sleep(POLL),
            Err(error) => return Err(DataError::io("wait for", Path::new(command.get_program()))(error)),
        }
    };
    let read = |path: &Path| -> Result<Vec<u8>, DataError> {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(1 << 20).read_to_end(&mut text))
            .map_err(DataError::io("read", path))?;
        fs::remove_file(path).map_err(DataError::io("remove", path))?;
        Ok(text)
    };
    Ok(Some(Output { status, stdout: read(&out)?, stderr: read(&err)? }))
}

fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    text
}

/// The program's own last words, and what they mean to the user.
fn refusal(locator: &Locator, program: &str, output: &Output) -> DataError {
    let text = text::without_secrets(&said(output));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let errors: Vec<&str> =
        lines.iter().copied().filter(|line| line.to_ascii_lowercase().contains("err")).take(3).collect();
    let chosen = if errors.is_empty() { lines.iter().rev().take(2).rev().copied().collect() } else { errors };
    let lower = text.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    // The network first: without one pip also ends with "no matching distribution".
    let hint = if has(&[
        "temporary failure in name resolution",
        "name or service not known",
        "getaddrinfo",
        "enotfound",
        "eai_again",
        "econnrefused",
        "connection refused",
        "network is unreachable",
        "failed to establish a new connection",
        "etimedout",
        "timed out",
    ]) {
        "the registry cannot be reached: check the network or the mirror that pip or npm is set to; a package fetched once is used without a network"
    } else if has(&[
        "no matching distribution",
        "could not find a version",
        "e404",
        "etarget",
        "404 not found",
        "no matching version",
    ]) {
        "check the name and the version: the registry has no such package"
    } else {
        "run the same download by hand to see everything it says, or give the path of a package you have"
    };
    DataError::Download {
        locator: locator.to_string(),
        reason: format!("{program} ended with {} and said: {}", output.status, chosen.join(" / ")),
        hint: hint.to_owned(),
    }
}

/// The one archive that the program left.
fn only_file(locator: &Locator, folder: &Path) -> Result<PathBuf, DataError> {
    let files = hash::list_files(folder)?;
    match files.as_slice() {
        [one] => Ok(folder.join(one)),
        other => Err(DataError::Download {
            locator: locator.to_string(),
            reason: format!("the download left {} files instead of one", other.len()),
            hint: "run the same download by hand to see what it does".to_owned(),
        }),
    }
}

/// SHA-256 of a file, in hexadecimal: what the registries themselves publish.
pub(super) fn sha256(path: &Path) -> Result<String, DataError> {
    let mut file = File::open(path).map_err(DataError::io("open", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 17];
    loop {
        let read = file.read(&mut buffer).map_err(DataError::io("read", path))?;
        if read == 0 {
            return Ok(hash::hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}
