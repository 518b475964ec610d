//! The affine map of a layer, in the one form that reaches the rate of the matrix products.
//!
//! What was measured (512 tokens as 4 x 128, flex backend, development profile on a machine with
//! other work, so only the ratios count; milliseconds of processor time, smallest of 5 or more):
//!
//! | in -> out | gemm alone, forward | flex, rank 2 | flex, rank 3 x 2 | forward + backward, rank 2 | the same, rank 3 x 2 |
//! |---|---|---|---|---|---|
//! | 576 -> 1536 | 29 | 27 | 36 | 77 | 119 |
//! | 1536 -> 576 | 27 | 27 | 34 | 60 | 103 |
//! | 384 -> 1152 | 10.4 | 10.6 | 14.2 | 30 | 45 |
//! | 128 -> 512 | 1.46 | 1.57 | 2.13 | 4.8 | 7.1 |
//!
//! Products of rank 2 run at the rate of the `gemm` crate in all three directions, transposed
//! operands included. Batched by a rank 3 left operand they do not: the weight is packed again for
//! each sequence, and its gradient is made once per sequence and then summed up. So [`linear`] needs no operation of its
//! own; it lays the leading dimensions together first, which is free for contiguous values.
//! `cargo run --release -p limbeck-kernels --example linear_rate` repeats the measurement.

use burn::tensor::Tensor;

/// `x weight^T + bias` over the last dimension.
///
/// * `x`: `[.., in]`, of any rank from 1;
/// * `weight`: `[out, in]`, the layout of PyTorch and Hugging Face;
/// * `bias`: `[out]`.
///
/// Returns `[.., out]`; differentiable in every operand, on every backend.
///
/// # Panics
/// If the shapes do not fit, as every tensor operation of burn does.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut shape = x.dims();
    let [output, input] = weight.dims();
    let rows = shape[..D - 1].iter().product();
    let mut y = x.reshape([rows, input]).matmul(weight.transpose());
    if let Some(bias) = bias {
        y = y + bias.reshape([1, output]);
    }
    shape[D - 1] = output;
    y.reshape(shape)
}
