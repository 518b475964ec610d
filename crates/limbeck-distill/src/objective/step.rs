//! What an objective computes its loss from: one micro-batch, the student's pass over it, and the teacher's signal.

use burn::tensor::{Int, Tensor};
use limbeck_kernels::{HeadTerm, HeadTermKind, head_losses};
use limbeck_model::{Capture, Components, Fill, Gates, Removed, Site};
use limbeck_teach::{HiddenShape, Signal, SiteValue};

use super::needs::Needs;
use super::terms::scalar;
use super::{LayerMapping, Layers, MicroBatch};
use crate::DistillError;
use crate::soundness::{Correspondence, Penalty, directional};
use crate::trainer::Network;

/// One objective's view of a micro-batch.
pub struct Step<'a> {
    /// The student and its projections.
    pub network: &'a Network,
    /// Sequences, predictions, signal, what is removed.
    pub batch: &'a MicroBatch,
    /// Index of the objective in the recipe.
    pub index: usize,
    /// Its name among the terms.
    pub name: &'a str,
    /// Its factor in this pass.
    pub weight: f64,
    /// Softmaxes run over so many leading tokens.
    pub columns: usize,
    /// Depths of both networks, where the teacher shows its inside.
    pub layers: Option<Layers>,
    /// Sizes of the teacher, there too.
    pub teacher: Option<HiddenShape>,
    /// The pass that objectives share; absent where none of this pass has a use for it.
    pub(super) shared: Option<&'a SharedPass>,
}

/// What the student's pass gave.
pub(super) struct SharedPass {
    /// Hidden states of the predictions, [n, d].
    pub(super) hidden: Tensor<2>,
    /// What was asked for at sites, before components are dropped.
    pub(super) capture: Capture,
}

/// The loss of an objective on a micro-batch.
#[derive(Debug, Default)]
pub struct Loss {
    /// Differentiable parts, each [1] and weighted; they are added up in order.
    pub(super) parts: Vec<Tensor<1>>,
    /// The unweighted value.
    pub(super) value: f64,
}

/// Values of both networks at one pair of sites.
pub(crate) enum Compared {
    /// By head: patterns [batch, heads, query, key], or values [batch, seq, heads, d_head]. Student and teacher.
    Heads(Tensor<4>, Tensor<4>),
    /// Of the stream: [batch, seq, d_model].
    Stream(Tensor<3>, Tensor<3>),
}

impl<'a> Step<'a> {
    /// A loss of one part.
    pub fn loss(&self, loss: Tensor<1>) -> Loss {
        let mut sum = Loss::default();
        self.add(&mut sum, loss, 1.0);
        sum
    }

    /// Adds a share of the objective.
    pub(super) fn add(&self, sum: &mut Loss, loss: Tensor<1>, share: f64) {
        sum.value += scalar(&loss) * share;
        sum.parts.push(loss * (self.weight * share));
    }

    /// Hidden states of the predictions in the pass that objectives share, [n, d].
    pub(super) fn hidden(&self) -> Result<Tensor<2>, DistillError> {
        self.shared.map(|pass| pass.hidden.clone()).ok_or_else(|| self.missing("the student's own pass"))
    }

    /// The same without some components, in a pass of its own.
    pub(super) fn hidden_without(&self, removed: &Removed, fill: Fill) -> Tensor<2> {
        let mut gates = Gates::removing(removed, fill, &self.batch.tokens, &self.batch.places.device());
        self.batch.gather(self.network.decoder.hidden(&self.batch.tokens, &mut gates))
    }

    /// A term over the vocabulary on these hidden states, against a signal's distribution at a temperature.
    pub(super) fn head_term(
        &self,
        hidden: Tensor<2>,
        signal: Option<&Signal>,
        temperature: f64,
        kind: HeadTermKind,
    ) -> Result<Loss, DistillError> {
        let found = signal.and_then(|signal| Some(&signal.distributions[signal.find(temperature)?].logits));
        let teacher = found.ok_or_else(|| self.missing("the teacher's distribution"))?;
        let losses = head_losses(
            hidden,
            self.network.decoder.head(),
            &self.batch.targets,
            Some(teacher),
            &[HeadTerm { kind, weight: self.weight }],
            self.columns,
            self.network.decoder.precision(),
        )?;
        Ok(Loss { parts: vec![losses.total], value: losses.values.iter().sum() })
    }

    /// The mean of losses, each [1], over the pairs of sites that an objective compares; `each` is given the values of a
    /// pair and the places of the tokens that are not padding in [batch * seq].
    pub(super) fn over_sites(
        &self,
        needs: &Needs<'_>,
        each: impl Fn(Compared, &Tensor<1, Int>) -> Vec<Tensor<1>>,
    ) -> Result<Loss, DistillError> {
        let missing = || self.missing("its components' outputs");
        let pass = self.shared.ok_or_else(missing)?;
        let tokens = self.batch.tokens_in_place();
        let mut losses: Vec<Tensor<1>> = Vec::new();
        for (ours, theirs) in needs.compared(self.layers) {
            let pair = match self.batch.taught.get(&theirs).ok_or_else(missing)? {
                SiteValue::Rank4(theirs) => {
                    Compared::Heads(pass.capture.get4(ours).ok_or_else(missing)?, theirs.clone())
                }
                SiteValue::Rank3(theirs) => {
                    Compared::Stream(pass.capture.get3(ours).ok_or_else(missing)?, theirs.clone())
                }
            };
            losses.extend(each(pair, &tokens));
        }
        match losses.is_empty() {
            true => Err(missing()),
            false => Ok(self.loss(Tensor::cat(losses, 0).mean())),
        }
    }

    /// The mean squared errors of the objective's projections.
    pub(super) fn over_projections(&self) -> Result<Loss, DistillError> {
        let projections = &self.network.projections;
        let share = projections.iter().filter(|other| other.objective == self.index).count() as f64;
        let mut sum = Loss::default();
        for (pair, projection) in projections.iter().enumerate() {
            if projection.objective != self.index {
                continue;
            }
            let missing = || DistillError::Capability {
                objective: self.name.to_owned(),
                needs: format!("hidden states at {} and {}", projection.student, projection.teacher),
                gives: "they are missing in this step's signal".to_string(),
            };
            let taught =
                self.batch.signal.as_ref().and_then(|signal| signal.hidden.get(pair)).ok_or_else(missing)?;
            let learned =
                self.shared.and_then(|pass| pass.capture.get3(projection.student)).ok_or_else(missing)?;
            let loss = projection.loss(self.batch.gather(learned), taught.clone());
            self.add(&mut sum, loss, 1.0 / share);
        }
        Ok(sum)
    }

    /// A penalty on the influence of the student's components, with its gradient by a central difference whose gates move
    /// by at most `width`. Nothing is dropped here.
    pub(super) fn influence(
        &self,
        width: f64,
        penalty: impl Fn(&[f64], f64) -> Penalty,
    ) -> Result<Loss, DistillError> {
        let targets = self.batch.target_ids();
        let margin = self.batch.margin(&targets, self.columns);
        let decoder = &self.network.decoder;
        let measured = margin.influence(decoder, Fill::Mean)?;
        let penalty = penalty(&measured.by_component, measured.margin);
        Ok(self.loss(directional(decoder, &margin, &measured, &penalty, Fill::Mean, width)))
    }

    /// The teacher's influence, summed over what stands behind each of the student's components.
    pub(super) fn taught_influence(&self, mapping: &LayerMapping) -> Result<Vec<f64>, DistillError> {
        let missing = || self.missing("the influence of its components");
        let signal = self.batch.signal.as_ref();
        let measured = signal.and_then(|signal| signal.influence.as_ref()).ok_or_else(missing)?;
        let layers = self.layers.ok_or_else(missing)?;
        let teacher = self.teacher.map(HiddenShape::components).ok_or_else(missing)?;
        let config = self.network.decoder.config();
        let student = Components { layers: config.n_layers, heads: config.n_heads };
        let sizes: Vec<f64> = measured.by_component.iter().map(|influence| influence.abs()).collect();
        Ok(Correspondence::new(student, teacher, mapping.spans(layers)).onto_student(&sizes))
    }

    fn missing(&self, what: &str) -> DistillError {
        DistillError::Capability {
            objective: self.name.to_owned(),
            needs: format!("{what} of the teacher"),
            gives: "they are missing in this step's signal".to_string(),
        }
    }
}

impl Needs<'_> {
    /// Pairs of sites (student, teacher) that are compared, in order, in networks of these depths.
    pub(super) fn compared(&self, layers: Option<Layers>) -> Vec<(Site, Site)> {
        let (Some(layers), Some(mapping)) = (layers, self.layers) else { return Vec::new() };
        let pairs = mapping.pairs(layers).into_iter();
        let sites = pairs.flat_map(|[student, teacher]| {
            self.sites.iter().map(move |&kind| (Site::block(student, kind), Site::block(teacher, kind)))
        });
        sites.collect()
    }
}

/// Both sides [n, heads, width], or their means over the heads, [n, 1, width], where the numbers of heads differ.
pub(super) fn mean_over_heads(student: Tensor<3>, teacher: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    match student.dims()[1] == teacher.dims()[1] {
        true => (student, teacher),
        false => (student.mean_dim(1), teacher.mean_dim(1)),
    }
}
