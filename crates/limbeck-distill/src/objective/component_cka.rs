//! Kernel alignment of matched components.

use burn::tensor::{Int, Tensor};
use limbeck_model::SiteKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step::Compared;
use super::{LayerMapping, Loss, Needs, Objective, Step, one};
use crate::DistillError;
use crate::soundness::linear_cka;

/// Mean over the matched components of `1 - CKA`, from 0 to 1, with the linear CKA of their activations over the tokens of
/// the micro-batch, padding left out.
///
/// Components of a layer pair meet by number: heads (their z) of any width; where the networks have different numbers of
/// query heads, all heads of a layer together are one component. The MLPs of a pair (their outputs) meet too.
/// CKA needs many tokens: with fewer than activations are wide, unrelated activations look alike.
///
/// Source: Circuit Distillation (arXiv 2509.25002), whose matched components come from their effect when ablated; here they come
/// from the layer mapping. CKA: Kornblith et al. 2019 (arXiv 1905.00414).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ComponentCka {
    /// Factor in the weighted sum of objectives.
    pub weight: f64,
    /// Which student layer learns from which teacher layer.
    pub layers: LayerMapping,
}

impl Default for ComponentCka {
    fn default() -> Self {
        Self { weight: one(), layers: LayerMapping::default() }
    }
}

impl Objective for ComponentCka {
    fn weight(&self) -> f64 {
        self.weight
    }

    fn needs(&self) -> Needs<'_> {
        Needs {
            components: true,
            sites: &[SiteKind::Z, SiteKind::MlpOut],
            layers: Some(&self.layers),
            ..Needs::default()
        }
    }

    fn loss(&self, step: &Step<'_>) -> Result<Loss, DistillError> {
        step.over_sites(&self.needs(), |pair, tokens| match pair {
            Compared::Heads(student, teacher) => of_heads(student, teacher, tokens),
            Compared::Stream(student, teacher) => vec![of_mlps(student, teacher, tokens)],
        })
    }
}

/// `1 - CKA` of every matched head, each [1], of values [batch, seq, heads, d_head].
fn of_heads(student: Tensor<4>, teacher: Tensor<4>, tokens: &Tensor<1, Int>) -> Vec<Tensor<1>> {
    let rows = |z: Tensor<4>| {
        let [batch, seq, heads, width] = z.dims();
        z.reshape([batch * seq, heads * width]).select(0, tokens.clone())
    };
    let ([.., heads, width], [.., other, other_width]) = (student.dims(), teacher.dims());
    let (student, teacher) = (rows(student), rows(teacher));
    if heads != other {
        return vec![apart(student, teacher)];
    }
    let head = |values: &Tensor<2>, head: usize, width: usize| values.clone().narrow(1, head * width, width);
    (0..heads).map(|at| apart(head(&student, at, width), head(&teacher, at, other_width))).collect()
}

/// `1 - CKA` of the MLPs of a pair, [1], of outputs [batch, seq, d_model].
fn of_mlps(student: Tensor<3>, teacher: Tensor<3>, tokens: &Tensor<1, Int>) -> Tensor<1> {
    let rows = |out: Tensor<3>| {
        let [batch, seq, width] = out.dims();
        out.reshape([batch * seq, width]).select(0, tokens.clone())
    };
    apart(rows(student), rows(teacher))
}

fn apart(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    -linear_cka(student, teacher) + 1.0
}
