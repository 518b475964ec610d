//! The part of a token's losses that looks at a sparse signal: k kept outcomes and a tail bucket.
//!
//! With `q_i` the student's probability of a kept id, `q_tail` that of all others and `s_j` its
//! softmax over the tail alone, the gradients with respect to the logits are, times T^2:
//!
//! * forward, with `P = sum p_i + p_tail`: `T (P q_i - p_i)`, in the tail `T s_j (P q_tail - p_tail)`;
//! * reverse, with `r = log q - log p` of an outcome and R the divergence: `T q_i (r_i - R)`, in the
//!   tail `T s_j q_tail (r_tail - R)`.
//!
//! Divergences that are summed outcome by outcome are in [`super::pointwise`]; they are finite without a tail mass.
//!
//! The tail's normaliser is a sum over the tail alone, so a tiny tail keeps all its digits.

use super::plan::{Slot, weight};
use super::row::{BLOCK, exponentials};
use super::sparse::{SparseRow, TAIL_FLOOR};
use crate::vector::{largest, sum};

/// What the gradient needs to know of a token's sparse divergences at one temperature.
#[derive(Debug, Clone)]
pub(super) struct SparseSlot {
    /// `1 / T`.
    pub(super) inverse: f32,
    /// `sum_j e^{(z_j - maximum) / T}` over all columns.
    pub(super) normaliser: f64,
    /// Largest logit of the tail.
    pub(super) tail_maximum: f32,
    /// Gradient of a tail column divided by `e^{(z_j - tail_maximum) / T}`.
    tail: f64,
    /// Gradient of each kept column.
    kept: Vec<f64>,
}

impl SparseSlot {
    pub(super) fn tail_coefficient(&self) -> f64 {
        self.tail
    }

    pub(super) fn kept_gradient(&self, position: usize) -> f64 {
        self.kept[position]
    }
}

/// The tail of the student's row: its largest logit, and its normaliser relative to that.
#[derive(Debug, Clone, Copy)]
struct Tail {
    maximum: f32,
    normaliser: f64,
}

/// Writes the values of a slot's sparse divergences, and returns what their gradient needs.
/// `logits` is changed on the way and restored.
#[inline(always)]
pub(super) fn sparse_sums<const FMA: bool>(
    logits: &mut [f32],
    row: SparseRow<'_>,
    slot: &Slot,
    maximum: f32,
    values: &mut [f64],
) -> SparseSlot {
    let (kept, tail) = split::<FMA>(logits, row, slot.inverse);
    finish(&kept, tail, row, slot, maximum, values)
}

/// Takes the kept logits out of the row while the tail is summed up.
#[inline(always)]
fn split<const FMA: bool>(logits: &mut [f32], row: SparseRow<'_>, inverse: f32) -> (Vec<f32>, Tail) {
    let kept: Vec<f32> =
        row.ids.iter().map(|&id| std::mem::replace(&mut logits[id as usize], f32::NEG_INFINITY)).collect();
    let maximum = largest(logits);
    let mut normaliser = 0.0;
    if row.ids.len() < logits.len() {
        let mut buffer = [0.0_f32; BLOCK];
        for block in logits.chunks(BLOCK) {
            let buffer = &mut buffer[..block.len()];
            exponentials::<FMA>(block, maximum, inverse, buffer);
            normaliser += f64::from(sum(buffer));
        }
    }
    for (&id, &logit) in row.ids.iter().zip(&kept) {
        logits[id as usize] = logit;
    }
    (kept, Tail { maximum, normaliser })
}

/// An outcome of the reduced distributions: a kept id or the tail.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    log_q: f64,
    p: f64,
    /// Negative infinity if p is 0.
    log_p: f64,
    /// What `log_p` counts as at least, in the reverse direction.
    floor: f64,
}

impl Outcome {
    fn q(self) -> f64 {
        self.log_q.exp()
    }

    fn log_ratio(self) -> f64 {
        self.log_q - self.log_p.max(self.floor)
    }

    fn forward(self) -> f64 {
        if self.p == 0.0 { 0.0 } else { self.p * (self.p.ln() - self.log_q) }
    }
}

fn finish(
    kept: &[f32],
    tail: Tail,
    row: SparseRow<'_>,
    slot: &Slot,
    maximum: f32,
    values: &mut [f64],
) -> SparseSlot {
    let inverse = f64::from(slot.inverse);
    let scaled = |logit: f32| f64::from(logit - maximum) * inverse;
    let has_tail = tail.normaliser > 0.0;
    let log_tail = tail.normaliser.ln() + scaled(tail.maximum);
    let tail_total = if has_tail { log_tail.exp() } else { 0.0 };
    let normaliser = tail_total + kept.iter().map(|&logit| scaled(logit).exp()).sum::<f64>();
    let log_normaliser = normaliser.ln();

    let outcomes: Vec<Outcome> = kept
        .iter()
        .zip(row.log_probs)
        .map(|(&logit, &log_p)| {
            let log_p = f64::from(log_p);
            Outcome { log_q: scaled(logit) - log_normaliser, p: log_p.exp(), log_p, floor: f64::NEG_INFINITY }
        })
        .collect();
    let bucket = has_tail.then(|| Outcome {
        log_q: log_tail - log_normaliser,
        p: row.tail_mass,
        log_p: row.tail_mass.ln(),
        floor: TAIL_FLOOR.ln(),
    });
    let all = || outcomes.iter().copied().chain(bucket);

    let mass: f64 = all().map(|outcome| outcome.p).sum();
    let forward: f64 = all().map(Outcome::forward).sum();
    let reverse: f64 = all().map(|outcome| outcome.q() * outcome.log_ratio()).sum();
    let square = slot.temperature * slot.temperature;
    slot.forward.iter().for_each(|(term, _)| values[*term] = square * forward);
    slot.reverse.iter().for_each(|(term, _)| values[*term] = square * reverse);

    let forward_weight = slot.temperature * weight(&slot.forward);
    let reverse_weight = slot.temperature * weight(&slot.reverse);
    let mut gradients: Vec<f64> = all()
        .map(|outcome| {
            let q = outcome.q();
            forward_weight * (mass * q - outcome.p) + reverse_weight * q * (outcome.log_ratio() - reverse)
        })
        .collect();
    for term in &slot.pointwise {
        let (parts, slopes): (Vec<f64>, Vec<f64>) =
            all().map(|outcome| term.form.exact(outcome.log_p, outcome.log_q).into()).unzip();
        values[term.term] = square * parts.iter().sum::<f64>();
        let total: f64 = slopes.iter().sum();
        let factor = slot.temperature * term.weight;
        for ((gradient, outcome), slope) in gradients.iter_mut().zip(all()).zip(slopes) {
            *gradient += factor * (slope - outcome.q() * total);
        }
    }
    let bucket = if has_tail { gradients.pop() } else { None };
    SparseSlot {
        inverse: slot.inverse,
        normaliser,
        tail_maximum: tail.maximum,
        tail: bucket.map_or(0.0, |gradient| gradient / tail.normaliser),
        kept: gradients,
    }
}
