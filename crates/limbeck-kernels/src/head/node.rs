//! The fused head losses as one operation of the autodiff graph over the flex backend.

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

use super::fused::{Matrix, Problem, Solution, Teacher, solve};
use super::terms::{HeadLosses, HeadTerm, TeacherLogits};
use crate::flex::{contiguous, floats, from_floats};

/// Runs the fused body if all operands live on the flex backend. The operands must be checked.
pub(super) fn try_fused(
    hidden: &Tensor<2>,
    head: &Tensor<2>,
    targets: &[u32],
    teacher: Option<&TeacherLogits>,
    terms: &[HeadTerm],
    used: usize,
) -> Option<HeadLosses> {
    let call = Call { targets, teacher: TeacherValues::of(teacher)?, terms, used };
    if !hidden.is_autodiff() && !head.is_autodiff() {
        return call.plain(hidden, head);
    }
    // One of them may be a constant outside autodiff; lifted, it is an untracked leaf.
    let hidden = hidden.clone().autodiff();
    let head = head.clone().autodiff();
    call.tracked::<NoCheckpointing>(&hidden, &head)
        .or_else(|| call.tracked::<BalancedCheckpointing>(&hidden, &head))
}

/// A call without its differentiable operands.
struct Call<'a> {
    targets: &'a [u32],
    teacher: TeacherValues<'a>,
    terms: &'a [HeadTerm],
    used: usize,
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
    fn solve(&self, hidden: &FloatTensor<Flex>, head: &FloatTensor<Flex>, wants: [bool; 2]) -> Solution {
        solve(&Problem {
            hidden: matrix(hidden),
            head: matrix(head),
            targets: self.targets,
            teacher: self.teacher.view(),
            terms: self.terms,
            used: self.used,
            wants_hidden: wants[0],
            wants_head: wants[1],
        })
    }

    fn total(&self, values: &[f64]) -> f64 {
        self.terms.iter().zip(values).map(|(term, value)| term.weight * value).sum()
    }

    /// Values only.
    fn plain(&self, hidden: &Tensor<2>, head: &Tensor<2>) -> Option<HeadLosses> {
        let device = hidden.device();
        let hidden = contiguous(hidden.clone())?;
        let head = contiguous(head.clone())?;
        let values = self.solve(&hidden, &head, [false; 2]).values;
        let total = self.total(&values) as f32;
        Some(HeadLosses { total: Tensor::from_data(TensorData::from([total]), &device), values })
    }

    /// Values, and the gradients of the operands that are tracked.
    fn tracked<C: CheckpointStrategy>(&self, hidden: &Tensor<2>, head: &Tensor<2>) -> Option<HeadLosses>
    where
        DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
    {
        let hidden = hidden.clone().try_into_primitive::<Autodiff<Flex, C>>().ok()?;
        let head = head.clone().try_into_primitive::<Autodiff<Flex, C>>().ok()?;
        let wants = [hidden.is_tracked(), head.is_tracked()];
        let shapes = [&hidden, &head].map(|tensor| tensor.primitive().layout().shape().clone());
        let (hidden, hidden_node) = hidden.into_parts();
        let (head, head_node) = head.into_parts();
        let solution = self.solve(&hidden.to_contiguous(), &head.to_contiguous(), wants);
        let [hidden_shape, head_shape] = shapes;
        let state = Gradient {
            hidden: solution.hidden.map(|values| from_floats(values, hidden_shape)),
            head: solution.head.map(|values| from_floats(values, head_shape)),
        };
        let output = from_floats(vec![self.total(&solution.values) as f32], [1].into());
        let output = match Step.prepare::<C>([hidden_node, head_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        Some(HeadLosses {
            total: Tensor::from_primitive::<Autodiff<Flex, C>>(output),
            values: solution.values,
        })
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
#[derive(Debug, Clone)]
struct Gradient {
    hidden: Option<FloatTensor<Flex>>,
    head: Option<FloatTensor<Flex>>,
}

impl Backward<Flex, 2> for Step {
    type State = Gradient;

    fn backward(self, ops: Ops<Gradient, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let upstream = floats(&gradients.consume::<Flex>(&ops.node))[0];
        let Gradient { hidden, head } = ops.state;
        for (parent, gradient) in ops.parents.into_iter().zip([hidden, head]) {
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
