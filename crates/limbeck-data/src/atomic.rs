//! Files and folders that are there completely or not at all.
//!
//! Everything is built beside its destination (same file system), flushed to the disk, and renamed
//! over it; then the folder is flushed too, so that the name survives a crash of the machine.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, TempDir};

use crate::DataError;

/// The folder in which `path` stands ("." for a bare name).
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Flushes the entries of a folder to the disk. Only Unix can open a folder for that.
fn sync_folder(folder: &Path) -> Result<(), DataError> {
    if cfg!(unix) {
        File::open(folder).and_then(|handle| handle.sync_all()).map_err(DataError::io("flush", folder))?;
    }
    Ok(())
}

/// A file under construction: it takes its name on [`AtomicFile::commit`]; dropped before, nothing is left.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<NamedTempFile>,
    destination: PathBuf,
}

impl AtomicFile {
    /// Starts a file that will become `destination`; missing parent folders are made.
    pub fn create(destination: &Path) -> Result<Self, DataError> {
        let folder = folder_of(destination);
        fs::create_dir_all(folder).map_err(DataError::io("make the folder", folder))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".writing-").suffix(".tmp");
        // Temporary files are private by default; what is committed should have ordinary permissions
        // (read and write for all, less the process's umask).
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(DataError::io("create a file in", folder))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 17, file), destination: destination.to_path_buf() })
    }

    /// Where the file will stand.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// Flushes to the disk and renames over the destination.
    pub fn commit(self) -> Result<(), DataError> {
        let Self { file, destination } = self;
        let file =
            file.into_inner().map_err(|error| DataError::io("write", &destination)(error.into_error()))?;
        file.as_file().sync_all().map_err(DataError::io("flush", &destination))?;
        file.persist(&destination)
            .map_err(|error| DataError::io("rename over", &destination)(error.error))?;
        sync_folder(folder_of(&destination))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Writes `bytes` as the whole content of `path`, atomically.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    write_atomic_with(path, |writer| writer.write_all(bytes))
}

/// Lets `fill` write the whole content of `path`, atomically; when it fails the old content stays.
pub fn write_atomic_with<F>(path: &Path, fill: F) -> Result<(), DataError>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    let mut file = AtomicFile::create(path)?;
    fill(&mut file).map_err(DataError::io("write", path))?;
    file.commit()
}

/// Writes `value` as indented JSON with a final newline, atomically.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), DataError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| DataError::io("write", path)(io::Error::other(error)))?;
    bytes.push(b'\n');
    write_atomic(path, &bytes)
}

/// Writes each value as one line of JSON, atomically.
pub fn write_json_lines<T: Serialize>(path: &Path, values: &[T]) -> Result<(), DataError> {
    write_atomic_with(path, |writer| {
        for value in values {
            serde_json::to_writer(&mut *writer, value)?;
            writer.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Reads a JSON file.
///
/// # Errors
/// Unreadable; or [`DataError::Damaged`] with the line and column of what does not fit `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|error| DataError::Damaged {
        path: path.to_path_buf(),
        format: "JSON",
        reason: error.to_string(),
    })
}

/// A folder under construction: it takes its name on [`AtomicFolder::commit`]; dropped before, nothing is left.
#[derive(Debug)]
pub struct AtomicFolder {
    building: TempDir,
    destination: PathBuf,
}

impl AtomicFolder {
    /// Starts a folder that will become `destination`; missing parent folders are made.
    pub fn create(destination: &Path) -> Result<Self, DataError> {
        let parent = folder_of(destination);
        fs::create_dir_all(parent).map_err(DataError::io("make the folder", parent))?;
        let building = tempfile::Builder::new()
            .prefix(".writing-")
            .suffix(".tmp")
            .tempdir_in(parent)
            .map_err(DataError::io("create a folder in", parent))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(building.path(), fs::Permissions::from_mode(0o755))
                .map_err(DataError::io("set the permissions of", building.path()))?;
        }
        Ok(Self { building, destination: destination.to_path_buf() })
    }

    /// The folder to fill.
    pub fn path(&self) -> &Path {
        self.building.path()
    }

    /// Flushes everything inside to the disk and takes the place of what stood at the destination.
    ///
    /// A folder cannot be renamed over a full one, so the old one is first renamed aside: a crash
    /// between the two renames leaves no folder at the destination, never a mixed one.
    pub fn commit(self) -> Result<(), DataError> {
        self.commit_or(|destination, building| {
            let parent = folder_of(destination);
            let aside = tempfile::Builder::new()
                .prefix(".replaced-")
                .suffix(".tmp")
                .tempdir_in(parent)
                .map_err(DataError::io("create a folder in", parent))?;
            fs::rename(destination, aside.path().join("old"))
                .map_err(DataError::io("move aside", destination))?;
            fs::rename(building, destination).map_err(DataError::io("rename to", destination))
        })
        .map(|_| ())
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
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file.txt");
        write_atomic(&path, b"old").unwrap();
        let failed = write_atomic_with(&path, |writer| {
            writer.write_all(b"half of the new content")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.unwrap_err().to_string().contains("disk full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(path.parent().unwrap()), ["file.txt"]);
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_folder_replaces_the_old_one_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("model");
        for (file, text) in [("a.txt", "1"), ("b.txt", "2")] {
            let folder = AtomicFolder::create(&path).unwrap();
            fs::write(folder.path().join(file), text).unwrap();
            folder.commit().unwrap();
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
    fn json_errors_name_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_json(&path, &vec![1, 2]).unwrap();
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), [1, 2]);
        fs::write(&path, "[1,\n \"x\"]").unwrap();
        let error = read_json::<Vec<u32>>(&path).unwrap_err().to_string();
        assert!(error.contains("a.json") && error.contains("line 2"), "{error}");
    }
}
