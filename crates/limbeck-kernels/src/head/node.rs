//! The fused losses as one operation of the autodiff graph over the flex backend.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::{Tensor, TensorData};

use super::fused::{self, Matrix, Problem, Teacher};
use super::logits::{self, LogitProblem};
use super::terms::{HeadLosses, HeadTerm, TeacherLogits};
use crate::Precision;
use crate::flex::{contiguous, floats, from_floats};
use crate::plain;

/// A call without its differentiable operands.
struct Call<'a> {
    teacher: TeacherValues<'a>,
    terms: &'a [HeadTerm],
}

/// Values of the terms, and the gradient of each operand that asked for one.
struct Solved<const N: usize> {
    values: Vec<f64>,
    gradients: [Option<Vec<f32>>; N],
}

/// Runs the fused head losses if all operands live on the flex backend. The operands must be checked.
pub(super) fn try_fused_head(
    hidden: &Tensor<2>,
    head: &Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: usize,
    precision: Precision,
) -> Option<HeadLosses> {
    let call = Call { teacher: TeacherValues::of(teacher)?, terms };
    call.run([hidden, head], |[hidden, head], [wants_hidden, wants_head]| {
        let teacher = call.teacher.view();
        let solution = fused::solve(&Problem {
            hidden,
            head,
            targets,
            teacher,
            terms,
            used,
            precision,
            wants_hidden,
            wants_head,
        });
        Solved { values: solution.values, gradients: [solution.hidden, solution.head] }
    })
}

/// Runs the fused losses over logits if all operands live on the flex backend. The operands must be checked.
pub(super) fn try_fused_logits(
    logits: &Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: usize,
) -> Option<HeadLosses> {
    let call = Call { teacher: TeacherValues::of(teacher)?, terms };
    call.run([logits], |[logits], [wants_gradient]| {
        let teacher = call.teacher.view();
        let (values, gradient) =
            logits::solve(&LogitProblem { logits, targets, teacher, terms, used, wants_gradient });
        Solved { values, gradients: [gradient] }
    })
}

/// The teacher's tensors, contiguous in memory.
enum TeacherValues<'a> {
    None,
    Head { hidden: FloatTensor<Flex>, head: FloatTensor<Flex> },
    Dense(FloatTensor<Flex>),
    Sparse(&'a super::SparseLogits),
}

impl<'a> TeacherValues<'a> {
    /// `None` if a tensor lives on another backend.
    fn of(teacher: Option<&'a TeacherLogits>) -> Option<Self> {
        let values = |tensor: &Tensor<2>| contiguous(tensor.clone().inner());
        Some(match teacher {
            None => Self::None,
            Some(TeacherLogits::Head { hidden, head }) => {
                Self::Head { hidden: values(hidden)?, head: values(head)? }
            }
            Some(TeacherLogits::Dense(logits)) => Self::Dense(values(logits)?),
            Some(TeacherLogits::Sparse(signal)) => Self::Sparse(signal),
        })
    }

    fn view(&self) -> Teacher<'_> {
        match self {
            Self::None => Teacher::None,
            Self::Head { hidden, head } => Teacher::Head { hidden: matrix(hidden), head: matrix(head) },
            Self::Dense(logits) => Teacher::Dense(matrix(logits)),
            Self::Sparse(signal) => Teacher::Sparse(signal),
        }
    }
}

impl Call<'_> {
    /// Runs `solve` over the operands' values, under autodiff if one of them is.
    fn run<const N: usize>(
        &self,
        operands: [&Tensor<2>; N],
        solve: impl Fn([Matrix<'_>; N], [bool; N]) -> Solved<N>,
    ) -> Option<HeadLosses> {
        if plain::plain() {
            return None;
        }
        if !operands.iter().any(|operand| operand.is_autodiff()) {
            return self.plain(operands, solve);
        }
        // One of them may be a constant outside autodiff; lifted, it is an untracked leaf.
        let operands = operands.map(|operand| operand.clone().autodiff());
        self.tracked::<NoCheckpointing, N>(&operands, &solve)
            .or_else(|| self.tracked::<BalancedCheckpointing, N>(&operands, &solve))
    }

    fn total(&self, values: &[f64]) -> f64 {
        self.terms.iter().zip(values).map(|(term, value)| term.weight * value).sum()
    }

    /// Values only.
    fn plain<const N: usize>(
        &self,
        operands: [&Tensor<2>; N],
        solve: impl Fn([Matrix<'_>; N], [bool; N]) -> Solved<N>,
    ) -> Option<HeadLosses> {
        let device = operands.first()?.device();
        let held: Vec<FloatTensor<Flex>> =
            operands.into_iter().map(|operand| contiguous(operand.clone())).collect::<Option<_>>()?;
        let values = solve(std::array::from_fn(|at| matrix(&held[at])), [false; N]).values;
        let total = self.total(&values) as f32;
        Some(HeadLosses { total: Tensor::from_data(TensorData::from([total]), &device), values })
    }

    /// Values, and the gradients of the operands that are tracked.
    fn tracked<C: CheckpointStrategy, const N: usize>(
        &self,
        operands: &[Tensor<2>; N],
        solve: &impl Fn([Matrix<'_>; N], [bool; N]) -> Solved<N>,
    ) -> Option<HeadLosses>
    where
        DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
    {
        let mut held = Vec::with_capacity(N);
        let mut nodes = Vec::with_capacity(N);
        let mut wants = [false; N];
        for (operand, wants) in operands.iter().zip(&mut wants) {
            let primitive = operand.clone().try_into_primitive::<Autodiff<Flex, C>>().ok()?;
            *wants = primitive.is_tracked();
            let (values, node) = primitive.into_parts();
            held.push(values.to_contiguous());
            nodes.push(node);
        }
        let nodes: [_; N] = nodes.try_into().ok()?;
        let Solved { values, gradients } = solve(std::array::from_fn(|at| matrix(&held[at])), wants);
        let mut state: Gradient<N> = std::array::from_fn(|_| None);
        for ((state, gradient), held) in state.iter_mut().zip(gradients).zip(&held) {
            *state = gradient.map(|values| from_floats(values, held.layout().shape().clone()));
        }
        let output = from_floats(vec![self.total(&values) as f32], [1].into());
        let output = match Step.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        Some(HeadLosses { total: Tensor::from_primitive::<Autodiff<Flex, C>>(output), values })
    }
}

fn matrix(tensor: &FloatTensor<Flex>) -> Matrix<'_> {
    let shape = tensor.layout().shape();
    Matrix { data: floats(tensor), rows: shape[0], columns: shape[1] }
}

/// The backward step: the gradients are ready, and only scaled.
#[derive(Debug)]
struct Step;

/// Gradients of the total with respect to the tracked operands.
type Gradient<const N: usize> = [Option<FloatTensor<Flex>>; N];

impl<const N: usize> Backward<Flex, N> for Step {
    type State = Gradient<N>;

    fn backward(self, ops: Ops<Gradient<N>, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let upstream = floats(&gradients.consume::<Flex>(&ops.node))[0];
        for (parent, gradient) in ops.parents.into_iter().zip(ops.state) {
            let (Some(parent), Some(gradient)) = (parent, gradient) else {
                continue;
            };
            // The usual upstream gradient is 1: then the largest gradient of the step is not touched again.
            let gradient = if upstream == 1.0 {
                gradient
            } else {
                Flex::float_mul_scalar(gradient, f64::from(upstream).into())
            };
            gradients.register::<Flex>(parent.id, gradient);
        }
    }
}
