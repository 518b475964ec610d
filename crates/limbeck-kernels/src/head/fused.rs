//! The fused head losses over plain slices: chunks of tokens, each with its products, its losses
//! and its share of the gradients.

use super::plan::Plan;
use super::rows::Rows;
use super::sparse::SparseLogits;
use super::terms::HeadTerm;
use crate::Precision;
use crate::product::{Target, View, multiply};
use crate::spare::{FLOATS, recycle};

/// Fewest tokens of a chunk.
pub(super) const CHUNK: usize = 128;

/// Tokens of the chunks that `tokens` are divided into: as many as keep the logits of a chunk below half of the head's
/// own size, so that the head is read, and its gradient added to, fewer times. Those logits are all that exists at a
/// time, with the teacher's of half a chunk or of [`CHUNK`] tokens: 26 + 26 MB for a vocabulary of 50,257 and a width of 384.
fn chunk(tokens: usize, width: usize) -> usize {
    let most = ((width / 2).saturating_sub(1) / CHUNK * CHUNK).clamp(CHUNK, 4 * CHUNK);
    let chunks = tokens.div_ceil(most).max(1);
    tokens.div_ceil(chunks).max(1).next_multiple_of(CHUNK / 2)
}

/// Logits rows start at multiples of this many floats (one cache line).
const ALIGNMENT: usize = 16;

/// A row-major matrix in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<'a> Matrix<'a> {
    fn first_rows(&self, rows: usize) -> View<'a> {
        View::rows(self.data, rows, self.columns, self.columns)
    }

    fn row_range(&self, start: usize, rows: usize) -> View<'a> {
        View::rows(&self.data[start * self.columns..], rows, self.columns, self.columns)
    }
}

/// The teacher's side.
#[derive(Debug, Clone, Copy)]
pub(super) enum Teacher<'a> {
    None,
    Head { hidden: Matrix<'a>, head: Matrix<'a> },
    Dense(Matrix<'a>),
    Sparse(&'a SparseLogits),
}

/// What makes the teacher's logits.
pub(super) struct TeacherProduct<'a> {
    hidden: Matrix<'a>,
    head: View<'a>,
    precision: Precision,
}

impl<'a> Teacher<'a> {
    /// What makes the teacher's logits, if they are a product.
    pub(super) fn product(&self, used: usize, precision: Precision) -> Option<TeacherProduct<'a>> {
        match *self {
            Teacher::Head { hidden, head } => {
                Some(TeacherProduct { hidden, head: head.first_rows(used).transposed(), precision })
            }
            _ => None,
        }
    }
}

impl TeacherProduct<'_> {
    /// The logits of a chunk of tokens, rows of `stride` floats; the vector grows at the first chunk.
    pub(super) fn multiply(
        &self,
        start: usize,
        rows: usize,
        used: usize,
        stride: usize,
        logits: &mut Vec<f32>,
    ) {
        logits.resize(logits.len().max(rows * stride), 0.0);
        let out = Target::of(logits, rows, used, stride);
        multiply(out, self.hidden.row_range(start, rows), self.head, false, self.precision);
    }
}

/// Operands, checked before.
pub(super) struct Problem<'a> {
    pub(super) hidden: Matrix<'a>,
    pub(super) head: Matrix<'a>,
    pub(super) targets: &'a [u32],
    pub(super) teacher: Teacher<'a>,
    pub(super) terms: &'a [HeadTerm],
    pub(super) used: usize,
    pub(super) precision: Precision,
    pub(super) wants_hidden: bool,
    pub(super) wants_head: bool,
}

/// Values of the terms, and the gradients that were asked for, with the shapes of the operands.
pub(super) struct Solution {
    pub(super) values: Vec<f64>,
    pub(super) hidden: Option<Vec<f32>>,
    pub(super) head: Option<Vec<f32>>,
}

/// Runs the chunks one after another; within a chunk all threads work.
pub(super) fn solve(problem: &Problem<'_>) -> Solution {
    let tokens = problem.hidden.rows;
    let width = problem.hidden.columns;
    let plan = Plan::new(problem.terms);
    let share = (problem.wants_hidden || problem.wants_head).then(|| 1.0 / tokens as f64);
    let Problem { targets, teacher: teacher_side, used, precision, .. } = *problem;
    let losses = Rows { plan: &plan, targets, teacher: teacher_side, used, share };
    let stride = used.next_multiple_of(ALIGNMENT);
    let taught = teacher_side.product(used, precision);
    let chunk = chunk(tokens, width);
    let part = (chunk / 2).max(CHUNK).min(chunk);
    let mut student = FLOATS.take(chunk.min(tokens) * stride, 0.0);
    let mut teacher = match &taught {
        Some(_) => FLOATS.take(part.min(tokens) * stride, 0.0),
        None => Vec::new(),
    };
    let mut hidden_gradient = problem.wants_hidden.then(|| vec![0.0_f32; tokens * width]);
    let mut head_gradient = problem.wants_head.then(|| {
        let mut gradient = FLOATS.take(problem.head.rows * width, 0.0);
        gradient[used * width..].fill(0.0);
        gradient
    });
    let mut values = vec![0.0_f64; problem.terms.len()];
    let head = problem.head.first_rows(used);

    for start in (0..tokens).step_by(chunk) {
        let rows = chunk.min(tokens - start);
        let hidden = problem.hidden.row_range(start, rows);
        let out = Target::of(&mut student, rows, used, stride);
        multiply(out, hidden, head.transposed(), false, precision);
        for (index, student) in student[..rows * stride].chunks_mut(part * stride).enumerate() {
            let start = start + index * part;
            if let Some(taught) = &taught {
                taught.multiply(start, student.len() / stride, used, stride, &mut teacher);
            }
            losses.measure(start, stride, student, &teacher, &mut values);
        }
        let gradient = View::rows(&student, rows, used, stride);
        if let Some(out) = &mut hidden_gradient {
            let out = Target::of(&mut out[start * width..], rows, width, width);
            multiply(out, gradient, head, false, precision);
        }
        if let Some(out) = &mut head_gradient {
            let out = Target::of(out, used, width, width);
            multiply(out, gradient.transposed(), hidden, start > 0, precision);
        }
    }
    values.iter_mut().for_each(|value| *value /= tokens as f64);
    recycle(student);
    recycle(teacher);
    Solution { values, hidden: hidden_gradient, head: head_gradient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_even_and_smaller_than_half_the_head() {
        assert_eq!(chunk(508, 384), 128);
        assert_eq!(chunk(508, 576), 256);
        assert_eq!(chunk(257, 4096), 320);
        assert_eq!(chunk(2000, 4096), 512);
        assert_eq!(chunk(1, 8), 64);
        assert_eq!(chunk(0, 8), 64);
    }
}
