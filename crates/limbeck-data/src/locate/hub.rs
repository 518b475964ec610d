//! Repositories of the Hugging Face hub, in the folder that its other programs use too.

use std::path::{Path, PathBuf};

use hf_hub::{Cache as HubCache, Repo, RepoType};
use serde::Deserialize;

use super::cache::{Cache, Manifest};
use super::web::{Answer, Web, WebError};
use super::{Located, Locator, package, place};
use crate::env::Environment;
use crate::progress::Progress;
use crate::{DataError, atomic, hash, text};

/// The server, unless `HF_ENDPOINT` names another.
const ENDPOINT: &str = "https://huggingface.co";
/// Longest list of a repository's files, in bytes.
const LONGEST_LIST: u64 = 64 << 20;

/// One repository as asked for.
struct Wanted<'a> {
    locator: &'a Locator,
    repo: &'a str,
    revision: &'a str,
    dataset: bool,
    inner: Option<&'a str>,
}

pub(super) fn fetch(locator: &Locator, cache: &Cache, progress: &dyn Progress) -> Result<Located, DataError> {
    let Locator::Hub { repo, revision, dataset, inner } = locator else {
        return Err(DataError::Locator {
            text: locator.to_string(),
            reason: "it names no repository".to_owned(),
        });
    };
    let wanted = Wanted { locator, repo, revision, dataset: *dataset, inner: inner.as_deref() };
    let environment = cache.environment();
    let Some(home) = environment.hf_folder() else {
        return Err(DataError::Argument {
            name: "the Hugging Face folder",
            found: "unset".to_owned(),
            expected: "HF_HOME or HOME in the environment".to_owned(),
        });
    };
    let hub = HubCache::new(home.join("hub"));
    let manifest_path = cache.hub_manifest(repo, revision, *dataset, inner.as_deref().unwrap_or_default())?;
    let snapshot = |commit: &str| hub.repo(wanted.at(revision)).pointer_path(commit);
    if manifest_path.exists() {
        let manifest: Manifest = atomic::read_json(&manifest_path)?;
        let folder = snapshot(&manifest.checksum);
        match manifest.difference(&folder) {
            None => return located(&wanted, &folder, manifest),
            Some(reason) => {
                progress.note(&format!("{} has changed ({reason}); looking again", folder.display()))
            }
        }
    }
    let (commit, names) = if environment.hf_offline {
        stored(&wanted, &hub, "HF_HUB_OFFLINE forbids asking the server")?
    } else {
        match download(&wanted, &hub, environment, progress) {
            Ok(found) => found,
            // Without a network what another program fetched is as good, and the user is told.
            Err(Failure::Unreachable(error)) => match stored(&wanted, &hub, "") {
                Ok(found) => {
                    progress.note(&format!("{error}; using what is in {}", hub.path().display()));
                    found
                }
                Err(_) => return Err(error),
            },
            Err(Failure::Other(error)) => return Err(error),
        }
    };
    let folder = snapshot(&commit);
    let manifest = Manifest::of(locator.to_string(), None, commit, &folder, names)?;
    atomic::write_json(&manifest_path, &manifest)?;
    located(&wanted, &folder, manifest)
}

impl Wanted<'_> {
    fn at(&self, revision: &str) -> Repo {
        let kind = if self.dataset { RepoType::Dataset } else { RepoType::Model };
        Repo::with_revision(self.repo.to_owned(), kind, revision.to_owned())
    }

    /// The files of the repository that are wanted, sorted.
    fn choose(&self, all: &[String]) -> Result<Vec<String>, DataError> {
        let missing = |reason: String| DataError::Missing { locator: self.locator.to_string(), reason };
        let list = |names: &[String]| {
            let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
            format!("{}{more}", names.iter().take(8).cloned().collect::<Vec<_>>().join(", "))
        };
        let mut chosen: Vec<String> = match self.inner {
            Some(inner) => {
                let folder = format!("{inner}/");
                all.iter().filter(|name| *name == inner || name.starts_with(&folder)).cloned().collect()
            }
            // The card names the configurations.
            None if self.dataset => {
                all.iter().filter(|name| extension_in(name, &DATA) || *name == "README.md").cloned().collect()
            }
            // Conversions for other programs (onnx, original checkpoints) stand in folders.
            None => {
                all.iter().filter(|name| !name.contains('/') && extension_in(name, &MODEL)).cloned().collect()
            }
        };
        if self.inner.is_none() && !self.dataset {
            if chosen.iter().any(|name| extension_in(name, &["safetensors"])) {
                chosen.retain(|name| !extension_in(name, &["gguf"]));
            }
            let weights: Vec<String> =
                chosen.iter().filter(|name| extension_in(name, &["gguf"])).cloned().collect();
            if weights.len() > 1 {
                return Err(missing(format!(
                    "it has {} GGUF files; pick one with #name: {}",
                    weights.len(),
                    list(&weights)
                )));
            }
        }
        if chosen.is_empty() {
            return Err(missing(format!("none of its files is wanted; it has {}", list(all))));
        }
        chosen.sort();
        Ok(chosen)
    }
}

/// Endings of the files that a model consists of.
const MODEL: [&str; 6] = ["json", "safetensors", "gguf", "txt", "model", "jinja"];
/// Endings of the files that a data set consists of.
const DATA: [&str; 8] = ["jsonl", "ndjson", "json", "parquet", "csv", "tsv", "txt", "gz"];

fn extension_in(name: &str, list: &[&str]) -> bool {
    Path::new(name).extension().and_then(|found| found.to_str()).is_some_and(|found| list.contains(&found))
}

fn located(wanted: &Wanted<'_>, folder: &Path, manifest: Manifest) -> Result<Located, DataError> {
    let path = place::inside(wanted.locator, folder, wanted.inner)?;
    let hash = match wanted.inner {
        None => manifest.content,
        Some(_) => hash::hash_path(&path)?,
    };
    Ok(Located { path, hash, locator: wanted.locator.clone(), checksum: Some(manifest.checksum) })
}

/// What the Hugging Face folder already has: (commit, files).
fn stored(wanted: &Wanted<'_>, hub: &HubCache, why: &str) -> Result<(String, Vec<String>), DataError> {
    let root = hub.path().join(wanted.at(wanted.revision).folder_name());
    let branch = std::fs::read_to_string(root.join("refs").join(wanted.revision)).ok();
    let commit = branch.map_or_else(|| wanted.revision.to_owned(), |text| text.trim().to_owned());
    let folder: PathBuf = root.join("snapshots").join(&commit);
    if !place::is_name(&commit) || !folder.is_dir() {
        return Err(DataError::Download {
            locator: wanted.locator.to_string(),
            reason: format!("{why}, and it is not in {}", hub.path().display()),
            hint: "fetch it once with a network, set HF_HOME to a folder that has it, or give a path"
                .to_owned(),
        });
    }
    let names = wanted.choose(&hash::list_files(&folder)?)?;
    Ok((commit, names))
}

/// Why a download failed.
enum Failure {
    /// The server did not answer at all.
    Unreachable(DataError),
    /// Anything else.
    Other(DataError),
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::Other(error)
    }
}

/// Sorts a failed request by what the user can do.
fn failure(wanted: &Wanted<'_>, token: Option<&str>, what: &str, error: WebError) -> Failure {
    let (hint, unreachable) = match &error {
        WebError::Status(401 | 403) => (
            "the repository does not exist or needs a login: set HF_TOKEN, and accept its terms on the hub's page",
            false,
        ),
        WebError::Status(404) => ("check the name and the revision", false),
        WebError::Status(_) | WebError::Redirect(_) => ("the server refused: try again later", false),
        WebError::Transport(_) => {
            ("check the network and HF_ENDPOINT; what was fetched once is used without a network", true)
        }
        WebError::Here(_) => ("", false),
    };
    if let WebError::Here(error) = error {
        return Failure::Other(error);
    }
    let mut reason = text::without_secrets(&format!("{what}: {error}"));
    if let Some(token) = token {
        reason = reason.replace(token, "(token)");
    }
    let error = DataError::Download { locator: wanted.locator.to_string(), reason, hint: hint.to_owned() };
    if unreachable { Failure::Unreachable(error) } else { Failure::Other(error) }
}

/// What the server says of a revision.
#[derive(Debug, Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

/// A file of a repository.
#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
}

/// The server as asked for one repository.
struct Hub<'a> {
    wanted: &'a Wanted<'a>,
    cache: &'a HubCache,
    endpoint: String,
    token: Option<String>,
    web: Web,
    progress: &'a dyn Progress,
}

/// Fetches the wanted files of the revision's present commit: (commit, files).
fn download(
    wanted: &Wanted<'_>,
    cache: &HubCache,
    environment: &Environment,
    progress: &dyn Progress,
) -> Result<(String, Vec<String>), Failure> {
    let token = environment.hf_token.clone().or_else(|| cache.token());
    let endpoint = environment.hf_endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/').to_owned();
    let web = Web::new(&endpoint, token.clone());
    let hub = Hub { wanted, cache, endpoint, token, web, progress };
    let info = hub.info()?;
    let all: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
    if let Some(bad) = all.iter().find(|name| place::inner_path(name).is_err()) {
        return Err(hub.unsafe_name("the file", bad));
    }
    let names = wanted.choose(&all)?;
    for name in &names {
        if progress.cancelled() {
            return Err(Failure::Other(DataError::Cancelled));
        }
        hub.file(&info.sha, name)?;
    }
    let revision = cache.repo(wanted.at(wanted.revision));
    revision.create_ref(&info.sha).map_err(DataError::io("write", cache.path()))?;
    Ok((info.sha, names))
}

impl Hub<'_> {
    fn failed(&self, what: &str, error: WebError) -> Failure {
        failure(self.wanted, self.token.as_deref(), what, error)
    }

    fn unsafe_name(&self, what: &str, name: &str) -> Failure {
        Failure::Other(DataError::Download {
            locator: self.wanted.locator.to_string(),
            reason: format!("the server gives {what} `{}`", text::name(name)),
            hint: "do not use this server".to_owned(),
        })
    }

    /// The present commit of the revision and its files.
    fn info(&self) -> Result<Info, Failure> {
        let what = "asking for the list of files";
        let url = format!("{}/api/{}", self.endpoint, self.wanted.at(self.wanted.revision).api_url());
        let answer = self.web.get(&url, 0).and_then(|answer| answer.text(LONGEST_LIST));
        let text = answer.map_err(|error| self.failed(what, error))?;
        let info: Info = serde_json::from_str(&text).map_err(|error| {
            self.failed(what, WebError::Redirect(format!("the answer is not such a list: {error}")))
        })?;
        if place::is_name(&info.sha) { Ok(info) } else { Err(self.unsafe_name("the commit", &info.sha)) }
    }

    /// Fetches one file of a commit, unless it is there: as a blob named by its tag, and a link to it.
    fn file(&self, commit: &str, name: &str) -> Result<(), Failure> {
        // By commit: the branch may move between two files.
        let repo = self.cache.repo(self.wanted.at(commit));
        let pointer = repo.pointer_path(commit).join(name);
        if pointer.exists() {
            return Ok(());
        }
        let what = format!("fetching {name}");
        let url =
            format!("{}/{}/resolve/{commit}/{}", self.endpoint, self.wanted.at(commit).url(), escaped(name));
        let answer = self.web.get(&url, 0).map_err(|error| self.failed(&what, error))?;
        let tag = self.tag(&answer, commit, &what)?;
        let blob = repo.blob_path(&tag);
        for folder in [blob.parent(), pointer.parent()].into_iter().flatten() {
            std::fs::create_dir_all(folder).map_err(DataError::io("make the folder", folder))?;
        }
        // The lock that other programs of the hub hold while they write the same blob.
        let lock = blob.with_extension("lock");
        let held = std::fs::File::create(&lock).map_err(DataError::io("create", &lock))?;
        held.lock().map_err(DataError::io("lock", &lock))?;
        if !blob.exists() {
            let part = blob.with_extension("part");
            let saved = self.web.save(&url, answer, &part, self.progress);
            let saved = saved.map_err(|error| self.failed(&what, error));
            if let Err(failure) = saved.and_then(|()| self.check(name, &part, &tag)) {
                let _ = std::fs::remove_file(&part);
                return Err(failure);
            }
            std::fs::rename(&part, &blob).map_err(DataError::io("rename to", &blob))?;
        }
        if pointer.exists() {
            return Ok(());
        }
        point(&pointer, &blob, name).map_err(DataError::io("write", &pointer))?;
        Ok(())
    }

    /// A file's tag, which a path is made of: it must be a plain name.
    fn tag(&self, answer: &Answer, commit: &str, what: &str) -> Result<String, Failure> {
        let missing = |header: &str| {
            self.failed(what, WebError::Redirect(format!("the server's answer has no header `{header}`")))
        };
        let found = answer.home_header("x-repo-commit").ok_or_else(|| missing("x-repo-commit"))?;
        if found != commit {
            return Err(self.unsafe_name("another commit", found));
        }
        let tag = answer.home_header("x-linked-etag").or_else(|| answer.home_header("etag"));
        let tag = tag.ok_or_else(|| missing("etag"))?;
        let tag = tag.trim_start_matches("W/").replace('"', "");
        if place::is_name(&tag) { Ok(tag) } else { Err(self.unsafe_name("the tag", &tag)) }
    }

    /// Large files are named by their SHA-256, which tells whether all of it arrived.
    fn check(&self, name: &str, path: &Path, tag: &str) -> Result<(), Failure> {
        if tag.len() != 64 || !tag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(());
        }
        let found = package::sha256(path)?;
        if found == tag {
            return Ok(());
        }
        Err(Failure::Other(DataError::Download {
            locator: self.wanted.locator.to_string(),
            reason: format!("{name} arrived damaged: its SHA-256 is {found} instead of {tag}"),
            hint: "try again".to_owned(),
        }))
    }
}

/// Puts a link to `blob` at `pointer`, `name` below its commit's folder; where there are no links, the file itself.
fn point(pointer: &Path, blob: &Path, name: &str) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let file = blob.file_name().unwrap_or_default();
        let target = PathBuf::from("../".repeat(name.split('/').count() + 1)).join("blobs").join(file);
        match std::os::unix::fs::symlink(target, pointer) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                std::fs::remove_file(pointer)?;
                std::fs::copy(blob, pointer).map(|_| ())
            }
            linked => linked,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = name;
        std::fs::copy(blob, pointer).map(|_| ())
    }
}

/// A path as part of an address.
fn escaped(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
