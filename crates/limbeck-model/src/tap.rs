//! Taps: what a forward pass may be asked to show or to change.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};

use crate::decoder::normal;
use crate::site::{Site, SiteKind};

/// A visitor of a forward pass. The decoder asks [`Tap::wants`] at each site and hands over the value
/// only when the answer is yes, so that an unused site costs one comparison.
pub trait Tap {
    /// Whether the value at `site` is to be handed over.
    fn wants(&self, site: Site) -> bool;
    /// Sees, and may replace, a value of rank 3: `[batch, seq, width]`.
    fn touch3(&mut self, _site: Site, value: Tensor<3>) -> Tensor<3> {
        value
    }
    /// Sees, and may replace, a value of rank 4: `[batch, seq, heads, d_head]`, or
    /// `[batch, heads, query, key]` at a pattern.
    fn touch4(&mut self, _site: Site, value: Tensor<4>) -> Tensor<4> {
        value
    }
}

/// Wants nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTap;

impl Tap for NoTap {
    fn wants(&self, _site: Site) -> bool {
        false
    }
}

/// Keeps the values at chosen sites.
#[derive(Debug, Default)]
pub struct Capture {
    wanted: Vec<Site>,
    rank3: BTreeMap<Site, Tensor<3>>,
    rank4: BTreeMap<Site, Tensor<4>>,
}

impl Capture {
    /// Will keep the values at `sites`.
    pub fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        Self { wanted: sites.into_iter().collect(), ..Self::default() }
    }

    /// The value seen at a site of rank 3; `None` when it was not asked for or not met.
    pub fn get3(&self, site: Site) -> Option<Tensor<3>> {
        self.rank3.get(&site).cloned()
    }

    /// The value seen at a site of rank 4; `None` when it was not asked for or not met.
    pub fn get4(&self, site: Site) -> Option<Tensor<4>> {
        self.rank4.get(&site).cloned()
    }
}

impl Tap for Capture {
    fn wants(&self, site: Site) -> bool {
        self.wanted.contains(&site)
    }

    fn touch3(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        self.rank3.insert(site, value.clone());
        value
    }

    fn touch4(&mut self, site: Site, value: Tensor<4>) -> Tensor<4> {
        self.rank4.insert(site, value.clone());
        value
    }
}

/// What an intervention does to a value.
#[derive(Debug, Clone)]
pub enum Action {
    /// Sets it to zero.
    Zero,
    /// Sets it to a mean, one per position, broadcast over the batch: `[1, seq, width]`, or
    /// `[1, seq, d_head]` for one head.
    Mean(Tensor<3>),
    /// Sets it to values of its own shape: `[batch, seq, width]`, or `[batch, seq, d_head]` for one head.
    Replace(Tensor<3>),
    /// Sets one head's attention pattern, `[batch, query, key]`.
    Pattern(Tensor<3>),
    /// Adds independent normal noise.
    Noise {
        /// Standard deviation, in units of the value.
        std: f64,
        /// Seed of the noise.
        seed: u64,
    },
}

/// A change at one site, of everything there or of one head.
#[derive(Debug, Clone)]
pub struct Intervention {
    /// Where.
    pub site: Site,
    /// The head, at a site of rank 4; all of them when absent.
    pub head: Option<usize>,
    /// What is done.
    pub action: Action,
}

/// Applies interventions, in their order.
#[derive(Debug, Default)]
pub struct Interventions {
    list: Vec<Intervention>,
}

impl Interventions {
    /// Will apply `list`.
    pub fn new(list: Vec<Intervention>) -> Self {
        Self { list }
    }
}

impl Tap for Interventions {
    fn wants(&self, site: Site) -> bool {
        self.list.iter().any(|change| change.site == site)
    }

    fn touch3(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let here = self.list.iter().filter(|change| change.site == site);
        here.fold(value, |value, change| changed(&change.action, value))
    }

    fn touch4(&mut self, site: Site, value: Tensor<4>) -> Tensor<4> {
        let here = self.list.iter().filter(|change| change.site == site);
        // A pattern has its heads in dimension 1, every other value in dimension 2.
        let axis = if site.kind == SiteKind::Pattern { 1 } else { 2 };
        here.fold(value, |value, change| {
            let heads = match change.head {
                Some(head) => head..head + 1,
                None => 0..value.dims()[axis],
            };
            heads.fold(value, |value, head| {
                let one = value.clone().narrow(axis, head, 1).squeeze_dim::<3>(axis);
                let one = changed(&change.action, one).unsqueeze_dim::<4>(axis);
                replaced(value, axis, head, one)
            })
        })
    }
}

/// Applies an action to a value `[batch, seq, width]`.
fn changed(action: &Action, value: Tensor<3>) -> Tensor<3> {
    match action {
        Action::Zero => value.zeros_like(),
        Action::Mean(mean) => mean.clone().expand(value.shape()),
        Action::Replace(other) | Action::Pattern(other) => other.clone(),
        Action::Noise { std, seed } => {
            let dims = value.dims();
            let values = normal(*seed, "noise", dims.iter().product(), *std as f32);
            value.clone() + Tensor::from_data(TensorData::new(values, dims), &value.device())
        }
    }
}

/// `value` with the slice at `index` of `axis` replaced.
fn replaced(value: Tensor<4>, axis: usize, index: usize, with: Tensor<4>) -> Tensor<4> {
    let dims = value.dims();
    let mut ranges = dims.map(|n| 0..n);
    ranges[axis] = index..index + 1;
    value.slice_assign(ranges, with)
}
