//! What a step minimises: a weighted list of objectives, one file each.
//!
//! Every objective is a mean over the *predictions* of a step: the pairs (position i - 1, token i) whose token
//! is scored. So a weight means the same whatever the batch.

pub mod check;
pub mod cross_entropy;
pub mod forward_kl;
pub mod hidden_mse;
pub mod jensen_shannon;
pub mod logit_matching;
pub mod reverse_kl;
pub mod skew_forward_kl;
pub mod skew_reverse_kl;
pub mod terms;

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use check::{Layers, check};
pub use cross_entropy::CrossEntropy;
pub use forward_kl::ForwardKl;
pub use hidden_mse::{HiddenMse, LayerMapping, Projection};
pub use jensen_shannon::JensenShannon;
pub use logit_matching::LogitMatching;
pub use reverse_kl::ReverseKl;
pub use skew_forward_kl::SkewForwardKl;
pub use skew_reverse_kl::SkewReverseKl;
pub use terms::{MicroBatch, Terms};

/// One objective of the weighted sum, as a recipe writes it: `{ kind = "forward_kl", weight = 0.5, temperature = 2 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ObjectiveConfig {
    /// T^2 KL(teacher || student): covers all that the teacher finds likely.
    ForwardKl(ForwardKl),
    /// T^2 KL(student || teacher): seeks what the teacher finds most likely.
    ReverseKl(ReverseKl),
    /// T^2 JSD(teacher, student) with a share beta of the teacher in the mixture.
    JensenShannon(JensenShannon),
    /// T^2 KL(teacher || mixture with a share alpha of the teacher).
    SkewForwardKl(SkewForwardKl),
    /// T^2 KL(student || mixture with a share alpha of the student).
    SkewReverseKl(SkewReverseKl),
    /// Half the mean squared difference of zero-meaned logits: the soft term at a high temperature.
    LogitMatching(LogitMatching),
    /// -log p(token) on the data.
    CrossEntropy(CrossEntropy),
    /// Mean squared error between hidden states, through a learned projection.
    HiddenMse(HiddenMse),
}

/// What an objective asks of a teacher.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Requirement {
    /// The teacher's distribution at this temperature.
    pub distribution: Option<f64>,
    /// The teacher's whole logits, at no temperature.
    pub logits: bool,
    /// The teacher's hidden states.
    pub hidden: bool,
}

impl ObjectiveConfig {
    /// The kind's name, as in a recipe.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ForwardKl(_) => "forward_kl",
            Self::ReverseKl(_) => "reverse_kl",
            Self::JensenShannon(_) => "jensen_shannon",
            Self::SkewForwardKl(_) => "skew_forward_kl",
            Self::SkewReverseKl(_) => "skew_reverse_kl",
            Self::LogitMatching(_) => "logit_matching",
            Self::CrossEntropy(_) => "cross_entropy",
            Self::HiddenMse(_) => "hidden_mse",
        }
    }

    /// The factor in the weighted sum.
    pub fn weight(&self) -> f64 {
        match self {
            Self::ForwardKl(it) => it.weight,
            Self::ReverseKl(it) => it.weight,
            Self::JensenShannon(it) => it.weight,
            Self::SkewForwardKl(it) => it.weight,
            Self::SkewReverseKl(it) => it.weight,
            Self::LogitMatching(it) => it.weight,
            Self::CrossEntropy(it) => it.weight,
            Self::HiddenMse(it) => it.weight,
        }
    }

    /// What the teacher must give.
    pub fn requires(&self) -> Requirement {
        match self {
            Self::ForwardKl(it) => it.requires(),
            Self::ReverseKl(it) => it.requires(),
            Self::JensenShannon(it) => it.requires(),
            Self::SkewForwardKl(it) => it.requires(),
            Self::SkewReverseKl(it) => it.requires(),
            Self::LogitMatching(it) => it.requires(),
            Self::CrossEntropy(_) => Requirement::default(),
            Self::HiddenMse(it) => it.requires(),
        }
    }

    /// The term of the fused head operation, for the objectives over the vocabulary.
    pub fn head_term(&self) -> Option<HeadTermKind> {
        match self {
            Self::ForwardKl(it) => Some(it.head_term()),
            Self::ReverseKl(it) => Some(it.head_term()),
            Self::JensenShannon(it) => Some(it.head_term()),
            Self::SkewForwardKl(it) => Some(it.head_term()),
            Self::SkewReverseKl(it) => Some(it.head_term()),
            Self::LogitMatching(it) => Some(it.head_term()),
            Self::CrossEntropy(it) => Some(it.head_term()),
            Self::HiddenMse(_) => None,
        }
    }
}

/// Names of a list of objectives, each once: a second `forward_kl` becomes `forward_kl.2`.
pub fn term_names(objectives: &[ObjectiveConfig]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(objectives.len());
    for (index, objective) in objectives.iter().enumerate() {
        let earlier = objectives[..index].iter().filter(|other| other.name() == objective.name()).count();
        names.push(match earlier {
            0 => objective.name().to_string(),
            count => format!("{}.{}", objective.name(), count + 1),
        });
    }
    names
}

/// Weight and temperature when a recipe does not say.
pub(crate) fn one() -> f64 {
    1.0
}
