//! Divergences whose value and gradient are summed outcome by outcome, from the teacher's `p`, the student's `q` and `log(p / q)`.
//!
//! With `D = a sum p_j u_j + b sum q_j v_j`, where `u_j` and `v_j` are functions of `p_j` and `q_j`, the gradient with respect to a
//! logit at temperature T is `(x_j - q_j sum_i x_i) / T` for `x_j = q_j dD/dq_j`. A divergence of this family says its
//! `u_j`, `v_j` and `x_j` in 32 bits for whole rows, in 64 for sparse ones, and its value in tensor operations; the rest is shared.

use burn::tensor::Tensor;

use super::mixture::Mixture;
use super::terms::HeadTermKind;

/// One term of this family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointwise {
    /// Index of the term.
    pub(super) term: usize,
    /// Its weight in the total.
    pub(super) weight: f64,
    /// Which divergence.
    pub(super) form: Form,
}

/// The divergences of this family.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Of two distributions from a mixture of both.
    Mixture(Mixture),
    /// Total variation: `1/2 sum |p_j - q_j|`, as `u_j = 1/2 sign(p_j - q_j)` and `v_j = -u_j`.
    TotalVariation,
}

/// What one outcome adds in 32 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// `u_j`.
    pub(super) teacher: f32,
    /// `v_j`.
    pub(super) student: f32,
    /// `x_j`.
    pub(super) slope: f32,
}

/// A form for a row of floats.
pub(super) trait Outcome: Copy {
    /// One outcome, from `p`, `q` and `r = log(p / q)`; must be `#[inline(always)]`.
    fn parts<const FMA: bool>(&self, p: f32, q: f32, r: f32) -> Parts;
}

impl Pointwise {
    /// `None` for a term that is not of this family.
    pub(super) fn of(kind: HeadTermKind, term: usize, weight: f64) -> Option<Self> {
        Some(Self { term, weight, form: Form::of(kind)? })
    }
}

impl Form {
    pub(super) fn of(kind: HeadTermKind) -> Option<Self> {
        match kind {
            HeadTermKind::TotalVariation { .. } => Some(Self::TotalVariation),
            _ => Mixture::of(kind).map(Self::Mixture),
        }
    }

    /// The factors a and b.
    pub(super) fn factors(&self) -> [f64; 2] {
        match self {
            Self::Mixture(mixture) => [mixture.forward, mixture.reverse],
            Self::TotalVariation => [1.0, 1.0],
        }
    }

    /// Every `u_j`, `v_j` and `x_j` of a block.
    #[inline(always)]
    pub(super) fn fill<const FMA: bool>(&self, [p, q, r]: [&[f32]; 3], out: [&mut [f32]; 3]) {
        match self {
            Self::Mixture(mixture) => fill::<FMA>(mixture.narrow(), [p, q, r], out),
            Self::TotalVariation => fill::<FMA>(Variation, [p, q, r], out),
        }
    }

    /// Adds `factor x_j` of a block.
    #[inline(always)]
    pub(super) fn add_slopes<const FMA: bool>(&self, [p, q, r]: [&[f32]; 3], factor: f32, sum: &mut [f32]) {
        match self {
            Self::Mixture(mixture) => add_slopes::<FMA>(mixture.narrow(), [p, q, r], factor, sum),
            Self::TotalVariation => add_slopes::<FMA>(Variation, [p, q, r], factor, sum),
        }
    }

    /// One outcome in 64 bits: what it adds to the value, and its `x_j`.
    pub(super) fn exact(&self, log_p: f64, log_q: f64) -> [f64; 2] {
        match self {
            Self::Mixture(mixture) => mixture.exact(log_p, log_q),
            Self::TotalVariation => {
                let difference = log_q.exp() - log_p.exp();
                // `signum` of 0 is 1.
                let sign = if difference == 0.0 { 0.0 } else { difference.signum() };
                [0.5 * difference.abs(), 0.5 * log_q.exp() * sign]
            }
        }
    }

    /// Sum over the tokens of the divergence, in plain tensor operations.
    pub(super) fn composed(&self, log_p: Tensor<2>, log_q: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Mixture(mixture) => mixture.composed(log_p, log_q),
            Self::TotalVariation => (log_p.exp() - log_q.exp()).abs().sum().mul_scalar(0.5),
        }
    }
}

/// Total variation for a row of floats.
#[derive(Debug, Clone, Copy)]
struct Variation;

impl Outcome for Variation {
    #[inline(always)]
    fn parts<const FMA: bool>(&self, _p: f32, q: f32, r: f32) -> Parts {
        let half = if r > 0.0 { 0.5 } else { -0.5 };
        let teacher = if r == 0.0 { 0.0 } else { half };
        Parts { teacher, student: -teacher, slope: -teacher * q }
    }
}

#[inline(always)]
fn fill<const FMA: bool>(
    form: impl Outcome,
    [p, q, r]: [&[f32]; 3],
    [teacher, student, slope]: [&mut [f32]; 3],
) {
    for at in 0..p.len() {
        let parts = form.parts::<FMA>(p[at], q[at], r[at]);
        teacher[at] = parts.teacher;
        student[at] = parts.student;
        slope[at] = parts.slope;
    }
}

#[inline(always)]
fn add_slopes<const FMA: bool>(form: impl Outcome, [p, q, r]: [&[f32]; 3], factor: f32, sum: &mut [f32]) {
    for at in 0..p.len() {
        let slope = form.parts::<FMA>(p[at], q[at], r[at]).slope;
        sum[at] = crate::vector::multiply_add::<FMA>(slope, factor, sum[at]);
    }
}
