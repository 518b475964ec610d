//! The weighted sum of all objectives on one micro-batch, in as few products with the head as the teacher's signal allows.

use burn::tensor::{Device, Int, Tensor, TensorData};
use limbeck_data::examples::TokenExample;
use limbeck_kernels::{HeadTerm, HeadTermKind, TeacherLogits, head_losses};
use limbeck_model::{Capture, Site, TokenBatch};
use limbeck_teach::{Prediction, Signal, Teacher, TeacherQuery, predictions};

use super::{ObjectiveConfig, term_names};
use crate::DistillError;
use crate::trainer::Network;

/// Some sequences, what is predicted in them, and what the teacher says about it.
#[derive(Debug)]
pub struct MicroBatch {
    /// The sequences, right-padded.
    pub tokens: TokenBatch,
    /// For each prediction, its row in the hidden states flattened to [batch * seq, d].
    pub places: Tensor<1, Int>,
    /// For each prediction, the token of the data.
    pub targets: Vec<u32>,
    /// The teacher's answer, when an objective needs one.
    pub signal: Option<Signal>,
}

/// The objectives of a training, resolved: names, weights, and how the vocabulary is compared.
#[derive(Debug, Clone)]
pub struct Terms {
    objectives: Vec<ObjectiveConfig>,
    names: Vec<String>,
    vocab_used: usize,
}

impl Terms {
    /// The objectives in the order of the recipe; softmaxes run over the first `vocab_used` tokens.
    pub fn new(objectives: Vec<ObjectiveConfig>, vocab_used: usize) -> Self {
        Self { names: term_names(&objectives), objectives, vocab_used }
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
        self.objectives.iter().any(|objective| {
            let requirement = objective.requires();
            requirement.hidden || requirement.logits || requirement.distribution.is_some()
        })
    }

    /// Pads the sequences and asks the teacher what the objectives need.
    ///
    /// # Errors
    /// When a batch cannot be built or the teacher fails.
    pub fn prepare(
        &self,
        rows: &[&TokenExample],
        network: &Network,
        teacher: Option<&dyn Teacher>,
        device: &Device,
    ) -> Result<MicroBatch, DistillError> {
        let ids: Vec<&[u32]> = rows.iter().map(|row| row.ids.as_slice()).collect();
        let tokens = TokenBatch::new(&ids, device)?;
        let [_, width] = tokens.ids.dims();
        let positions: Vec<Prediction> = predictions(rows);
        let places: Vec<i64> = positions.iter().map(|at| (at.row * width + at.position) as i64).collect();
        let targets = positions.iter().map(|at| at.target).collect();
        let signal = match teacher {
            Some(teacher) if self.need_teacher() => {
                let sites: Vec<Site> = network.projections.iter().map(|pair| pair.teacher).collect();
                let query = TeacherQuery {
                    rows,
                    positions: &positions,
                    temperatures: &self.temperatures(),
                    sites: &sites,
                };
                Some(teacher.signal(&query)?)
            }
            _ => None,
        };
        let count = places.len();
        let places = Tensor::from_data(TensorData::new(places, [count]), device);
        Ok(MicroBatch { tokens, places, targets, signal })
    }

    /// Distinct temperatures of the objectives over the vocabulary, in order of first use.
    fn temperatures(&self) -> Vec<f64> {
        let mut temperatures: Vec<f64> = Vec::new();
        for temperature in self.objectives.iter().filter_map(|objective| objective.requires().distribution) {
            if !temperatures.contains(&temperature) {
                temperatures.push(temperature);
            }
        }
        // Whole logits serve any temperature; with no other in sight they are asked for at 1.
        if temperatures.is_empty() && self.objectives.iter().any(|objective| objective.requires().logits) {
            temperatures.push(1.0);
        }
        temperatures
    }

    /// `sum_i w_i L_i` as a differentiable scalar [1], and every unweighted `L_i`.
    ///
    /// With `only`, the sum is that one objective with weight 1 and the other values are left at 0: one pass per
    /// objective gives the exact gradient of each.
    ///
    /// # Errors
    /// When the fused operation refuses its input, or a needed signal is missing.
    pub fn evaluate(
        &self,
        network: &Network,
        batch: &MicroBatch,
        only: Option<usize>,
    ) -> Result<(Tensor<1>, Vec<f64>), DistillError> {
        let chosen = |index: usize| only.is_none_or(|one| one == index);
        let weight = |index: usize| {
            if only.is_some() { 1.0 } else { self.objectives[index].weight() }
        };
        let pairs: Vec<usize> = (0..network.projections.len())
            .filter(|&pair| chosen(network.projections[pair].objective))
            .collect();

        let mut tap = Capture::new(pairs.iter().map(|&pair| network.projections[pair].student));
        let stream = network.decoder.hidden(&batch.tokens, &mut tap);
        let mut values = vec![0.0; self.len()];
        let mut total: Option<Tensor<1>> = None;
        let mut add = |term: Tensor<1>| {
            total = Some(match total.take() {
                Some(sum) => sum + term,
                None => term,
            })
        };

        let heads: Vec<(usize, HeadTermKind)> = (0..self.len())
            .filter(|&index| chosen(index))
            .filter_map(|index| Some((index, self.objectives[index].head_term()?)))
            .collect();
        if !heads.is_empty() {
            let hidden = gather(stream, &batch.places);
            for (distribution, members) in self.groups(&heads, batch.signal.as_ref())? {
                let terms: Vec<HeadTerm> =
                    members.iter().map(|&(index, kind)| HeadTerm { kind, weight: weight(index) }).collect();
                let teacher = distribution
                    .and_then(|at| batch.signal.as_ref().map(|signal| &signal.distributions[at].logits));
                let losses = head_losses(
                    hidden.clone(),
                    network.decoder.head(),
                    &batch.targets,
                    teacher,
                    &terms,
                    self.vocab_used,
                    network.decoder.precision(),
                )?;
                for (&(index, _), value) in members.iter().zip(&losses.values) {
                    values[index] = *value;
                }
                add(losses.total);
            }
        }
        for &pair in &pairs {
            let projection = &network.projections[pair];
            let index = projection.objective;
            let share = network.projections.iter().filter(|other| other.objective == index).count() as f64;
            let missing = || DistillError::Capability {
                objective: self.names[index].clone(),
                needs: format!("hidden states at {} and {}", projection.student, projection.teacher),
                gives: "they are missing in this step's signal".to_string(),
            };
            let taught =
                batch.signal.as_ref().and_then(|signal| signal.hidden.get(pair)).ok_or_else(missing)?;
            let learned = tap.get3(projection.student).ok_or_else(missing)?;
            let loss = projection.loss(gather(learned, &batch.places), taught.clone());
            values[index] += scalar(&loss) / share;
            add(loss * (weight(index) / share));
        }
        match total {
            Some(total) => Ok((total, values)),
            None => Err(DistillError::NoObjective),
        }
    }

    /// Divides the head terms by the teacher's distribution they listen to. A full distribution serves every
    /// temperature, so there is one group; a captured one serves one temperature each. Cross-entropy joins the first.
    fn groups(
        &self,
        heads: &[(usize, HeadTermKind)],
        signal: Option<&Signal>,
    ) -> Result<Vec<Group>, DistillError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut without: Vec<(usize, HeadTermKind)> = Vec::new();
        for &(index, kind) in heads {
            let requirement = self.objectives[index].requires();
            if requirement.distribution.is_none() && !requirement.logits {
                without.push((index, kind));
                continue;
            }
            let found = match requirement.distribution {
                Some(temperature) => signal.and_then(|signal| signal.find(temperature)),
                None => signal.and_then(whole_logits),
            };
            let at = found.ok_or_else(|| DistillError::Capability {
                objective: self.names[index].clone(),
                needs: match requirement.distribution {
                    Some(temperature) => format!("the teacher's distribution at temperature {temperature}"),
                    None => "the teacher's whole logits".to_string(),
                },
                gives: "they are missing in this step's signal".to_string(),
            })?;
            match groups.iter_mut().find(|(distribution, _)| *distribution == Some(at)) {
                Some((_, members)) => members.push((index, kind)),
                None => groups.push((Some(at), vec![(index, kind)])),
            }
        }
        match groups.first_mut() {
            Some((_, members)) => members.append(&mut without),
            None => groups.push((None, without)),
        }
        Ok(groups)
    }
}

/// Index of the teacher's distribution and the objectives that listen to it.
type Group = (Option<usize>, Vec<(usize, HeadTermKind)>);

/// Index of a distribution that is not cut to its likeliest outcomes.
fn whole_logits(signal: &Signal) -> Option<usize> {
    signal.distributions.iter().position(|it| !matches!(it.logits, TeacherLogits::Sparse(_)))
}

/// The rows `places` of hidden states [batch, seq, d], as [n, d].
fn gather(hidden: Tensor<3>, places: &Tensor<1, Int>) -> Tensor<2> {
    let [batch, seq, width] = hidden.dims();
    hidden.reshape([batch * seq, width]).select(0, places.clone())
}

/// The value of a scalar tensor.
pub(crate) fn scalar(tensor: &Tensor<1>) -> f64 {
    tensor.clone().into_data().iter::<f64>().next().unwrap_or(f64::NAN)
}
