//! The part of a token's losses that compares both rows with a mixture of them.
//!
//! A ratio `p_j / q_j` needs both normalisers, so the values take a pass of their own over the row,
//! and the second pass then adds `x_j`; the other half of the gradient, `-q_j sum_i x_i`, joins the
//! student's coefficient. Formulas: [`super::mixture`].

use super::mixture::Mixture;
use super::plan::Slot;
use super::row::{BLOCK, Buffers, Maxima, Sums, differences, exponentials};
use crate::vector::{dot, multiply_add, sum};

/// Beyond this distance the smaller probability is 0 in 32 bits, whatever the other.
const FARTHEST: f32 = 1e4;

/// What turns the exponentials of two rows into probabilities and their log-ratio.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Normalisers {
    /// `1 / Z` and `1 / Y`.
    student: f32,
    teacher: f32,
    /// `log Z - log Y`, as a float and what that leaves: the same error in every `r_j` would not
    /// cancel in their sum.
    offset: [f32; 2],
}

impl Normalisers {
    pub(super) fn new(sums: &Sums) -> Self {
        let offset = sums.student.ln() - sums.teacher.ln();
        let high = offset as f32;
        Self {
            student: (1.0 / sums.student) as f32,
            teacher: (1.0 / sums.teacher) as f32,
            offset: [high, (offset - f64::from(high)) as f32],
        }
    }

    /// Fills the buffers with `q`, `p` and `r = log(p / q)`.
    #[inline(always)]
    fn outcomes<const FMA: bool>(
        &self,
        z: &[f32],
        t: &[f32],
        maxima: Maxima,
        inverse: f32,
        buffers: &mut Buffers,
    ) {
        let [q, p, r] = buffers.first(z.len());
        exponentials::<FMA>(z, maxima.student, inverse, q);
        exponentials::<FMA>(t, maxima.teacher, inverse, p);
        differences(z, t, maxima, inverse, r);
        q.iter_mut().for_each(|q| *q *= self.student);
        p.iter_mut().for_each(|p| *p *= self.teacher);
        for r in r {
            *r = ((*r + self.offset[0]) + self.offset[1]).clamp(-FARTHEST, FARTHEST);
        }
    }
}

/// Writes the values of a slot's mixtures, and returns `sum_i x_i` summed up with their weights.
#[inline(always)]
pub(super) fn mixture_sums<const FMA: bool>(
    student: &[f32],
    teacher: &[f32],
    maxima: Maxima,
    slot: &Slot,
    normalisers: &Normalisers,
    values: &mut [f64],
    buffers: &mut Buffers,
) -> f64 {
    let mut totals = vec![[0.0_f64; 3]; slot.mixtures.len()];
    let (mut ratio_p, mut ratio_q, mut slope) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK], [0.0_f32; BLOCK]);
    for start in (0..student.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(student.len());
        let (z, t) = (&student[start..end], &teacher[start..end]);
        normalisers.outcomes::<FMA>(z, t, maxima, slot.inverse, buffers);
        let [q, p, r] = buffers.first(z.len());
        for (mixture, totals) in slot.mixtures.iter().zip(&mut totals) {
            let narrow = mixture.narrow();
            for at in 0..z.len() {
                let parts = narrow.parts::<FMA>(p[at], q[at], r[at]);
                ratio_p[at] = parts.teacher_ratio;
                ratio_q[at] = parts.student_ratio;
                slope[at] = parts.slope;
            }
            totals[0] += f64::from(dot::<FMA>(p, &ratio_p[..z.len()]));
            totals[1] += f64::from(dot::<FMA>(q, &ratio_q[..z.len()]));
            totals[2] += f64::from(sum(&slope[..z.len()]));
        }
    }
    let square = slot.temperature * slot.temperature;
    let mut slopes = 0.0;
    for (mixture, [forward, reverse, slope]) in slot.mixtures.iter().zip(totals) {
        let value = mixture.forward * forward + mixture.reverse * reverse;
        // Rounding may leave a tiny negative number; NaN stays NaN.
        values[mixture.term] = if value < 0.0 { 0.0 } else { square * value };
        slopes += mixture.weight * slope;
    }
    slopes
}

/// Adds `share T weight x_j` of every mixture to a block's gradient.
#[inline(always)]
pub(super) fn add_slopes<const FMA: bool>(
    z: &[f32],
    t: &[f32],
    maxima: Maxima,
    slot: &Slot,
    normalisers: &Normalisers,
    share: f64,
    gradient: &mut [f32],
    buffers: &mut Buffers,
) {
    normalisers.outcomes::<FMA>(z, t, maxima, slot.inverse, buffers);
    let [q, p, r] = buffers.first(z.len());
    for mixture in slot.mixtures.iter().filter(|mixture| mixture.weight != 0.0) {
        let narrow = mixture.narrow();
        let factor = (share * slot.temperature * mixture.weight) as f32;
        for at in 0..z.len() {
            let slope = narrow.parts::<FMA>(p[at], q[at], r[at]).slope;
            gradient[at] = multiply_add::<FMA>(slope, factor, gradient[at]);
        }
    }
}

/// A mixture over a few outcomes in 64 bits: its value, and every `x_j`.
pub(super) fn mixture_outcomes(
    mixture: &Mixture,
    outcomes: impl Iterator<Item = [f64; 2]>,
) -> (f64, Vec<f64>) {
    let (log_lambda, log_mu) = (mixture.teacher_share.ln(), mixture.student_share.ln());
    let mut value = 0.0;
    let slopes = outcomes
        .map(|[log_p, log_q]| {
            let (p, q) = (log_p.exp(), log_q.exp());
            let [left, right] = [log_lambda + log_p, log_mu + log_q];
            let log_m = left.max(right) + (-(left - right).abs()).exp().ln_1p();
            let student_part = (right - log_m).exp();
            let student_ratio = log_q - log_m;
            // An outcome without mass adds nothing, though its logarithm is not finite.
            let from_teacher = if p == 0.0 { 0.0 } else { p * (log_p - log_m) };
            value += mixture.forward * from_teacher + mixture.reverse * q * student_ratio;
            mixture.reverse * q * (student_ratio + 1.0 - student_part) - mixture.forward * p * student_part
        })
        .collect();
    (value, slopes)
}
