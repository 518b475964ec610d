//! Where a value of a recipe was written, so that an error can name the place.

use std::fmt;
use std::path::PathBuf;

use limbeck_data::text;

/// The place a key or value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a recipe file, counted from 1.
    File {
        /// The recipe.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A flag.
    Flag {
        /// The flag with its value, such as `--set key=value`.
        argument: String,
    },
    /// The defaults compiled into the program.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { argument } => f.write_str(&text::name(&text::without_secrets(argument))),
            Self::Default => f.write_str("defaults"),
        }
    }
}
