//! Forward passes over a batch that holds every prompt several times, disturbed to another degree each time.

use limbeck_data::progress::Progress;
use limbeck_model::{Decoder, NoTap, Tap, TokenBatch};

use crate::AuditError;
use crate::answers::Answers;
use crate::rows::{Row, stop_if_asked};

/// `LD` and exactness of every prompt at every size, copies one below the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Responses {
    /// `[size, prompt]`.
    pub(crate) difference: Vec<Vec<f64>>,
    /// `[size, prompt]`.
    pub(crate) correct: Vec<Vec<bool>>,
}

impl Responses {
    pub(crate) fn new(sizes: usize) -> Responses {
        Responses { difference: vec![vec![]; sizes], correct: vec![vec![]; sizes] }
    }

    /// Runs `rows` once for each size under `tap`, which finds the copies of size `s` at rows
    /// `s * rows.len() ..`, and appends what comes out.
    pub(crate) fn extend(
        &mut self,
        decoder: &Decoder,
        rows: &[Row],
        tap: &mut dyn Tap,
        progress: &dyn Progress,
    ) -> Result<(), AuditError> {
        stop_if_asked(progress)?;
        let sizes = self.difference.len();
        let copies: Vec<Row> = (0..sizes).flat_map(|_| rows.iter().copied()).collect();
        let ids: Vec<&[u32]> = copies.iter().map(|row| row.prompt.clean.as_slice()).collect();
        let resid = decoder.embed(&TokenBatch::new(&ids, &decoder.device())?, &mut NoTap);
        let end = decoder.run_blocks(0..decoder.config().n_layers, resid, tap);
        let answers = Answers::new(decoder, &copies);
        let difference = answers.differences(decoder, end.clone())?;
        let correct = answers.correct(decoder, end)?;
        for (size, values) in difference.chunks_exact(rows.len()).enumerate() {
            self.difference[size].extend(values);
        }
        for (size, values) in correct.chunks_exact(rows.len()).enumerate() {
            self.correct[size].extend(values);
        }
        progress.advance(copies.len() as u64);
        Ok(())
    }
}

/// Prompts in a batch that holds each `copies` times, when `most` rows are allowed.
pub(crate) fn prompts_per_batch(most: usize, copies: usize) -> usize {
    (most / copies.max(1)).max(1)
}
