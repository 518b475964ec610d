//! Whether the operands of a head loss fit together.

use burn::tensor::{DType, Tensor};

use super::terms::{HeadTerm, HeadTermKind, TeacherLogits};
use crate::KernelError;

const OPERATION: &str = "losses over logits";

/// Refuses operands that do not fit; afterwards no body can fail or index out of bounds.
pub(super) fn check(
    hidden: &Tensor<2>,
    head: &Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: usize,
) -> Result<(), KernelError> {
    let [tokens, width] = hidden.dims();
    let [vocab, head_width] = head.dims();
    not_empty("hidden", width)?;
    shape("head", "width", head_width, width)?;
    float32(hidden)?;
    float32(head)?;
    check_rows(tokens, vocab, targets, teacher, terms, used)
}

/// As [`check`], for logits that exist already; returns the number of columns used.
pub(super) fn check_logits(
    logits: &Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: Option<usize>,
) -> Result<usize, KernelError> {
    let [rows, classes] = logits.dims();
    let used = used.unwrap_or(classes);
    float32(logits)?;
    check_rows(rows, classes, targets, teacher, terms, used)?;
    Ok(used)
}

/// What does not depend on where the student's logits `[tokens, vocab]` come from.
fn check_rows(
    tokens: usize,
    vocab: usize,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: usize,
) -> Result<(), KernelError> {
    not_empty("hidden or logits", tokens)?;
    not_empty("vocabulary", used)?;
    not_empty("terms", terms.len())?;
    vocabulary("student", used, vocab)?;
    check_terms(terms, teacher)?;
    check_targets(targets, terms, tokens, used)?;
    match teacher {
        Some(teacher) => check_teacher(teacher, tokens, used),
        None => Ok(()),
    }
}

fn not_empty(operand: &'static str, size: usize) -> Result<(), KernelError> {
    match size {
        0 => Err(KernelError::Empty { operation: OPERATION, operand }),
        _ => Ok(()),
    }
}

fn shape(
    operand: &'static str,
    dimension: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), KernelError> {
    if found == expected {
        return Ok(());
    }
    Err(KernelError::Shape { operation: OPERATION, operand, dimension, found, expected })
}

fn float32(tensor: &Tensor<2>) -> Result<(), KernelError> {
    match tensor.dtype() {
        DType::F32 => Ok(()),
        other => Err(KernelError::Dtype { operation: OPERATION, found: format!("{other:?}") }),
    }
}

fn vocabulary(model: &'static str, used: usize, available: usize) -> Result<(), KernelError> {
    if used <= available {
        return Ok(());
    }
    Err(KernelError::Vocabulary { model, used, available })
}

fn check_terms(terms: &[HeadTerm], teacher: Option<&TeacherLogits>) -> Result<(), KernelError> {
    for (index, term) in terms.iter().enumerate() {
        let temperature = term.kind.temperature();
        if let Some(value) = temperature.filter(|value| !(value.is_finite() && *value > 0.0)) {
            let rule = "it must be finite and above 0";
            return Err(KernelError::Term { term: index, name: "temperature", value, rule });
        }
        if let Some((name, value)) = term.kind.share().filter(|(_, value)| !(*value > 0.0 && *value < 1.0)) {
            let rule = "it must be above 0 and below 1";
            return Err(KernelError::Term { term: index, name, value, rule });
        }
        if !term.weight.is_finite() {
            let rule = "it must be finite";
            return Err(KernelError::Term { term: index, name: "weight", value: term.weight, rule });
        }
        if !term.kind.needs_teacher() {
            continue;
        }
        match teacher {
            None => return Err(KernelError::TeacherMissing { term: index }),
            Some(TeacherLogits::Sparse(signal)) => match temperature {
                None => return Err(KernelError::SparseTeacher { term: index }),
                Some(wanted) if signal.temperature != wanted => {
                    let captured = signal.temperature;
                    return Err(KernelError::SignalTemperature { term: index, wanted, captured });
                }
                Some(_) => {}
            },
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_targets(targets: &[u32], terms: &[HeadTerm], tokens: usize, used: usize) -> Result<(), KernelError> {
    let wanted = terms.iter().any(|term| term.kind == HeadTermKind::CrossEntropy);
    if !wanted && targets.is_empty() {
        return Ok(());
    }
    shape("targets", "length", targets.len(), tokens)?;
    match targets.iter().position(|&id| id as usize >= used) {
        Some(row) if wanted => Err(KernelError::TokenId { role: "target", row, id: targets[row], used }),
        _ => Ok(()),
    }
}

fn check_teacher(teacher: &TeacherLogits, tokens: usize, used: usize) -> Result<(), KernelError> {
    match teacher {
        TeacherLogits::Head { hidden, head, .. } => {
            let [rows, width] = hidden.dims();
            let [vocab, head_width] = head.dims();
            shape("teacher hidden", "tokens", rows, tokens)?;
            shape("teacher head", "width", head_width, width)?;
            float32(hidden)?;
            float32(head)?;
            if width == 0 {
                return Err(KernelError::Empty { operation: OPERATION, operand: "teacher hidden" });
            }
            vocabulary("teacher", used, vocab)
        }
        TeacherLogits::Dense(logits) => {
            let [rows, vocab] = logits.dims();
            shape("teacher logits", "tokens", rows, tokens)?;
            float32(logits)?;
            vocabulary("teacher", used, vocab)
        }
        TeacherLogits::Sparse(signal) => signal.validate(tokens, used),
    }
}
