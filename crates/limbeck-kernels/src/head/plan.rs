//! The terms of a head loss, sorted by the softmax they look at.

use super::terms::{HeadTerm, HeadTermKind};

/// All terms that share one temperature, so that each exponential is taken once.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// `1 / T`.
    pub(super) inverse: f32,
    /// T.
    pub(super) temperature: f64,
    /// Indices and weights of the terms, by kind.
    pub(super) cross_entropy: Vec<(usize, f64)>,
    pub(super) forward: Vec<(usize, f64)>,
    pub(super) reverse: Vec<(usize, f64)>,
}

impl Slot {
    pub(super) fn compares(&self) -> bool {
        !(self.forward.is_empty() && self.reverse.is_empty())
    }
}

/// Sum of the weights of some terms.
pub(super) fn weight(terms: &[(usize, f64)]) -> f64 {
    terms.iter().map(|(_, weight)| weight).sum()
}

/// The slots in the order in which their temperatures first occur.
pub(super) fn slots(terms: &[HeadTerm]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::new();
    for (index, term) in terms.iter().enumerate() {
        let temperature = term.kind.temperature();
        let at = match slots.iter().position(|slot| slot.temperature == temperature) {
            Some(at) => at,
            None => {
                slots.push(Slot {
                    inverse: (1.0 / temperature) as f32,
                    temperature,
                    cross_entropy: Vec::new(),
                    forward: Vec::new(),
                    reverse: Vec::new(),
                });
                slots.len() - 1
            }
        };
        let list = match term.kind {
            HeadTermKind::CrossEntropy => &mut slots[at].cross_entropy,
            HeadTermKind::ForwardKl { .. } => &mut slots[at].forward,
            HeadTermKind::ReverseKl { .. } => &mut slots[at].reverse,
        };
        list.push((index, term.weight));
    }
    slots
}
