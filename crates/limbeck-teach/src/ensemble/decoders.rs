//! Several teachers of a language model as one.

use burn::tensor::{Tensor, TensorData};
use limbeck_data::hash::hash_bytes;
use limbeck_kernels::TeacherLogits;

use super::{Combination, Weights, combine};
use crate::{
    Capabilities, Distribution, HiddenShape, Signal, TeachError, Teacher, TeacherIdentity, TeacherQuery,
};

/// Teachers over one vocabulary that answer as one. Their logits are formed whole, `[n, vocab]` for each member while a
/// query is answered: the mean of distributions is no product of hidden states with a head.
pub struct EnsembleTeacher {
    members: Vec<Box<dyn Teacher>>,
    weights: Weights,
    combination: Combination,
    identity: TeacherIdentity,
}

impl std::fmt::Debug for EnsembleTeacher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnsembleTeacher").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl EnsembleTeacher {
    /// An ensemble of teachers; the compared columns are those that all of them have.
    ///
    /// # Errors
    /// No members, members of different tokenizers, a member that gives no full distributions, or weights that do not fit.
    pub fn new(
        members: Vec<Box<dyn Teacher>>,
        weights: Weights,
        combination: Combination,
    ) -> Result<Self, TeachError> {
        let wrong = |key, found: String, right: String| Err(TeachError::Config { key, found, right });
        let Some(first) = members.first() else {
            return wrong("members", "none".to_owned(), "at least one".to_owned());
        };
        if weights.values().len() != members.len() {
            let right = format!("one for each of the {} members", members.len());
            return wrong("weights", weights.values().len().to_string(), right);
        }
        let tokenizer_hash = first.identity().tokenizer_hash.clone();
        for member in &members {
            let identity = member.identity();
            if identity.tokenizer_hash != tokenizer_hash {
                return Err(TeachError::Tokenizers {
                    difference: format!(
                        "{} and {} of the ensemble",
                        first.identity().origin,
                        identity.origin
                    ),
                });
            }
            if !member.capabilities().logits {
                let found = format!("{}, which gives {}", identity.origin, member.capabilities());
                return wrong("members", found, "teachers that give full distributions".to_owned());
            }
        }
        let facts: Vec<String> = members
            .iter()
            .zip(weights.values())
            .map(|(member, weight)| format!("{} {weight:?}", member.identity().hash))
            .collect();
        let origins: Vec<&str> = members.iter().map(|member| member.identity().origin.as_str()).collect();
        let identity = TeacherIdentity {
            hash: hash_bytes(format!("{combination:?}\n{}", facts.join("\n")).as_bytes()),
            tokenizer_hash,
            vocab_size: members.iter().map(|member| member.identity().vocab_size).min().unwrap_or_default(),
            origin: format!("ensemble of {}", origins.join(", ")),
        };
        Ok(Self { members, weights, combination, identity })
    }

    /// The members' logits over the common columns, each `[n, vocab]`.
    fn answers(&self, query: &TeacherQuery<'_>, temperature: f64) -> Result<Vec<Vec<f32>>, TeachError> {
        let temperatures = [temperature];
        let TeacherQuery { rows, positions, .. } = *query;
        let asked = TeacherQuery { rows, positions, temperatures: &temperatures, ..TeacherQuery::default() };
        let columns = self.identity.vocab_size;
        self.members
            .iter()
            .map(|member| {
                let signal = member.signal(&asked)?;
                let found = signal.find(temperature).and_then(|index| signal.distributions.get(index));
                let logits = match found.map(|distribution| &distribution.logits) {
                    Some(TeacherLogits::Dense(logits)) => logits.clone(),
                    Some(TeacherLogits::Head { hidden, head, .. }) => {
                        hidden.clone().matmul(head.clone().narrow(0, 0, columns).transpose())
                    }
                    _ => {
                        return Err(TeachError::Beyond {
                            asked: format!("the full distributions of {}", member.identity().origin),
                            gives: member.capabilities().to_string(),
                        });
                    }
                };
                let [rows, _] = logits.dims();
                Ok(logits.slice([0..rows, 0..columns]).into_data().iter::<f32>().collect())
            })
            .collect()
    }
}

impl Teacher for EnsembleTeacher {
    fn identity(&self) -> &TeacherIdentity {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { logits: true, ..Capabilities::default() }
    }

    fn hidden_shape(&self) -> Option<HiddenShape> {
        None
    }

    fn signal(&self, query: &TeacherQuery<'_>) -> Result<Signal, TeachError> {
        query.refuse_inside(&self.capabilities())?;
        let targets: Vec<u32> = query.positions.iter().map(|at| at.target).collect();
        let columns = self.identity.vocab_size;
        let device = Default::default();
        let mut signal = Signal::default();
        // Members answer with logits, which hold at any temperature: they are asked once.
        let Some(&first) = query.temperatures.first() else {
            return Ok(signal);
        };
        let answers = self.answers(query, first)?;
        for &temperature in query.temperatures {
            let values = combine(&answers, columns, &self.weights, self.combination, temperature, &targets)?;
            let logits = Tensor::from_data(TensorData::new(values, [targets.len(), columns]), &device);
            let any = self.combination.holds_at_any_temperature();
            let temperature = (!any).then_some(temperature);
            signal.distributions.push(Distribution { temperature, logits: TeacherLogits::Dense(logits) });
            if any {
                break;
            }
        }
        Ok(signal)
    }
}
