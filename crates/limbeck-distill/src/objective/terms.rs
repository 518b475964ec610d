//! The objectives of a training, resolved, and what they ask about a micro-batch.

use burn::tensor::{Device, Tensor};
use limbeck_data::examples::TokenExample;
use limbeck_model::{Components, Removed, Site};
use limbeck_teach::{HiddenShape, Prediction, Signal, Teacher, TeacherQuery};

use super::batch::Ablated;
use super::{Layers, MicroBatch, Needs, ObjectiveConfig, Removal, term_names};
use crate::DistillError;
use crate::soundness::{ComponentDropout, Correspondence, Draw, Moment};
use crate::trainer::Network;

/// The objectives of a training, resolved: names, weights, how the vocabulary is compared and what is drawn at random.
#[derive(Debug, Clone)]
pub struct Terms {
    pub(super) objectives: Vec<ObjectiveConfig>,
    pub(super) names: Vec<String>,
    pub(super) vocab_used: usize,
    /// Sizes of the teacher, where it shows its inside.
    pub(super) teacher: Option<HiddenShape>,
    dropout: Option<ComponentDropout>,
    seed: u64,
}

impl Terms {
    /// The objectives in the order of the recipe; softmaxes run over the first `vocab_used` tokens.
    pub fn new(objectives: Vec<ObjectiveConfig>, vocab_used: usize, teacher: Option<HiddenShape>) -> Self {
        let names = term_names(&objectives);
        Self { names, objectives, vocab_used, teacher, dropout: None, seed: 0 }
    }

    /// The same with components drawn from a seed, and those of the student dropped where so asked.
    #[must_use]
    pub fn drawing(self, seed: u64, dropout: Option<ComponentDropout>) -> Self {
        Self { seed, dropout, ..self }
    }

    /// Unique names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Weight of one objective.
    pub fn weight(&self, index: usize) -> f64 {
        self.objectives[index].weight()
    }

    /// How many objectives there are.
    pub fn len(&self) -> usize {
        self.objectives.len()
    }

    /// Never: a training without objectives is refused.
    pub fn is_empty(&self) -> bool {
        self.objectives.is_empty()
    }

    /// Whether some objective listens to the teacher.
    pub fn need_teacher(&self) -> bool {
        self.objectives.iter().any(|objective| objective.needs().teacher())
    }

    /// What stands in the place of a dropped component.
    pub(super) fn dropout_fill(&self) -> limbeck_model::Fill {
        self.dropout.unwrap_or_default().fill
    }

    /// Depths of both networks.
    pub(super) fn layers(&self, network: &Network) -> Option<Layers> {
        let student = network.decoder.config().n_layers;
        self.teacher.map(|teacher| Layers { student, teacher: teacher.layers })
    }

    /// Pads the sequences, draws what is removed, and asks the teacher what the objectives need.
    ///
    /// # Errors
    /// When a batch cannot be built or the teacher fails.
    pub fn prepare(
        &self,
        rows: &[&TokenExample],
        network: &Network,
        teacher: Option<&dyn Teacher>,
        device: &Device,
        moment: Moment,
    ) -> Result<MicroBatch, DistillError> {
        let (mut batch, positions) = MicroBatch::of(rows, device)?;
        let config = network.decoder.config();
        let components = Components { layers: config.n_layers, heads: config.n_heads };
        let draw = |purpose: usize| Draw { seed: self.seed, moment, purpose: purpose as u8 };
        batch.dropped = self.dropout.and_then(|dropout| {
            let [heads, mlps] = [dropout.heads, dropout.mlps].map(|probability| probability.at(moment.step));
            draw(0).removed(components, rows.len(), heads, mlps)
        });
        for (index, objective) in self.objectives.iter().enumerate() {
            let needs = objective.needs();
            let Some(removal) = needs.removal else { continue };
            let [heads, mlps] = [removal.heads, removal.mlps].map(|probability| probability.at(moment.step));
            let removed = draw(1 + index).removed(components, rows.len(), heads, mlps);
            let signal = match (&removed, teacher, self.layers(network)) {
                (Some(removed), Some(teacher), Some(layers)) if removal.from.of_teacher() => {
                    Some(self.without(removed, &needs, removal, layers, teacher, rows, &positions)?)
                }
                _ => None,
            };
            let student = removed.filter(|_| removal.from.of_student());
            batch.ablated.insert(index, Ablated { student, signal });
        }
        let Some(teacher) = teacher.filter(|_| self.need_teacher()) else { return Ok(batch) };
        let sites: Vec<Site> = network.projections.iter().map(|pair| pair.teacher).collect();
        let whole = self.layers(network).map_or_else(Vec::new, |layers| self.teacher_sites(layers));
        let influence = self.objectives.iter().any(|objective| objective.needs().influence);
        let mut signal = teacher.signal(&TeacherQuery {
            rows,
            positions: &positions,
            temperatures: &self.temperatures(),
            sites: &sites,
            whole: &whole,
            influence: influence.then_some(self.vocab_used),
            without: None,
        })?;
        batch.taught = whole.into_iter().zip(signal.whole.drain(..)).collect();
        batch.signal = Some(signal);
        Ok(batch)
    }

    /// What the teacher says without the components that stand behind those removed from the student.
    fn without(
        &self,
        removed: &Removed,
        needs: &Needs<'_>,
        removal: Removal,
        layers: Layers,
        teacher: &dyn Teacher,
        rows: &[&TokenExample],
        positions: &[Prediction],
    ) -> Result<Signal, DistillError> {
        let of_teacher = self.teacher.map_or(removed.components, HiddenShape::components);
        let pairs = needs.layers.map_or_else(Vec::new, |mapping| mapping.spans(layers));
        let gone = Correspondence::new(removed.components, of_teacher, pairs).removed_from_teacher(removed);
        let query = TeacherQuery {
            rows,
            positions,
            temperatures: needs.distribution.as_slice(),
            without: Some((&gone, removal.fill)),
            ..TeacherQuery::default()
        };
        Ok(teacher.signal(&query)?)
    }

    /// The teacher's sites that objectives compare with the student's, each once.
    fn teacher_sites(&self, layers: Layers) -> Vec<Site> {
        let mut sites: Vec<Site> = Vec::new();
        for (_, theirs) in
            self.objectives.iter().flat_map(|objective| objective.needs().compared(Some(layers)))
        {
            if !sites.contains(&theirs) {
                sites.push(theirs);
            }
        }
        sites
    }

    /// Distinct temperatures of the objectives over the vocabulary, in order of first use.
    fn temperatures(&self) -> Vec<f64> {
        let mut temperatures: Vec<f64> = Vec::new();
        for temperature in self.objectives.iter().filter_map(|objective| objective.needs().distribution) {
            if !temperatures.contains(&temperature) {
                temperatures.push(temperature);
            }
        }
        // Whole logits serve any temperature; with no other in sight they are asked for at 1.
        if temperatures.is_empty() && self.objectives.iter().any(|objective| objective.needs().logits) {
            temperatures.push(1.0);
        }
        temperatures
    }
}

/// The value of a scalar tensor.
pub(crate) fn scalar(tensor: &Tensor<1>) -> f64 {
    tensor.clone().into_data().iter::<f64>().next().unwrap_or(f64::NAN)
}
