//! Writing down what a teacher says, for later training without it.

use std::path::Path;

use burn::tensor::Tensor;
use limbeck_data::examples::{TokenExample, hash_examples};
use limbeck_data::progress::Progress;
use limbeck_data::signals::{SignalHeader, SignalRow, SignalWriter};
use limbeck_kernels::{Precision, TeacherLogits, linear, with_values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{TeachError, Teacher, TeacherQuery, predictions};

/// Logits of this many predictions stand in memory at once.
const CHUNK: usize = 128;

/// How much is captured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureConfig {
    /// Likeliest tokens kept at each position.
    pub top_k: usize,
    /// Temperatures whose normaliser and tail mass are kept; 1 always is.
    pub temperatures: Vec<f64>,
    /// Sequences the teacher reads at once.
    pub batch_size: usize,
    /// Examples in one shard: what a killed capture has to repeat at most.
    pub shard_examples: usize,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self { top_k: 64, temperatures: vec![1.0], batch_size: 4, shard_examples: 256 }
    }
}

impl CaptureConfig {
    /// Refuses settings no capture can have, for a vocabulary of this size.
    ///
    /// # Errors
    /// [`TeachError::Config`].
    pub fn check(&self, vocab_size: usize) -> Result<(), TeachError> {
        let temperatures = self.temperatures.iter().all(|t| (0.01..=1000.0).contains(t));
        let rules = [
            (
                "top_k",
                (1..=vocab_size).contains(&self.top_k),
                self.top_k.to_string(),
                format!("from 1 to the vocabulary's {vocab_size}"),
            ),
            (
                "temperatures",
                temperatures,
                format!("{:?}", self.temperatures),
                "numbers from 0.01 to 1000".to_string(),
            ),
            ("batch_size", self.batch_size > 0, self.batch_size.to_string(), "at least 1".to_string()),
            (
                "shard_examples",
                self.shard_examples > 0,
                self.shard_examples.to_string(),
                "at least 1".to_string(),
            ),
        ];
        match rules.into_iter().find(|(_, right, ..)| !right) {
            Some((key, _, found, right)) => Err(TeachError::Config { key, found, right }),
            None => Ok(()),
        }
    }
}

/// What a capture wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureOutcome {
    /// Examples in the store.
    pub examples: u64,
    /// Of those, examples an earlier call had written.
    pub resumed: u64,
}

/// Writes, for every scored token of every example, the teacher's `top_k` log-probabilities with their ids, and for
/// every temperature T the normaliser `ln sum_v exp(z_v / T)` and the probability mass outside the top k.
///
/// Goes on after the last complete shard when the folder already holds some of the same capture.
///
/// # Errors
/// When the teacher gives no full distributions, the disk says no, the folder holds another capture, or the user stops
/// it ([`TeachError::Cancelled`]).
pub fn capture(
    teacher: &dyn Teacher,
    examples: &[TokenExample],
    config: &CaptureConfig,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<CaptureOutcome, TeachError> {
    let identity = teacher.identity().clone();
    if !teacher.capabilities().logits {
        return Err(TeachError::Beyond {
            asked: "full distributions".to_string(),
            gives: teacher.capabilities().to_string(),
        });
    }
    config.check(identity.vocab_size)?;
    let header = SignalHeader::new(
        &identity.hash,
        &identity.tokenizer_hash,
        &hash_examples(examples),
        identity.vocab_size as u32,
        config.top_k as u32,
        &config.temperatures,
    )?;
    let mut writer = SignalWriter::open(dir, header.clone(), config.shard_examples)?;
    let total = examples.len() as u64;
    let resumed = writer.done();
    progress.start("capturing signals", total, "examples");
    progress.advance(resumed);
    // Batches never reach over the border of a shard: a resumed capture then forms the same batches, and the same bits.
    let rest = examples.get(resumed as usize..).unwrap_or_default();
    for batch in rest.chunks(config.shard_examples).flat_map(|shard| shard.chunks(config.batch_size)) {
        if progress.cancelled() {
            progress.finish();
            return Err(TeachError::Cancelled { done: writer.done(), total });
        }
        for row in rows(teacher, batch, &header)? {
            writer.push(row)?;
        }
        progress.advance(batch.len() as u64);
    }
    progress.finish();
    writer.finish()?;
    Ok(CaptureOutcome { examples: total, resumed })
}

/// The signals of a batch, one row an example.
fn rows(
    teacher: &dyn Teacher,
    batch: &[TokenExample],
    header: &SignalHeader,
) -> Result<Vec<SignalRow>, TeachError> {
    let examples: Vec<&TokenExample> = batch.iter().collect();
    let positions = predictions(&examples);
    let mut rows: Vec<SignalRow> = batch.iter().map(SignalRow::start).collect();
    let query = TeacherQuery {
        rows: &examples,
        positions: &positions,
        temperatures: &[1.0],
        ..TeacherQuery::default()
    };
    let signal = teacher.signal(&query)?;
    let full = signal.find(1.0).map(|at| &signal.distributions[at].logits);
    let Some(full) = full else {
        return Err(TeachError::Beyond {
            asked: "full distributions".to_string(),
            gives: "none in its answer".to_string(),
        });
    };
    for start in (0..positions.len()).step_by(CHUNK) {
        let count = CHUNK.min(positions.len() - start);
        let logits = logits(full, start, count)?;
        let [_, width] = logits.dims();
        with_values(&logits, |values| {
            for (at, line) in positions[start..start + count].iter().zip(values.chunks_exact(width)) {
                rows[at.row].push_logits(header, line)?;
            }
            Ok::<(), TeachError>(())
        })??;
    }
    Ok(rows)
}

/// Logits of some predictions, [count, vocab].
fn logits(full: &TeacherLogits, start: usize, count: usize) -> Result<Tensor<2>, TeachError> {
    match full {
        TeacherLogits::Head { hidden, head, .. } => {
            Ok(linear(hidden.clone().narrow(0, start, count), head.clone(), None, Precision::F32))
        }
        TeacherLogits::Dense(logits) => Ok(logits.clone().narrow(0, start, count)),
        TeacherLogits::Sparse(_) => Err(TeachError::Beyond {
            asked: "full distributions".to_string(),
            gives: "truncated ones".to_string(),
        }),
    }
}
