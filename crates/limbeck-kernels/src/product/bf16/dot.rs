//! Tiles multiplied by the AVX512-BF16 dot product: the same tiles, on processors without AMX.
#![allow(unsafe_code, reason = "vector instructions that were detected, writes inside a part of the results")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::*;

use super::super::Target;
use super::super::division::{Division, Results};
use super::super::tiles::{LINES, Packed, Tile, can_round};

/// Columns of results held in registers at a time: a pair of groups of lines.
const WIDTH: usize = 2 * LINES;

/// Rows of results held in registers at a time: 8 x 2 vectors of sums beside two of the right operand.
const ROWS: usize = 8;

/// Tiles along the inner dimension multiplied before the next rows are taken up: two groups of columns then stay in the
/// first-level cache.
const DEPTH: usize = 16;

/// `out = a b` or `out += a b`, by all threads.
pub(super) fn multiply(out: &mut Target<'_>, a: &Packed, b: &Packed, accumulate: bool) {
    assert!(can_round(), "the dot product is only used where it was detected");
    let c = Results::of(out);
    let sizes = [a.lines, a.depth, b.lines];
    Division::new(sizes, [ROWS, WIDTH], true, |[rows, columns]| rows * columns).each(|rows, columns| {
        let steps = || (0..a.steps).step_by(DEPTH);
        for (column, step) in
            columns.clone().step_by(WIDTH).flat_map(|at| steps().map(move |step| (at, step)))
        {
            let steps = DEPTH.min(a.steps - step);
            let b = [0, 1].map(|second| &b.group(column / LINES + second, step)[..steps]);
            for row in rows.clone().step_by(ROWS) {
                let a = &a.group(row / LINES, step)[..steps];
                // SAFETY: the features were detected.
                let sums = unsafe { sums(a, b, row % LINES) };
                let size = [ROWS.min(rows.end - row), WIDTH.min(columns.end - column)];
                store(c.at(row, column), size, &sums, accumulate || step > 0);
            }
        }
    });
}

/// `ROWS` lines of the left tiles, from `first`, times the two right tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn sums(a: &[Tile], b: [&[Tile]; 2], first: usize) -> [[f32; WIDTH]; ROWS] {
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
    sums.map(|row| unsafe { std::mem::transmute::<[__m512; 2], [f32; WIDTH]>(row) })
}

/// # Safety
/// None beyond the transmutation of 64 plain bytes.
#[inline(always)]
unsafe fn bits(pairs: __m512i) -> __m512bh {
    // SAFETY: both types are 64 bytes of plain bits.
    unsafe { std::mem::transmute(pairs) }
}

fn store(c: Results, size: [usize; 2], sums: &[[f32; WIDTH]; ROWS], accumulate: bool) {
    for (index, sums) in sums.iter().take(size[0]).enumerate() {
        for (column, sum) in sums.iter().take(size[1]).enumerate() {
            // SAFETY: the element is one of this part's; it is read only when it was written.
            unsafe {
                let out = c.start.add(index * c.stride + column);
                out.write(if accumulate { *out + sum } else { *sum });
            }
        }
    }
}
