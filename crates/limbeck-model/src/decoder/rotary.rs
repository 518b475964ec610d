//! Rotary positions (Su et al. 2021), in the half-split layout of Hugging Face, with their scalings.

use std::f64::consts::TAU;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use limbeck_kernels::rotate;

use crate::config::{Llama3Scaling, RopeScaling};

/// Most bytes of a table; positions beyond it are computed when a pass asks for them, which costs little beside the pass. Enough for
/// 8192 positions of heads of 128, and made within a tenth of a second.
const TABLE_BYTES: usize = 4 << 20;

/// Cosines and sines of the first positions, `[rows, d_head / 2]`, and the frequencies for those beyond.
#[derive(Debug, Clone)]
pub(crate) struct RotaryTable {
    frequencies: Arc<[f32]>,
    rows: usize,
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
        scaling: Option<RopeScaling>,
        device: &Device,
    ) -> Self {
        let half = d_head / 2;
        let frequencies: Arc<[f32]> = (0..half)
            .map(|pair| {
                // In f32 like the reference, so that the angles of far positions agree.
                let plain = 1.0 / (theta as f32).powf(2.0 * pair as f32 / d_head as f32);
                match scaling {
                    None => plain,
                    Some(RopeScaling::Linear { factor }) => plain / factor as f32,
                    Some(RopeScaling::Llama3(s)) => llama3(f64::from(plain), s) as f32,
                }
            })
            .collect();
        let rows = positions.min(TABLE_BYTES / (2 * size_of::<f32>() * half.max(1))).max(1);
        let (cos, sin) = turns(&frequencies, 0..rows, device);
        Self { frequencies, rows, cos, sin }
    }

    /// The rotation of `length` positions from `offset` on, the same for every row of the batch.
    pub(crate) fn span(&self, offset: usize, length: usize) -> Rotation {
        let shape = [1, length, 1, self.frequencies.len()];
        let (cos, sin) = if offset + length <= self.rows {
            let rows = |table: &Tensor<2>| table.clone().narrow(0, offset, length);
            (rows(&self.cos), rows(&self.sin))
        } else {
            turns(&self.frequencies, offset..offset + length, &self.cos.device())
        };
        Rotation { cos: cos.reshape(shape), sin: sin.reshape(shape) }
    }

    /// The rotation of the given positions, `[batch * seq]`.
    pub(crate) fn at(&self, positions: &[usize], batch: usize) -> Rotation {
        let shape = [batch, positions.len() / batch, 1, self.frequencies.len()];
        let (cos, sin) = if positions.iter().all(|&position| position < self.rows) {
            let ids: Vec<i32> = positions.iter().map(|&p| p as i32).collect();
            let index = Tensor::from_data(TensorData::new(ids, [positions.len()]), &self.cos.device());
            (self.cos.clone().select(0, index.clone()), self.sin.clone().select(0, index))
        } else {
            turns(&self.frequencies, positions.iter().copied(), &self.cos.device())
        };
        Rotation { cos: cos.reshape(shape), sin: sin.reshape(shape) }
    }
}

/// Cosines and sines of positions, `[positions, frequencies]` each.
fn turns(
    frequencies: &[f32],
    positions: impl ExactSizeIterator<Item = usize> + Clone,
    device: &Device,
) -> (Tensor<2>, Tensor<2>) {
    let shape = [positions.len(), frequencies.len()];
    let table = |f: fn(f32) -> f32| {
        let rows = positions.clone();
        let values: Vec<f32> =
            rows.flat_map(|position| frequencies.iter().map(move |w| f(position as f32 * w))).collect();
        Tensor::<2>::from_data(TensorData::new(values, shape), device)
    };
    (table(f32::cos), table(f32::sin))
}

impl Rotation {
    /// Turns each pair `(x_i, x_{i + d/2})` of `[batch, seq, heads, d_head]`.
    pub(crate) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        rotate(x, self.cos.clone(), self.sin.clone())
    }
}

/// Llama 3's scaling of one frequency: low ones divided by `factor`, high ones kept, a ramp between.
fn llama3(frequency: f64, s: Llama3Scaling) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rotation: &Rotation) -> (Vec<f32>, Vec<f32>) {
        let of = |t: &Tensor<4>| t.clone().into_data().try_to_vec::<f32>().unwrap();
        (of(&rotation.cos), of(&rotation.sin))
    }

    #[test]
    fn positions_beyond_the_table_turn_as_those_within() {
        let device = Device::flex();
        let whole = RotaryTable::new(40, 8, 10_000.0, None, &device);
        let short = RotaryTable { rows: 10, ..whole.clone() };
        for (offset, length) in [(0, 10), (9, 1), (5, 20), (39, 1)] {
            assert_eq!(values(&whole.span(offset, length)), values(&short.span(offset, length)));
        }
        let positions = [0, 3, 39, 12];
        assert_eq!(values(&whole.at(&positions, 2)), values(&short.at(&positions, 2)));
    }

    #[test]
    fn a_context_of_a_thousand_million_takes_no_table_of_that_size() {
        let table = RotaryTable::new(1_000_000_000, 128, 10_000.0, None, &Device::flex());
        assert_eq!(table.rows, 8192);
        assert_eq!(table.span(999_999_999, 1).cos.dims(), [1, 1, 1, 64]);
    }
}
