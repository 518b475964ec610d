//! The nonlinearities of the decoders, plain and gated, one pass each way.

mod operation;
mod value;

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::operation::run;
use operation::{Activate, Gate};

/// A function applied to every value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x Phi(x)`, Phi the standard normal distribution (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, the same paper's approximation.
    GeluTanh,
    /// `x / (1 + e^-x)`.
    Silu,
    /// `max(x, 0)`.
    Relu,
}

/// `f(x)`, of the shape of `x`.
pub fn activate<const D: usize>(x: Tensor<D>, f: Activation) -> Tensor<D> {
    run(Activate(f), [x.clone().into()]).unwrap_or_else(|| activate_composed(x, f))
}

/// `f(gate) up` (Shazeer 2020: SwiGLU where f is SiLU), `gate` and `up` of one shape.
///
/// # Panics
/// If the shapes differ.
pub fn gated<const D: usize>(gate: Tensor<D>, up: Tensor<D>, f: Activation) -> Tensor<D> {
    assert_eq!(gate.dims(), up.dims(), "gated: gate and up have one shape");
    run(Gate(f), [gate.clone().into(), up.clone().into()]).unwrap_or_else(|| gated_composed(gate, up, f))
}

/// [`activate`] in plain tensor operations, for every backend.
pub fn activate_composed<const D: usize>(x: Tensor<D>, f: Activation) -> Tensor<D> {
    match f {
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
        Activation::Silu => activation::silu(x),
        Activation::Relu => activation::relu(x),
    }
}

/// [`gated`] in plain tensor operations, for every backend.
pub fn gated_composed<const D: usize>(gate: Tensor<D>, up: Tensor<D>, f: Activation) -> Tensor<D> {
    activate_composed(gate, f) * up
}
