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
