//! A weight that does not change any more, made ready for bfloat16 products once.

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::Tensor;

use crate::flex::{contiguous, floats, from_floats};
use crate::product::{Ready, View};
use crate::{Precision, linear};

/// A weight `[out, in]` rounded to bfloat16 and laid out for the processor, half the size of the weight. What a frozen
/// teacher and a model that generates would otherwise do again for every product.
#[derive(Clone)]
pub struct FrozenWeight {
    ready: Arc<Ready>,
    sizes: [usize; 2],
}

impl std::fmt::Debug for FrozenWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrozenWeight").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

impl FrozenWeight {
    /// Makes a weight ready; `None` where nothing is gained: a tensor of another backend or under autodiff, or a
    /// processor without bfloat16 products.
    pub fn new(weight: &Tensor<2>) -> Option<Self> {
        if Precision::Bf16.native() != Precision::Bf16 {
            return None;
        }
        let values = contiguous(weight.clone())?;
        let [output, input] = weight.dims();
        let view = View::rows(floats(&values), output, input, input).transposed();
        Some(Self { ready: Arc::new(Ready::new(view)), sizes: [output, input] })
    }
}

/// [`crate::linear`] by a frozen weight, for `x` outside autodiff on the flex backend; `None` for any other.
///
/// # Panics
/// If the shapes do not fit.
pub fn linear_frozen<const D: usize>(
    x: &Tensor<D>,
    weight: &FrozenWeight,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>> {
    let [output, input] = weight.sizes;
    let mut shape = x.shape();
    assert_eq!(x.dims()[D - 1], input, "linear: the last dimension of x and the weight's columns");
    let x = contiguous(x.clone())?;
    let bias = match bias {
        Some(bias) => Some(contiguous(bias.clone())?),
        None => None,
    };
    let rows = shape.num_elements() / input.max(1);
    let left = View::rows(floats(&x), rows, input, input);
    let y = linear::operation::affine(left, output, bias.as_ref(), |out, accumulate| {
        weight.ready.multiply(out, left, accumulate);
    });
    if let Some(last) = shape.last_mut() {
        *last = output;
    }
    Some(Tensor::from_primitive::<Flex>(from_floats(y, shape)))
}
