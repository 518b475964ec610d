//! What a step minimises: a weighted list of objectives, one file each.
//!
//! A new objective is a file with a type that implements [`Objective`], and a line of the registry below. Every objective is a
//! mean over the *predictions* of a step: the pairs (position i - 1, token i) whose token is scored. So a weight means the
//! same whatever the batch.

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
pub mod jensen_shannon;
pub mod layer_mapping;
pub mod logit_matching;
pub mod needs;
pub mod reverse_kl;
pub mod skew_forward_kl;
pub mod skew_reverse_kl;
pub mod step;
pub mod terms;
pub mod total_variation;

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use ablation_kl::RemovedFrom;
pub use batch::MicroBatch;
pub use check::{Layers, check};
pub use hidden_mse::Projection;
pub use influence_spread::SpreadMeasure;
pub use layer_mapping::LayerMapping;
pub use needs::{Needs, Removal};
pub use step::{Loss, Step};
pub use terms::Terms;

use crate::DistillError;
use hidden_mse::Beside;

/// One term of the weighted sum.
pub trait Objective: Debug + Send + Sync {
    /// The factor in the weighted sum.
    fn weight(&self) -> f64;

    /// What it asks of the teacher, of the student's pass and of the head.
    fn needs(&self) -> Needs<'_>;

    /// Refuses settings it cannot be trained with, beyond those that [`check()`] knows of every objective. `name` is the term's.
    ///
    /// # Errors
    /// [`DistillError::Setting`].
    fn check(&self, _name: &str) -> Result<(), DistillError> {
        Ok(())
    }

    /// The projections that are trained beside the student for it.
    fn projections(&self, _beside: &Beside<'_>) -> Vec<Projection> {
        Vec::new()
    }

    /// Its loss on one micro-batch. Never asked of an objective that is a term over the vocabulary ([`Needs::head`]): those are
    /// computed together, in one product with the head.
    ///
    /// # Errors
    /// When the teacher's signal lacks what was asked for, or an operation refuses its input.
    fn loss(&self, _step: &Step<'_>) -> Result<Loss, DistillError> {
        Ok(Loss::default())
    }
}

/// The registry: one line an objective, its module and type behind what a reader of the recipe's schema is told.
macro_rules! registry {
    ($($(#[doc = $words:literal])+ $module:ident::$objective:ident,)+) => {
        $(pub use $module::$objective;)+

        /// One objective of the weighted sum, as a recipe writes it: `{ kind = "forward_kl", weight = 0.5, temperature = 2 }`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum ObjectiveConfig {
            $($(#[doc = $words])+ $objective($objective),)+
        }

        impl ObjectiveConfig {
            /// The kind's name, as in a recipe.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$objective(_) => stringify!($module),)+
                }
            }
        }

        impl std::ops::Deref for ObjectiveConfig {
            type Target = dyn Objective;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$objective(it) => it,)+
                }
            }
        }

        #[cfg(test)]
        fn one_of_each() -> Vec<ObjectiveConfig> {
            vec![$(ObjectiveConfig::$objective($objective::default()),)+]
        }
    };
}

registry! {
    /// T^2 KL(teacher || student): covers all that the teacher finds likely.
    forward_kl::ForwardKl,
    /// T^2 KL(student || teacher): seeks what the teacher finds most likely.
    reverse_kl::ReverseKl,
    /// T^2 JSD(teacher, student) with a share beta of the teacher in the mixture.
    jensen_shannon::JensenShannon,
    /// T^2 KL(teacher || mixture with a share alpha of the teacher).
    skew_forward_kl::SkewForwardKl,
    /// T^2 KL(student || mixture with a share alpha of the student).
    skew_reverse_kl::SkewReverseKl,
    /// T^2 / 2 sum |teacher - student|: total variation distance.
    total_variation::TotalVariation,
    /// Half the mean squared difference of zero-meaned logits: the soft term at a high temperature.
    logit_matching::LogitMatching,
    /// -log p(token) on the data.
    cross_entropy::CrossEntropy,
    /// Mean squared error between hidden states, through a learned projection.
    hidden_mse::HiddenMse,
    /// T^2 KL(teacher || student) while random components of student, teacher or both are removed.
    ablation_kl::AblationKl,
    /// Squared distance of attention maps of aligned layers.
    attention_matching::AttentionMatching,
    /// Relative squared error of the outputs of aligned heads.
    head_matching::HeadMatching,
    /// 1 - CKA of aligned heads and MLPs.
    component_cka::ComponentCka,
    /// Squared distance of the components' shares in the influence on the right tokens.
    influence_matching::InfluenceMatching,
    /// Concentration of that influence on few components.
    influence_spread::InfluenceSpread,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objectives_name_is_the_kind_of_the_recipe() {
        for objective in one_of_each() {
            let written = serde_json::to_value(&objective).unwrap();
            assert_eq!(written["kind"], objective.name());
            assert_eq!(serde_json::from_value::<ObjectiveConfig>(written).unwrap(), objective);
        }
    }
}
