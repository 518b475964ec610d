//! The fused head losses over plain slices: chunks of tokens, each with its products, its losses
//! and its share of the gradients.

use rayon::prelude::*;

use super::plan::{Slot, slots};
use super::row::{Row, TeacherRow};
use super::sparse::SparseLogits;
use super::terms::{HeadTerm, HeadTermKind};
use crate::product::{View, multiply};
use crate::vector::dispatch;

/// Tokens per chunk. The logits of a chunk of the student and of the teacher are all that exists
/// of them at a time: for a vocabulary of 50,257 two times 26 MB.
const CHUNK: usize = 128;

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

/// Operands, checked before.
pub(super) struct Problem<'a> {
    pub(super) hidden: Matrix<'a>,
    pub(super) head: Matrix<'a>,
    pub(super) targets: &'a [u32],
    pub(super) teacher: Teacher<'a>,
    pub(super) terms: &'a [HeadTerm],
    pub(super) used: usize,
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
    let slots = slots(problem.terms);
    let stride = problem.used.next_multiple_of(ALIGNMENT);
    let rows = CHUNK.min(tokens);
    let mut student = vec![0.0_f32; rows * stride];
    let mut teacher = match problem.teacher {
        Teacher::Head { .. } => vec![0.0_f32; rows * stride],
        _ => Vec::new(),
    };
    let mut hidden_gradient = problem.wants_hidden.then(|| vec![0.0_f32; tokens * width]);
    let mut head_gradient = problem.wants_head.then(|| vec![0.0_f32; problem.head.rows * width]);
    let mut row_values = vec![0.0_f64; rows * problem.terms.len()];
    let mut values = vec![0.0_f64; problem.terms.len()];
    let used_head = problem.head.first_rows(problem.used);

    for start in (0..tokens).step_by(CHUNK) {
        let rows = CHUNK.min(tokens - start);
        let hidden = problem.hidden.row_range(start, rows);
        multiply(&mut student, stride, hidden, used_head.transposed(), false);
        if let Teacher::Head { hidden, head } = problem.teacher {
            let head = head.first_rows(problem.used).transposed();
            multiply(&mut teacher, stride, hidden.row_range(start, rows), head, false);
        }
        let row_values = &mut row_values[..rows * problem.terms.len()];
        measure_rows(problem, &slots, start, stride, &mut student[..rows * stride], &teacher, row_values);
        for row in row_values.chunks_exact(problem.terms.len()) {
            values.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let gradient = View::rows(&student, rows, problem.used, stride);
        if let Some(out) = &mut hidden_gradient {
            multiply(&mut out[start * width..], width, gradient, used_head, false);
        }
        if let Some(out) = &mut head_gradient {
            multiply(out, width, gradient.transposed(), hidden, start > 0);
        }
    }
    values.iter_mut().for_each(|value| *value /= tokens as f64);
    Solution { values, hidden: hidden_gradient, head: head_gradient }
}

/// Values of a chunk's rows, and in the place of its logits their gradient.
fn measure_rows(
    problem: &Problem<'_>,
    slots: &[Slot],
    start: usize,
    stride: usize,
    student: &mut [f32],
    teacher: &[f32],
    values: &mut [f64],
) {
    let share = (problem.wants_hidden || problem.wants_head).then(|| 1.0 / problem.hidden.rows as f64);
    let hard = problem.terms.iter().any(|term| term.kind == HeadTermKind::CrossEntropy);
    let work = student.par_chunks_mut(stride).zip(values.par_chunks_mut(problem.terms.len()));
    work.enumerate().for_each(|(row, (logits, values))| {
        let token = start + row;
        dispatch(Row {
            logits: &mut logits[..problem.used],
            teacher: match problem.teacher {
                Teacher::None => TeacherRow::None,
                Teacher::Head { .. } => TeacherRow::Dense(&teacher[row * stride..][..problem.used]),
                Teacher::Dense(logits) => {
                    TeacherRow::Dense(&logits.data[token * logits.columns..][..problem.used])
                }
                Teacher::Sparse(signal) => TeacherRow::Sparse(signal.row(token)),
            },
            target: hard.then(|| problem.targets[token] as usize),
            slots,
            share,
            values,
        });
    });
}
