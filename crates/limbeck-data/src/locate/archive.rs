//! Unpacking archives that strangers made: nothing outside the folder, no links, no bombs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use super::place::inner_path;
use crate::DataError;
use crate::progress::Progress;

/// How much an archive may unpack to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of all files together.
    pub(super) bytes: u64,
    /// Number of files and folders.
    pub(super) entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, entries: 200_000 }
    }
}

/// Unpacks a wheel or zip (`.whl`, `.zip`) or a gzipped tar (`.tar.gz`, `.tgz`) into `folder`, which is empty.
///
/// Refused: names that are absolute or leave the folder, the same name twice, devices, and more than
/// `limits`. Links are left out with a note: no model or data set needs one, and one could
/// point anywhere.
pub(super) fn unpack(
    archive: &Path,
    folder: &Path,
    limits: Limits,
    progress: &dyn Progress,
) -> Result<(), DataError> {
    let name =
        archive.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let mut unpacking =
        Unpacking { archive, folder, limits, progress, seen: BTreeSet::new(), bytes: 0, entries: 0 };
    if name.ends_with(".whl") || name.ends_with(".zip") {
        unpacking.zip()
    } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        unpacking.tar()
    } else {
        Err(DataError::Unsupported {
            path: archive.to_path_buf(),
            found: "an archive of another kind".to_owned(),
            expected: ".whl, .zip, .tar.gz or .tgz".to_owned(),
        })
    }
}

struct Unpacking<'a> {
    archive: &'a Path,
    folder: &'a Path,
    limits: Limits,
    progress: &'a dyn Progress,
    /// Names in lower case: two that differ only in case would be one file on some systems.
    seen: BTreeSet<String>,
    bytes: u64,
    entries: u64,
}

impl Unpacking<'_> {
    fn wrong(&self, entry: &str, reason: impl ToString) -> DataError {
        let entry: String = entry.chars().take(200).flat_map(char::escape_debug).collect();
        DataError::Archive { path: self.archive.to_path_buf(), entry, reason: reason.to_string() }
    }

    fn zip(&mut self) -> Result<(), DataError> {
        let file = File::open(self.archive).map_err(DataError::io("open", self.archive))?;
        let mut zip = zip::ZipArchive::new(file).map_err(|error| self.wrong("", error))?;
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(|error| self.wrong("", error))?;
            let name = match entry.name() {
                Ok(name) => name.into_owned(),
                Err(error) => return Err(self.wrong("", error)),
            };
            if entry.is_symlink() {
                self.progress.note(&format!("left out a link in the archive: {}", name.escape_debug()));
                continue;
            }
            if entry.is_dir() {
                self.entry(&name)?;
                continue;
            }
            self.file(&name, &mut entry)?;
        }
        Ok(())
    }

    fn tar(&mut self) -> Result<(), DataError> {
        let file = File::open(self.archive).map_err(DataError::io("open", self.archive))?;
        // The headers count too: without this an archive of nothing but headers would be read for ever.
        let budget = self.limits.bytes.saturating_add(self.limits.entries.saturating_mul(4096));
        let mut tar = tar::Archive::new(MultiGzDecoder::new(io::BufReader::new(file)).take(budget));
        let entries = tar.entries().map_err(|error| self.wrong("", error))?;
        for entry in entries {
            let mut entry = entry.map_err(|error| self.wrong("", error))?;
            let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|error| {
                self.wrong(&String::from_utf8_lossy(error.as_bytes()), "its name is not UTF-8")
            })?;
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => self.file(&name, &mut entry)?,
                EntryType::Directory => {
                    self.entry(&name)?;
                }
                EntryType::Symlink | EntryType::Link => {
                    self.progress.note(&format!("left out a link in the archive: {}", name.escape_debug()));
                }
                EntryType::XGlobalHeader | EntryType::XHeader => {}
                other => return Err(self.wrong(&name, format!("neither a file nor a folder but {other:?}"))),
            }
        }
        Ok(())
    }

    /// Counts an entry and gives its place in the folder.
    fn entry(&mut self, name: &str) -> Result<PathBuf, DataError> {
        if self.progress.cancelled() {
            return Err(DataError::Cancelled);
        }
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(self.wrong(name, format!("more than {} entries", self.limits.entries)));
        }
        let trimmed = name.strip_prefix("./").unwrap_or(name).trim_end_matches('/');
        if trimmed.is_empty() || trimmed == "." {
            return Ok(self.folder.to_path_buf());
        }
        let relative = inner_path(trimmed).map_err(|reason| self.wrong(name, reason))?;
        Ok(self.folder.join(relative))
    }

    fn file(&mut self, name: &str, content: &mut dyn Read) -> Result<(), DataError> {
        let path = self.entry(name)?;
        if path == self.folder || !self.seen.insert(path.to_string_lossy().to_lowercase()) {
            return Err(self.wrong(name, "the same name twice"));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(DataError::io("make the folder", parent))?;
        }
        // Never through something that is there already, were it even a link.
        let mut out = File::create_new(&path).map_err(DataError::io("create", &path))?;
        let mut buffer = vec![0_u8; 1 << 17];
        loop {
            let read = content.read(&mut buffer).map_err(|error| self.wrong(name, error))?;
            if read == 0 {
                return Ok(());
            }
            self.bytes += read as u64;
            if self.bytes > self.limits.bytes {
                return Err(self.wrong(name, format!("unpacks to more than {} bytes", self.limits.bytes)));
            }
            if self.progress.cancelled() {
                return Err(DataError::Cancelled);
            }
            out.write_all(&buffer[..read]).map_err(DataError::io("write", &path))?;
            self.progress.advance(read as u64);
        }
    }
}
