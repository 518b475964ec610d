//! What killed processes left: half-written files and folders, and folders moved aside.
//!
//! Whoever writes holds a lock on the temporary file or folder, which the system releases when the process ends, however
//! it ends. One that can be locked has no writer any more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::DataError;

/// How names of things under construction begin.
pub(super) const WRITING: &str = ".writing-";
/// How names of folders that were moved aside begin; the name they had follows.
pub(super) const REPLACED: &str = ".replaced-";
/// How both end.
pub(super) const SUFFIX: &str = ".tmp";
/// Name of the old folder within the one it was moved into.
pub(super) const OLD: &str = "old";
/// Where others may write too, a temporary file has this long to be locked by its writer.
const GRACE: Duration = Duration::from_secs(2);

/// Holds the lock that says that a writer lives. A file system without locks keeps its leftovers.
pub(super) fn hold(handle: &File) {
    let _ = handle.try_lock();
}

fn is_leftover(name: &str) -> bool {
    (name.starts_with(WRITING) || name.starts_with(REPLACED)) && name.ends_with(SUFFIX)
}

/// Whether nobody writes it any more.
fn is_abandoned(path: &Path) -> bool {
    let old_enough = fs::metadata(path)
        .and_then(|facts| facts.modified())
        .is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= GRACE));
    old_enough && File::open(path).is_ok_and(|handle| handle.try_lock().is_ok())
}

fn remove(path: &Path) -> Result<(), DataError> {
    let facts = fs::symlink_metadata(path).map_err(DataError::io("look at", path))?;
    let removed = if facts.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(DataError::io("remove", path))
}

/// Names and paths of the leftovers in a folder; none when it cannot be listed.
fn leftovers(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| is_leftover(name))
        .collect()
}

/// Puts back what was moved aside for a folder that never came.
fn put_back(folder: &Path, name: &str, aside: &Path) {
    let wanted = name.strip_prefix(REPLACED).and_then(|rest| rest.strip_suffix(SUFFIX));
    let Some((wanted, _random)) = wanted.and_then(|rest| rest.rsplit_once('-')) else { return };
    let (old, place) = (aside.join(OLD), folder.join(wanted));
    if old.is_dir() && !place.exists() {
        // When it fails the old folder stays where it is.
        let _ = fs::rename(old, place);
    }
}

/// Looks after one folder that other processes may write into as well.
fn sweep_shared(folder: &Path) {
    for (name, path) in leftovers(folder) {
        if !is_abandoned(&path) {
            continue;
        }
        put_back(folder, &name, &path);
        let still_full = name.starts_with(REPLACED) && !replacement_stands(folder, &name);
        if !still_full {
            let _ = remove(&path);
        }
    }
}

fn replacement_stands(folder: &Path, name: &str) -> bool {
    let wanted = name.strip_prefix(REPLACED).and_then(|rest| rest.strip_suffix(SUFFIX));
    wanted.and_then(|rest| rest.rsplit_once('-')).is_some_and(|(wanted, _)| folder.join(wanted).exists())
}

/// As [`sweep_shared`], once a process and folder.
pub(super) fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let fresh = SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_path_buf());
    if fresh {
        sweep_shared(folder);
    }
}

/// Removes everything half-written at or below `folder`, which nobody else writes into: the caller holds its lock. A folder
/// that was moved aside, and whose replacement never came, is put back.
///
/// # Errors
/// What cannot be removed.
pub fn sweep(folder: &Path) -> Result<(), DataError> {
    for (name, path) in leftovers(folder) {
        put_back(folder, &name, &path);
        if name.starts_with(WRITING) || replacement_stands(folder, &name) {
            remove(&path)?;
        }
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::{AtomicFile, AtomicFolder};

    #[test]
    fn what_a_kill_left_goes_and_what_is_being_written_stays() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("below");
        fs::create_dir_all(below.join(".writing-abc.tmp")).unwrap();
        fs::write(below.join(".writing-abc.tmp/x"), "half").unwrap();
        fs::write(root.path().join(".writing-def.tmp"), "half").unwrap();
        fs::write(root.path().join(".writing-mine"), "another program's").unwrap();
        fs::create_dir_all(root.path().join(".replaced-model-a-ghi.tmp/old")).unwrap();
        fs::write(root.path().join(".replaced-model-a-ghi.tmp/old/weights"), "kept").unwrap();
        sweep(root.path()).unwrap();
        assert_eq!(fs::read(root.path().join("model-a/weights")).unwrap(), b"kept");
        let mut left: Vec<_> =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".writing-mine", "below", "model-a"]);
        assert_eq!(fs::read_dir(&below).unwrap().count(), 0);
    }

    #[test]
    fn a_living_writer_keeps_its_files_where_others_write_too() {
        let root = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(&root.path().join("a")).unwrap();
        let folder = AtomicFolder::create(&root.path().join("b")).unwrap();
        fs::write(root.path().join(".writing-dead.tmp"), "half").unwrap();
        let earlier = std::time::SystemTime::now() - Duration::from_secs(60);
        for entry in fs::read_dir(root.path()).unwrap() {
            File::open(entry.unwrap().path()).unwrap().set_modified(earlier).unwrap();
        }
        sweep_shared(root.path());
        assert!(!root.path().join(".writing-dead.tmp").exists());
        file.commit().unwrap();
        folder.commit().unwrap();
        assert!(root.path().join("a").exists() && root.path().join("b").exists());
    }
}
