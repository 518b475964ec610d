//! The run folder: its layout, and the lock that keeps a second run out.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use limbeck_data::DataError;

use super::error::PipelineError;

/// A run folder held by this process.
#[derive(Debug)]
pub(crate) struct RunFolder {
    root: PathBuf,
    /// Locked as long as it is open; the kernel releases it when the process ends, however it ends.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder if needed and locks it.
    pub(crate) fn open(root: &Path) -> Result<Self, PipelineError> {
        let fail = |action| {
            let path = root.to_owned();
            move |source| PipelineError::Folder { action, path, source }
        };
        fs::create_dir_all(root).map_err(fail("make the run folder"))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(fail("open the lock in"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(PipelineError::Locked { folder: root.to_owned() }),
            Err(TryLockError::Error(source)) => Err(fail("lock")(source)),
        }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the folder.
    pub(crate) fn at(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where the trainer keeps the state of a network whose inputs hash to `fingerprint`. Checkpoints of
    /// other inputs are removed: they belong to another training.
    pub(crate) fn checkpoints(&self, network: &str, fingerprint: &str) -> Result<PathBuf, DataError> {
        let parent = self.root.join("checkpoints");
        let wanted = format!("{network}-{}", &fingerprint[..fingerprint.len().min(SHORT)]);
        for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
            if is_checkpoint_of(network, &entry) && *entry.file_name() != *wanted {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let path = parent.join(wanted);
        fs::create_dir_all(&path).map_err(DataError::io("make", &path))?;
        Ok(path)
    }

    /// Removes the checkpoints of a finished network.
    pub(crate) fn clear_checkpoints(&self, network: &str) {
        let parent = self.root.join("checkpoints");
        for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
            if is_checkpoint_of(network, &entry) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        // The parent goes too once it is empty.
        let _ = fs::remove_dir(parent);
    }
}

/// Digits of a fingerprint in the name of a folder of checkpoints.
const SHORT: usize = 12;

/// Whether a folder's name is that of checkpoints of `network`, and not of `network-2`.
fn is_checkpoint_of(network: &str, entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let rest = name.to_str().and_then(|name| name.strip_prefix(network)?.strip_prefix('-'));
    rest.is_some_and(|hash| hash.len() == SHORT && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_folder_has_one_writer() {
        let place = tempfile::tempdir().unwrap();
        let first = RunFolder::open(place.path()).unwrap();
        match RunFolder::open(place.path()) {
            Err(PipelineError::Locked { .. }) => {}
            other => panic!("expected Locked, found {other:?}"),
        }
        drop(first);
        RunFolder::open(place.path()).unwrap();
    }
}
