//! Objectives over class logits.

use burn::tensor::{Tensor, TensorData};
use limbeck_kernels::{HeadLosses, HeadTerm, HeadTermKind, KernelError, TeacherLogits, logit_losses};

use super::ClassTerm;

/// The weighted sum of the terms, ready for the backward pass, and the value of each. `teacher` holds `[batch, classes]`
/// logits.
pub(super) fn losses(
    logits: Tensor<2>,
    labels: &[u32],
    teacher: Option<Vec<f32>>,
    terms: &[ClassTerm],
) -> Result<HeadLosses, KernelError> {
    let shape = logits.dims();
    let device = logits.device().inner();
    let teacher = teacher
        .map(|values| TeacherLogits::Dense(Tensor::from_data(TensorData::new(values, shape), &device)));
    let terms: Vec<HeadTerm> = terms.iter().map(|term| head_term(*term)).collect();
    logit_losses(logits, labels, teacher.as_ref(), &terms, None)
}

fn head_term(term: ClassTerm) -> HeadTerm {
    let kind = match term {
        ClassTerm::CrossEntropy(_) => HeadTermKind::CrossEntropy,
        ClassTerm::SoftTargets(soft) => HeadTermKind::ForwardKl { temperature: soft.temperature },
        ClassTerm::LogitMatching(_) => HeadTermKind::LogitMatching,
    };
    HeadTerm { kind, weight: term.weight() }
}
