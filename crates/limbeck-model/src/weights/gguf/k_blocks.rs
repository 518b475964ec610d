//! Dequantisation of the "K" types: super-blocks of 256 values with quantised scales.

use super::blocks::half_at;

/// Scale and minimum number `index` (0 to 7) of a Q4_K or Q5_K super-block: 6 bits each, packed in 12 bytes.
fn scale_and_minimum(packed: &[u8], index: usize) -> (f32, f32) {
    let (scale, minimum) = if index < 4 {
        (packed[index] & 63, packed[index + 4] & 63)
    } else {
        let low = packed[index + 4];
        ((low & 0x0f) | ((packed[index - 4] >> 6) << 4), (low >> 4) | ((packed[index] >> 6) << 4))
    };
    (f32::from(scale), f32::from(minimum))
}

/// d s q - m_d m: eight groups of 32, two groups to 32 bytes (low nibbles, then high nibbles).
pub(super) fn q4_k(block: &[u8; 144], values: &mut [f32; 256]) {
    let (d, d_min) = (half_at(block, 0), half_at(block, 2));
    let (scales, quants) = (&block[4..16], &block[16..]);
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(scales, group);
        let (scale, minimum) = (d * scale, d_min * minimum);
        let shift = 4 * (group % 2);
        for (value, byte) in values.iter_mut().zip(&quants[32 * (group / 2)..]) {
            *value = scale * f32::from((byte >> shift) & 0x0f) - minimum;
        }
    }
}

/// As Q4_K, with the fifth bit of group g's values in bit g of 32 bytes.
pub(super) fn q5_k(block: &[u8; 176], values: &mut [f32; 256]) {
    let (d, d_min) = (half_at(block, 0), half_at(block, 2));
    let (scales, high, quants) = (&block[4..16], &block[16..48], &block[48..]);
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(scales, group);
        let (scale, minimum) = (d * scale, d_min * minimum);
        let shift = 4 * (group % 2);
        for ((value, byte), high) in values.iter_mut().zip(&quants[32 * (group / 2)..]).zip(high) {
            let quant = ((byte >> shift) & 0x0f) | (((high >> group) & 1) << 4);
            *value = scale * f32::from(quant) - minimum;
        }
    }
}

/// d s (q - 32): sixteen groups of 16; 4 low bits and 2 high bits apart, in two halves of 128 values.
pub(super) fn q6_k(block: &[u8; 210], values: &mut [f32; 256]) {
    let d = half_at(block, 208);
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    for (index, value) in values.iter_mut().enumerate() {
        let (half, within) = (index / 128, index % 128);
        // Four runs of 32: the low bits of runs 0 and 1 are low nibbles, of 2 and 3 high nibbles; the high bits are bit pairs.
        let (run, column) = (within / 32, within % 32);
        let nibble = (low[64 * half + within % 64] >> (4 * (run / 2))) & 0x0f;
        let pair = (high[32 * half + column] >> (2 * run)) & 3;
        let quant = f32::from(nibble | (pair << 4)) - 32.0;
        *value = d * f32::from(scales[index / 16].cast_signed()) * quant;
    }
}
