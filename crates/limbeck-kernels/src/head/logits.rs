//! The objectives over logits that exist already, such as a classifier's.

use burn::tensor::Tensor;

use super::fused::{CHUNK, Matrix, Teacher};
use super::plan::Plan;
use super::rows::Rows;
use super::terms::{HeadLosses, HeadTerm, TeacherLogits};
use super::{check, composed, node};
use crate::KernelError;
use crate::Precision;

/// Values and differentiable weighted sum of objectives over logits.
///
/// * `logits`: `[n, classes]`, the student's;
/// * `targets`, `teacher`, `terms`: as in [`super::head_losses`];
/// * `vocab_used`: every softmax, of student and teacher, runs over the columns `0..vocab_used`, or
///   over all of the student's if `None`. Columns past it get a gradient of exactly zero.
///
/// Objectives are means over the n rows, in nats. The gradient is made in the same call, and only
/// scaled in the backward pass. Same operands, same bits.
///
/// # Errors
/// A [`KernelError`] naming the operand, if shapes, ids, terms or the sparse signal do not fit.
pub fn logit_losses(
    logits: Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    vocab_used: Option<usize>,
) -> Result<HeadLosses, KernelError> {
    let used = check::check_logits(&logits, targets, teacher, terms, vocab_used)?;
    match node::try_fused_logits(&logits, targets, teacher, terms, used) {
        Some(losses) => Ok(losses),
        None => composed::compose_logits(logits, targets, teacher, terms, used),
    }
}

/// As [`logit_losses`], in plain tensor operations, on any backend.
///
/// # Errors
/// As [`logit_losses`].
pub fn logit_losses_composed(
    logits: Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    vocab_used: Option<usize>,
) -> Result<HeadLosses, KernelError> {
    let used = check::check_logits(&logits, targets, teacher, terms, vocab_used)?;
    composed::compose_logits(logits, targets, teacher, terms, used)
}

/// Operands of the fused body, checked before.
pub(super) struct LogitProblem<'a> {
    pub(super) logits: Matrix<'a>,
    pub(super) targets: &'a [u32],
    pub(super) teacher: Teacher<'a>,
    pub(super) terms: &'a [HeadTerm],
    pub(super) used: usize,
    pub(super) wants_gradient: bool,
}

/// Values of the terms, and the gradient with the shape of the logits if it is wanted.
pub(super) fn solve(problem: &LogitProblem<'_>) -> (Vec<f64>, Option<Vec<f32>>) {
    let Matrix { data, rows: tokens, columns } = problem.logits;
    let plan = Plan::new(problem.terms);
    let rows = Rows {
        plan: &plan,
        targets: problem.targets,
        teacher: problem.teacher,
        used: problem.used,
        share: problem.wants_gradient.then(|| 1.0 / tokens as f64),
    };
    let mut values = vec![0.0_f64; problem.terms.len()];
    let mut work = data[..tokens * columns].to_vec();
    let mut teacher = Vec::new();
    let taught = problem.teacher.product(problem.used, Precision::F32);
    for (index, chunk) in work.chunks_mut(CHUNK * columns).enumerate() {
        let start = index * CHUNK;
        if let Some(taught) = &taught {
            taught.multiply(start, chunk.len() / columns, problem.used, columns, &mut teacher);
        }
        rows.measure(start, columns, chunk, &teacher, &mut values);
        for row in chunk.chunks_exact_mut(columns) {
            row[problem.used..].fill(0.0);
        }
    }
    values.iter_mut().for_each(|value| *value /= tokens as f64);
    (values, problem.wants_gradient.then_some(work))
}
