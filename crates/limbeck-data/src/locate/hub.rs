//! Repositories of the Hugging Face hub, in the folder that its other programs use too.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache as HubCache, Repo, RepoType};

use super::cache::{Cache, Manifest};
use super::{Located, Locator, package, place};
use crate::env::Environment;
use crate::progress::Progress;
use crate::{DataError, atomic, hash};

/// Tries after a failed transfer before giving up.
const RETRIES: usize = 3;

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
    let manifest_path = cache.hub_manifest(repo, revision, *dataset, inner.as_deref().unwrap_or_default());
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

/// Sorts an error of the hub's client by what the user can do.
fn failure(wanted: &Wanted<'_>, token: Option<&str>, what: &str, error: &ApiError) -> Failure {
    let mut reason = format!("{what}: {error}");
    if let Some(token) = token {
        reason = reason.replace(token, "(token)");
    }
    let status = |code: &str| reason.contains(&format!("status: {code}"));
    let (hint, unreachable) = if status("401") || status("403") {
        (
            "the repository does not exist or needs a login: set HF_TOKEN, and accept its terms on the hub's page",
            false,
        )
    } else if status("404") {
        ("check the name and the revision", false)
    } else if reason.contains("status:") {
        ("the server refused: try again later", false)
    } else {
        ("check the network and HF_ENDPOINT; what was fetched once is used without a network", true)
    };
    let error = DataError::Download { locator: wanted.locator.to_string(), reason, hint: hint.to_owned() };
    if unreachable { Failure::Unreachable(error) } else { Failure::Other(error) }
}

/// Hands the client's progress on.
struct Report<'a>(&'a dyn Progress);

impl hf_hub::api::Progress for Report<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        self.0.start(&format!("fetching {filename}"), size as u64, "bytes");
    }

    fn update(&mut self, size: usize) {
        self.0.advance(size as u64);
    }

    fn finish(&mut self) {
        self.0.finish();
    }
}

/// Fetches the wanted files of the revision's present commit: (commit, files).
fn download(
    wanted: &Wanted<'_>,
    hub: &HubCache,
    environment: &Environment,
    progress: &dyn Progress,
) -> Result<(String, Vec<String>), Failure> {
    let token = environment.hf_token.clone().or_else(|| hub.token());
    let mut builder = ApiBuilder::from_cache(hub.clone())
        .with_progress(false)
        .with_retries(RETRIES)
        .with_token(token.clone())
        .with_user_agent("limbeck", env!("CARGO_PKG_VERSION"));
    if let Some(endpoint) = &environment.hf_endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    let failed = |what: &str, error: &ApiError| failure(wanted, token.as_deref(), what, error);
    let api = builder.build().map_err(|error| failed("starting", &error))?;
    let info = api
        .repo(wanted.at(wanted.revision))
        .info()
        .map_err(|error| failed("asking for the list of files", &error))?;
    let unsafe_name = |what: &str, name: &str| {
        Failure::Other(DataError::Download {
            locator: wanted.locator.to_string(),
            reason: format!("the server gives {what} `{}`", name.escape_debug()),
            hint: "do not use this server".to_owned(),
        })
    };
    if !place::is_name(&info.sha) {
        return Err(unsafe_name("the commit", &info.sha));
    }
    let all: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
    if let Some(bad) = all.iter().find(|name| place::inner_path(name).is_err()) {
        return Err(unsafe_name("the file", bad));
    }
    let names = wanted.choose(&all)?;
    // By commit from here on: the branch may move between two files.
    let repo = api.repo(wanted.at(&info.sha));
    let folder = hub.repo(wanted.at(&info.sha)).pointer_path(&info.sha);
    for name in &names {
        if progress.cancelled() {
            return Err(Failure::Other(DataError::Cancelled));
        }
        if folder.join(name).exists() {
            continue;
        }
        let etag = checked_etag(&api, &repo.url(name), &info.sha, &unsafe_name, &failed)?;
        let path = repo
            .download_with_progress(name, Report(progress))
            .map_err(|error| failed(&format!("fetching {name}"), &error))?;
        // Large files are named by their SHA-256, which tells whether all of it arrived.
        if etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let found = package::sha256(&path)?;
            if found != etag {
                let blob = path.canonicalize().map_err(DataError::io("look at", &path))?;
                for gone in [&path, &blob] {
                    // The link goes first; where the file itself stood there, the second is gone already.
                    let _ = std::fs::remove_file(gone);
                }
                return Err(Failure::Other(DataError::Download {
                    locator: wanted.locator.to_string(),
                    reason: format!("{name} arrived damaged: its SHA-256 is {found} instead of {etag}"),
                    hint: "try again".to_owned(),
                }));
            }
        }
    }
    hub.repo(wanted.at(wanted.revision)).create_ref(&info.sha).map_err(DataError::io("write", hub.path()))?;
    Ok((info.sha, names))
}

/// Asks for a file's tag, which the client makes a path of: it must be a plain name.
fn checked_etag(
    api: &Api,
    url: &str,
    commit: &str,
    unsafe_name: &dyn Fn(&str, &str) -> Failure,
    failed: &dyn Fn(&str, &ApiError) -> Failure,
) -> Result<String, Failure> {
    let facts = api.metadata(url).map_err(|error| failed("asking for a file", &error))?;
    if facts.commit_hash() != commit {
        return Err(unsafe_name("another commit", facts.commit_hash()));
    }
    if !place::is_name(facts.etag()) {
        return Err(unsafe_name("the tag", facts.etag()));
    }
    Ok(facts.etag().to_owned())
}
