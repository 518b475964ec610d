//! What a head loss is made of: objectives, the teacher's side, and the result.

use burn::tensor::Tensor;

use super::sparse::SparseLogits;

/// One objective over the logits. With `z` the student's and `t` the teacher's logits of one token,
/// `q = softmax(z / T)`, `p = softmax(t / T)`; every objective is the mean over the scored tokens. Against a sparse signal the
/// divergences run over its k outcomes and the tail as one more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HeadTermKind {
    /// `-log softmax(z)[target]`, always at temperature 1, in nats.
    CrossEntropy,
    /// `T^2 * sum_j p_j log(p_j / q_j)`, in nats (Hinton, Vinyals, Dean 2015, section 2: the
    /// gradient of the soft term scales as 1/T^2, so it is multiplied by T^2). Its gradient with
    /// respect to `z_j` is `T (q_j - p_j)`.
    ForwardKl {
        /// Softmax temperature T, finite and above 0.
        temperature: f64,
    },
    /// `T^2 * sum_j q_j log(q_j / p_j)`, in nats (Xu et al. 2024, table of divergences: mode
    /// seeking). Its gradient with respect to `z_j` is `T q_j (log(q_j / p_j) - KL(q || p))`.
    ReverseKl {
        /// Softmax temperature T, finite and above 0.
        temperature: f64,
    },
    /// `T^2 * (beta KL(p || m) + (1 - beta) KL(q || m))`, `m = beta p + (1 - beta) q`, in nats: the
    /// generalised Jensen-Shannon divergence of Agarwal et al. 2024 (GKD, arXiv 2306.13649),
    /// section 2. At beta = 1/2 symmetric and at most `T^2 ln 2`; divided by beta it goes to the
    /// forward KL for beta -> 0, divided by 1 - beta to the reverse KL for beta -> 1.
    JensenShannon {
        /// Share of the teacher in the mixture, above 0 and below 1.
        beta: f64,
        /// Softmax temperature T, finite and above 0.
        temperature: f64,
    },
    /// `T^2 * KL(p || alpha p + (1 - alpha) q)`, in nats: the skew KL of Ko et al. 2024 (DistiLLM,
    /// arXiv 2402.03898), section 3.1; at most `-T^2 ln alpha`.
    SkewForwardKl {
        /// Share of the teacher in the mixture, above 0 and below 1.
        alpha: f64,
        /// Softmax temperature T, finite and above 0.
        temperature: f64,
    },
    /// `T^2 * KL(q || (1 - alpha) p + alpha q)`, in nats: the skew reverse KL of the same paper; at
    /// most `-T^2 ln alpha`.
    SkewReverseKl {
        /// Share of the student in the mixture, above 0 and below 1.
        alpha: f64,
        /// Softmax temperature T, finite and above 0.
        temperature: f64,
    },
    /// `T^2 * 1/2 sum_j |p_j - q_j|`: the total variation distance, at most `T^2` (Wen et al. 2023, f-distill, arXiv
    /// 2307.15190, section 3.2, at T = 1). Where `p_j = q_j` the derivative is taken as 0.
    TotalVariation {
        /// Softmax temperature T, finite and above 0.
        temperature: f64,
    },
    /// `1/(2N) * sum_j ((z_j - mean z) - (t_j - mean t))^2` over the N used columns: what
    /// `T^2 KL(p || q)` becomes for T far above the logits (Hinton, Vinyals, Dean 2015, section 2.1;
    /// there the logits are taken to have mean zero, here the means are taken off, since a softmax
    /// does not see them). Its gradient with respect to `z_j` is
    /// `((z_j - mean z) - (t_j - mean t)) / N`. Needs a teacher's whole logits.
    LogitMatching,
}

impl HeadTermKind {
    /// The temperature of the softmax it looks at; `None` where it looks at the logits themselves.
    pub fn temperature(&self) -> Option<f64> {
        match self {
            Self::CrossEntropy => Some(1.0),
            Self::ForwardKl { temperature }
            | Self::ReverseKl { temperature }
            | Self::JensenShannon { temperature, .. }
            | Self::SkewForwardKl { temperature, .. }
            | Self::SkewReverseKl { temperature, .. }
            | Self::TotalVariation { temperature } => Some(*temperature),
            Self::LogitMatching => None,
        }
    }

    /// The share of a model in the mixture both are compared with, and its name.
    pub(super) fn share(&self) -> Option<(&'static str, f64)> {
        match self {
            Self::JensenShannon { beta, .. } => Some(("beta", *beta)),
            Self::SkewForwardKl { alpha, .. } | Self::SkewReverseKl { alpha, .. } => Some(("alpha", *alpha)),
            _ => None,
        }
    }

    /// Whether it compares with a teacher.
    pub fn needs_teacher(&self) -> bool {
        !matches!(self, Self::CrossEntropy)
    }
}

/// An objective and its weight in the total. A term of weight 0 is measured, and steers nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadTerm {
    /// The objective.
    pub kind: HeadTermKind,
    /// Its weight in the total, finite.
    pub weight: f64,
}

/// The teacher's side of the comparison; never differentiated.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "one value per training step; a tensor is a handle")]
pub enum TeacherLogits {
    /// The teacher's last hidden states `[n, d_t]` and its head `[vocab_t, d_t]`: the product is
    /// made chunk by chunk inside the operation.
    Head {
        /// Hidden states after the final norm, `[n, d_t]`.
        hidden: Tensor<2>,
        /// Unembedding weight, `[vocab_t, d_t]`.
        head: Tensor<2>,
    },
    /// Logits `[n, vocab_t]`, all finite.
    Dense(Tensor<2>),
    /// The k most probable outcomes of each token, and the mass of the rest.
    Sparse(SparseLogits),
}

/// Values of the objectives and their differentiable weighted sum.
#[derive(Debug)]
pub struct HeadLosses {
    /// `sum_i weight_i * value_i`, shape `[1]`, differentiable in the student's operands.
    pub total: Tensor<1>,
    /// The unweighted value of each term, in the order of the terms.
    pub values: Vec<f64>,
}
