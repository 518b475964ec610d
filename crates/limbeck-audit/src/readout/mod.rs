//! What can be read off the residual stream: each component's own share of the answer, and the answer layer by layer.

mod direct;
mod lens;

pub use direct::DirectLogits;
pub use lens::Lens;

use burn::tensor::Tensor;
use limbeck_model::{Decoder, TokenBatch};

use crate::AuditError;
use crate::rows::Row;

/// The clean prompts of a batch as tokens, and the residual stream entering the first block.
fn tokens(decoder: &Decoder, rows: &[Row]) -> Result<TokenBatch, AuditError> {
    let ids: Vec<&[u32]> = rows.iter().map(|row| row.prompt.clean.as_slice()).collect();
    Ok(TokenBatch::new(&ids, &decoder.device())?)
}

/// The last position of each row, `[batch, seq, d_model] -> [batch, 1, d_model]`.
fn at_last(decoder: &Decoder, resid: Tensor<3>, lengths: &[usize]) -> Tensor<3> {
    decoder.run_to_last(decoder.config().n_layers, resid, lengths)
}
