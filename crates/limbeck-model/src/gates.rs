//! Gates on heads and MLPs: a factor before what each of them adds, to remove components or to measure them.

use burn::tensor::{Device, Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decoder::TokenBatch;
use crate::site::{Site, SiteKind};
use crate::tap::Tap;

/// What stands in the place of a component whose gate is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Zero.
    #[default]
    Zero,
    /// Its mean over all tokens of the batch, padding left out.
    Mean,
}

/// Heads and MLPs of a network: by layer, the heads before the MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Components {
    /// Blocks.
    pub layers: usize,
    /// Query heads per block.
    pub heads: usize,
}

impl Components {
    /// How many there are.
    pub fn count(self) -> usize {
        self.layers * (self.heads + 1)
    }

    /// Index of a head, or (`head == heads`) of the MLP of a layer.
    pub fn index(self, layer: usize, head: usize) -> usize {
        layer * (self.heads + 1) + head
    }
}

/// Which components are removed in which sequence of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The network's components.
    pub components: Components,
    /// `[sequence, component]`.
    pub mask: Vec<bool>,
}

impl Removed {
    /// Sequences.
    pub fn rows(&self) -> usize {
        self.mask.len() / self.components.count().max(1)
    }

    /// Whether a component is removed in any sequence.
    fn anywhere(&self, component: usize) -> bool {
        self.mask.iter().skip(component).step_by(self.components.count().max(1)).any(|&removed| removed)
    }
}

/// A tap that replaces the output a of every component (a head's z, an MLP's `hook_mlp_out`) by
/// `f + g (a - f)`, with its gate g and the [`Fill`] f. At g = 1 nothing changes, at g = 0 the component is removed.
/// Those that stay are not rescaled.
#[derive(Debug, Clone)]
pub struct Gates {
    /// By layer: gates of its heads, `[rows, 1, heads, 1]`, rows being 1 or the batch.
    heads: Vec<Option<Tensor<4>>>,
    /// By layer: gate of its MLP, `[rows, 1, 1]`.
    mlps: Vec<Option<Tensor<3>>>,
    /// Each token's share of the mean over all tokens, `[batch, seq, 1]`; padding has none. Absent for zeros.
    shares: Option<Tensor<3>>,
}

impl Gates {
    /// Gates of given sizes for the whole batch; `values` is `[components]` and may carry a gradient.
    pub fn of(values: Tensor<1>, components: Components, fill: Fill, batch: &TokenBatch) -> Self {
        let Components { layers, heads } = components;
        let part = |start: usize, count: usize| values.clone().narrow(0, start, count);
        Self {
            heads: (0..layers)
                .map(|layer| Some(part(components.index(layer, 0), heads).reshape([1, 1, heads, 1])))
                .collect(),
            mlps: (0..layers)
                .map(|layer| Some(part(components.index(layer, heads), 1).reshape([1, 1, 1])))
                .collect(),
            shares: shares(fill, batch, &values.device()),
        }
    }

    /// Gates that remove. `removed` has the sequences of `batch`; layers it leaves whole are not touched.
    pub fn removing(removed: &Removed, fill: Fill, batch: &TokenBatch, device: &Device) -> Self {
        let Components { layers, heads } = removed.components;
        let (rows, count) = (removed.rows(), removed.components.count());
        let gates = |layer: usize, from: usize, width: usize| {
            let first = removed.components.index(layer, from);
            (first..first + width).any(|component| removed.anywhere(component)).then(|| {
                let row = |row: usize| &removed.mask[row * count + first..row * count + first + width];
                let values = (0..rows).flat_map(row).map(|&gone| if gone { 0.0f32 } else { 1.0 });
                TensorData::new(values.collect::<Vec<f32>>(), [rows, 1, width, 1])
            })
        };
        Self {
            heads: (0..layers)
                .map(|layer| gates(layer, 0, heads).map(|data| Tensor::from_data(data, device)))
                .collect(),
            mlps: (0..layers)
                .map(|layer| {
                    let data = gates(layer, heads, 1)?;
                    Some(Tensor::<4>::from_data(data, device).reshape([rows, 1, 1]))
                })
                .collect(),
            shares: shares(fill, batch, device),
        }
    }
}

/// Each token's share of a mean over all tokens of the batch.
fn shares(fill: Fill, batch: &TokenBatch, device: &Device) -> Option<Tensor<3>> {
    if fill == Fill::Zero {
        return None;
    }
    let [rows, width] = batch.dims();
    let share = 1.0 / batch.lengths.iter().sum::<usize>().max(1) as f32;
    let of = |length: &usize| {
        let length = *length;
        (0..width).map(move |at| if at < length { share } else { 0.0 })
    };
    let values: Vec<f32> = batch.lengths.iter().flat_map(of).collect();
    Some(Tensor::from_data(TensorData::new(values, [rows, width, 1]), device))
}

impl Tap for Gates {
    fn wants(&self, site: Site) -> bool {
        let Some(block) = site.block else { return false };
        match site.kind {
            SiteKind::Z => self.heads.get(block).is_some_and(Option::is_some),
            SiteKind::MlpOut => self.mlps.get(block).is_some_and(Option::is_some),
            _ => false,
        }
    }

    fn touch3(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let Some(gate) = site.block.and_then(|block| self.mlps.get(block)?.clone()) else { return value };
        match &self.shares {
            None => value * gate,
            Some(shares) => {
                let mean = (value.clone() * shares.clone()).sum_dim(1).sum_dim(0);
                mean.clone() + (value - mean) * gate
            }
        }
    }

    fn touch4(&mut self, site: Site, value: Tensor<4>) -> Tensor<4> {
        let Some(gate) = site.block.and_then(|block| self.heads.get(block)?.clone()) else { return value };
        match &self.shares {
            None => value * gate,
            Some(shares) => {
                let mean = (value.clone() * shares.clone().unsqueeze_dim(3)).sum_dim(1).sum_dim(0);
                mean.clone() + (value - mean) * gate
            }
        }
    }
}

/// Two taps on one pass: the second sees what the first left.
pub struct Both<'a>(pub &'a mut dyn Tap, pub &'a mut dyn Tap);

impl Tap for Both<'_> {
    fn wants(&self, site: Site) -> bool {
        self.0.wants(site) || self.1.wants(site)
    }

    fn touch3(&mut self, site: Site, mut value: Tensor<3>) -> Tensor<3> {
        for tap in [&mut *self.0, &mut *self.1] {
            if tap.wants(site) {
                value = tap.touch3(site, value);
            }
        }
        value
    }

    fn touch4(&mut self, site: Site, mut value: Tensor<4>) -> Tensor<4> {
        for tap in [&mut *self.0, &mut *self.1] {
            if tap.wants(site) {
                value = tap.touch4(site, value);
            }
        }
        value
    }
}
