//! Folders that are there completely or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::leftovers::{self, OLD, REPLACED, SUFFIX, WRITING};
use super::{check_replaceable, folder_of, ours, sync_folder};
use crate::DataError;

/// A folder under construction: it takes its name on [`AtomicFolder::commit`]; dropped before, nothing is left.
#[derive(Debug)]
pub struct AtomicFolder {
    building: Building,
    destination: PathBuf,
    /// Locked as long as it is open: says that this process lives.
    _held: Option<File>,
}

/// Where a folder is built.
#[derive(Debug)]
enum Building {
    /// In a folder of its own, which goes when it does not take its name.
    Temporary(TempDir),
    /// In a folder that outlives a process, so that long work goes on there.
    Lasting(PathBuf),
}

impl Building {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Lasting(path) => path,
        }
    }
}

impl AtomicFolder {
    /// A folder that was filled at `building`, on the file system of `destination`, and will become that.
    pub fn of(building: PathBuf, destination: &Path) -> Self {
        Self { building: Building::Lasting(building), destination: destination.to_path_buf(), _held: None }
    }

    /// Starts a folder that will become `destination`; missing parent folders are made.
    pub fn create(destination: &Path) -> Result<Self, DataError> {
        // The folder behind a link is replaced, not the link.
        let destination = if fs::symlink_metadata(destination).is_ok_and(|facts| facts.is_symlink()) {
            destination.canonicalize().map_err(DataError::io("follow the link", destination))?
        } else {
            destination.to_path_buf()
        };
        let parent = folder_of(&destination);
        fs::create_dir_all(parent).map_err(DataError::io("make the folder", parent))?;
        leftovers::sweep_once(parent);
        let building = tempfile::Builder::new()
            .prefix(WRITING)
            .suffix(SUFFIX)
            .tempdir_in(parent)
            .map_err(DataError::io("create a folder in", parent))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(building.path(), fs::Permissions::from_mode(0o755))
                .map_err(DataError::io("set the permissions of", building.path()))?;
        }
        // Only Unix can open a folder.
        let held = File::open(building.path()).ok();
        held.iter().for_each(leftovers::hold);
        Ok(Self { building: Building::Temporary(building), destination, _held: held })
    }

    /// The folder to fill.
    pub fn path(&self) -> &Path {
        self.building.path()
    }

    /// Flushes everything inside to the disk and takes the place of what stood at the destination, which must be ours
    /// ([`check_replaceable`]).
    ///
    /// A folder cannot be renamed over a full one, so the old one is first renamed aside, and removed once the new one
    /// stands: a crash between the two renames leaves no folder at the destination, but the old one beside it, and
    /// whoever writes there next puts it back.
    ///
    /// # Errors
    /// [`DataError::Foreign`] when something that is not ours would be replaced, or what the file system says. The old
    /// folder stays then.
    pub fn commit(self) -> Result<(), DataError> {
        check_replaceable(&self.destination)?;
        self.commit_owned()
    }

    /// As [`AtomicFolder::commit`], where the place is this program's own (a cache, checkpoints) and all that stands there may be
    /// replaced.
    ///
    /// # Errors
    /// What the file system says. The old folder stays then.
    pub fn commit_owned(self) -> Result<(), DataError> {
        self.commit_or(replace).map(|_| ())
    }

    /// As [`AtomicFolder::commit`], but lets a folder that is already there stand.
    /// Gives whether this one took the place.
    pub fn commit_if_absent(self) -> Result<bool, DataError> {
        let mut won = true;
        self.commit_or(|_, _| {
            won = false;
            Ok(())
        })?;
        Ok(won)
    }

    fn commit_or<F>(self, occupied: F) -> Result<(), DataError>
    where
        F: FnOnce(&Path, &Path) -> Result<(), DataError>,
    {
        ours::mark(self.building.path())?;
        sync_tree(self.building.path())?;
        // `rename` itself decides the race: it refuses a destination that is a folder with content.
        match fs::rename(self.building.path(), &self.destination) {
            Ok(()) => {}
            Err(_) if self.destination.exists() => occupied(&self.destination, self.building.path())?,
            Err(error) => return Err(DataError::io("rename to", &self.destination)(error)),
        }
        sync_folder(folder_of(&self.destination))
    }
}

/// Puts `building` in the place of the folder `destination`.
fn replace(destination: &Path, building: &Path) -> Result<(), DataError> {
    let parent = folder_of(destination);
    let name = destination.file_name().unwrap_or_default().to_string_lossy();
    let aside = tempfile::Builder::new()
        .prefix(&format!("{REPLACED}{name}-"))
        .suffix(SUFFIX)
        .tempdir_in(parent)
        .map_err(DataError::io("create a folder in", parent))?;
    let held = File::open(aside.path()).ok();
    held.iter().for_each(leftovers::hold);
    let old = aside.path().join(OLD);
    fs::rename(destination, &old).map_err(DataError::io("move aside", destination))?;
    if let Err(error) = fs::rename(building, destination) {
        if fs::rename(&old, destination).is_err() {
            // Better a folder under another name than none.
            let kept = aside.keep();
            return Err(DataError::io("put back what was moved to", &kept)(error));
        }
        return Err(DataError::io("rename to", destination)(error));
    }
    Ok(())
}

/// Flushes every file and folder below `folder`.
fn sync_tree(folder: &Path) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(DataError::io("list", folder))? {
        let entry = entry.map_err(DataError::io("list", folder))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(DataError::io("look at", &path))?;
        if kind.is_dir() {
            sync_tree(&path)?;
        } else if kind.is_file() {
            File::open(&path).and_then(|file| file.sync_all()).map_err(DataError::io("flush", &path))?;
        }
    }
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::{MARKER, remove_folder};

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != MARKER)
            .collect();
        names.sort();
        names
    }

    fn written(path: &Path, file: &str) -> Result<(), DataError> {
        let folder = AtomicFolder::create(path).unwrap();
        fs::write(folder.path().join(file), "text").unwrap();
        folder.commit()
    }

    #[test]
    fn a_folder_replaces_the_old_one_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("model");
        for file in ["a.txt", "b.txt"] {
            written(&path, file).unwrap();
            assert_eq!(names(&path), [file]);
            assert_eq!(names(root.path()), ["model"]);
        }
        let abandoned = AtomicFolder::create(&path).unwrap();
        fs::write(abandoned.path().join("c.txt"), "3").unwrap();
        drop(abandoned);
        let late = AtomicFolder::create(&path).unwrap();
        fs::write(late.path().join("d.txt"), "4").unwrap();
        assert!(!late.commit_if_absent().unwrap());
        assert_eq!(names(&path), ["b.txt"]);
        assert_eq!(names(root.path()), ["model"]);
    }

    #[test]
    fn nothing_that_is_not_ours_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let thesis = root.path().join("thesis");
        fs::create_dir(&thesis).unwrap();
        written(&thesis, "config.json").expect("an empty folder may be filled");
        // Ours, but somebody put something there.
        fs::write(thesis.join("notes.md"), "mine").unwrap();
        let error = written(&thesis, "config.json").unwrap_err();
        assert!(error.to_string().contains("notes.md") && error.hint().is_some(), "{error}");
        assert_eq!(names(&thesis), ["config.json", "notes.md"]);
        fs::remove_file(thesis.join("notes.md")).unwrap();
        fs::write(thesis.join(".DS_Store"), "a file manager's").unwrap();
        written(&thesis, "other.json").unwrap();
        // Not ours at all: files, folders of folders, a file, and another program's model.
        let others = root.path().join("others");
        fs::create_dir_all(others.join("deep/empty")).unwrap();
        assert!(matches!(written(&others, "x"), Err(DataError::Foreign { .. })));
        fs::write(others.join("deep/a.txt"), "theirs").unwrap();
        assert!(matches!(written(&others, "x"), Err(DataError::Foreign { .. })));
        let file = root.path().join("file");
        fs::write(&file, "theirs").unwrap();
        assert!(matches!(written(&file, "x"), Err(DataError::Foreign { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
        let model = root.path().join("checkpoint");
        fs::create_dir(&model).unwrap();
        fs::write(model.join("config.json"), "{}").unwrap();
        fs::write(model.join("model.safetensors"), "weights").unwrap();
        assert!(matches!(written(&model, "x"), Err(DataError::Foreign { .. })));
        // A model of an earlier version, which knew no marker.
        fs::write(model.join("lineage.json"), "{\"name\": \"student\"}").unwrap();
        written(&model, "config.json").unwrap();
        assert!(!names(root.path()).iter().any(|name| name.ends_with(".tmp")));
    }

    #[test]
    fn of_a_folder_of_ours_only_our_files_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("baseline");
        written(&path, "weights").unwrap();
        fs::write(path.join("notes.md"), "mine").unwrap();
        assert!(!remove_folder(&path).unwrap());
        assert_eq!(names(&path), ["notes.md"]);
        assert!(!remove_folder(&path).unwrap(), "no marker any more: nobody's to remove");
        let path = root.path().join("student");
        written(&path, "weights").unwrap();
        assert!(remove_folder(&path).unwrap() && !path.exists());
        assert!(remove_folder(&path).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_behind_a_link_is_replaced_and_the_link_stays() {
        let root = tempfile::tempdir().unwrap();
        written(&root.path().join("real"), "a").unwrap();
        std::os::unix::fs::symlink(root.path().join("real"), root.path().join("link")).unwrap();
        written(&root.path().join("link"), "b").unwrap();
        assert!(fs::symlink_metadata(root.path().join("link")).unwrap().is_symlink());
        assert_eq!(names(&root.path().join("real")), ["b"]);
    }
}
