//! Logit matching of one token: half the variance of the differences of the logits.
//!
//! With `d_j = z_j - t_j` over the N used columns: value `1/(2N) sum_j (d_j - mean d)^2`, gradient
//! `(d_j - mean d) / N`. The rows' maxima are taken off first, which the mean takes back: so no
//! digits are lost to a common offset of the logits.

use super::row::{BLOCK, Maxima};
use crate::vector::{dot, sum};

/// The differences of two rows, block by block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matching<'a> {
    teacher: &'a [f32],
    maxima: Maxima,
    /// Mean of `(z_j - max z) - (t_j - max t)`.
    mean: f32,
}

impl<'a> Matching<'a> {
    /// Measures the mean difference. The rows have the same length.
    #[inline(always)]
    pub(super) fn new(student: &[f32], teacher: &'a [f32], maxima: Maxima) -> Self {
        let mut matching = Self { teacher, maxima, mean: 0.0 };
        let mut total = 0.0;
        matching.blocks(student, |differences| total += f64::from(sum(differences)));
        matching.mean = (total / student.len() as f64) as f32;
        matching
    }

    /// The term's value.
    #[inline(always)]
    pub(super) fn value<const FMA: bool>(&self, student: &[f32]) -> f64 {
        let (mut squares, mut total) = (0.0, 0.0);
        self.blocks(student, |differences| {
            squares += f64::from(dot::<FMA>(differences, differences));
            total += f64::from(sum(differences));
        });
        // What the mean lost by rounding to 32 bits is taken off the squares.
        let count = student.len() as f64;
        (squares - total * total / count).max(0.0) / (2.0 * count)
    }

    /// Adds `factor * (d_j - mean d)` to the gradient of a block that starts at `start`.
    #[inline(always)]
    pub(super) fn add(&self, start: usize, student: &[f32], factor: f32, gradient: &mut [f32]) {
        let teacher = &self.teacher[start..start + student.len()];
        for ((sum, z), t) in gradient.iter_mut().zip(student).zip(teacher) {
            *sum += self.difference(*z, *t) * factor;
        }
    }

    #[inline(always)]
    fn difference(&self, z: f32, t: f32) -> f32 {
        ((z - self.maxima.student) - (t - self.maxima.teacher)) - self.mean
    }

    #[inline(always)]
    fn blocks(&self, student: &[f32], mut visit: impl FnMut(&[f32])) {
        let mut buffer = [0.0_f32; BLOCK];
        for start in (0..student.len()).step_by(BLOCK) {
            let end = (start + BLOCK).min(student.len());
            let buffer = &mut buffer[..end - start];
            for ((out, z), t) in buffer.iter_mut().zip(&student[start..end]).zip(&self.teacher[start..end]) {
                *out = self.difference(*z, *t);
            }
            visit(buffer);
        }
    }
}
