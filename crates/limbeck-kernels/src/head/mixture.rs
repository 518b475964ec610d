//! The divergences of two distributions from a mixture of both.
//!
//! With the teacher's `p`, the student's `q` and `m = lambda p + mu q`, `mu = 1 - lambda`:
//!
//! `D = a KL(p || m) + b KL(q || m)`
//!
//! | objective | lambda | a | b |
//! |---|---|---|---|
//! | Jensen-Shannon, share beta | beta | beta | 1 - beta |
//! | skewed forward KL, alpha | alpha | 1 | 0 |
//! | skewed reverse KL, alpha | 1 - alpha | 0 | 1 |
//!
//! With `s_j = mu q_j / m_j`, the gradient with respect to a logit at temperature T is
//! `(x_j - q_j sum_i x_i) / T` for `x_j = -a p_j s_j + b q_j (log(q_j / m_j) + 1 - s_j)`.
//! In the Jensen-Shannon case `a p_j s_j = b q_j (1 - s_j)`, so `x_j = b q_j log(q_j / m_j)`.
//!
//! Everything is bounded: `s_j` lies in 0..=1, and both log-ratios end at `-log` of a share. They are
//! taken from `r_j = log(p_j / q_j)` and never from a probability, so those may be 0.

use burn::tensor::Tensor;

use super::composed::kl;
use super::pointwise::{Outcome, Parts};
use super::terms::HeadTermKind;
use crate::vector::{exp, ln, multiply_add};

/// A divergence from a mixture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mixture {
    /// Shares of teacher (lambda) and student (mu) in the mixture. Both are kept, since the smaller
    /// one would lose its digits as 1 minus the other.
    teacher_share: f64,
    student_share: f64,
    /// Factors a of `KL(p || m)` and b of `KL(q || m)`.
    pub(super) forward: f64,
    pub(super) reverse: f64,
}

impl Mixture {
    /// `None` for a term that compares with no mixture.
    pub(super) fn of(kind: HeadTermKind) -> Option<Self> {
        let [teacher_share, student_share, forward, reverse] = match kind {
            HeadTermKind::JensenShannon { beta, .. } => [beta, 1.0 - beta, beta, 1.0 - beta],
            HeadTermKind::SkewForwardKl { alpha, .. } => [alpha, 1.0 - alpha, 1.0, 0.0],
            HeadTermKind::SkewReverseKl { alpha, .. } => [1.0 - alpha, alpha, 0.0, 1.0],
            _ => return None,
        };
        Some(Self { teacher_share, student_share, forward, reverse })
    }

    /// One outcome in 64 bits: what it adds to the value, and its `x_j`.
    pub(super) fn exact(&self, log_p: f64, log_q: f64) -> [f64; 2] {
        let (p, q) = (log_p.exp(), log_q.exp());
        let [left, right] = [self.teacher_share.ln() + log_p, self.student_share.ln() + log_q];
        let log_m = left.max(right) + (-(left - right).abs()).exp().ln_1p();
        let student_part = (right - log_m).exp();
        let student_ratio = log_q - log_m;
        // An outcome without mass adds nothing, though its logarithm is not finite.
        let from_teacher = if p == 0.0 { 0.0 } else { p * (log_p - log_m) };
        let slope = self.reverse * q * (student_ratio + 1.0 - student_part) - self.forward * p * student_part;
        [self.forward * from_teacher + self.reverse * q * student_ratio, slope]
    }

    /// Sum over the tokens, in plain tensor operations.
    pub(super) fn composed(&self, log_p: Tensor<2>, log_q: Tensor<2>) -> Tensor<1> {
        let log_m = log_add_exp(
            log_p.clone().add_scalar(self.teacher_share.ln()),
            log_q.clone().add_scalar(self.student_share.ln()),
        );
        kl(&log_p, &log_m).mul_scalar(self.forward) + kl(&log_q, &log_m).mul_scalar(self.reverse)
    }

    /// In 32 bits; a share that is none there counts as the least positive number.
    pub(super) fn narrow(&self) -> Narrow {
        // Where two parts of x_j cancel, they are left out together with their rounding.
        let cancels = self.forward * self.student_share == self.reverse * self.teacher_share;
        let unless_cancelled = |factor: f64| if cancels { 0.0 } else { factor as f32 };
        Narrow {
            teacher_share: (self.teacher_share as f32).max(f32::MIN_POSITIVE),
            student_share: (self.student_share as f32).max(f32::MIN_POSITIVE),
            forward: unless_cancelled(self.forward),
            reverse: unless_cancelled(self.reverse),
            reverse_log: self.reverse as f32,
        }
    }
}

/// The numbers of a [`Mixture`] for a row of floats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrow {
    teacher_share: f32,
    student_share: f32,
    /// Factors in x_j of `-p s`, `q (1 - s)` and `q log(q / m)`.
    forward: f32,
    reverse: f32,
    reverse_log: f32,
}

impl Outcome for Narrow {
    /// `u_j = log(p_j / m_j)` and `v_j = log(q_j / m_j)`, with
    /// `m = e^h max(p, q)` with `h = log(v + w e^{-|r|})`, where v is the share of the larger one:
    /// neither the exponential nor the logarithm can overflow. Where p = q, h is exactly 0.
    #[inline(always)]
    fn parts<const FMA: bool>(&self, p: f32, q: f32, r: f32) -> Parts {
        let teacher_larger = r > 0.0;
        let distance = if teacher_larger { r } else { -r };
        let large = if teacher_larger { self.teacher_share } else { self.student_share };
        let small = if teacher_larger { self.student_share } else { self.teacher_share };
        let smaller = exp::<FMA>(-distance);
        // Where m is close to the larger one, v + w e is written as 1 - w (1 - e), and what the sum rounds
        // off goes into the logarithm after all: a small share then loses no digits.
        let below = small * (smaller - 1.0);
        let close = below > -0.5;
        let sum = if close { 1.0 + below } else { multiply_add::<FMA>(small, smaller, large) };
        let lost = if close { below - (sum - 1.0) } else { 0.0 };
        let inverse = 1.0 / sum;
        let h = multiply_add::<FMA>(lost, inverse, ln::<FMA>(sum));
        let teacher_ratio = if teacher_larger { -h } else { -h - distance };
        let student_ratio = if teacher_larger { -h - distance } else { -h };
        let student_part = self.student_share * if teacher_larger { smaller } else { 1.0 } * inverse;
        let reverse = q * (self.reverse_log * student_ratio + self.reverse * (1.0 - student_part));
        Parts {
            teacher: teacher_ratio,
            student: student_ratio,
            slope: reverse - self.forward * p * student_part,
        }
    }
}

/// `log(e^a + e^b)`.
fn log_add_exp(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let largest = a.clone().detach().max_pair(b.clone().detach());
    ((a - largest.clone()).exp() + (b - largest.clone()).exp()).log() + largest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the definitions, in 64 bits.
    fn by_definition(mixture: &Mixture, log_p: f64, log_q: f64) -> [f64; 3] {
        let (p, q) = (log_p.exp(), log_q.exp());
        let m = mixture.teacher_share * p + mixture.student_share * q;
        let (teacher, student) = (log_p - m.ln(), log_q - m.ln());
        let part = mixture.student_share * q / m;
        [teacher, student, mixture.reverse * q * (student + 1.0 - part) - mixture.forward * p * part]
    }

    #[test]
    fn parts_equal_their_definitions() {
        let kinds = [1e-6, 0.1, 0.5, 0.9, 1.0 - 1e-6].map(|share| {
            [
                HeadTermKind::JensenShannon { beta: share, temperature: 1.0 },
                HeadTermKind::SkewForwardKl { alpha: share, temperature: 1.0 },
                HeadTermKind::SkewReverseKl { alpha: share, temperature: 1.0 },
            ]
        });
        for mixture in kinds.as_flattened().iter().filter_map(|kind| Mixture::of(*kind)) {
            for log_p in [0.0, -0.3, -1.0, -7.0, -30.0, -80.0] {
                for log_q in [0.0, -0.3, -1.0, -7.0, -30.0, -80.0] {
                    let [teacher, student, slope] = by_definition(&mixture, log_p, log_q);
                    let (p, q, r) = (log_p.exp() as f32, log_q.exp() as f32, (log_p - log_q) as f32);
                    let found = mixture.narrow().parts::<false>(p, q, r);
                    let near = |found: f32, exact: f64, scale: f64| {
                        let error = (f64::from(found) - exact).abs();
                        assert!(error < 4e-7 * scale, "{mixture:?} {log_p} {log_q}: {found} {exact}");
                    };
                    near(found.teacher, teacher, 1.0 + teacher.abs());
                    near(found.student, student, 1.0 + student.abs());
                    near(found.slope, slope, f64::from(p.max(q)) * (1.0 + student.abs()));
                }
            }
        }
    }

    #[test]
    fn no_mass_gives_no_nan() {
        let kind = HeadTermKind::JensenShannon { beta: 0.5, temperature: 1.0 };
        let narrow = Mixture::of(kind).map(|mixture| mixture.narrow());
        for (p, q, r) in [(0.0, 0.0, 0.0), (1.0, 0.0, 1e4), (0.0, 1.0, -1e4), (0.0, 0.0, -1e4)] {
            let found = narrow.map(|narrow| narrow.parts::<true>(p, q, r));
            assert!(found.is_some_and(|found| {
                (p * found.teacher).is_finite() && (q * found.student).is_finite() && found.slope.is_finite()
            }));
        }
    }
}
