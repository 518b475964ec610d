//! Capturing: rows in, complete shards out, resumable at any moment.

use std::fs;
use std::path::{Path, PathBuf};

use super::shard::write_shard;
use super::{FORMAT, MANIFEST, ShardEntry, SignalHeader, SignalManifest, SignalRow, shard_name, shard_path};
use crate::{DataError, atomic, hash};

/// Writes signals, a shard at a time.
///
/// A shard gets its name when it is complete and the manifest counts it afterwards, both atomically. A
/// capture killed at any moment therefore keeps every counted shard; the next [`SignalWriter::open`] goes
/// on after the [`SignalWriter::done`] examples that are in them, and overwrites a shard that was not counted.
#[derive(Debug)]
pub struct SignalWriter {
    folder: PathBuf,
    manifest: SignalManifest,
    shard_rows: usize,
    waiting: Vec<SignalRow>,
}

impl SignalWriter {
    /// Starts or resumes a capture into `folder`, `shard_rows` examples to the shard.
    ///
    /// # Errors
    /// The folder holds signals of something else (the message names what differs), or damaged shards.
    pub fn open(folder: &Path, header: SignalHeader, shard_rows: usize) -> Result<Self, DataError> {
        if shard_rows == 0 {
            return Err(DataError::Argument {
                name: "the number of examples in a shard",
                found: "0".to_owned(),
                expected: "at least 1".to_owned(),
            });
        }
        if let Some((name, found, expected)) = header.wrong() {
            return Err(DataError::Argument { name, found, expected });
        }
        fs::create_dir_all(folder).map_err(DataError::io("make the folder", folder))?;
        let manifest = if folder.join(MANIFEST).exists() {
            let manifest = SignalManifest::read(folder)?;
            if let Some(error) = manifest.header.mismatch(&header, folder) {
                return Err(error);
            }
            if manifest.header.temperatures != header.temperatures {
                return Err(DataError::SignalMismatch {
                    path: folder.to_path_buf(),
                    field: "the list of temperatures",
                    stored: format!("{:?}", manifest.header.temperatures),
                    wanted: format!("{:?}", header.temperatures),
                });
            }
            super::reader::verify(folder, &manifest)?;
            manifest
        } else {
            SignalManifest { format: FORMAT, header, shards: Vec::new(), complete: false }
        };
        Ok(Self { folder: folder.to_path_buf(), manifest, shard_rows, waiting: Vec::new() })
    }

    /// Examples that are in complete shards: those the caller need not capture again.
    pub fn done(&self) -> u64 {
        self.manifest.examples()
    }

    /// Whether an earlier capture reached its end.
    pub fn is_complete(&self) -> bool {
        self.manifest.complete
    }

    /// The header that rows are made with.
    pub fn header(&self) -> &SignalHeader {
        &self.manifest.header
    }

    /// Adds the next example's row; every `shard_rows` of them become a shard.
    ///
    /// # Errors
    /// The row contradicts the header or itself (a teacher that gives infinite logits, say), the capture is
    /// already complete, or the disk is full.
    pub fn push(&mut self, row: SignalRow) -> Result<(), DataError> {
        let number = self.done() + self.waiting.len() as u64 + 1;
        let wrong = |reason| DataError::SignalRow { path: self.folder.clone(), row: number, reason };
        if self.manifest.complete {
            return Err(wrong("the capture is complete already".to_owned()));
        }
        if let Some(reason) = row.contradiction(&self.manifest.header) {
            return Err(wrong(reason));
        }
        self.waiting.push(row);
        if self.waiting.len() == self.shard_rows { self.write_waiting() } else { Ok(()) }
    }

    /// Writes what is left and marks the capture as complete.
    pub fn finish(mut self) -> Result<SignalManifest, DataError> {
        if !self.waiting.is_empty() {
            self.write_waiting()?;
        }
        if !self.manifest.complete {
            self.manifest.complete = true;
            self.write_manifest()?;
        }
        Ok(self.manifest)
    }

    fn write_waiting(&mut self) -> Result<(), DataError> {
        let index = self.manifest.shards.len();
        let path = shard_path(&self.folder, index);
        write_shard(&path, &self.waiting)?;
        self.manifest.shards.push(ShardEntry {
            file: shard_name(index),
            examples: self.waiting.len() as u64,
            scored_tokens: self.waiting.iter().map(|row| row.scored_count() as u64).sum(),
            bytes: fs::metadata(&path).map_err(DataError::io("look at", &path))?.len(),
            hash: hash::hash_file(&path)?,
        });
        self.waiting.clear();
        self.write_manifest()
    }

    fn write_manifest(&self) -> Result<(), DataError> {
        atomic::write_json(&self.folder.join(MANIFEST), &self.manifest)
    }
}
