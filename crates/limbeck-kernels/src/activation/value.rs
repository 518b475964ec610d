//! Value and derivative of each nonlinearity, as code that vectorises.

use crate::vector::{exp, multiply_add};

/// A nonlinearity and its derivative.
pub(super) trait Function: Copy + Send + Sync {
    /// `f(x)`.
    fn value<const FMA: bool>(&self, x: f32) -> f32;
    /// `(f(x), f'(x))`.
    fn both<const FMA: bool>(&self, x: f32) -> (f32, f32);
}

#[derive(Clone, Copy)]
pub(super) struct Gelu;
#[derive(Clone, Copy)]
pub(super) struct GeluTanh;
#[derive(Clone, Copy)]
pub(super) struct Silu;
#[derive(Clone, Copy)]
pub(super) struct Relu;

/// `sqrt(2 / pi)`.
const ROOT: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// `1 / (1 + e^-x)`.
#[inline(always)]
fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    // Past -87 the result is below the smallest normal number; NaN stays NaN.
    let lowest = if x < -87.0 { -87.0 } else { x };
    1.0 / (1.0 + exp::<FMA>(-lowest))
}

/// `x (1 + tanh u) / 2 = x sigmoid(2 u)`, with `u = sqrt(2/pi) (x + 0.044715 x^3)`.
impl Function for GeluTanh {
    #[inline(always)]
    fn value<const FMA: bool>(&self, x: f32) -> f32 {
        let u = ROOT * x * multiply_add::<FMA>(CUBIC, x * x, 1.0);
        x * sigmoid::<FMA>(2.0 * u)
    }

    #[inline(always)]
    fn both<const FMA: bool>(&self, x: f32) -> (f32, f32) {
        let square = x * x;
        let u = ROOT * x * multiply_add::<FMA>(CUBIC, square, 1.0);
        let s = sigmoid::<FMA>(2.0 * u);
        let du = ROOT * multiply_add::<FMA>(3.0 * CUBIC, square, 1.0);
        (x * s, multiply_add::<FMA>(2.0 * x * s * (1.0 - s), du, s))
    }
}

impl Function for Silu {
    #[inline(always)]
    fn value<const FMA: bool>(&self, x: f32) -> f32 {
        x * sigmoid::<FMA>(x)
    }

    #[inline(always)]
    fn both<const FMA: bool>(&self, x: f32) -> (f32, f32) {
        let s = sigmoid::<FMA>(x);
        (x * s, s * multiply_add::<FMA>(x, 1.0 - s, 1.0))
    }
}

impl Function for Relu {
    #[inline(always)]
    fn value<const FMA: bool>(&self, x: f32) -> f32 {
        if x < 0.0 { 0.0 } else { x }
    }

    #[inline(always)]
    fn both<const FMA: bool>(&self, x: f32) -> (f32, f32) {
        (self.value::<FMA>(x), if x > 0.0 { 1.0 } else { 0.0 })
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn value<const FMA: bool>(&self, x: f32) -> f32 {
        x * normal::<FMA>(x)
    }

    #[inline(always)]
    fn both<const FMA: bool>(&self, x: f32) -> (f32, f32) {
        /// `1 / sqrt(2 pi)`.
        const DENSITY: f32 = 0.398_942_3;
        let below = normal::<FMA>(x);
        let half_square = -0.5 * x * x;
        let density = DENSITY * exp::<FMA>(if half_square < -87.0 { -87.0 } else { half_square });
        (x * below, multiply_add::<FMA>(x, density, below))
    }
}

/// The standard normal distribution function, `erfc(-x / sqrt 2) / 2`.
///
/// `erfc(y) = t e^(-y^2 + P(t))`, `t = 1 / (1 + y/2)` for `y >= 0`, P the Chebyshev fit of Press et al., Numerical
/// Recipes (fractional error below 1.2e-7 everywhere), so that far tails keep their relative accuracy.
#[inline(always)]
fn normal<const FMA: bool>(x: f32) -> f32 {
    const SERIES: [f32; 9] = [
        -0.822_152_25,
        1.488_515_9,
        -1.135_204,
        0.278_868_08,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_95,
        1.000_023_7,
        -1.265_512_2,
    ];
    let y = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / multiply_add::<FMA>(0.5, y, 1.0);
    let mut series = 0.170_872_77;
    for coefficient in SERIES {
        series = multiply_add::<FMA>(series, t, coefficient);
    }
    let exponent = multiply_add::<FMA>(-y, y, series);
    let tail = 0.5 * t * exp::<FMA>(if exponent < -87.0 { -87.0 } else { exponent });
    if x < 0.0 { tail } else { 1.0 - tail }
}
