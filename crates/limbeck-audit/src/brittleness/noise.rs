//! Normal noise at every head and every MLP at once.

use burn::tensor::{Tensor, TensorData};
use limbeck_model::{Site, SiteKind, Tap};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// Adds `size * s * e` to the output of every head (`hook_z`) and every MLP (`hook_mlp_out`), where `s` is the
/// standard deviation over the entries of that output at that position (the scale that a LayerNorm would divide by)
/// and `e` standard normal, independent by entry.
///
/// The noise of a prompt comes from a stream of its own, so that it depends on no other prompt in the batch, and all
/// sizes see the same one, so that a curve over sizes is of one disturbance that grows.
pub(crate) struct Noise<'a> {
    /// Standard deviations, one for each copy of the prompts.
    pub(crate) sizes: &'a [f64],
    /// Place of every prompt of the batch in the whole list.
    pub(crate) prompts: std::ops::Range<usize>,
    /// Seed of all draws.
    pub(crate) seed: u64,
    /// Which draw.
    pub(crate) draw: u64,
}

/// Sites of one prompt that have streams of their own.
const SITES: u64 = 1 << 16;
/// Prompts of one draw that have streams of their own.
const PROMPTS: u64 = 1 << 24;

impl Tap for Noise<'_> {
    fn wants(&self, site: Site) -> bool {
        matches!(site.kind, SiteKind::Z | SiteKind::MlpOut)
    }

    fn touch3(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        self.disturbed(site, value.unsqueeze_dim(2)).squeeze_dim(2)
    }

    fn touch4(&mut self, site: Site, value: Tensor<4>) -> Tensor<4> {
        self.disturbed(site, value)
    }
}

impl Noise<'_> {
    /// `value` is `[copy * prompt, seq, component, width]`.
    fn disturbed(&self, site: Site, value: Tensor<4>) -> Tensor<4> {
        let [rows, seq, parts, width] = value.dims();
        let device = value.device();
        let noise = self.normal(site, seq * parts * width);
        let noise =
            Tensor::<4>::from_data(TensorData::new(noise, [self.prompts.len(), seq, parts, width]), &device);
        let sizes: Vec<f32> = (self.sizes.iter())
            .flat_map(|&size| std::iter::repeat_n(size as f32, self.prompts.len()))
            .collect();
        let sizes = Tensor::<1>::from_data(TensorData::new(sizes, [rows]), &device).reshape([rows, 1, 1, 1]);
        let centred = value.clone() - value.clone().mean_dim(3);
        let deviation = (centred.clone() * centred).mean_dim(3).sqrt();
        value + noise.repeat(&[self.sizes.len(), 1, 1, 1]) * (deviation * sizes)
    }

    /// `count` standard normal values for every prompt.
    fn normal(&self, site: Site, count: usize) -> Vec<f32> {
        let kind = u64::from(site.kind == SiteKind::MlpOut);
        let place = 2 * site.block.unwrap_or(0) as u64 + kind;
        let streams = self.prompts.clone().into_par_iter().map(|prompt| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream((self.draw * PROMPTS + prompt as u64) * SITES + place);
            (0..count).map(|_| StandardNormal.sample(&mut rng)).collect::<Vec<f32>>()
        });
        streams.collect::<Vec<_>>().concat()
    }
}
