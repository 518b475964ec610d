//! Sets of components: heads and MLPs of a network.

use burn::tensor::{Device, Tensor, TensorData};
use limbeck_results::component_label;

use crate::influence::component;

/// Some of a network's heads and MLPs. Component `layer * (heads + 1) + within` is head `within` of that block, or
/// its MLP where `within` is the number of heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSet {
    heads: usize,
    members: Vec<bool>,
}

impl NodeSet {
    /// All components of a network with so many blocks and query heads per block.
    pub fn whole(layers: usize, heads: usize) -> NodeSet {
        NodeSet { heads, members: vec![true; layers * (heads + 1)] }
    }

    /// None of them.
    pub fn empty(layers: usize, heads: usize) -> NodeSet {
        NodeSet { heads, members: vec![false; layers * (heads + 1)] }
    }

    /// Some components of the network that `like` is of.
    pub fn of(like: &NodeSet, components: impl IntoIterator<Item = usize>) -> NodeSet {
        let mut some = NodeSet::empty(like.layers(), like.heads);
        components.into_iter().for_each(|component| some.insert(component));
        some
    }

    /// Those that this set lacks.
    #[must_use]
    pub fn complement(&self) -> NodeSet {
        NodeSet { heads: self.heads, members: self.members.iter().map(|member| !member).collect() }
    }

    /// The same without a component.
    #[must_use]
    pub fn without(&self, component: usize) -> NodeSet {
        let mut rest = self.clone();
        rest.members[component] = false;
        rest
    }

    /// Adds a component.
    pub fn insert(&mut self, component: usize) {
        self.members[component] = true;
    }

    /// Whether a component is in it.
    pub fn contains(&self, component: usize) -> bool {
        self.members[component]
    }

    /// Number of a head.
    pub fn head(&self, layer: usize, head: usize) -> usize {
        layer * (self.heads + 1) + head
    }

    /// Number of an MLP.
    pub fn mlp(&self, layer: usize) -> usize {
        layer * (self.heads + 1) + self.heads
    }

    /// Query heads per block.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Blocks.
    pub fn layers(&self) -> usize {
        self.members.len() / (self.heads + 1)
    }

    /// Heads of a block that are in it.
    pub fn heads_in(&self, layer: usize) -> usize {
        (0..self.heads).filter(|&head| self.contains(self.head(layer, head))).count()
    }

    /// Its components, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.members.iter().enumerate().filter(|(_, member)| **member).map(|(component, _)| component)
    }

    /// How many heads and how many MLPs are in it.
    pub fn counts(&self) -> (usize, usize) {
        let heads = (0..self.layers()).map(|layer| self.heads_in(layer)).sum();
        (heads, self.iter().count() - heads)
    }

    /// Number of components.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Components that there are, in the set or not.
    pub fn components(&self) -> usize {
        self.members.len()
    }

    /// Labels of its components, such as `7.11` and `MLP 3`.
    pub fn labels(&self) -> Vec<String> {
        self.iter().map(|index| self.label(index)).collect()
    }

    /// The label of a component, in the set or not.
    pub fn label(&self, index: usize) -> String {
        let (_, layer, head) = component(index, self.heads);
        component_label(layer, head)
    }

    /// `|A and B| / |A or B|`; 1 for two empty sets.
    pub fn jaccard(&self, other: &NodeSet) -> f64 {
        let pairs = || self.members.iter().zip(&other.members);
        let either = pairs().filter(|(a, b)| **a || **b).count();
        let both = pairs().filter(|(a, b)| **a && **b).count();
        if either == 0 { 1.0 } else { both as f64 / either as f64 }
    }

    /// Of a block's heads: 1 where it is in the set, else 0, `[1, 1, heads, 1]`.
    pub(crate) fn mask(&self, layer: usize, device: &Device) -> Tensor<4> {
        let member = |head| f32::from(u8::from(self.contains(self.head(layer, head))));
        let values: Vec<f32> = (0..self.heads).map(member).collect();
        Tensor::from_data(TensorData::new(values, [1, 1, self.heads, 1]), device)
    }
}
