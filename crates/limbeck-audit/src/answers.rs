//! The logit difference of every prompt, read off at its last position.

use burn::tensor::{Int, Tensor};
use limbeck_model::{Decoder, NoTap};

use crate::AuditError;
use crate::rows::{Row, indices, read};

/// The last position of every row, and the rows of the head that the logit difference needs.
pub(crate) struct Answers {
    /// Place of each row's last token in the flattened `[batch * seq]`.
    last: Tensor<1, Int>,
    /// `mean head[right] - mean head[wrong]`, `[batch, d_model]`.
    contrast: Tensor<2>,
    right: Vec<Vec<u32>>,
}

impl Answers {
    pub(crate) fn new(decoder: &Decoder, rows: &[Row]) -> Answers {
        let device = decoder.device();
        let longest = rows.iter().map(|row| row.prompt.clean.len()).max().unwrap_or(0);
        let ends =
            rows.iter().enumerate().map(|(at, row)| (at * longest + row.prompt.clean.len() - 1) as u32);
        let mean = |ids: &[u32]| decoder.head().select(0, indices(ids, &device)).mean_dim(0);
        let contrasts = rows.iter().map(|row| mean(&row.prompt.right) - mean(&row.prompt.wrong));
        Answers {
            last: indices(&ends.collect::<Vec<_>>(), &device),
            contrast: Tensor::cat(contrasts.collect(), 0),
            right: rows.iter().map(|row| row.prompt.right.clone()).collect(),
        }
    }

    /// A residual stream at the last positions, `[batch, seq, d_model] -> [batch, 1, d_model]`.
    pub(crate) fn at_last(&self, resid: Tensor<3>) -> Tensor<3> {
        let [batch, length, width] = resid.dims();
        resid.reshape([batch * length, width]).select(0, self.last.clone()).unsqueeze_dim(1)
    }

    /// Normalised residual stream at the last positions, `[batch, d_model]`.
    pub(crate) fn last(&self, decoder: &Decoder, resid: Tensor<3>) -> Tensor<2> {
        decoder.finish(self.at_last(resid), &mut NoTap).squeeze_dim(1)
    }

    /// Sum of `LD` over the prompts, `[1]`, from the residual stream after the last block at the last positions.
    pub(crate) fn total_at_last(&self, decoder: &Decoder, resid: Tensor<3>) -> Tensor<1> {
        (decoder.finish(resid, &mut NoTap).squeeze_dim::<2>(1) * self.contrast.clone()).sum()
    }

    /// `LD` of every prompt, from the residual stream after the last block at the last positions.
    pub(crate) fn differences_at_last(
        &self,
        decoder: &Decoder,
        resid: Tensor<3>,
    ) -> Result<Vec<f64>, AuditError> {
        let product = decoder.finish(resid, &mut NoTap).squeeze_dim::<2>(1) * self.contrast.clone();
        let values = read(product.sum_dim(1), "logit differences")?;
        Ok(values.into_iter().map(f64::from).collect())
    }

    /// `LD` of every prompt, from the residual stream after the last block.
    pub(crate) fn differences(&self, decoder: &Decoder, resid: Tensor<3>) -> Result<Vec<f64>, AuditError> {
        self.differences_at_last(decoder, self.at_last(resid))
    }

    /// `LD` of every prompt in one or several passes side by side, from what the head reads at the last positions,
    /// `[passes * batch, 1, d_model]`: pass by pass.
    pub(crate) fn of_normed(&self, normed: Tensor<3>) -> Result<Vec<f64>, AuditError> {
        let [batch, width] = self.contrast.dims();
        let passes = normed.dims()[0] / batch;
        let product = normed.reshape([passes, batch, width]) * self.contrast.clone().unsqueeze::<3>();
        let values = read(product.sum_dim(2), "logit differences")?;
        Ok(values.into_iter().map(f64::from).collect())
    }

    /// Whether a right answer has the largest logit of all.
    pub(crate) fn correct(&self, decoder: &Decoder, resid: Tensor<3>) -> Result<Vec<bool>, AuditError> {
        let logits = self.last(decoder, resid).matmul(decoder.head().transpose());
        let vocab = logits.dims()[1];
        let values = read(logits, "logits")?;
        let rows = values.chunks_exact(vocab).zip(&self.right);
        let best = |row: &[f32], right: &[u32]| {
            let right = right.iter().map(|&token| row[token as usize]).fold(f32::NEG_INFINITY, f32::max);
            row.iter().all(|&logit| logit <= right)
        };
        Ok(rows.map(|(row, right)| best(row, right)).collect())
    }
}
