//! The part of a token's losses that is summed outcome by outcome ([`super::pointwise`]).
//!
//! A ratio `p_j / q_j` needs both normalisers, so the values take a pass of their own over the row,
//! and the second pass then adds `x_j`; the other half of the gradient, `-q_j sum_i x_i`, joins the
//! student's coefficient.

use super::plan::Slot;
use super::row::{BLOCK, Buffers, Maxima, Sums, differences, exponentials};
use crate::vector::{dot, sum};

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

/// Writes the values of a slot's terms, and returns `sum_i x_i` summed up with their weights.
#[inline(always)]
pub(super) fn pointwise_sums<const FMA: bool>(
    student: &[f32],
    teacher: &[f32],
    maxima: Maxima,
    slot: &Slot,
    normalisers: &Normalisers,
    values: &mut [f64],
    buffers: &mut Buffers,
) -> f64 {
    let mut totals = vec![[0.0_f64; 3]; slot.pointwise.len()];
    let mut parts = [[0.0_f32; BLOCK]; 3];
    for start in (0..student.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(student.len());
        let (z, t) = (&student[start..end], &teacher[start..end]);
        normalisers.outcomes::<FMA>(z, t, maxima, slot.inverse, buffers);
        let [q, p, r] = buffers.first(z.len());
        let [from_teacher, from_student, slope] = parts.each_mut().map(|part| &mut part[..z.len()]);
        for (term, totals) in slot.pointwise.iter().zip(&mut totals) {
            term.form.fill::<FMA>([p, q, r], [from_teacher, from_student, slope]);
            totals[0] += f64::from(dot::<FMA>(p, from_teacher));
            totals[1] += f64::from(dot::<FMA>(q, from_student));
            totals[2] += f64::from(sum(slope));
        }
    }
    let square = slot.temperature * slot.temperature;
    let mut slopes = 0.0;
    for (term, [from_teacher, from_student, slope]) in slot.pointwise.iter().zip(totals) {
        let [forward, reverse] = term.form.factors();
        let value = forward * from_teacher + reverse * from_student;
        // Rounding may leave a tiny negative number; NaN stays NaN.
        values[term.term] = if value < 0.0 { 0.0 } else { square * value };
        slopes += term.weight * slope;
    }
    slopes
}

/// Adds `share T weight x_j` of every term to a block's gradient.
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
    for term in slot.pointwise.iter().filter(|term| term.weight != 0.0) {
        let factor = (share * slot.temperature * term.weight) as f32;
        term.form.add_slopes::<FMA>([p, q, r], factor, gradient);
    }
}
