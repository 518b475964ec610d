//! Conversion between stored floating point numbers and `f32`.

use half::{bf16, f16};
use rayon::prelude::*;

const CHUNK: usize = 1 << 16;

/// The floating point formats weights are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FloatFormat {
    /// 32 bits.
    #[default]
    F32,
    /// IEEE half precision: 5 bits of exponent, 10 of fraction.
    F16,
    /// The upper half of an `f32`: 8 bits of exponent, 7 of fraction.
    Bf16,
}

impl FloatFormat {
    /// Bytes of one number.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The name safetensors gives the format.
    #[must_use]
    pub fn safetensors_name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// The format's short name, as in `f16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// The values of [`FloatFormat::encode`]'s bytes.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => from_f32(bytes),
            Self::F16 => from_f16(bytes),
            Self::Bf16 => from_bf16(bytes),
        }
    }

    /// Little-endian bytes of `values`, rounded to nearest even.
    #[must_use]
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        let width = self.width();
        let mut bytes = vec![0u8; values.len() * width];
        bytes.par_chunks_mut(CHUNK * width).zip(values.par_chunks(CHUNK)).for_each(|(bytes, values)| {
            for (slot, &value) in bytes.chunks_exact_mut(width).zip(values) {
                match self {
                    Self::F32 => slot.copy_from_slice(&value.to_le_bytes()),
                    Self::F16 => slot.copy_from_slice(&f16::from_f32(value).to_le_bytes()),
                    Self::Bf16 => slot.copy_from_slice(&bf16::from_f32(value).to_le_bytes()),
                }
            }
        });
        bytes
    }
}

/// Decodes little-endian numbers of `W` bytes each; trailing bytes short of one number are left out.
fn decode<const W: usize>(bytes: &[u8], one: impl Fn([u8; W]) -> f32 + Sync) -> Vec<f32> {
    let mut values = vec![0f32; bytes.len() / W];
    values.par_chunks_mut(CHUNK).zip(bytes.par_chunks(CHUNK * W)).for_each(|(values, bytes)| {
        for (value, number) in values.iter_mut().zip(bytes.as_chunks::<W>().0) {
            *value = one(*number);
        }
    });
    values
}

/// The place of the first value that is infinite or NaN.
///
/// A number whose exponent is all ones carries into the sign bit when one is added to the exponent, so that a block is judged by
/// integer operations alone, at the speed of memory.
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    let carries = |value: &f32| (value.to_bits() & 0x7fff_ffff).wrapping_add(0x0080_0000);
    let bad = |block: &[f32]| block.iter().fold(0, |bits, value| bits | carries(value)) >> 31 == 1;
    let block = values.par_chunks(CHUNK).position_first(bad)?;
    let start = block * CHUNK;
    values.iter().skip(start).position(|value| !value.is_finite()).map(|at| start + at)
}

/// `f32` from little-endian bytes.
pub(crate) fn from_f32(bytes: &[u8]) -> Vec<f32> {
    decode(bytes, f32::from_le_bytes)
}

/// `f32` from IEEE halves.
pub(crate) fn from_f16(bytes: &[u8]) -> Vec<f32> {
    decode(bytes, |number| f16::from_le_bytes(number).to_f32())
}

/// `f32` from bfloat16.
pub(crate) fn from_bf16(bytes: &[u8]) -> Vec<f32> {
    decode(bytes, |number| bf16::from_le_bytes(number).to_f32())
}

/// `f32` from doubles, rounded to nearest.
pub(crate) fn from_f64(bytes: &[u8]) -> Vec<f32> {
    decode(bytes, |number| f64::from_le_bytes(number) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_is_not_finite_is_found() {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 17] {
                let mut values = vec![-f32::MAX; 2 * CHUNK + 18];
                assert_eq!(first_not_finite(&values), None);
                values[at] = bad;
                assert_eq!(first_not_finite(&values), Some(at));
            }
        }
        assert_eq!(first_not_finite(&[]), None);
        assert_eq!(first_not_finite(&[f32::MIN_POSITIVE / 2.0, 0.0, -0.0, f32::MAX]), None);
    }
}
