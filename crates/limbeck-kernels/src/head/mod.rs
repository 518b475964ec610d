//! Fused head product and distillation losses.
//!
//! A language model's head turns `[tokens, d]` hidden states into `[tokens, vocab]` logits, the
//! largest tensor of a training step. [`head_losses`] makes the product, every objective over the
//! logits and the gradients in one go over chunks of tokens, so that the logits never exist as a
//! whole: memory beyond the operands and their gradients is two chunks of logits.
//!
//! Since `total = sum_i weight_i L_i` is known before the backward pass, the gradients are computed
//! in the forward call and only scaled by the upstream scalar later.
//!
//! [`head_losses_composed`] is the same in plain tensor operations: it runs on every burn backend,
//! and the tests hold the fused body against it. [`logit_losses`] is the same for logits that exist
//! already.

mod check;
mod composed;
mod fused;
mod logits;
mod mixture;
mod node;
mod plan;
mod pointwise;
mod row;
mod row_matching;
mod row_pointwise;
mod row_sparse;
mod rows;
mod sparse;
mod terms;

pub use composed::head_losses_composed;
pub use logits::{logit_losses, logit_losses_composed};
pub use sparse::{SparseLogits, TAIL_FLOOR, forward_kl_gap_bound};
pub use terms::{HeadLosses, HeadTerm, HeadTermKind, TeacherLogits};

use burn::tensor::Tensor;

use crate::{KernelError, Precision};

/// Values and differentiable weighted sum of objectives over the logits `hidden * head^T`.
///
/// * `hidden`: `[n, d]`, the student's scored hidden states after the final norm;
/// * `head`: `[vocab, d]`, the student's unembedding weight;
/// * `targets`: `[n]` ids below `vocab_used`; may be empty if no term is a cross-entropy;
/// * `teacher`: needed by all terms but cross-entropy;
/// * `vocab_used`: every softmax, of student and teacher, runs over the columns `0..vocab_used`.
///   Rows of `head` past it (padding) get a gradient of exactly zero;
/// * `precision`: of the products' operands; logits and everything after are 32-bit.
///
/// Objectives are means over the n tokens, in nats. `hidden` and `head` may each be tracked by
/// autodiff or not; gradients are computed only for those that are. Same operands, same bits.
///
/// # Errors
/// A [`KernelError`] naming the operand, if shapes, ids, terms or the sparse signal do not fit.
pub fn head_losses(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    vocab_used: usize,
    precision: Precision,
) -> Result<HeadLosses, KernelError> {
    check::check(&hidden, &head, targets, teacher, terms, vocab_used)?;
    match node::try_fused_head(&hidden, &head, targets, teacher, terms, vocab_used, precision) {
        Some(losses) => Ok(losses),
        None => composed::compose(hidden, head, targets, teacher, terms, vocab_used, precision),
    }
}
