//! Rotary positions (Su et al. 2021), in the half-split layout of Hugging Face, with Llama 3's scaling.

use std::f64::consts::TAU;

use burn::tensor::{Device, Tensor, TensorData};
use limbeck_kernels::rotate;

use crate::config::Llama3Scaling;

/// Cosines and sines of every position, `[max_positions, d_head / 2]`.
#[derive(Debug, Clone)]
pub(crate) struct RotaryTable {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

/// The rows of a [`RotaryTable`] that one forward pass uses, shaped to broadcast over
/// `[batch, seq, heads, d_head / 2]`.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl RotaryTable {
    pub(crate) fn new(
        positions: usize,
        d_head: usize,
        theta: f64,
        scaling: Option<Llama3Scaling>,
        device: &Device,
    ) -> Self {
        let half = d_head / 2;
        let frequencies: Vec<f32> = (0..half)
            .map(|pair| {
                // In f32 like the reference, so that the angles of far positions agree.
                let plain = 1.0 / (theta as f32).powf(2.0 * pair as f32 / d_head as f32);
                scaling.map_or(plain, |s| scaled(f64::from(plain), s) as f32)
            })
            .collect();
        let table = |f: fn(f32) -> f32| {
            let values: Vec<f32> = (0..positions)
                .flat_map(|position| frequencies.iter().map(move |w| f(position as f32 * w)))
                .collect();
            Tensor::<2>::from_data(TensorData::new(values, [positions, half]), device)
        };
        Self { cos: table(f32::cos), sin: table(f32::sin) }
    }

    /// The rotation of `length` positions from `offset` on, the same for every row of the batch.
    pub(crate) fn span(&self, offset: usize, length: usize) -> Rotation {
        let shape = [1, length, 1, self.cos.dims()[1]];
        let rows = |table: &Tensor<2>| table.clone().narrow(0, offset, length).reshape(shape);
        Rotation { cos: rows(&self.cos), sin: rows(&self.sin) }
    }

    /// The rotation of the given positions, `[batch * seq]`.
    pub(crate) fn at(&self, positions: &[usize], batch: usize) -> Rotation {
        let ids: Vec<i32> = positions.iter().map(|&p| p as i32).collect();
        let index = Tensor::from_data(TensorData::new(ids, [positions.len()]), &self.cos.device());
        let shape = [batch, positions.len() / batch, 1, self.cos.dims()[1]];
        let rows = |table: &Tensor<2>| table.clone().select(0, index.clone()).reshape(shape);
        Rotation { cos: rows(&self.cos), sin: rows(&self.sin) }
    }
}

impl Rotation {
    /// Turns each pair `(x_i, x_{i + d/2})` of `[batch, seq, heads, d_head]`.
    pub(crate) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        rotate(x, self.cos.clone(), self.sin.clone())
    }
}

/// Llama 3's scaling of one frequency: low ones divided by `factor`, high ones kept, a ramp between.
fn scaled(frequency: f64, s: Llama3Scaling) -> f64 {
    let wavelength = TAU / frequency;
    let original = s.original_max_positions as f64;
    if wavelength > original / s.low_freq_factor {
        frequency / s.factor
    } else if wavelength < original / s.high_freq_factor {
        frequency
    } else {
        let smooth = (original / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        (1.0 - smooth) * frequency / s.factor + smooth * frequency
    }
}
