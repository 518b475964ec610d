//! The gradient of a penalty on influences, without second derivatives.

use burn::tensor::{Tensor, TensorData};
use limbeck_model::{Components, Decoder, Fill, Gates, Influence, Margin};

use super::Penalty;
use crate::objective::terms::scalar;

/// A scalar `[1]` whose value is the penalty's and whose gradient by the weights w is the penalty's.
///
/// With the margin M(w, g), influences `I_c = dM/dg_c` at g = 1 and a penalty P(I, M),
///
/// `dP/dw = sum_c P'_c d(dM/dg_c)/dw + P'_M dM/dw = d/dw [D_v M] + P'_M dM/dw`, `v = P'` held fixed,
///
/// and the derivative of M along v in gate space is the central difference
/// `(M(1 + h v) - M(1 - h v)) / (2 h)`, of error O(h^2): two gated passes whose ordinary gradient is the penalty's.
/// h is chosen so that no gate moves by more than `step`. `M` itself is the mean of both passes, to the same order.
///
/// The finite-difference form of a Hessian-vector product (Pearlmutter 1994, "Fast exact multiplication by the Hessian",
/// section 2), between gates and weights.
pub fn directional(
    decoder: &Decoder,
    margin: &Margin<'_>,
    measured: &Influence,
    penalty: &Penalty,
    fill: Fill,
    step: f64,
) -> Tensor<1> {
    let config = decoder.config();
    let components = Components { layers: config.n_layers, heads: config.n_heads };
    debug_assert_eq!(measured.by_component.len(), components.count());
    let largest = penalty.by_influence.iter().map(|slope| slope.abs()).fold(0.0, f64::max);
    let device = decoder.device().inner();
    if largest == 0.0 {
        // Flat: the value, tied to a weight so that a backward pass finds nothing but zeros.
        let weight = decoder.head().narrow(0, 0, 1).narrow(1, 0, 1).reshape([1]);
        return weight * 0.0 + penalty.value;
    }
    let h = step / largest;
    let at = |sign: f64| {
        let gates: Vec<f32> =
            penalty.by_influence.iter().map(|slope| (1.0 + sign * h * slope) as f32).collect();
        let gates = Tensor::from_data(TensorData::new(gates, [components.count()]), &device);
        margin.value(decoder, &mut Gates::of(gates, components, fill, margin.tokens))
    };
    let (ahead, behind) = (at(1.0), at(-1.0));
    let along = (ahead.clone() - behind.clone()) / (2.0 * h);
    let surrogate = along + (ahead + behind) * (0.5 * penalty.by_margin);
    // Its value is another quantity; only its gradient is wanted.
    let shift = penalty.value - scalar(&surrogate);
    surrogate + shift
}
