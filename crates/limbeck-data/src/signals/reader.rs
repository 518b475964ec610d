//! Replay: any example's signals by its tokens, from a bounded number of decoded row groups.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::shard::{read_group, read_keys};
use super::{SignalHeader, SignalManifest, SignalRow, shard_path};
use crate::examples::TokenExample;
use crate::{DataError, hash};

/// Values (ids, log-probabilities, ...) held decoded at most: 64 Mi of 4 bytes.
const MAX_HELD_VALUES: usize = 64 << 20;

/// Where a row is.
#[derive(Debug, Clone, Copy)]
struct Place {
    shard: usize,
    group: usize,
    row: usize,
}

/// Row groups decoded lately, the oldest first.
#[derive(Debug, Default)]
struct Held {
    groups: VecDeque<(usize, usize, Arc<Vec<Arc<SignalRow>>>)>,
    values: usize,
}

/// Reads signals, refusing those that were captured for something else.
#[derive(Debug)]
pub struct SignalReader {
    folder: PathBuf,
    manifest: SignalManifest,
    places: BTreeMap<[u8; 32], Place>,
    held: Mutex<Held>,
}

/// Checks that every shard of the manifest is there with its size and hash.
pub(super) fn verify(folder: &Path, manifest: &SignalManifest) -> Result<(), DataError> {
    for (index, shard) in manifest.shards.iter().enumerate() {
        let path = shard_path(folder, index);
        let found = hash::hash_file(&path)?;
        if found != shard.hash {
            return Err(DataError::Damaged {
                path,
                format: "signal shard",
                reason: format!("its BLAKE3 is {found}, the manifest says {}", shard.hash),
            });
        }
    }
    Ok(())
}

fn rows_size(rows: &[Arc<SignalRow>]) -> usize {
    rows.iter().map(|row| row.positions.len() + 2 * row.ids.len() + 2 * row.tails.len()).sum()
}

impl SignalReader {
    /// Opens a complete capture that was made with `wanted` (it may have more temperatures).
    ///
    /// # Errors
    /// No signals there, an unfinished capture, a shard that is not the one written, or a teacher, tokenizer,
    /// data set, vocabulary size, `k` or temperature that differs: the message names both values.
    pub fn open(folder: &Path, wanted: &SignalHeader) -> Result<Self, DataError> {
        let manifest = SignalManifest::read(folder)?;
        if let Some(error) = manifest.header.mismatch(wanted, folder) {
            return Err(error);
        }
        Self::of_manifest(folder, manifest)
    }

    /// Opens a complete capture whatever it was made with: for looking at it.
    pub fn open_any(folder: &Path) -> Result<Self, DataError> {
        Self::of_manifest(folder, SignalManifest::read(folder)?)
    }

    fn of_manifest(folder: &Path, manifest: SignalManifest) -> Result<Self, DataError> {
        if !manifest.complete {
            return Err(DataError::Unsupported {
                path: folder.to_path_buf(),
                found: format!("an unfinished capture of {} examples", manifest.examples()),
                expected: "a finished one: run the capture again, it goes on where it stopped".to_owned(),
            });
        }
        verify(folder, &manifest)?;
        let mut places = BTreeMap::new();
        for (shard, entry) in manifest.shards.iter().enumerate() {
            let path = shard_path(folder, shard);
            let mut rows = 0_u64;
            for (group, keys) in read_keys(&path)?.into_iter().enumerate() {
                for (row, key) in keys.into_iter().enumerate() {
                    // The same tokens twice have the same signals; the first will do.
                    places.entry(key).or_insert(Place { shard, group, row });
                    rows += 1;
                }
            }
            if rows != entry.examples {
                return Err(DataError::Damaged {
                    path,
                    format: "signal shard",
                    reason: format!("it has {rows} rows, the manifest says {}", entry.examples),
                });
            }
        }
        Ok(Self { folder: folder.to_path_buf(), manifest, places, held: Mutex::new(Held::default()) })
    }

    /// What the signals were captured from.
    pub fn header(&self) -> &SignalHeader {
        &self.manifest.header
    }

    /// The manifest, with the sizes of everything.
    pub fn manifest(&self) -> &SignalManifest {
        &self.manifest
    }

    /// Number of different examples.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The signals of an example, found by its tokens.
    ///
    /// # Errors
    /// The example was not captured, or was captured with other tokens scored; a damaged shard.
    pub fn get(&self, example: &TokenExample) -> Result<Arc<SignalRow>, DataError> {
        let key = example.key();
        let mismatch = |field, stored: String, wanted: String| DataError::SignalMismatch {
            path: self.folder.clone(),
            field,
            stored,
            wanted,
        };
        let place = *self.places.get(&key).ok_or_else(|| {
            mismatch(
                "the set of examples",
                format!("{} others", self.places.len()),
                format!("one of {} tokens with key {}", example.len(), &hash::hex(&key)[..16]),
            )
        })?;
        let rows = self.group(place)?;
        let row = rows.get(place.row).ok_or_else(|| DataError::Damaged {
            path: shard_path(&self.folder, place.shard),
            format: "signal shard",
            reason: format!("row group {} has only {} rows", place.group, rows.len()),
        })?;
        let same = row.key == key
            && row.length as usize == example.len()
            && row.positions.len() == example.scored_count()
            && example
                .scored_positions()
                .zip(&row.positions)
                .all(|(wanted, stored)| wanted == *stored as usize);
        if !same {
            return Err(mismatch(
                "the scored tokens of an example",
                format!("{} of {} tokens", row.positions.len(), row.length),
                format!("{} of {} tokens", example.scored_count(), example.len()),
            ));
        }
        Ok(Arc::clone(row))
    }

    /// A decoded row group, from those held or from the disk.
    fn group(&self, place: Place) -> Result<Arc<Vec<Arc<SignalRow>>>, DataError> {
        let find = |held: &Held| {
            held.groups
                .iter()
                .find(|(shard, group, _)| (*shard, *group) == (place.shard, place.group))
                .map(|(_, _, rows)| Arc::clone(rows))
        };
        if let Some(rows) = find(&self.held.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(rows);
        }
        let path = shard_path(&self.folder, place.shard);
        let rows: Vec<Arc<SignalRow>> =
            read_group(&path, &self.manifest.header, place.group)?.into_iter().map(Arc::new).collect();
        let rows = Arc::new(rows);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values += rows_size(&rows);
        held.groups.push_back((place.shard, place.group, Arc::clone(&rows)));
        while held.values > MAX_HELD_VALUES && held.groups.len() > 1 {
            if let Some((_, _, oldest)) = held.groups.pop_front() {
                held.values -= rows_size(&oldest);
            }
        }
        Ok(rows)
    }
}
