//! Quantisation to Q8_0.

use half::f16;
use rayon::prelude::*;

/// Q8_0 blocks of `values`: per 32 values the scale d = max |x| / 127 as a half, then round(x / d) as signed bytes.
///
/// The division uses the scale before it is rounded to half precision and rounds half away from zero, as ggml's reference does, so
/// |x - d q| <= d / 2 plus the rounding of d (relative 2^-11) times 127. Values after the last whole block are left out; callers
/// check that rows are whole blocks.
#[must_use]
pub fn quantise_q8_0(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0u8; values.len() / 32 * 34];
    bytes.par_chunks_mut(34 * 256).zip(values.par_chunks(32 * 256)).for_each(|(bytes, values)| {
        for (block, values) in bytes.as_chunks_mut::<34>().0.iter_mut().zip(values.as_chunks::<32>().0) {
            let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let scale = largest / 127.0;
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            block[..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
            for (byte, value) in block[2..].iter_mut().zip(values) {
                // Saturating; the product is within +-127 up to rounding.
                *byte = ((value * inverse).round() as i8).cast_unsigned();
            }
        }
    });
    bytes
}
