//! Mean and spread of what components say over corrupted prompts.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use limbeck_eval::contrast::ContrastGroup;
use limbeck_model::{Decoder, SiteKind};

use crate::AuditError;
use crate::rows::read;
use crate::values::walk;

/// Tensors by kind of site, one per layer.
type ByLayer = BTreeMap<SiteKind, Vec<Tensor<3>>>;

/// Means over the corrupted prompts of a group per position, `[1, seq, width]`, by kind and layer.
pub(crate) struct Moments {
    means: ByLayer,
}

impl Moments {
    pub(crate) fn measure(
        decoder: &Decoder,
        group: &ContrastGroup,
        kinds: &[SiteKind],
        batch_size: usize,
    ) -> Result<Moments, AuditError> {
        let mut means = ByLayer::new();
        let share = 1.0 / group.corrupted.len() as f64;
        walk(decoder, &group.corrupted, kinds, batch_size, &mut |layer, kind, value| {
            let sum = value.sum_dim(0) * share;
            let layers = means.entry(kind).or_default();
            match layers.get_mut(layer) {
                Some(mean) => *mean = mean.clone() + sum,
                None => layers.push(sum),
            }
            Ok(())
        })?;
        Ok(Moments { means })
    }

    /// `[1, seq, width]`.
    pub(crate) fn mean(&self, layer: usize, kind: SiteKind) -> Result<Tensor<3>, AuditError> {
        found(&self.means, layer, kind)
    }
}

/// How far components' values lie from their mean per position: root mean square over corrupted prompts of all
/// groups, positions and dimensions. One figure per head, per MLP, per neuron and per residual stream.
pub(crate) struct Spread {
    /// `[1, 1, width]`, the figure of a component repeated over its dimensions.
    by_layer: ByLayer,
}

impl Spread {
    pub(crate) fn measure(
        decoder: &Decoder,
        groups: &[ContrastGroup],
        moments: &[Moments],
        kinds: &[SiteKind],
        batch_size: usize,
    ) -> Result<Spread, AuditError> {
        let mut squares: BTreeMap<(SiteKind, usize), Vec<f64>> = BTreeMap::new();
        let mut count = 0;
        for (group, moments) in groups.iter().zip(moments) {
            enough(group)?;
            count += group.corrupted.len() * group.length;
            walk(decoder, &group.corrupted, kinds, batch_size, &mut |layer, kind, value| {
                let [batch, seq, width] = value.dims();
                let away = (value - moments.mean(layer, kind)?).square().reshape([batch * seq, width]);
                let sums = read(away.sum_dim(0), "deviations")?;
                let all = squares.entry((kind, layer)).or_insert_with(|| vec![0.0; width]);
                all.iter_mut().zip(sums).for_each(|(all, sum)| *all += f64::from(sum));
                Ok(())
            })?;
        }
        let mut by_layer = ByLayer::new();
        for ((kind, _), squares) in squares {
            let width = squares.len();
            let share = match kind {
                SiteKind::Z => decoder.config().d_head,
                SiteKind::MlpPost => 1,
                _ => width,
            };
            let figures = squares.chunks(share).flat_map(|squares| {
                let mean = squares.iter().sum::<f64>() / (squares.len() * count) as f64;
                std::iter::repeat_n(mean.sqrt() as f32, squares.len())
            });
            let data = TensorData::new(figures.collect::<Vec<f32>>(), [1, 1, width]);
            by_layer.entry(kind).or_default().push(Tensor::from_data(data, &decoder.device()));
        }
        Ok(Spread { by_layer })
    }

    /// `[1, 1, width]`.
    pub(crate) fn of(&self, layer: usize, kind: SiteKind) -> Result<Tensor<3>, AuditError> {
        found(&self.by_layer, layer, kind)
    }
}

/// Refuses a group with a single corrupted prompt: it has no spread, and no other to draw from.
pub(crate) fn enough(group: &ContrastGroup) -> Result<(), AuditError> {
    if group.corrupted.len() > 1 {
        return Ok(());
    }
    Err(AuditError::FewCorrupted { group: group.name.clone(), found: group.corrupted.len() })
}

fn found(values: &ByLayer, layer: usize, kind: SiteKind) -> Result<Tensor<3>, AuditError> {
    let value = values.get(&kind).and_then(|layers| layers.get(layer)).cloned();
    value.ok_or_else(|| AuditError::Site { site: limbeck_model::Site::block(layer, kind).to_string() })
}
