//! Files and folders that are there completely or not at all.
//!
//! Everything is built beside its destination (same file system), flushed to the disk, and renamed
//! over it; then the folder is flushed too, so that the name survives a crash of the machine. A folder takes the place of
//! one of ours only ([`check_replaceable`]), and what a killed process left half-written is removed later ([`sweep`]).

mod folder;
mod leftovers;
mod ours;

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

pub use folder::AtomicFolder;
pub use leftovers::sweep;
pub use ours::{MARKER, check_file_replaceable, check_replaceable, remove_folder};

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
        leftovers::sweep_once(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(leftovers::WRITING).suffix(leftovers::SUFFIX);
        // Temporary files are private by default; what is committed should have ordinary permissions
        // (read and write for all, less the process's umask).
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(DataError::io("create a file in", folder))?;
        leftovers::hold(file.as_file());
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

#[cfg(test)]
mod tests {
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
