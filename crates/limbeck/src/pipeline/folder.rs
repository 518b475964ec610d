//! The run folder: its layout, and the lock that keeps a second run out.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use limbeck_data::DataError;
use limbeck_data::atomic::{check_replaceable, sweep};

use super::error::PipelineError;
use super::finished::RECIPE;
use super::manifest::{MANIFEST, Manifest};

/// Held by the process that writes a run folder.
const LOCK: &str = "lock";
/// Files and folders that a run writes, beside those that are named after a network.
const OURS: [&str; 12] = [
    RECIPE,
    MANIFEST,
    LOCK,
    "metrics.jsonl",
    "results.json",
    "report.html",
    "evaluation.json",
    "audit.json",
    "models.json",
    "data",
    "training",
    "checkpoints",
];
/// Beginnings of the names of what is made of a network.
const OF_NETWORKS: [&str; 4] = ["student", "baseline", "teacher", "signals"];

/// A run folder held by this process.
#[derive(Debug)]
pub(crate) struct RunFolder {
    root: PathBuf,
    /// Locked as long as it is open; the kernel releases it when the process ends, however it ends.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder if needed, locks it, and removes what a killed run left half-written.
    ///
    /// # Errors
    /// [`DataError::Foreign`] for a folder that is no run folder and holds something that a run would write over;
    /// [`PipelineError::Locked`] when another process has it.
    pub(crate) fn open(root: &Path) -> Result<Self, PipelineError> {
        let fail = |action| {
            let path = root.to_owned();
            move |source| PipelineError::Folder { action, path, source }
        };
        fs::create_dir_all(root).map_err(fail("make the run folder"))?;
        claim(root)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join(LOCK))
            .map_err(fail("open the lock in"))?;
        match lock.try_lock() {
            Ok(()) => {
                sweep(root)?;
                Ok(Self { root: root.to_owned(), _lock: lock })
            }
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

    /// Refuses to begin a stage whose folder holds something that is not ours: it would be replaced at the end.
    pub(crate) fn check_place_of(&self, stage: &str) -> Result<(), DataError> {
        let folders: &[&str] = match stage {
            // Found before the student is trained.
            "student" => &["student", "baseline"],
            "capture" => &["signals"],
            other => &[other],
        };
        let networks = folders.iter().filter(|name| OF_NETWORKS.iter().any(|one| name.starts_with(one)));
        networks.map(|name| self.root.join(name)).try_for_each(|place| check_replaceable(&place))
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

/// Refuses a folder that is not a run's and holds what a run would write over.
///
/// A run's has a manifest of ours, or the empty lock of one that was killed before it wrote its manifest.
fn claim(root: &Path) -> Result<(), DataError> {
    let lock = fs::metadata(root.join(LOCK));
    if Manifest::find(root).is_some() || lock.is_ok_and(|facts| facts.is_file() && facts.len() == 0) {
        return Ok(());
    }
    let entries = fs::read_dir(root).map_err(DataError::io("list", root))?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let place = root.join(&name);
        let ours = OURS.contains(&name.as_str()) || OF_NETWORKS.iter().any(|one| name.starts_with(one));
        let empty = place.is_dir() && fs::read_dir(&place).is_ok_and(|mut inside| inside.next().is_none());
        if ours && !empty {
            return Err(DataError::Foreign { path: root.to_owned(), found: format!("`{name}`") });
        }
    }
    Ok(())
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

    #[test]
    fn a_folder_of_somebodys_is_not_taken_for_a_run() {
        for (name, inside) in [
            ("recipe.toml", None),
            ("student", Some("thesis.tex")),
            ("lock", None),
            ("student-f32.gguf", None),
        ] {
            let place = tempfile::tempdir().unwrap();
            match inside {
                None => fs::write(place.path().join(name), "mine").unwrap(),
                Some(file) => {
                    fs::create_dir(place.path().join(name)).unwrap();
                    fs::write(place.path().join(name).join(file), "mine").unwrap();
                }
            }
            let error = RunFolder::open(place.path()).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("did not write"), "{error}");
            assert!(name == "lock" || !place.path().join("lock").exists());
        }
        // What does not stand in a run's way is no matter.
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("notes.md"), "mine").unwrap();
        fs::create_dir(place.path().join("data")).unwrap();
        let folder = RunFolder::open(place.path()).unwrap();
        // In a run's folder, what somebody put beside a network's files is found before the network is trained anew.
        fs::create_dir(place.path().join("baseline")).unwrap();
        fs::write(place.path().join("baseline/notes.md"), "mine").unwrap();
        folder.check_place_of("evaluate").unwrap();
        assert!(folder.check_place_of("student").unwrap_err().to_string().contains("notes.md"));
    }
}
