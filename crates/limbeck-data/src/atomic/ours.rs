//! Which files and folders were written by this program, and may therefore be replaced by it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{read_json, write_json};
use crate::{DataError, hash};

/// Name of the file in every folder of ours that says so.
pub const MARKER: &str = ".limbeck";

/// Files that a file manager puts into every folder it shows.
const HARMLESS: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];
/// What earlier versions, which knew no marker, wrote into folders: of a kind all names, and the one that tells the kind.
const UNMARKED: [(&str, &[&str]); 3] = [
    (
        "lineage.json",
        &[
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "lineage.json",
            "README.md",
            "training.json",
            "curve.json",
        ],
    ),
    ("signals.json", &["signals.json"]),
    ("classifier.safetensors", &["classifier.safetensors", "training.json"]),
];
/// Beginning and ending of the numbered files of such a folder.
const SHARD: (&str, &str) = ("shard-", ".parquet");

/// The marker's content.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    made_by: String,
    /// Every file of the folder, relative, with `/`.
    files: Vec<String>,
}

/// Marks a folder as ours, with all that is in it now.
pub(super) fn mark(folder: &Path) -> Result<(), DataError> {
    let marker = Marker { made_by: "limbeck".to_owned(), files: hash::list_files(folder)? };
    write_json(&folder.join(MARKER), &marker)
}

/// The files that we wrote into a folder, as far as it tells.
fn written(folder: &Path, files: &[String]) -> Option<Vec<String>> {
    if let Ok(marker) = read_json::<Marker>(&folder.join(MARKER)) {
        return Some(marker.files);
    }
    let (_, names) = UNMARKED
        .iter()
        .find(|(telling, _)| folder.join(telling).is_file() && is_json(&folder.join(telling)))?;
    let of_kind = |file: &&String| {
        names.contains(&file.as_str()) || (file.starts_with(SHARD.0) && file.ends_with(SHARD.1))
    };
    Some(files.iter().filter(of_kind).cloned().collect())
}

/// Whether a file that tells a kind is one of ours: JSON that is an object, or of another format.
fn is_json(path: &Path) -> bool {
    path.extension().is_none_or(|extension| extension != "json")
        || read_json::<serde_json::Map<String, serde_json::Value>>(path).is_ok()
}

/// What stands in a folder and was not written by us: a name, or none.
fn foreign(folder: &Path) -> Result<Option<String>, DataError> {
    let entries = fs::read_dir(folder).map_err(DataError::io("list", folder))?.count();
    if entries == 0 {
        return Ok(None);
    }
    let files = hash::list_files(folder)?;
    let ours = written(folder, &files).unwrap_or_default();
    let strange = files.into_iter().find(|file| {
        let name = file.rsplit('/').next().unwrap_or_default();
        !ours.contains(file) && !HARMLESS.contains(&name)
    });
    match strange {
        Some(file) => Ok(Some(file)),
        // Nothing but folders: somebody's, or a marked folder that lost its files.
        None if ours.is_empty() && !folder.join(MARKER).is_file() => Ok(Some("folders".to_owned())),
        None => Ok(None),
    }
}

/// Refuses to replace what is not ours: a file, or a folder with anything in it that we did not write. Nothing, an empty
/// folder, and a folder of ours (marked by [`MARKER`], or of a kind that earlier versions wrote) may be replaced.
///
/// # Errors
/// [`DataError::Foreign`], which names what would be lost.
pub fn check_replaceable(destination: &Path) -> Result<(), DataError> {
    let Ok(facts) = fs::metadata(destination) else { return Ok(()) };
    let refuse = |found: String| DataError::Foreign { path: destination.to_path_buf(), found };
    if !facts.is_dir() {
        return Err(refuse("a file".to_owned()));
    }
    match foreign(destination)? {
        Some(name) => Err(refuse(format!("`{}`", crate::text::name(&name)))),
        None => Ok(()),
    }
}

/// Refuses to replace a file that is not ours, which is told by its content: that it holds `sign` within its first 64 KiB.
/// No file, and an empty one, may be replaced.
///
/// # Errors
/// [`DataError::Foreign`].
pub fn check_file_replaceable(destination: &Path, sign: &str) -> Result<(), DataError> {
    let Ok(facts) = fs::metadata(destination) else { return Ok(()) };
    let refuse =
        |found: &str| DataError::Foreign { path: destination.to_path_buf(), found: found.to_owned() };
    if !facts.is_file() {
        return Err(refuse(if facts.is_dir() { "a folder" } else { "no plain file" }));
    }
    let mut head = Vec::new();
    File::open(destination)
        .and_then(|file| file.take(1 << 16).read_to_end(&mut head))
        .map_err(DataError::io("read", destination))?;
    let holds = head.windows(sign.len()).any(|part| part == sign.as_bytes());
    if head.is_empty() || holds { Ok(()) } else { Err(refuse("a file")) }
}

/// Removes a folder of ours: the files that we wrote into it, and the folders that are empty then. What others put there
/// stays. Gives whether the folder is gone.
///
/// # Errors
/// What cannot be removed.
pub fn remove_folder(folder: &Path) -> Result<bool, DataError> {
    if !fs::symlink_metadata(folder).is_ok_and(|facts| facts.is_dir()) {
        return Ok(!folder.exists());
    }
    let files = hash::list_files(folder)?;
    let Some(ours) = written(folder, &files) else { return Ok(false) };
    for file in files.iter().filter(|file| ours.contains(file)) {
        let path = folder.join(file);
        fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        let mut parent = path.parent();
        while let Some(inner) = parent.filter(|inner| *inner != folder) {
            if fs::remove_dir(inner).is_err() {
                break;
            }
            parent = inner.parent();
        }
    }
    let _ = fs::remove_file(folder.join(MARKER));
    Ok(fs::remove_dir(folder).is_ok())
}
