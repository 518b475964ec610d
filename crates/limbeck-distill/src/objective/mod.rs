//! What a step minimises: a weighted list of objectives, one file each.
//!
//! Every objective is a mean over the *predictions* of a step: the pairs (position i - 1, token i) whose token
//! is scored. So a weight means the same whatever the batch.

pub mod ablation_kl;
pub mod attention_matching;
pub mod batch;
pub mod check;
pub mod component_cka;
pub mod cross_entropy;
mod evaluate;
pub mod forward_kl;
pub mod head_matching;
pub mod hidden_mse;
pub mod influence_matching;
pub mod influence_spread;
mod inside;
pub mod jensen_shannon;
pub mod layer_mapping;
pub mod logit_matching;
pub mod reverse_kl;
pub mod skew_forward_kl;
pub mod skew_reverse_kl;
pub mod terms;

use limbeck_kernels::HeadTermKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use ablation_kl::{AblationKl, RemovedFrom};
pub use attention_matching::AttentionMatching;
pub use batch::MicroBatch;
pub use check::{Layers, check};
pub use component_cka::ComponentCka;
pub use cross_entropy::CrossEntropy;
pub use forward_kl::ForwardKl;
pub use head_matching::HeadMatching;
pub use hidden_mse::{HiddenMse, Projection};
pub use influence_matching::InfluenceMatching;
pub use influence_spread::{InfluenceSpread, SpreadMeasure};
pub use jensen_shannon::JensenShannon;
pub use layer_mapping::LayerMapping;
pub use logit_matching::LogitMatching;
pub use reverse_kl::ReverseKl;
pub use skew_forward_kl::SkewForwardKl;
pub use skew_reverse_kl::SkewReverseKl;
pub use terms::Terms;

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
    /// T^2 KL(teacher || student) while random components of student, teacher or both are removed.
    AblationKl(AblationKl),
    /// Squared distance of attention maps of aligned layers.
    AttentionMatching(AttentionMatching),
    /// Relative squared error of the outputs of aligned heads.
    HeadMatching(HeadMatching),
    /// 1 - CKA of aligned heads and MLPs.
    ComponentCka(ComponentCka),
    /// Squared distance of the components' shares in the influence on the right tokens.
    InfluenceMatching(InfluenceMatching),
    /// Concentration of that influence on few components.
    InfluenceSpread(InfluenceSpread),
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
    /// What the teacher's heads and MLPs say, or its answers without some of them.
    pub components: bool,
}

impl Requirement {
    /// Whether anything is asked.
    pub fn is_any(&self) -> bool {
        self.distribution.is_some() || self.logits || self.hidden || self.components
    }
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
            Self::AblationKl(_) => "ablation_kl",
            Self::AttentionMatching(_) => "attention_matching",
            Self::HeadMatching(_) => "head_matching",
            Self::ComponentCka(_) => "component_cka",
            Self::InfluenceMatching(_) => "influence_matching",
            Self::InfluenceSpread(_) => "influence_spread",
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
            Self::AblationKl(it) => it.weight,
            Self::AttentionMatching(it) => it.weight,
            Self::HeadMatching(it) => it.weight,
            Self::ComponentCka(it) => it.weight,
            Self::InfluenceMatching(it) => it.weight,
            Self::InfluenceSpread(it) => it.weight,
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
            Self::CrossEntropy(_) | Self::InfluenceSpread(_) => Requirement::default(),
            Self::HiddenMse(it) => it.requires(),
            Self::AblationKl(it) => it.requires(),
            Self::AttentionMatching(it) => it.requires(),
            Self::HeadMatching(it) => it.requires(),
            Self::ComponentCka(it) => it.requires(),
            Self::InfluenceMatching(it) => it.requires(),
        }
    }

    /// Its layer mapping, for the objectives that pair layers.
    pub fn layers(&self) -> Option<&LayerMapping> {
        match self {
            Self::HiddenMse(it) => Some(&it.layers),
            Self::AblationKl(it) => Some(&it.layers),
            Self::AttentionMatching(it) => Some(&it.layers),
            Self::HeadMatching(it) => Some(&it.layers),
            Self::ComponentCka(it) => Some(&it.layers),
            Self::InfluenceMatching(it) => Some(&it.layers),
            _ => None,
        }
    }

    /// The term of the fused head operation, for the objectives over the vocabulary that the student answers to whole.
    pub fn head_term(&self) -> Option<HeadTermKind> {
        match self {
            Self::ForwardKl(it) => Some(it.head_term()),
            Self::ReverseKl(it) => Some(it.head_term()),
            Self::JensenShannon(it) => Some(it.head_term()),
            Self::SkewForwardKl(it) => Some(it.head_term()),
            Self::SkewReverseKl(it) => Some(it.head_term()),
            Self::LogitMatching(it) => Some(it.head_term()),
            Self::CrossEntropy(it) => Some(it.head_term()),
            _ => None,
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
