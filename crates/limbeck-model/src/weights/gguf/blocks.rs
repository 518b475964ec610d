//! Tensor types and the dequantisation of blocks of 32 values.
//!
//! The arithmetic is that of ggml's reference (ggml-quants.c): products and sums in `f32` in the same order, so that the values are
//! bit for bit those that other readers get.

use half::f16;
use rayon::prelude::*;

use super::k_blocks;
use crate::weights::float;

/// Blocks handed to a thread at once.
const BLOCKS_PER_TASK: usize = 512;

/// The storage types that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(non_camel_case_types)] // The names are ggml's.
#[allow(missing_docs)]
pub enum TensorType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    BF16 = 30,
}

impl TensorType {
    /// All types, by number.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::BF16,
    ];

    /// The type with this number in the file.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The type's number in the file.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Values in a block.
    #[must_use]
    pub fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q4_K => 2 + 2 + 12 + 128,
            Self::Q5_K => 2 + 2 + 12 + 32 + 128,
            Self::Q6_K => 128 + 64 + 16 + 2,
        }
    }

    /// The names of all types, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(|kind| format!("{kind:?}")).join(", ")
    }

    /// The values of whole blocks; trailing bytes short of a block are left out.
    #[must_use]
    pub fn dequantise(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => float::from_f32(bytes),
            Self::F16 => float::from_f16(bytes),
            Self::BF16 => float::from_bf16(bytes),
            Self::Q4_0 => each_block::<18, 32>(bytes, q4_0),
            Self::Q4_1 => each_block::<20, 32>(bytes, q4_1),
            Self::Q5_0 => each_block::<22, 32>(bytes, q5_0),
            Self::Q5_1 => each_block::<24, 32>(bytes, q5_1),
            Self::Q8_0 => each_block::<34, 32>(bytes, q8_0),
            Self::Q4_K => each_block::<144, 256>(bytes, k_blocks::q4_k),
            Self::Q5_K => each_block::<176, 256>(bytes, k_blocks::q5_k),
            Self::Q6_K => each_block::<210, 256>(bytes, k_blocks::q6_k),
        }
    }
}

/// Applies `one` to every block of `B` bytes giving `N` values.
fn each_block<const B: usize, const N: usize>(
    bytes: &[u8],
    one: impl Fn(&[u8; B], &mut [f32; N]) + Sync,
) -> Vec<f32> {
    let mut values = vec![0f32; bytes.len() / B * N];
    let tasks = values.par_chunks_mut(N * BLOCKS_PER_TASK).zip(bytes.par_chunks(B * BLOCKS_PER_TASK));
    tasks.for_each(|(values, bytes)| {
        for (values, block) in values.as_chunks_mut::<N>().0.iter_mut().zip(bytes.as_chunks::<B>().0) {
            one(block, values);
        }
    });
    values
}

/// The half-precision number at byte `at`.
pub(super) fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// 4-bit values, low nibbles first, then high ones.
fn nibbles(bytes: &[u8], index: usize) -> u8 {
    if index < 16 { bytes[index] & 0x0f } else { bytes[index - 16] >> 4 }
}

/// The fifth bit of value `index`.
fn fifth(bytes: &[u8], index: usize) -> u8 {
    ((bytes[index / 8] >> (index % 8)) & 1) << 4
}

/// d (q - 8).
fn q4_0(block: &[u8; 18], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (index, value) in values.iter_mut().enumerate() {
        *value = d * (f32::from(nibbles(&block[2..], index)) - 8.0);
    }
}

/// d q + m.
fn q4_1(block: &[u8; 20], values: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (index, value) in values.iter_mut().enumerate() {
        *value = d * f32::from(nibbles(&block[4..], index)) + m;
    }
}

/// d (q - 16), the fifth bits of all values apart.
fn q5_0(block: &[u8; 22], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (index, value) in values.iter_mut().enumerate() {
        *value = d * (f32::from(nibbles(&block[6..], index) | fifth(&block[2..6], index)) - 16.0);
    }
}

/// d q + m, the fifth bits of all values apart.
fn q5_1(block: &[u8; 24], values: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (index, value) in values.iter_mut().enumerate() {
        *value = d * f32::from(nibbles(&block[8..], index) | fifth(&block[4..8], index)) + m;
    }
}

/// d q with signed bytes q.
fn q8_0(block: &[u8; 34], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (value, byte) in values.iter_mut().zip(&block[2..]) {
        *value = f32::from(byte.cast_signed()) * d;
    }
}
