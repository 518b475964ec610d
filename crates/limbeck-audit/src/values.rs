//! Values at sites of a decoder over prompts, block by block.

use burn::tensor::Tensor;
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind, TokenBatch};

use crate::AuditError;

/// The value seen at a site, heads one beside the other: `[batch, seq, width]`.
pub(crate) fn captured(seen: &Capture, site: Site) -> Result<Tensor<3>, AuditError> {
    let flat = || {
        seen.get4(site).map(|value| {
            let [batch, seq, heads, width] = value.dims();
            value.reshape([batch, seq, heads * width])
        })
    };
    seen.get3(site).or_else(flat).ok_or_else(|| AuditError::Site { site: site.to_string() })
}

/// Runs prompts of one length, `batch_size` at a time, and shows what each block computes at sites of `kinds`:
/// layer, kind and `[batch, seq, width]`.
pub(crate) fn walk<R: AsRef<[u32]>>(
    decoder: &Decoder,
    prompts: &[R],
    kinds: &[SiteKind],
    batch_size: usize,
    see: &mut dyn FnMut(usize, SiteKind, Tensor<3>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    for chunk in prompts.chunks(batch_size) {
        let batch = TokenBatch::new(chunk, &decoder.device())?;
        let mut resid = decoder.embed(&batch, &mut NoTap);
        for layer in 0..decoder.config().n_layers {
            let mut seen = Capture::new(kinds.iter().map(|kind| Site::block(layer, *kind)));
            resid = decoder.run_blocks(layer..layer + 1, resid, &mut seen);
            for &kind in kinds {
                see(layer, kind, captured(&seen, Site::block(layer, kind))?)?;
            }
        }
    }
    Ok(())
}
