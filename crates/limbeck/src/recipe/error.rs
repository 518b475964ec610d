//! What can be wrong with a recipe; every problem names its place and key.

use std::fmt;
use std::path::{Path, PathBuf};

use super::builtin::BUILTIN;
use super::meant::nearest;
use super::origin::Origin;

/// One thing wrong with a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// The dotted key; absent when the text is not TOML at all.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
    /// What to type instead.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read the recipe {path}", path = path.display())]
    Read {
        /// The recipe.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No recipe of this name is built in.
    #[error("there is no recipe named `{name}`")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The built-in names.
        known: Vec<String>,
    },
    /// The recipe says something that cannot be.
    #[error("{}", list(problems))]
    Invalid {
        /// Everything found wrong, in the order of the file.
        problems: Vec<Problem>,
    },
    /// The recipe that a run's results keep cannot be read.
    #[error("the recipe in the results cannot be read")]
    Results(#[from] toml::de::Error),
    /// The resolved recipe cannot be written as TOML: a defect of ours.
    #[error("cannot write the resolved recipe as TOML")]
    Write(#[from] toml::ser::Error),
}

impl RecipeError {
    /// Lines of advice to print below the error.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Invalid { problems } => {
                let mut hints: Vec<String> = Vec::new();
                for hint in problems.iter().filter_map(|problem| problem.hint.clone()) {
                    if !hints.contains(&hint) {
                        hints.push(hint);
                    }
                }
                hints
            }
            Self::Unknown { name, known } => {
                let near = nearest(name, known.iter().map(String::as_str));
                let meant = near.map(|near| format!("did you mean `{near}`?"));
                meant.into_iter().chain([format!("built in are: {}", known.join(", "))]).collect()
            }
            Self::Read { path, .. } if path.is_dir() => {
                let inside = path.join("recipe.toml");
                let meant = if inside.is_file() { inside } else { path.join("NAME.toml") };
                vec![format!("a recipe is a file: did you mean `{}`?", meant.display())]
            }
            Self::Read { path, .. } if !path.exists() => {
                let meant = recipe_like(path).map(|meant| format!("did you mean `{meant}`?"));
                let listed = "`limbeck recipes list` names the recipes that are built in".to_owned();
                meant.into_iter().chain([listed]).collect()
            }
            Self::Read { .. } | Self::Results(_) | Self::Write(_) => Vec::new(),
        }
    }
}

impl From<Problem> for RecipeError {
    fn from(problem: Problem) -> Self {
        Self::Invalid { problems: vec![problem] }
    }
}

/// The recipe that is meant by a path where nothing is: one built in, or a file beside it.
fn recipe_like(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".toml").unwrap_or(name);
    if let Some(one) = nearest(stem, BUILTIN.iter().map(|one| one.name)) {
        return Some(one.to_owned());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let files: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|file| file.ends_with(".toml"))
        .collect();
    let near = nearest(stem, files.iter().filter_map(|file| file.strip_suffix(".toml")))?;
    Some(path.with_file_name(format!("{near}.toml")).display().to_string())
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n       ")
}
