//! What a pass needs of a micro-batch: tokens, predictions, the teacher's answers, what is removed.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use limbeck_data::examples::TokenExample;
use limbeck_kernels::TeacherLogits;
use limbeck_model::{Margin, Removed, Site, TokenBatch};
use limbeck_teach::{Prediction, Signal, SiteValue, predictions};

use crate::DistillError;

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
    /// What the teacher's components say, by site, where an objective compares them.
    pub taught: BTreeMap<Site, SiteValue>,
    /// Components of the student that are dropped.
    pub dropped: Option<Removed>,
    /// For each objective that removes components, what it removes and what the teacher says without.
    pub ablated: BTreeMap<usize, Ablated>,
}

/// One objective's removal of components.
#[derive(Debug)]
pub struct Ablated {
    /// What the student loses.
    pub student: Option<Removed>,
    /// What the teacher answers without its own; absent where it stays whole.
    pub signal: Option<Signal>,
}

impl MicroBatch {
    /// Which of the teacher's answers are not finite numbers, when some are.
    pub(crate) fn strange_answer(&self) -> Option<&'static str> {
        let finite = |values: Tensor<2>| {
            values
                .into_data()
                .try_to_vec::<f32>()
                .is_ok_and(|values| values.iter().all(|value| value.is_finite()))
        };
        let ablated = self.ablated.values().filter_map(|gone| gone.signal.as_ref());
        for signal in self.signal.iter().chain(ablated) {
            for distribution in &signal.distributions {
                match &distribution.logits {
                    TeacherLogits::Head { hidden, .. } if !finite(hidden.clone()) => {
                        return Some("last hidden states");
                    }
                    TeacherLogits::Dense(logits) if !finite(logits.clone()) => return Some("logits"),
                    _ => {}
                }
            }
            if !signal.hidden.iter().all(|values| finite(values.clone())) {
                return Some("hidden states");
            }
        }
        None
    }

    /// Pads the sequences; returns them with their predictions. Answers and removals are yet to come.
    pub(super) fn of(
        rows: &[&TokenExample],
        device: &Device,
    ) -> Result<(Self, Vec<Prediction>), DistillError> {
        let ids: Vec<&[u32]> = rows.iter().map(|row| row.ids.as_slice()).collect();
        let tokens = TokenBatch::new(&ids, device)?;
        let [_, width] = tokens.ids.dims();
        let positions = predictions(rows);
        let places = positions.iter().map(|at| at.row * width + at.position);
        let batch = Self {
            places: indices(places, device),
            targets: positions.iter().map(|at| at.target).collect(),
            tokens,
            signal: None,
            taught: BTreeMap::new(),
            dropped: None,
            ablated: BTreeMap::new(),
        };
        Ok((batch, positions))
    }

    /// The rows of the predictions in hidden states [batch, seq, d], as [n, d].
    pub(super) fn gather(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [batch, seq, width] = hidden.dims();
        hidden.reshape([batch * seq, width]).select(0, self.places.clone())
    }

    /// Places of the tokens that are not padding, in [batch * seq].
    pub(super) fn tokens_in_place(&self) -> Tensor<1, Int> {
        let [_, width] = self.tokens.dims();
        let rows = self.tokens.lengths.iter().enumerate();
        indices(rows.flat_map(|(row, &length)| row * width..row * width + length), &self.places.device())
    }

    /// The right tokens as indices, [n].
    pub(super) fn target_ids(&self) -> Tensor<1, Int> {
        indices(self.targets.iter().map(|&target| target as usize), &self.places.device())
    }

    /// The margin of its predictions over the first `columns` tokens.
    pub(super) fn margin<'a>(&'a self, targets: &'a Tensor<1, Int>, columns: usize) -> Margin<'a> {
        Margin { tokens: &self.tokens, places: &self.places, targets, columns }
    }
}

fn indices(places: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let places: Vec<i64> = places.map(|place| place as i64).collect();
    let count = places.len();
    Tensor::from_data(TensorData::new(places, [count]), device)
}
