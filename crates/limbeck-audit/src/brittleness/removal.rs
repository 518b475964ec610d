//! Several components replaced by their means at once.

use burn::tensor::{Tensor, TensorData};
use limbeck_model::{Site, SiteKind, Tap};

use crate::means::{Means, gather};
use crate::rows::Row;

/// Replaces sets of heads (`hook_z`) and MLPs (`hook_mlp_out`) by their means over the corrupted prompts, per
/// position: another set for each copy of the prompts.
pub(crate) struct Removal<'a> {
    /// The components removed, one set for each copy; counted by layer, heads before the MLP.
    pub(crate) sets: &'a [&'a [usize]],
    /// The prompts of the batch, once.
    pub(crate) rows: &'a [Row<'a>],
    /// By group.
    pub(crate) means: &'a [Means],
    /// Query heads per block.
    pub(crate) heads: usize,
}

impl Tap for Removal<'_> {
    fn wants(&self, site: Site) -> bool {
        let Some(layer) = site.block else { return false };
        let first = layer * (self.heads + 1);
        let places = match site.kind {
            SiteKind::Z => first..first + self.heads,
            SiteKind::MlpOut => first + self.heads..first + self.heads + 1,
            _ => return false,
        };
        self.sets.iter().any(|set| set.iter().any(|component| places.contains(component)))
    }

    fn touch3(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let layer = site.block.unwrap_or(0);
        let mean = gather(self.rows, value.dims()[1], |row| self.means[row.group].mlp[layer].clone());
        let first = layer * (self.heads + 1) + self.heads;
        self.replaced(value.unsqueeze_dim(2), mean.unsqueeze_dim(2), first).squeeze_dim(2)
    }

    fn touch4(&mut self, site: Site, value: Tensor<4>) -> Tensor<4> {
        let layer = site.block.unwrap_or(0);
        let mean = gather(self.rows, value.dims()[1], |row| self.means[row.group].z[layer].clone());
        self.replaced(value, mean, layer * (self.heads + 1))
    }
}

impl Removal<'_> {
    /// `value` is `[copy * prompt, seq, component, width]`, `mean` `[prompt, seq, component, width]`; `first` is the
    /// number of the first component here.
    fn replaced(&self, value: Tensor<4>, mean: Tensor<4>, first: usize) -> Tensor<4> {
        let [rows, _, parts, _] = value.dims();
        let kept: Vec<f32> = (self.sets.iter())
            .flat_map(|set| {
                let kept = (first..first + parts).map(|part| if set.contains(&part) { 0.0 } else { 1.0 });
                let kept: Vec<f32> = kept.collect();
                std::iter::repeat_n(kept, self.rows.len()).flatten()
            })
            .collect();
        let kept = Tensor::<2>::from_data(TensorData::new(kept, [rows, parts]), &value.device());
        let kept = kept.reshape([rows, 1, parts, 1]);
        let removed = kept.clone().neg() + 1.0;
        value * kept + mean.repeat(&[self.sets.len(), 1, 1, 1]) * removed
    }
}
