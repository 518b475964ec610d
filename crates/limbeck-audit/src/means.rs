//! What a component says on average over corrupted prompts, per position.

use burn::tensor::Tensor;
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind, TokenBatch};

use crate::AuditError;
use crate::rows::Row;

/// Means over the corrupted prompts of a group, per position.
pub(crate) struct Means {
    /// By layer, `[1, seq, heads, d_head]`.
    pub(crate) z: Vec<Tensor<4>>,
    /// By layer, `[1, seq, d_model]`.
    pub(crate) mlp: Vec<Tensor<3>>,
}

impl Means {
    pub(crate) fn measure(
        decoder: &Decoder,
        corrupted: &[Vec<u32>],
        batch_size: usize,
    ) -> Result<Means, AuditError> {
        let layers = decoder.config().n_layers;
        let (mut z, mut mlp): (Vec<Tensor<4>>, Vec<Tensor<3>>) = (Vec::new(), Vec::new());
        let share = 1.0 / corrupted.len() as f64;
        for chunk in corrupted.chunks(batch_size) {
            let batch = TokenBatch::new(chunk, &decoder.device())?;
            let mut resid = decoder.embed(&batch, &mut NoTap);
            for layer in 0..layers {
                let (z_site, mlp_site) =
                    (Site::block(layer, SiteKind::Z), Site::block(layer, SiteKind::MlpOut));
                let mut capture = Capture::new([z_site, mlp_site]);
                resid = decoder.run_blocks(layer..layer + 1, resid, &mut capture);
                let missing = |site: Site| move || AuditError::Site { site: site.to_string() };
                let z_sum = capture.get4(z_site).ok_or_else(missing(z_site))?.sum_dim(0) * share;
                let mlp_sum = capture.get3(mlp_site).ok_or_else(missing(mlp_site))?.sum_dim(0) * share;
                if z.len() == layer {
                    z.push(z_sum);
                    mlp.push(mlp_sum);
                } else {
                    z[layer] = z[layer].clone() + z_sum;
                    mlp[layer] = mlp[layer].clone() + mlp_sum;
                }
            }
        }
        Ok(Means { z, mlp })
    }
}

/// The means of each row's group, `[1, seq, ..]`, one below the other, with zeros where a row is padding.
pub(crate) fn gather<const D: usize>(
    rows: &[Row],
    length: usize,
    mean: impl Fn(&Row) -> Tensor<D>,
) -> Tensor<D> {
    let padded = rows.iter().map(|row| {
        let mean = mean(row);
        let mut dims = mean.dims();
        if dims[1] == length {
            return mean;
        }
        dims[1] = length - dims[1];
        let rest = Tensor::zeros(dims, &mean.device());
        Tensor::cat(vec![mean, rest], 1)
    });
    Tensor::cat(padded.collect(), 0)
}
