//! The affine map of a layer, forward and backward at the rate of the matrix products.

mod frozen;
mod operation;

pub use frozen::{FrozenWeight, linear_frozen};

use burn::tensor::{DType, Tensor};

use crate::Precision;
use crate::operation::run;
use operation::Linear;

/// `x weight^T + bias` over the last dimension.
///
/// * `x`: `[.., in]`, of any rank from 1;
/// * `weight`: `[out, in]`, the layout of PyTorch and Hugging Face;
/// * `bias`: `[out]`;
/// * `precision`: of the operands of the three products; sums, bias and gradients are 32-bit.
///
/// Returns `[.., out]`; differentiable in every operand. Leading dimensions are laid together, so that there is
/// one product whatever the batch: a product per sequence would pack the weight for each of them again.
///
/// # Panics
/// If the shapes do not fit, as every tensor operation of burn does.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    precision: Precision,
) -> Tensor<D> {
    let shape = x.dims();
    let [output, input] = weight.dims();
    assert_eq!(shape[D - 1], input, "linear: the last dimension of x and the weight's columns");
    assert!(bias.as_ref().is_none_or(|bias| bias.dims() == [output]), "linear: one bias per output");
    let operation = Linear { precision };
    let fused = match &bias {
        None => run(operation, [x.clone().into(), weight.clone().into()]),
        Some(bias) => run(operation, [x.clone().into(), weight.clone().into(), bias.clone().into()]),
    };
    fused.unwrap_or_else(|| linear_composed(x, weight, bias, precision))
}

/// [`linear`] in plain tensor operations, for every backend. The products' operands are cast to bfloat16 where that is
/// asked for and the device computes in it; wgpu's shaders do not, and multiply 32-bit operands.
pub fn linear_composed<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    precision: Precision,
) -> Tensor<D> {
    let mut shape = x.dims();
    let [output, input] = weight.dims();
    let rows = shape[..D - 1].iter().product();
    let x = x.reshape([rows, input]);
    let mut y = match precision {
        Precision::Bf16 if x.device().supports_dtype(DType::BF16) => {
            x.cast(DType::BF16).matmul(weight.cast(DType::BF16).transpose()).cast(DType::F32)
        }
        Precision::Bf16 | Precision::F32 => x.matmul(weight.transpose()),
    };
    if let Some(bias) = bias {
        y = y + bias.reshape([1, output]);
    }
    shape[D - 1] = output;
    y.reshape(shape)
}
