//! What an objective needs of the teacher, of the student's pass and of the head: declared, so that passes are shared, terms over
//! the vocabulary fuse, and what a teacher cannot give is refused when the recipe is read.

use limbeck_kernels::HeadTermKind;
use limbeck_model::{Fill, SiteKind};

use super::{LayerMapping, RemovedFrom};
use crate::soundness::Probability;

/// The needs of one objective; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs<'a> {
    /// The teacher's distribution at this temperature.
    pub distribution: Option<f64>,
    /// The teacher's whole logits, at no temperature.
    pub logits: bool,
    /// The teacher's hidden states.
    pub hidden: bool,
    /// What the teacher's heads and MLPs say, or its answers without some of them.
    pub components: bool,
    /// The influence of the teacher's components on the right tokens.
    pub influence: bool,
    /// Its term over the vocabulary, where it is one.
    pub head: Option<HeadTermKind>,
    /// What is compared within each layer pair.
    pub sites: &'static [SiteKind],
    /// Which student layer meets which teacher layer.
    pub layers: Option<&'a LayerMapping>,
    /// Components that are removed at random.
    pub removal: Option<Removal>,
    /// Whether it passes the student itself, and has no use for the pass that the others share.
    pub own_pass: bool,
    /// Whether the heads of both networks have to be of one width.
    pub equal_head_widths: bool,
}

/// Components that are drawn anew for every sequence, and removed.
#[derive(Debug, Clone, Copy)]
pub struct Removal {
    /// Probability of each head of the student (and those of the teacher behind it).
    pub heads: Probability,
    /// Probability of each MLP.
    pub mlps: Probability,
    /// What stands in the place of a removed component.
    pub fill: Fill,
    /// Who loses them.
    pub from: RemovedFrom,
}

impl Needs<'_> {
    /// A term over the vocabulary that listens to the teacher's distribution at a temperature.
    pub(super) fn distribution(temperature: f64, term: HeadTermKind) -> Self {
        Self { distribution: Some(temperature), head: Some(term), ..Self::default() }
    }

    /// Whether anything is asked of a teacher.
    pub fn teacher(&self) -> bool {
        self.distribution.is_some() || self.logits || self.hidden || self.components || self.influence
    }
}
