//! The logit lens: what the network would answer if it stopped after each block.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, NoTap};
use limbeck_results::LensPoint;
use limbeck_stats::Bootstrap;

use super::{at_last, tokens};
use crate::AuditError;
use crate::answers::Answers;
use crate::rows::{Row, check_readable, read, rows, stop_if_asked};

/// Final norm and head applied to the residual stream before the first block and after each (nostalgebraist 2020), at
/// the last position of every prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Lens {
    /// `LD`, `[depth][prompt]`; depth counts the blocks passed, from 0.
    pub differences: Vec<Vec<f64>>,
    /// Probability of the right answers together, `[depth][prompt]`.
    pub probabilities: Vec<Vec<f64>>,
    /// Rank of the best right answer in the vocabulary, `[depth][prompt]`; 1 is first, ties count for it.
    pub ranks: Vec<Vec<f64>>,
}

impl Lens {
    /// Looks at all clean prompts, in one pass.
    ///
    /// # Errors
    /// [`AuditError::Vocabulary`] and [`AuditError::Length`] for prompts that the network cannot read,
    /// [`AuditError::Cancelled`] on request.
    pub fn measure(
        decoder: &Decoder,
        task: &ContrastTask,
        batch_size: usize,
        progress: &dyn Progress,
    ) -> Result<Lens, AuditError> {
        check_readable(decoder, task)?;
        let blank = vec![vec![]; decoder.config().n_layers + 1];
        let mut found = Lens { differences: blank.clone(), probabilities: blank.clone(), ranks: blank };
        for rows in rows(task).chunks(batch_size) {
            let batch = tokens(decoder, rows)?;
            let answers = Answers::new(decoder, rows);
            let mut resid = decoder.embed(&batch, &mut NoTap);
            for depth in 0..=decoder.config().n_layers {
                stop_if_asked(progress)?;
                if depth > 0 {
                    resid = decoder.run_blocks(depth - 1..depth, resid, &mut NoTap);
                }
                let last = at_last(decoder, resid.clone(), &batch.lengths);
                let normed = decoder.finish(last, &mut NoTap);
                found.differences[depth].extend(answers.of_normed(normed.clone())?);
                found.add(depth, decoder.unembed(normed), rows)?;
            }
        }
        Ok(found)
    }

    /// Adds probability and rank from logits `[batch, 1, vocab]`.
    fn add(&mut self, depth: usize, logits: Tensor<3>, rows: &[Row]) -> Result<(), AuditError> {
        let vocab = logits.dims()[2];
        let logits = read(logits, "logits")?;
        for (logits, row) in logits.chunks_exact(vocab).zip(rows) {
            let right = || row.prompt.right.iter().map(|&token| logits[token as usize]);
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mass = |logit: f32| f64::from(logit - largest).exp();
            let total: f64 = logits.iter().map(|&logit| mass(logit)).sum();
            self.probabilities[depth].push(right().map(mass).sum::<f64>() / total);
            let best = right().fold(f32::NEG_INFINITY, f32::max);
            self.ranks[depth].push(1.0 + logits.iter().filter(|&&logit| logit > best).count() as f64);
        }
        Ok(())
    }

    /// Means over prompts with their bootstrap intervals, one point per depth.
    ///
    /// # Errors
    /// [`AuditError::Stats`] for values that are not finite.
    pub fn estimate(&self, bootstrap: &Bootstrap) -> Result<Vec<LensPoint>, AuditError> {
        let depths = self.differences.iter().zip(&self.probabilities).zip(&self.ranks).enumerate();
        depths
            .map(|(blocks, ((differences, probabilities), ranks))| {
                Ok(LensPoint {
                    blocks,
                    logit_difference: bootstrap.mean(differences)?,
                    probability: bootstrap.mean(probabilities)?,
                    rank: bootstrap.mean(ranks)?,
                })
            })
            .collect()
    }
}
