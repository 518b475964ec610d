//! Whether a head copies: what its OV circuit makes of a token, in the logits.

use burn::tensor::{Tensor, TensorData};
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind, TokenBatch};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use crate::AuditError;
use crate::rows::{indices, read};
use crate::similarity::projections;

/// Copying score of every head, by layer: over random tokens, how often the head's OV circuit, reading a token, raises that
/// token's own logit above another's (ties count half). 0.5 where it does neither, 1 for a perfect copier, 0 for a head
/// that suppresses what it reads.
///
/// A head reads a token as it stands after the first block (as itself, in the first), alone in its sequence, so that
/// attention is all on itself and the head's value passes to its output unchanged; the output goes through the final norm
/// and the head of the network (after Wang et al. 2022, 3.2, and Elhage et al. 2021: there by eigenvalues).
///
/// # Errors
/// [`AuditError::Site`] and [`AuditError::Read`] when values do not come.
pub(super) fn copying(decoder: &Decoder, tokens: usize, seed: u64) -> Result<Vec<f64>, AuditError> {
    let config = decoder.config();
    let (layers, heads, d_head, width) = (config.n_layers, config.n_heads, config.d_head, config.d_model);
    let device = decoder.device();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = tokens.min(config.vocab_size);
    let drawn: Vec<u32> =
        sample(&mut rng, config.vocab_size, count).into_iter().map(|id| id as u32).collect();
    let alone: Vec<[u32; 1]> = drawn.iter().map(|&token| [token]).collect();
    let embedded = decoder.embed(&TokenBatch::new(&alone, &device)?, &mut NoTap);
    let after_first = decoder.run_blocks(0..1, embedded.clone(), &mut NoTap);
    let columns = decoder.head().select(0, indices(&drawn, &device)).transpose();
    // What the final norm puts out for nothing is no work of the head.
    let nothing = decoder.finish(Tensor::zeros([1, 1, width], &device), &mut NoTap);
    let mut found = Vec::with_capacity(layers * heads);
    for (layer, projection) in projections(decoder).into_iter().enumerate() {
        let site = Site::block(layer, SiteKind::Z);
        let mut capture = Capture::new([site]);
        let read_from = if layer == 0 { embedded.clone() } else { after_first.clone() };
        decoder.run_blocks(layer..layer + 1, read_from, &mut capture);
        let z = capture.get4(site).ok_or_else(|| AuditError::Site { site: site.to_string() })?;
        let projection: Vec<f32> = projection.into_iter().map(|value| value as f32).collect();
        let projection =
            Tensor::<2>::from_data(TensorData::new(projection, [heads * d_head, width]), &device);
        for head in 0..heads {
            let value = z.clone().narrow(2, head, 1).reshape([count, d_head]);
            let written = value.matmul(projection.clone().narrow(0, head * d_head, d_head));
            let normed = decoder.finish(written.unsqueeze_dim(1), &mut NoTap) - nothing.clone();
            let logits = normed.reshape([count, width]).matmul(columns.clone());
            found.push(own_above_others(&read(logits, "logits of a head's output")?, count));
        }
    }
    Ok(found)
}

/// Share of pairs (row, other column) in which the row's own column is larger, ties counting half.
fn own_above_others(logits: &[f32], count: usize) -> f64 {
    let mut above = 0.0;
    for (own, row) in logits.chunks_exact(count).enumerate() {
        for (_, other) in row.iter().enumerate().filter(|(column, _)| *column != own) {
            above += match row[own].total_cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    if count > 1 { above / (count * (count - 1)) as f64 } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_logits_against_others() {
        assert_eq!(own_above_others(&[2.0, 1.0, 0.0, 3.0], 2), 1.0);
        assert_eq!(own_above_others(&[0.0, 1.0, 0.0, 0.0], 2), 0.25);
        assert_eq!(own_above_others(&[7.0], 1), 0.5);
    }
}
