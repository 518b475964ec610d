//! A teacher's distribution cut to its k most probable outcomes, with the mass of the rest.
//!
//! A divergence against a sparse signal is taken over k + 1 outcomes: the kept ids, and one bucket
//! for everything else. Merging outcomes is a map applied to both distributions, so by the
//! data-processing inequality the result never exceeds the divergence over the whole vocabulary:
//!
//! `KL_dense - KL_sparse = m_p * KL(p given tail || q given tail) >= 0`
//!
//! with `m_p` the tail mass of the first argument (the teacher's for the forward direction, the
//! student's for the reverse one). It is zero when both distributions have the same shape inside
//! the tail. [`forward_kl_gap_bound`] bounds the gap of the forward direction from above by what a
//! signal knows. The reverse direction has no such bound: a signal does not exclude that the
//! teacher gives some tail token no mass at all.

use crate::KernelError;

/// Mass under which a tail cannot be told from zero when it was found as `1 - sum` in 32 bits
/// (half a unit in the last place of 1). A teacher's tail mass below it counts as this much where
/// its logarithm is needed, that is in the reverse direction, which would otherwise be infinite.
pub const TAIL_FLOOR: f64 = 1.0 / 16_777_216.0;

/// How far the kept and the tail mass of one token together may be from 1.
const MASS_TOLERANCE: f64 = 1e-3;

/// Top-k log-probabilities of `n` tokens, at one temperature.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseLogits {
    /// Temperature of the softmax the log-probabilities come from.
    pub temperature: f64,
    /// Outcomes kept per token.
    pub k: usize,
    /// Token ids `[n * k]`, row-major, distinct within a row.
    pub ids: Vec<u32>,
    /// Natural log-probabilities `[n * k]`, finite.
    pub log_probs: Vec<f32>,
    /// Probability of all the other outcomes together, `[n]`; exactly 0 is allowed.
    pub tail_mass: Vec<f32>,
}

/// One token of a sparse signal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SparseRow<'a> {
    pub(crate) ids: &'a [u32],
    pub(crate) log_probs: &'a [f32],
    pub(crate) tail_mass: f64,
}

impl SparseLogits {
    /// Checks that every token is a distribution over the first `used` ids.
    ///
    /// # Errors
    /// [`KernelError::Shape`], [`KernelError::TokenId`] or [`KernelError::Signal`] with the token.
    pub fn validate(&self, tokens: usize, used: usize) -> Result<(), KernelError> {
        let shape = |operand, found, expected| {
            if found == expected {
                return Ok(());
            }
            Err(KernelError::Shape {
                operation: "sparse signal",
                operand,
                dimension: "length",
                found,
                expected,
            })
        };
        if self.k == 0 {
            return Err(KernelError::Empty { operation: "sparse signal", operand: "ids" });
        }
        shape("tail mass", self.tail_mass.len(), tokens)?;
        let kept = tokens.saturating_mul(self.k);
        shape("ids", self.ids.len(), kept)?;
        shape("log-probabilities", self.log_probs.len(), kept)?;
        let mut sorted = Vec::with_capacity(self.k);
        for row in 0..tokens {
            self.validate_row(row, used, &mut sorted)?;
        }
        Ok(())
    }

    fn validate_row(&self, row: usize, used: usize, sorted: &mut Vec<u32>) -> Result<(), KernelError> {
        let signal = |problem, value| Err(KernelError::Signal { row, problem, value });
        let SparseRow { ids, log_probs, tail_mass } = self.row(row);
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= used) {
            return Err(KernelError::TokenId { role: "teacher", row, id, used });
        }
        sorted.clear();
        sorted.extend_from_slice(ids);
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return signal("an id occurs twice", f64::from(twice[0]));
        }
        if let Some(&value) = log_probs.iter().find(|value| !value.is_finite()) {
            return signal("a log-probability is not finite", f64::from(value));
        }
        if !(0.0..=1.0 + MASS_TOLERANCE).contains(&tail_mass) {
            return signal("the tail mass is not between 0 and 1", tail_mass);
        }
        let kept: f64 = log_probs.iter().map(|&value| f64::from(value).exp()).sum();
        if (kept + tail_mass - 1.0).abs() > MASS_TOLERANCE {
            return signal("kept and tail mass do not add up to 1", kept + tail_mass);
        }
        if ids.len() == used && tail_mass > MASS_TOLERANCE {
            return signal("there is tail mass, but every id is kept", tail_mass);
        }
        Ok(())
    }

    /// The `row`-th token. The lengths must have been validated.
    pub(crate) fn row(&self, row: usize) -> SparseRow<'_> {
        let kept = row * self.k..(row + 1) * self.k;
        SparseRow {
            ids: &self.ids[kept.clone()],
            log_probs: &self.log_probs[kept],
            tail_mass: f64::from(self.tail_mass[row]),
        }
    }
}

/// How much larger the dense forward KL of a token can be than the sparse one, at the same
/// temperature and without the factor T^2, in nats.
///
/// `gap = m KL(p given tail || q given tail) <= m (log min(1, p_k / m) - log min_j (q_j / q_tail))`:
/// no tail token of the teacher is more probable than the least probable kept one, `p_k`, and a KL
/// divergence is at most the largest log-ratio.
///
/// * `tail_mass`: the teacher's tail mass `m`;
/// * `least_kept`: the probability `p_k` of the least probable kept outcome;
/// * `least_student_log_share`: `min over the tail of log(q_j / q_tail)`, never above 0.
pub fn forward_kl_gap_bound(tail_mass: f64, least_kept: f64, least_student_log_share: f64) -> f64 {
    if tail_mass <= 0.0 {
        return 0.0;
    }
    let largest_teacher_log_share = (least_kept / tail_mass).min(1.0).ln();
    tail_mass * (largest_teacher_log_share - least_student_log_share).max(0.0)
}
