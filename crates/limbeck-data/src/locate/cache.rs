//! The cache: one folder a package, with a manifest that says what must be in it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::env::Environment;
use crate::{DataError, atomic, hash};

/// The manifest's name beside the unpacked content.
const MANIFEST: &str = "manifest.json";
/// The folder of the unpacked content.
const CONTENT: &str = "content";

/// Where fetched packages stand, and the environment they are fetched with.
///
/// `<root>/pypi/<name>-<version>/{manifest.json,content/...}`, the same for `npm`; `<root>/hub/...json` are the
/// manifests of what stands in the Hugging Face folder. A folder appears complete, by a rename, or not
/// at all, so any number of processes may share the cache.
#[derive(Debug, Clone)]
pub struct Cache {
    /// None where the environment names no folder: then only what stands on this machine can be had.
    root: Option<PathBuf>,
    environment: Environment,
}

/// What a fetched package must consist of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The locator without its inner path.
    pub(super) locator: String,
    /// Name of the archive it came in (packages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) archive: Option<String>,
    /// SHA-256 of that archive (packages), or the commit (hub).
    pub(super) checksum: String,
    /// BLAKE3 over all files, as [`hash::hash_folder`].
    pub(super) content: String,
    /// Every file.
    pub(super) files: Vec<ManifestFile>,
}

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ManifestFile {
    /// Path relative to the content, with `/`.
    pub(super) path: String,
    /// Its size.
    pub(super) bytes: u64,
}

impl Manifest {
    /// Describes the chosen files of `folder`.
    pub(super) fn of(
        locator: String,
        archive: Option<String>,
        checksum: String,
        folder: &Path,
        names: Vec<String>,
    ) -> Result<Self, DataError> {
        let content = hash::hash_files(folder, &names)?;
        let files = names
            .into_iter()
            .map(|path| {
                let full = folder.join(&path);
                let bytes = fs::metadata(&full).map_err(DataError::io("look at", &full))?.len();
                Ok(ManifestFile { path, bytes })
            })
            .collect::<Result<_, DataError>>()?;
        Ok(Self { locator, archive, checksum, content, files })
    }

    /// What in `folder` is not as the manifest says (names and sizes; contents are not read), or none.
    pub(super) fn difference(&self, folder: &Path) -> Option<String> {
        self.files.iter().find_map(|file| match fs::metadata(folder.join(&file.path)) {
            Ok(facts) if facts.len() == file.bytes => None,
            Ok(facts) => Some(format!("`{}` has {} bytes instead of {}", file.path, facts.len(), file.bytes)),
            Err(_) => Some(format!("`{}` is not there", file.path)),
        })
    }
}

/// What the cache has for a package.
pub(super) enum Stored {
    /// Nothing.
    Absent,
    /// The complete content.
    Complete(Manifest),
    /// Something that is not what was fetched.
    Damaged(String),
}

impl Cache {
    /// A cache in `root`, with everything else the environment says.
    pub fn new(root: impl Into<PathBuf>, environment: Environment) -> Self {
        Self { root: Some(root.into()), environment }
    }

    /// The user's cache: `LIMBECK_CACHE`, else `XDG_CACHE_HOME/limbeck`, else `~/.cache/limbeck`. Where none of the three
    /// variables is set, [`Cache::root`] says so once something is to be fetched.
    pub fn from_env() -> Self {
        let environment = Environment::from_process();
        Self { root: environment.cache_folder(), environment }
    }

    /// The folder.
    ///
    /// # Errors
    /// The environment names none.
    pub fn root(&self) -> Result<&Path, DataError> {
        self.root.as_deref().ok_or_else(|| DataError::Argument {
            name: "the cache folder",
            found: "unset".to_owned(),
            expected: "LIMBECK_CACHE, XDG_CACHE_HOME or HOME in the environment".to_owned(),
        })
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The folder of one package of one registry.
    pub(super) fn package(&self, registry: &str, name: &str, version: &str) -> Result<PathBuf, DataError> {
        // A scope's slash becomes `+`, which no name has.
        Ok(self.root()?.join(registry).join(format!("{}-{version}", name.replace('/', "+"))))
    }

    /// The manifest of a hub repository.
    pub(super) fn hub_manifest(
        &self,
        repo: &str,
        revision: &str,
        dataset: bool,
        selection: &str,
    ) -> Result<PathBuf, DataError> {
        let kind = if dataset { "datasets" } else { "models" };
        let key = &hash::hash_bytes(format!("{kind}\n{repo}\n{revision}\n{selection}").as_bytes())[..16];
        Ok(self.root()?.join("hub").join(format!("{kind}--{}--{key}.json", repo.replace('/', "--"))))
    }

    /// The content of a package folder.
    pub(super) fn content(package: &Path) -> PathBuf {
        package.join(CONTENT)
    }

    /// Looks whether a package folder is as its manifest says.
    pub(super) fn stored(package: &Path) -> Stored {
        if !package.exists() {
            return Stored::Absent;
        }
        match atomic::read_json::<Manifest>(&package.join(MANIFEST)) {
            Ok(manifest) => match manifest.difference(&Self::content(package)) {
                None => Stored::Complete(manifest),
                Some(reason) => Stored::Damaged(reason),
            },
            Err(error) => Stored::Damaged(error.to_string()),
        }
    }

    /// Writes the manifest of a package folder under construction.
    pub(super) fn write_manifest(package: &Path, manifest: &Manifest) -> Result<(), DataError> {
        atomic::write_json(&package.join(MANIFEST), manifest)
    }
}
