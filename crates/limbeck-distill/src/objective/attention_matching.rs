//! Attention maps of aligned layers, matched.

use burn::tensor::{Int, Tensor};
use limbeck_model::SiteKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::{Compared, mean_over_heads};
use super::{LayerMapping, Loss, Needs, Objective, Step, one};
use crate::DistillError;

/// Mean over the layer pairs, heads and tokens of
///
/// `sum_k (A_student[k] - A_teacher[k])^2`, from 0 to 2,
///
/// where A is a token's attention over the keys up to itself. Heads of a pair meet by number; where the networks have
/// different numbers of query heads, their means over the heads meet. Every query head counts, also where several share keys.
///
/// Source: Jiao et al. 2020, TinyBERT (arXiv 1909.10351), equation 7, over the probabilities instead of the scores
/// before the softmax; the comparison of maps is that of alignment in Haskins & Adams 2025 (arXiv 2505.10822).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionMatching {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Which student layer learns from which teacher layer.
    pub layers: LayerMapping,
}

impl Default for AttentionMatching {
    fn default() -> Self {
        Self { weight: one(), layers: LayerMapping::default() }
    }
}

impl Objective for AttentionMatching {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs {
            components: true,
            sites: &[SiteKind::Pattern],
            layers: Some(&self.layers),
            ..Needs::default()
        }
    }

    fn loss(&self, step: &Step<'_>) -> Result<Loss, DistillError> {
        step.over_sites(&self.needs(), |pair, tokens| match pair {
            Compared::Heads(student, teacher) => vec![distance(student, teacher, tokens)],
            Compared::Stream(..) => Vec::new(),
        })
    }
}

/// The loss of a layer pair, [1], of patterns [batch, heads, query, key]; `tokens` are the places of tokens that are not
/// padding in [batch * query].
fn distance(student: Tensor<4>, teacher: Tensor<4>, tokens: &Tensor<1, Int>) -> Tensor<1> {
    let rows = |pattern: Tensor<4>| {
        let [batch, heads, query, key] = pattern.dims();
        pattern.swap_dims(1, 2).reshape([batch * query, heads, key]).select(0, tokens.clone())
    };
    let (student, teacher) = mean_over_heads(rows(student), rows(teacher));
    let [count, heads, _] = student.dims();
    let difference = student - teacher;
    (difference.clone() * difference).sum() / (count * heads) as f64
}
