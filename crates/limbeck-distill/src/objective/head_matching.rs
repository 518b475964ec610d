//! Outputs of aligned heads, matched.

use burn::tensor::{Int, Tensor};
use limbeck_model::SiteKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::{Compared, mean_over_heads};
use super::{LayerMapping, Loss, Needs, Objective, Step, one};
use crate::DistillError;

/// Keeps a silent head of the teacher from dividing by 0.
const TINY: f64 = 1e-12;

/// Mean over the layer pairs and heads of
///
/// `sum |z_student - z_teacher|^2 / sum |z_teacher|^2`, sums over the tokens,
///
/// where z is a head's weighted values, before the output projection: 0 where they agree, 1 where the student's
/// head is silent. Heads of a pair meet by number, which needs equal widths; where the networks have different numbers of
/// query heads, their means over the heads meet.
///
/// Source: the feature matching of Xu et al. 2024 (arXiv 2402.13116), equation 11, at heads; the relative error makes heads of
/// any size count the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeadMatching {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Which student layer learns from which teacher layer.
    pub layers: LayerMapping,
}

impl Default for HeadMatching {
    fn default() -> Self {
        Self { weight: one(), layers: LayerMapping::default() }
    }
}

impl Objective for HeadMatching {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs {
            components: true,
            sites: &[SiteKind::Z],
            layers: Some(&self.layers),
            equal_head_widths: true,
            ..Needs::default()
        }
    }

    fn loss(&self, step: &Step<'_>) -> Result<Loss, DistillError> {
        step.over_sites(&self.needs(), |pair, tokens| match pair {
            Compared::Heads(student, teacher) => vec![relative_error(student, teacher, tokens)],
            Compared::Stream(..) => Vec::new(),
        })
    }
}

/// The loss of a layer pair, [1], of values [batch, seq, heads, d_head]; `tokens` are the places of tokens that are not
/// padding in [batch * seq].
fn relative_error(student: Tensor<4>, teacher: Tensor<4>, tokens: &Tensor<1, Int>) -> Tensor<1> {
    let rows = |z: Tensor<4>| {
        let [batch, seq, heads, width] = z.dims();
        z.reshape([batch * seq, heads, width]).select(0, tokens.clone())
    };
    let (student, teacher) = mean_over_heads(rows(student), rows(teacher));
    let by_head = |values: Tensor<3>| (values.clone() * values).sum_dim(2).sum_dim(0);
    let sizes = by_head(teacher.clone()) + TINY;
    (by_head(student - teacher) / sizes).mean()
}
