//! Opening what must be a file: a pipe would wait for ever, a device would never end.

use std::fs::{self, File, Metadata};
use std::path::Path;

use crate::DataError;

/// What the system says of a path that must be a file.
///
/// # Errors
/// Nothing there; a folder, pipe, socket or device.
pub fn regular(path: &Path) -> Result<Metadata, DataError> {
    let facts = fs::metadata(path).map_err(DataError::io("open", path))?;
    match irregular(&facts) {
        None => Ok(facts),
        Some(found) => Err(DataError::Unsupported {
            path: path.to_path_buf(),
            found: found.to_owned(),
            expected: "a file; write its content into one first".to_owned(),
        }),
    }
}

/// Opens a file for reading, never a pipe or a device.
///
/// # Errors
/// As [`regular`].
pub fn open(path: &Path) -> Result<File, DataError> {
    regular(path)?;
    File::open(path).map_err(DataError::io("open", path))
}

/// What it is, when it is no file.
pub(crate) fn irregular(facts: &Metadata) -> Option<&'static str> {
    if facts.is_file() {
        return None;
    }
    if facts.is_dir() {
        return Some("a folder");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = facts.file_type();
        if kind.is_fifo() {
            return Some("a named pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    Some("neither a file nor a folder")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn devices_sockets_and_folders_are_no_files() {
        assert!(open(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path()).unwrap_err().to_string().contains("a folder"));
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(regular(&socket).unwrap_err().to_string().contains("a socket"));
        let link = folder.path().join("link.jsonl");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        assert!(crate::records::read_records(&link).is_err());
        assert!(crate::hash::hash_folder(folder.path()).is_err());
    }
}
