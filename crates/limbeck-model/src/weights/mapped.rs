//! A file mapped into memory, read only.

use std::fs::File;
use std::io::Read as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::error::WeightsError;

/// The bytes of a file, without reading them all at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MappedFile {
    path: PathBuf,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
enum Bytes {
    Mapped(Arc<Mmap>),
    Owned(Arc<Vec<u8>>),
}

impl MappedFile {
    /// Maps `path`.
    ///
    /// # Errors
    /// [`WeightsError::Io`] when it cannot be opened or mapped, [`WeightsError::NotAFile`].
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = open_regular(path)?;
        // An empty file cannot be mapped on every system.
        if file.metadata().map_err(WeightsError::io(path))?.len() == 0 {
            return Ok(Self::from_bytes(path, Vec::new()));
        }
        Ok(Self {
            path: path.to_path_buf(),
            bytes: Bytes::Mapped(Arc::new(map(&file).map_err(WeightsError::io(path))?)),
        })
    }

    /// Bytes already in memory, under the name `path` in messages.
    #[must_use]
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Self {
        Self { path: path.to_path_buf(), bytes: Bytes::Owned(Arc::new(bytes)) }
    }

    /// Where the bytes came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a regular file. What else there is (pipes, devices) could keep the reader waiting for ever.
fn open_regular(path: &Path) -> Result<File, WeightsError> {
    let about = std::fs::metadata(path).map_err(WeightsError::io(path))?;
    if !about.is_file() {
        return Err(WeightsError::NotAFile { path: path.to_path_buf() });
    }
    File::open(path).map_err(WeightsError::io(path))
}

/// Reads a regular file whole, when it has at most `most` bytes.
///
/// # Errors
/// [`WeightsError::Io`], [`WeightsError::NotAFile`], [`WeightsError::TooLong`].
pub(crate) fn read_whole(path: &Path, most: u64) -> Result<Vec<u8>, WeightsError> {
    let file = open_regular(path)?;
    let found = file.metadata().map_err(WeightsError::io(path))?.len();
    if found > most {
        return Err(WeightsError::TooLong { path: path.to_path_buf(), found, most });
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(WeightsError::io(path))?;
    Ok(bytes)
}

// Mapping is unsafe because another process may change the file under us. Every reader here copies what it reads and checks every
// size against the length at mapping time; a file shortened meanwhile ends the process with SIGBUS, as with any mapped reader.
#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this type; see above for concurrent changes of the file.
    unsafe { Mmap::map(file) }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}
