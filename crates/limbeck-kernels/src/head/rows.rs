//! The losses of a chunk of tokens whose logits are in memory, on all threads.

use rayon::prelude::*;

use super::fused::Teacher;
use super::plan::Plan;
use super::row::{Row, TeacherRow};
use crate::vector::dispatch;

/// What the rows of all chunks have in common.
pub(super) struct Rows<'a> {
    pub(super) plan: &'a Plan,
    pub(super) targets: &'a [u32],
    pub(super) teacher: Teacher<'a>,
    pub(super) used: usize,
    /// Factor of the gradient, 1 / n; `None` when no gradient is wanted.
    pub(super) share: Option<f64>,
}

impl Rows<'_> {
    /// Adds up the values of the tokens from `start` on, in order, and puts the gradient in the place
    /// of their logits. `student` holds rows of `stride` floats; so does `teacher` if its logits were
    /// multiplied out for this chunk.
    pub(super) fn measure(
        &self,
        start: usize,
        stride: usize,
        student: &mut [f32],
        teacher: &[f32],
        values: &mut [f64],
    ) {
        let terms = values.len();
        let mut row_values = vec![0.0_f64; student.len().div_ceil(stride) * terms];
        let work = student.par_chunks_mut(stride).zip(row_values.par_chunks_mut(terms));
        work.enumerate().for_each(|(row, (logits, values))| {
            let token = start + row;
            dispatch(Row {
                logits: &mut logits[..self.used],
                teacher: match self.teacher {
                    Teacher::None => TeacherRow::None,
                    Teacher::Head { .. } => TeacherRow::Dense(&teacher[row * stride..][..self.used]),
                    Teacher::Dense(logits) => {
                        TeacherRow::Dense(&logits.data[token * logits.columns..][..self.used])
                    }
                    Teacher::Sparse(signal) => TeacherRow::Sparse(signal.row(token)),
                },
                target: self.plan.hard.then(|| self.targets[token] as usize),
                plan: self.plan,
                share: self.share,
                values,
            });
        });
        for row in row_values.chunks_exact(terms) {
            values.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
}
