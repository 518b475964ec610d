//! Tiles multiplied by the AVX512-BF16 dot product: the same tiles, on processors without AMX.
#![allow(unsafe_code, reason = "vector instructions that were detected, writes inside the strip's block")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::*;

use super::tile::{Packed, Tile, available};
use super::{Block, DEPTH, Field, LINES, Strip};

/// Rows of results held in registers at a time: 8 x 2 vectors of sums beside two of the right operand.
const ROWS: usize = 8;

/// One strip of a product.
pub(super) fn multiply(field: &Field, a: &Packed, b: &Packed, strip: &Strip, accumulate: bool) {
    assert!(available(), "the dot product is only used where it was detected");
    for step in (0..a.steps).step_by(DEPTH) {
        let steps = DEPTH.min(a.steps - step);
        for row in strip.rows.clone() {
            let block = Block::at(field, row, strip.column);
            let b = block.b.map(|group| &b.group(group, step)[..steps]);
            for (half, &group) in block.a.iter().enumerate() {
                let a = &a.group(group, step)[..steps];
                for first in (0..LINES).step_by(ROWS) {
                    let height = block.height.saturating_sub(half * LINES + first).min(ROWS);
                    if height > 0 {
                        // SAFETY: the features were detected.
                        let sums = unsafe { sums(a, b, first) };
                        let row = block.row + half * LINES + first;
                        store(
                            field,
                            [row, block.column],
                            [height, block.width],
                            &sums,
                            accumulate || step > 0,
                        );
                    }
                }
            }
        }
    }
}

/// `ROWS` lines of the left tiles, from `first`, times the two right tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn sums(a: &[Tile], b: [&[Tile]; 2], first: usize) -> [[f32; 2 * LINES]; ROWS] {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (a, (b0, b1)) in a.iter().zip(b[0].iter().zip(b[1])) {
        for pair in 0..LINES {
            let right = [b0, b1].map(|tile| {
                let pairs = &tile.pairs()[pair * LINES..(pair + 1) * LINES];
                // SAFETY: sixteen pairs are 64 bytes.
                unsafe { bits(_mm512_loadu_si512(pairs.as_ptr().cast())) }
            });
            for (row, sums) in sums.iter_mut().enumerate() {
                let left = a.pairs()[(first + row) * LINES + pair];
                // SAFETY: any bits are pairs of bfloat16.
                let left = unsafe { bits(_mm512_set1_epi32(left.cast_signed())) };
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm512_dpbf16_ps(*sum, left, right);
                }
            }
        }
    }
    // SAFETY: two vectors of sixteen floats are 32 floats.
    sums.map(|row| unsafe { std::mem::transmute::<[__m512; 2], [f32; 2 * LINES]>(row) })
}

/// # Safety
/// None beyond the transmutation of 64 plain bytes.
#[inline(always)]
unsafe fn bits(pairs: __m512i) -> __m512bh {
    // SAFETY: both types are 64 bytes of plain bits.
    unsafe { std::mem::transmute(pairs) }
}

fn store(field: &Field, at: [usize; 2], size: [usize; 2], sums: &[[f32; 2 * LINES]; ROWS], accumulate: bool) {
    for (index, sums) in sums.iter().take(size[0]).enumerate() {
        for (column, sum) in sums.iter().take(size[1]).enumerate() {
            // SAFETY: the element is inside the strip's block of the target; it is read only when it was written.
            unsafe {
                let out = field.data.add((at[0] + index) * field.row_stride + at[1] + column);
                out.write(if accumulate { *out + sum } else { *sum });
            }
        }
    }
}
