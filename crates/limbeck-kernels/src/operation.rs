//! Fused operations as single steps of the autodiff graph over the flex backend.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::{
    BalancedCheckpointing, CheckpointStrategy, NoCheckpointing,
};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::{DType, Tensor};

use crate::plain::plain;

/// The values of a tensor of the flex backend: reference counted, contiguous where an operation gets them.
pub(crate) type Values = FloatTensor<Flex>;

/// A tensor whose rank is no longer part of its type; it is only ever turned into [`Values`].
#[derive(Clone)]
pub(crate) struct Operand(Tensor<1>);

impl<const D: usize> From<Tensor<D>> for Operand {
    fn from(tensor: Tensor<D>) -> Self {
        Self(Tensor::from_bridge(tensor.into_bridge()))
    }
}

/// A differentiable operation of `N` operands and one result.
pub(crate) trait Operation<const N: usize>: Debug + Send + Sized + 'static {
    /// What the way back needs.
    type Saved: Clone + Debug + Send + 'static;

    /// The result, and what the way back needs; `tracked` says which operands want a gradient.
    fn forward(&self, operands: [Values; N], tracked: [bool; N]) -> (Values, Self::Saved);

    /// The gradient of every tracked operand, from that of the result.
    fn backward(&self, saved: Self::Saved, upstream: Values, tracked: [bool; N]) -> [Option<Values>; N];
}

/// Runs the operation's fused body; `None` if an operand is not a 32-bit tensor of the flex backend.
pub(crate) fn run<const D: usize, const N: usize, O: Operation<N>>(
    operation: O,
    operands: [Operand; N],
) -> Option<Tensor<D>> {
    if plain() || operands.iter().any(|operand| operand.0.dtype() != DType::F32) {
        return None;
    }
    if operands.iter().all(|operand| !operand.0.is_autodiff()) {
        let values = collect(operands.map(|operand| operand.0.try_into_primitive::<Flex>().ok()))?;
        let (result, _) = operation.forward(values.map(|value| value.to_contiguous()), [false; N]);
        return Some(Tensor::from_primitive::<Flex>(result));
    }
    // Some may be constants outside autodiff; lifted, they are untracked leaves.
    let operands = operands.map(|operand| operand.0.autodiff());
    match track::<D, N, O, NoCheckpointing>(operation, &operands) {
        Ok(result) => Some(result),
        Err(operation) => track::<D, N, O, BalancedCheckpointing>(operation, &operands).ok(),
    }
}

/// Gives the operation back if the operands live elsewhere.
fn track<const D: usize, const N: usize, O: Operation<N>, C: CheckpointStrategy>(
    operation: O,
    operands: &[Tensor<1>; N],
) -> Result<Tensor<D>, O>
where
    DispatchTensor: DispatchKindConversion<Autodiff<Flex, C>>,
{
    let values = operands.each_ref().map(|it| it.clone().try_into_primitive::<Autodiff<Flex, C>>().ok());
    let Some(values) = collect(values) else {
        return Err(operation);
    };
    let tracked = values.each_ref().map(|value| value.is_tracked());
    let nodes = values.each_ref().map(|value| value.node());
    let values = values.map(|value| value.into_primitive().to_contiguous());
    let (result, saved) = operation.forward(values, tracked);
    let step = Step { operation };
    let result = match step.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(preparation) => preparation.finish(saved, result),
        OpsKind::UnTracked(preparation) => preparation.finish(result),
    };
    Ok(Tensor::from_primitive::<Autodiff<Flex, C>>(result))
}

fn collect<T, const N: usize>(values: [Option<T>; N]) -> Option<[T; N]> {
    let values: Option<Vec<T>> = values.into_iter().collect();
    values?.try_into().ok()
}

/// An operation in the graph.
#[derive(Debug)]
struct Step<O> {
    operation: O,
}

impl<const N: usize, O: Operation<N>> Backward<Flex, N> for Step<O> {
    type State = O::Saved;

    fn backward(self, ops: Ops<O::Saved, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let upstream = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let tracked = ops.parents.each_ref().map(Option::is_some);
        let found = self.operation.backward(ops.state, upstream, tracked);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
