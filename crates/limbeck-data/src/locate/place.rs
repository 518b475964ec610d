//! Names and paths as they may stand in a locator, and finding things inside what it led to.

use std::path::{Path, PathBuf};

use super::Locator;
use crate::{DataError, hash};

/// Splits `scheme:rest`. A single letter before the colon is a Windows drive, and a scheme has no
/// slash: everything else is a path.
pub(super) fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let known =
        scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    known.then_some((scheme, rest))
}

/// A name that is safe as a part of a path and as an argument: letters, digits, `-`, `_`, `.`,
/// beginning with a letter or digit (so never an option, and never `..`).
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.len() <= 200
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A Python version: as a name, with `+` and `!`; no `*`, which would not be exact.
pub(super) fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.len() <= 200
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'!'))
}

/// An exact npm version, three numbers first; `latest` or `^1` would fetch something else tomorrow.
pub(super) fn is_exact_npm(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    is_version(text)
        && core.split('.').count() == 3
        && core.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A relative path that stays inside its folder: parts between `/`, none of them empty, `.`, `..`, or
/// with a backslash, a colon or a NUL.
pub fn inner_path(text: &str) -> Result<PathBuf, String> {
    let mut path = PathBuf::new();
    for part in text.split('/') {
        if part.is_empty() || part == "." || part == ".." || part.contains(['\\', ':', '\0']) {
            return Err(format!("`{}` is not a path inside a folder", text.escape_debug()));
        }
        path.push(part);
    }
    Ok(path)
}

/// `inner` below `root`, which must exist.
pub(super) fn inside(locator: &Locator, root: &Path, inner: Option<&str>) -> Result<PathBuf, DataError> {
    let Some(inner) = inner else {
        return Ok(root.to_path_buf());
    };
    let relative =
        inner_path(inner).map_err(|reason| DataError::Locator { text: locator.to_string(), reason })?;
    let path = root.join(relative);
    if path.exists() {
        return Ok(path);
    }
    let mut near: Vec<String> = if root.is_dir() { hash::list_files(root)? } else { Vec::new() };
    let total = near.len();
    near.truncate(8);
    let more = if total > near.len() { format!(" and {} more", total - near.len()) } else { String::new() };
    Err(DataError::Missing {
        locator: locator.to_string(),
        reason: format!("there is no `{inner}` inside; there are {}{more}", near.join(", ")),
    })
}

/// The one file with this extension (without dot) at or below `path`: the GGUF of a package, say.
///
/// # Errors
/// No such file, or several: then the message lists them, and the user picks one with `#inner/path`.
pub fn find_one(path: &Path, extension: &str) -> Result<PathBuf, DataError> {
    let fits =
        |name: &str| Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
    if path.is_file() && path.to_str().is_some_and(fits) {
        return Ok(path.to_path_buf());
    }
    let mut found: Vec<String> = if path.is_dir() { hash::list_files(path)? } else { Vec::new() };
    found.retain(|name| fits(name));
    match found.as_slice() {
        [one] => Ok(path.join(one)),
        [] => Err(DataError::Unsupported {
            path: path.to_path_buf(),
            found: format!("no .{extension} file"),
            expected: "exactly one".to_owned(),
        }),
        several => Err(DataError::Unsupported {
            path: path.to_path_buf(),
            found: format!("{} .{extension} files ({})", several.len(), several.join(", ")),
            expected: "one, chosen by ending the locator in #path/of/the/file".to_owned(),
        }),
    }
}
