//! A journal of the parts of long work: what was found of each, so that a process that goes on need not find it again.
//!
//! One file, appended to and never rewritten: length of the part's name, name, length of the bytes, bytes, and the first
//! sixteen digits of the BLAKE3 hash of all that, lengths as 32-bit little-endian numbers. What a killed process left half
//! written at the end does not match its hash and is cut off.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use limbeck_data::DataError;
use limbeck_data::hash::hash_bytes;
use limbeck_data::progress::Progress;

/// Hexadecimal digits of the hash behind a part.
const HASH: usize = 16;

/// A listener of long work that keeps its parts in a file.
pub struct Journal<'a> {
    listener: &'a dyn Progress,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// What earlier processes found, by name and how often the name had come before.
    found: HashMap<(String, usize), Vec<u8>>,
    /// How often each name has come in this process.
    come: HashMap<String, usize>,
    file: Option<File>,
}

impl<'a> Journal<'a> {
    /// Opens the journal at `path`, made if needed, in front of `listener`.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, listener: &'a dyn Progress) -> Result<Self, DataError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(DataError::io("make", folder))?;
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(DataError::io("read", path)(error)),
        };
        let (mut found, mut counts) = (HashMap::new(), HashMap::<String, usize>::new());
        let mut whole = 0;
        while let Some((name, value, next)) = part_at(&bytes, whole) {
            let count = counts.entry(name.clone()).or_default();
            found.insert((name, *count), value);
            *count += 1;
            whole = next;
        }
        let open = || -> std::io::Result<File> {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.set_len(whole as u64)?;
            drop(file);
            OpenOptions::new().append(true).open(path)
        };
        let file = open().map_err(DataError::io("write", path))?;
        if !found.is_empty() {
            let parts = found.len();
            listener.note(&format!("going on with {parts} parts that an interrupted process has found"));
        }
        let state = State { found, come: HashMap::new(), file: Some(file) };
        Ok(Self { listener, path: path.to_owned(), state: Mutex::new(state) })
    }

    /// Removes the journal of work that is finished.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove(self) -> Result<(), DataError> {
        fs::remove_file(&self.path).map_err(DataError::io("remove", &self.path))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part at `from`: its name, its bytes and where the next begins; `None` where no whole part is.
fn part_at(bytes: &[u8], from: usize) -> Option<(String, Vec<u8>, usize)> {
    let length = |at: usize| -> Option<usize> {
        let four = bytes.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
    };
    let name_end = (from + 4).checked_add(length(from)?)?;
    let value_end = (name_end + 4).checked_add(length(name_end)?)?;
    let end = value_end.checked_add(HASH)?;
    let hash = bytes.get(value_end..end)?;
    let name = String::from_utf8(bytes.get(from + 4..name_end)?.to_vec()).ok()?;
    let right = hash_bytes(bytes.get(from..value_end)?);
    (right.as_bytes().get(..HASH)? == hash).then(|| (name, bytes[name_end + 4..value_end].to_vec(), end))
}

fn part_of(name: &str, value: &[u8]) -> Option<Vec<u8>> {
    let mut part = Vec::with_capacity(name.len() + value.len() + 8 + HASH);
    for piece in [name.as_bytes(), value] {
        part.extend(u32::try_from(piece.len()).ok()?.to_le_bytes());
        part.extend(piece);
    }
    let hash = hash_bytes(&part);
    part.extend(hash.as_bytes().get(..HASH)?);
    Some(part)
}

impl Progress for Journal<'_> {
    fn start(&self, label: &str, total: u64, unit: &str) {
        self.listener.start(label, total, unit);
    }

    fn advance(&self, by: u64) {
        self.listener.advance(by);
    }

    fn resume(&self, by: u64) {
        self.listener.resume(by);
    }

    fn figures(&self, text: &str) {
        self.listener.figures(text);
    }

    fn note(&self, text: &str) {
        self.listener.note(text);
    }

    fn finish(&self) {
        self.listener.finish();
    }

    fn cancelled(&self) -> bool {
        self.listener.cancelled()
    }

    fn recall(&self, part: &str) -> Option<Vec<u8>> {
        let mut state = self.state();
        let count = state.come.entry(part.to_owned()).or_default();
        let key = (part.to_owned(), *count);
        *count += 1;
        state.found.remove(&key)
    }

    fn keep(&self, part: &str, found: &[u8]) {
        let mut state = self.state();
        let Some(bytes) = part_of(part, found) else { return };
        // Work is not given up because what it found cannot be kept; nothing more is kept then, as a part half
        // written would end the journal.
        let written = state.file.as_mut().map(|file| file.write_all(&bytes));
        if let Some(Err(error)) = written {
            state.file = None;
            self.listener.note(&format!(
                "an interruption will lose this work: cannot write {}: {error}",
                self.path.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use limbeck_data::progress::Silent;

    use super::*;

    #[test]
    fn parts_come_back_in_their_order_and_half_a_part_does_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("parts/audit.journal");
        let journal = Journal::open(&path, &Silent).unwrap();
        for (part, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
            assert_eq!(journal.recall(part), None);
            journal.keep(part, value.as_bytes());
        }
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let journal = Journal::open(&path, &Silent).unwrap();
            let found = [journal.recall("a"), journal.recall("b"), journal.recall("a")];
            let parts = found.iter().flatten().count();
            assert!(parts < 3 && found.iter().take(parts).all(Option::is_some), "cut at {cut}: {found:?}");
            // What was cut off is found again and stands behind the rest.
            for (part, value) in [("a", "1"), ("b", "2"), ("a", "3")].into_iter().skip(parts) {
                journal.keep(part, value.as_bytes());
            }
            drop(journal);
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
        let mut damaged = whole.clone();
        damaged[5] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert_eq!(Journal::open(&path, &Silent).unwrap().recall("a"), None);
        Journal::open(&path, &Silent).unwrap().remove().unwrap();
        assert!(!path.exists());
    }
}
