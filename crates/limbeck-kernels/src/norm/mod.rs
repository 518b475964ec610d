//! LayerNorm and RMSNorm over the last dimension, one pass each way.

mod operation;
mod row;

use burn::tensor::Tensor;

use crate::operation::run;
use operation::Norm;

/// LayerNorm (Ba, Kiros, Hinton 2016): `(x - mean) / sqrt(variance + eps) * weight + bias` over the last
/// dimension, the variance divided by its size.
///
/// * `x`: `[.., width]`; `weight`, `bias`: `[width]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> Tensor<D> {
    check(&x, &weight, bias.as_ref());
    let operation = Norm { centred: true, eps };
    let fused = match &bias {
        None => run(operation, [x.clone().into(), weight.clone().into()]),
        Some(bias) => run(operation, [x.clone().into(), weight.clone().into(), bias.clone().into()]),
    };
    fused.unwrap_or_else(|| layer_norm_composed(x, weight, bias, eps))
}

/// RMSNorm (Zhang and Sennrich 2019, equation 4): `x / sqrt(mean of x^2 + eps) * weight` over the last
/// dimension.
///
/// * `x`: `[.., width]`; `weight`: `[width]`.
///
/// # Panics
/// If the shapes do not fit.
pub fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, eps: f64) -> Tensor<D> {
    check(&x, &weight, None);
    run(Norm { centred: false, eps }, [x.clone().into(), weight.clone().into()])
        .unwrap_or_else(|| rms_norm_composed(x, weight, eps))
}

/// [`layer_norm`] in plain tensor operations, for every backend.
pub fn layer_norm_composed<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f64,
) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().square().mean_dim(D - 1);
    let scaled = centred * (variance + eps).sqrt().recip() * weight.unsqueeze::<D>();
    match bias {
        Some(bias) => scaled + bias.unsqueeze::<D>(),
        None => scaled,
    }
}

/// [`rms_norm`] in plain tensor operations, for every backend.
pub fn rms_norm_composed<const D: usize>(x: Tensor<D>, weight: Tensor<1>, eps: f64) -> Tensor<D> {
    let square = x.clone().square().mean_dim(D - 1);
    x * (square + eps).sqrt().recip() * weight.unsqueeze::<D>()
}

fn check<const D: usize>(x: &Tensor<D>, weight: &Tensor<1>, bias: Option<&Tensor<1>>) {
    let width = x.dims()[D - 1];
    assert_eq!(weight.dims(), [width], "norm: one scale per value of the last dimension");
    assert!(
        bias.is_none_or(|bias| bias.dims() == [width]),
        "norm: one shift per value of the last dimension"
    );
}
