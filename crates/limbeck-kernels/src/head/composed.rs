//! The losses in plain tensor operations: the body of every backend without a fused one, and the
//! reference that the fused one is tested against. It holds whole `[n, vocab]` logits.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor, TensorData};

use super::check::check;
use super::pointwise::Form;
use super::sparse::{SparseLogits, TAIL_FLOOR};
use super::terms::{HeadLosses, HeadTerm, HeadTermKind, TeacherLogits};
use crate::linear::linear_composed;
use crate::{KernelError, Precision};

/// Stands for the logarithm of zero: finite, so that its product with a probability of 0 is 0.
const LOG_OF_ZERO: f32 = -1e30;

/// As [`super::head_losses`], on any backend, with whole logits in memory.
///
/// # Errors
/// As [`super::head_losses`].
pub fn head_losses_composed(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    vocab_used: usize,
    precision: Precision,
) -> Result<HeadLosses, KernelError> {
    check(&hidden, &head, targets, teacher, terms, vocab_used)?;
    compose(hidden, head, targets, teacher, terms, vocab_used, precision)
}

/// The body, for operands that were checked.
pub(super) fn compose(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: usize,
    precision: Precision,
) -> Result<HeadLosses, KernelError> {
    let width = hidden.dims()[1];
    let logits = linear_composed(hidden, head.slice([0..used, 0..width]), None, precision);
    compose_logits(logits, targets, teacher, terms, used)
}

/// The body over logits `[n, used or more]`, for operands that were checked.
pub(super) fn compose_logits(
    logits: Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: usize,
) -> Result<HeadLosses, KernelError> {
    let tokens = logits.dims()[0];
    let logits = logits.slice([0..tokens, 0..used]);
    let dense = dense_teacher(teacher, tokens, used);
    let mut total: Option<Tensor<1>> = None;
    let mut values = Vec::with_capacity(terms.len());
    for term in terms {
        let sum = match (term.kind.temperature(), teacher, &dense) {
            _ if term.kind == HeadTermKind::CrossEntropy => cross_entropy(logits.clone(), targets),
            (Some(temperature), Some(TeacherLogits::Sparse(signal)), _) => {
                sparse_divergence(logits.clone(), signal, term.kind, temperature)
            }
            (Some(temperature), _, Some(teacher)) => {
                dense_divergence(logits.clone(), teacher.clone(), term.kind, temperature)
            }
            (None, _, Some(teacher)) => logit_matching(logits.clone(), teacher.clone()),
            (_, _, None) => return Err(KernelError::TeacherMissing { term: values.len() }),
        };
        let value = sum.div_scalar(tokens as f64);
        values.push(value.clone().inner().into_scalar::<f64>());
        let weighted = value.mul_scalar(term.weight);
        total = Some(match total {
            Some(total) => total + weighted,
            None => weighted,
        });
    }
    let total = total.ok_or(KernelError::Empty { operation: "losses over logits", operand: "terms" })?;
    Ok(HeadLosses { total, values })
}

/// The teacher's logits over the used columns, outside the autodiff graph.
fn dense_teacher(teacher: Option<&TeacherLogits>, tokens: usize, used: usize) -> Option<Tensor<2>> {
    match teacher? {
        TeacherLogits::Head { hidden, head, .. } => {
            let width = head.dims()[1];
            let head = head.clone().inner().slice([0..used, 0..width]);
            Some(hidden.clone().inner().matmul(head.transpose()))
        }
        TeacherLogits::Dense(logits) => Some(logits.clone().inner().slice([0..tokens, 0..used])),
        TeacherLogits::Sparse(_) => None,
    }
}

/// Sum over the tokens of `-log q[target]`.
fn cross_entropy(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    let ids = ids_tensor(targets, [targets.len(), 1], &logits);
    log_softmax(logits, 1).gather(1, ids).sum().neg()
}

/// Sum over the tokens of `T^2 KL` over the whole vocabulary.
fn dense_divergence(
    student: Tensor<2>,
    teacher: Tensor<2>,
    kind: HeadTermKind,
    temperature: f64,
) -> Tensor<1> {
    let log_q = log_softmax(student.div_scalar(temperature), 1);
    let log_p = lift(log_softmax(teacher.div_scalar(temperature), 1), &log_q);
    divergence(log_p, log_q, kind).mul_scalar(temperature * temperature)
}

/// Sum over the tokens of `T^2 KL` over the kept ids and the tail bucket.
fn sparse_divergence(
    student: Tensor<2>,
    signal: &SparseLogits,
    kind: HeadTermKind,
    temperature: f64,
) -> Tensor<1> {
    let [tokens, used] = student.dims();
    let square = temperature * temperature;
    let scaled = student.div_scalar(temperature);
    let ids = ids_tensor(&signal.ids, [tokens, signal.k], &scaled);
    let log_q = log_softmax(scaled.clone(), 1);
    let kept_q = log_q.clone().gather(1, ids.clone());
    let log_p = floats(signal.log_probs.clone(), [tokens, signal.k], &scaled);
    if signal.k == used {
        return divergence(log_p, kept_q, kind).mul_scalar(square);
    }
    let tail_q = log_sum_exp(log_q.mask_fill(kept_mask(&ids, used), LOG_OF_ZERO));
    let tail_p = signal.tail_mass.iter().map(|&mass| tail_log(f64::from(mass), kind) as f32).collect();
    let tail_p = floats(tail_p, [tokens, 1], &scaled);
    divergence(Tensor::cat(vec![log_p, tail_p], 1), Tensor::cat(vec![kept_q, tail_q], 1), kind)
        .mul_scalar(square)
}

/// The logarithm of the teacher's tail mass, as far as the direction needs one.
fn tail_log(mass: f64, kind: HeadTermKind) -> f64 {
    match kind {
        HeadTermKind::ReverseKl { .. } => mass.max(TAIL_FLOOR).ln(),
        _ if mass > 0.0 => mass.ln(),
        _ => f64::from(LOG_OF_ZERO),
    }
}

/// Sum over the tokens of the divergence of two reduced or whole distributions.
fn divergence(log_p: Tensor<2>, log_q: Tensor<2>, kind: HeadTermKind) -> Tensor<1> {
    match (Form::of(kind), kind) {
        (Some(form), _) => form.composed(log_p, log_q),
        (None, HeadTermKind::ReverseKl { .. }) => kl(&log_q, &log_p),
        (None, _) => kl(&log_p, &log_q),
    }
}

/// Sum over the tokens of `KL(a || b)`.
pub(super) fn kl(log_a: &Tensor<2>, log_b: &Tensor<2>) -> Tensor<1> {
    (log_a.clone().exp() * (log_a.clone() - log_b.clone())).sum()
}

/// Sum over the tokens of half the variance of the logits' differences.
fn logit_matching(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    let used = student.dims()[1];
    let difference = student.clone() - lift(teacher, &student);
    let centred = difference.clone() - difference.mean_dim(1);
    (centred.clone() * centred).sum().div_scalar(2.0 * used as f64)
}

/// `log sum exp` along the columns, `[n, 1]`.
fn log_sum_exp(values: Tensor<2>) -> Tensor<2> {
    let largest = values.clone().detach().max_dim(1);
    (values - largest.clone()).exp().sum_dim(1).log() + largest
}

/// True at the kept ids of each token.
fn kept_mask(ids: &Tensor<2, Int>, used: usize) -> Tensor<2, Bool> {
    let [tokens, kept] = ids.dims();
    let device = ids.device();
    let marks = Tensor::<2, Int>::zeros([tokens, used], &device);
    let ones = Tensor::<2, Int>::ones([tokens, kept], &device);
    marks.scatter(1, ids.clone(), ones, burn::tensor::IndexingUpdateOp::Add).greater_elem(0)
}

fn ids_tensor(ids: &[u32], shape: [usize; 2], like: &Tensor<2>) -> Tensor<2, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), &like.device())
}

fn floats(values: Vec<f32>, shape: [usize; 2], like: &Tensor<2>) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), &like.device())
}

/// A constant in the autodiff context of `like`.
fn lift(constant: Tensor<2>, like: &Tensor<2>) -> Tensor<2> {
    match like.gradient_checkpointing_strategy() {
        Some(strategy) => constant.autodiff().with_gradient_checkpointing_strategy(strategy),
        None => constant,
    }
}
