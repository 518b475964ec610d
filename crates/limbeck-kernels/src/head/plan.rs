//! The terms of a loss, sorted by what they look at.

use super::pointwise::Pointwise;
use super::terms::{HeadTerm, HeadTermKind};

/// All terms of a call.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The terms that look at softmaxes, in the order in which their temperatures first occur.
    pub(super) slots: Vec<Slot>,
    /// The terms that compare the logits themselves.
    pub(super) matching: Vec<(usize, f64)>,
    /// Whether a term asks for the right outcome.
    pub(super) hard: bool,
}

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
    pub(super) pointwise: Vec<Pointwise>,
    /// The slot of half the temperature, if it looks at the student alone: its exponentials are these, squared.
    pub(super) square: Option<usize>,
}

impl Slot {
    fn new(temperature: f64) -> Self {
        Self {
            inverse: (1.0 / temperature) as f32,
            temperature,
            cross_entropy: Vec::new(),
            forward: Vec::new(),
            reverse: Vec::new(),
            pointwise: Vec::new(),
            square: None,
        }
    }

    pub(super) fn compares(&self) -> bool {
        !(self.forward.is_empty() && self.reverse.is_empty() && self.pointwise.is_empty())
    }
}

/// Sum of the weights of some terms.
pub(super) fn weight(terms: &[(usize, f64)]) -> f64 {
    terms.iter().map(|(_, weight)| weight).sum()
}

impl Plan {
    pub(super) fn new(terms: &[HeadTerm]) -> Self {
        let mut plan = Self { slots: Vec::new(), matching: Vec::new(), hard: false };
        for (index, term) in terms.iter().enumerate() {
            let entry = (index, term.weight);
            match term.kind {
                HeadTermKind::CrossEntropy => {
                    plan.hard = true;
                    plan.slot(1.0).cross_entropy.push(entry);
                }
                HeadTermKind::ForwardKl { temperature } => plan.slot(temperature).forward.push(entry),
                HeadTermKind::ReverseKl { temperature } => plan.slot(temperature).reverse.push(entry),
                HeadTermKind::LogitMatching => plan.matching.push(entry),
                other => {
                    let slot = plan.slot(other.temperature().unwrap_or(1.0));
                    slot.pointwise.extend(Pointwise::of(other, index, term.weight));
                }
            }
        }
        plan.find_squares();
        plan
    }

    /// Finds the slots whose exponentials are squares of another's, which is compared and hence takes its own.
    fn find_squares(&mut self) {
        for at in 0..self.slots.len() {
            let half = self.slots[at].temperature / 2.0;
            let alone = |slot: &Slot| slot.temperature == half && !slot.compares();
            self.slots[at].square =
                if self.slots[at].compares() { self.slots.iter().position(alone) } else { None };
        }
    }

    /// Whether the exponentials of a slot are another's, squared.
    pub(super) fn is_square(&self, slot: usize) -> bool {
        self.slots.iter().any(|other| other.square == Some(slot))
    }

    /// The slot of a temperature.
    fn slot(&mut self, temperature: f64) -> &mut Slot {
        let at = self.slots.iter().position(|slot| slot.temperature == temperature).unwrap_or_else(|| {
            self.slots.push(Slot::new(temperature));
            self.slots.len() - 1
        });
        &mut self.slots[at]
    }
}
