//! Captured teacher signals: what a teacher said about each scored token, kept in Parquet.
//!
//! A folder holds `signals.json` (the manifest) and shards `signals-00000.parquet`, ... Each row is one
//! example. For scored token `i` the row keeps, of the teacher's distribution over token `i` given the
//! tokens before it (its logits `z` at position `i - 1`):
//! - the `k` likeliest ids, likeliest first, and their log-probabilities at temperature 1,
//!   `log p_1(v) = z_v - Z_1`;
//! - for each captured temperature `T` (1 always among them) the normaliser `Z_T = log sum_v exp(z_v / T)`
//!   and the tail mass `1 - sum over the k ids of p_T`.
//!
//! So the log-probability at any captured temperature is `log p_T(v) = (log p_1(v) + Z_1) / T - Z_T`, and a
//! divergence over the `k` ids knows exactly how much probability it does not see.
//!
//! Size: `8 k + 8 m + 4` bytes a scored token for `m` temperatures, plus about 36 an example: 276 bytes for
//! `k = 32` and two temperatures. Ids and log-probabilities look random to Snappy, which hardly helps; what a
//! capture really took is [`SignalManifest::bytes_per_token`].

mod reader;
mod row;
mod shard;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::SignalReader;
pub use row::SignalRow;
pub use shard::read_shard;
pub use writer::SignalWriter;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{DataError, atomic};

/// The manifest's file name.
const MANIFEST: &str = "signals.json";
/// Version of the layout; another one is refused.
const FORMAT: u32 = 1;
/// The largest `k` that is taken, and the largest number of temperatures: bounds for what a row may claim.
const MAX_K: u32 = 1 << 20;
const MAX_TEMPERATURES: usize = 64;

/// What the signals were captured from, and how much of it was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalHeader {
    /// Content hash of the teacher.
    pub teacher: String,
    /// Content hash of the tokenizer.
    pub tokenizer: String,
    /// Content hash of the examples ([`crate::examples::hash_examples`]).
    pub data: String,
    /// Size of the vocabulary: every id is below it.
    pub vocab_size: u32,
    /// Ids kept for each scored token, at most `vocab_size`.
    pub k: u32,
    /// Temperatures whose tail mass and normaliser were kept: ascending, 1 among them.
    pub temperatures: Vec<f64>,
}

impl SignalHeader {
    /// A header with `k` cut to the vocabulary and 1 added to the temperatures, sorted, each once.
    ///
    /// # Errors
    /// An empty vocabulary, `k` of 0, a temperature that is not a positive number.
    pub fn new(
        teacher: &str,
        tokenizer: &str,
        data: &str,
        vocab_size: u32,
        k: u32,
        temperatures: &[f64],
    ) -> Result<Self, DataError> {
        let mut temperatures = temperatures.to_vec();
        temperatures.push(1.0);
        temperatures.sort_by(f64::total_cmp);
        temperatures.dedup();
        let header = Self {
            teacher: teacher.to_owned(),
            tokenizer: tokenizer.to_owned(),
            data: data.to_owned(),
            vocab_size,
            k: k.min(vocab_size),
            temperatures,
        };
        match header.wrong() {
            None => Ok(header),
            Some((name, found, expected)) => Err(DataError::Argument { name, found, expected }),
        }
    }

    /// What makes this header impossible: (field, found, expected).
    fn wrong(&self) -> Option<(&'static str, String, String)> {
        if self.vocab_size == 0 {
            return Some(("vocab_size", "0".to_owned(), "at least 1".to_owned()));
        }
        if self.k == 0 || self.k > self.vocab_size.min(MAX_K) {
            let most = self.vocab_size.min(MAX_K);
            return Some(("k", self.k.to_string(), format!("between 1 and {most}")));
        }
        let list = &self.temperatures;
        let ascending = list.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending
            || !list.contains(&1.0)
            || list.len() > MAX_TEMPERATURES
            || !list.iter().all(|temperature| temperature.is_finite() && *temperature > 0.0)
        {
            return Some((
                "temperatures",
                format!("{list:?}"),
                "positive numbers, ascending, 1 among them".to_owned(),
            ));
        }
        None
    }

    /// The place of a temperature in the list.
    ///
    /// # Errors
    /// It was not captured.
    pub fn temperature_index(&self, temperature: f64) -> Result<usize, DataError> {
        self.temperatures.iter().position(|captured| *captured == temperature).ok_or_else(|| {
            DataError::Argument {
                name: "the temperature",
                found: temperature.to_string(),
                expected: format!("one of the captured {:?}", self.temperatures),
            }
        })
    }

    /// The first field in which signals captured with `self` cannot serve `wanted`. More than is wanted is
    /// fine for the temperatures only.
    fn mismatch(&self, wanted: &Self, path: &Path) -> Option<DataError> {
        let differ = |field, stored: &dyn ToString, wanted: &dyn ToString| {
            let (stored, wanted) = (stored.to_string(), wanted.to_string());
            (stored != wanted).then(|| DataError::SignalMismatch {
                path: path.to_path_buf(),
                field,
                stored,
                wanted,
            })
        };
        differ("the teacher", &self.teacher, &wanted.teacher)
            .or_else(|| differ("the tokenizer", &self.tokenizer, &wanted.tokenizer))
            .or_else(|| differ("the data", &self.data, &wanted.data))
            .or_else(|| differ("the vocabulary size", &self.vocab_size, &wanted.vocab_size))
            .or_else(|| differ("k", &self.k, &wanted.k))
            .or_else(|| {
                let missing = wanted.temperatures.iter().any(|one| !self.temperatures.contains(one));
                missing.then(|| DataError::SignalMismatch {
                    path: path.to_path_buf(),
                    field: "the list of temperatures",
                    stored: format!("{:?}", self.temperatures),
                    wanted: format!("{:?}", wanted.temperatures),
                })
            })
    }
}

/// What `signals.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalManifest {
    /// Version of the layout.
    pub format: u32,
    /// What was captured, and from what.
    pub header: SignalHeader,
    /// The complete shards in order.
    pub shards: Vec<ShardEntry>,
    /// Whether the capture reached its end.
    pub complete: bool,
}

/// One shard of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// File name.
    pub file: String,
    /// Number of examples in it.
    pub examples: u64,
    /// Number of scored tokens in it.
    pub scored_tokens: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub hash: String,
}

impl SignalManifest {
    /// Examples in complete shards.
    pub fn examples(&self) -> u64 {
        self.shards.iter().map(|shard| shard.examples).sum()
    }

    /// Scored tokens in complete shards.
    pub fn scored_tokens(&self) -> u64 {
        self.shards.iter().map(|shard| shard.scored_tokens).sum()
    }

    /// Bytes on the disk for each scored token.
    pub fn bytes_per_token(&self) -> f64 {
        let bytes: u64 = self.shards.iter().map(|shard| shard.bytes).sum();
        bytes as f64 / self.scored_tokens().max(1) as f64
    }

    /// Reads and checks the manifest of a signal folder.
    ///
    /// # Errors
    /// Not there, not readable, of another format, or naming impossible values or files.
    pub fn read(folder: &Path) -> Result<Self, DataError> {
        let path = folder.join(MANIFEST);
        let manifest: Self = atomic::read_json(&path)?;
        let damaged =
            |reason: String| DataError::Damaged { path: path.clone(), format: "signal manifest", reason };
        if manifest.format != FORMAT {
            return Err(damaged(format!("it has format {}, this program reads {FORMAT}", manifest.format)));
        }
        if let Some((field, found, expected)) = manifest.header.wrong() {
            return Err(damaged(format!("{field} is {found}, expected {expected}")));
        }
        for (index, shard) in manifest.shards.iter().enumerate() {
            if shard.file != shard_name(index) {
                return Err(damaged(format!("shard {index} is called `{}`", shard.file.escape_debug())));
            }
        }
        Ok(manifest)
    }
}

fn shard_name(index: usize) -> String {
    format!("signals-{index:05}.parquet")
}

fn shard_path(folder: &Path, index: usize) -> PathBuf {
    folder.join(shard_name(index))
}
