//! Few rows times a right operand in tiles, by the AVX512-BF16 dot product: the tiles stream from memory once.
//!
//! A tile's rows hold a pair of steps of sixteen results; every pair of the left operand is multiplied with such a row,
//! so that sixteen sums are made without adding across a vector. The left operand is rounded, and nothing of it laid
//! out in tiles.
#![allow(unsafe_code, reason = "vector instructions that were detected, loads inside slices")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::*;

use super::super::tiles::{LINES, Packed, STEPS, Tile, can_round};
use crate::product::view::Columns;
use crate::product::{AHEAD, FEW, Target, View};

/// Tiles in a piece of work.
const PIECE: usize = 64;

/// Partial sums of each result, so that one product need not wait for the one before.
const PARTIALS: usize = 2;

/// Whether the left operand is few rows, each of them contiguous.
pub(super) fn suits(a: View<'_>) -> bool {
    a.rows <= FEW && a.column_stride == 1
}

/// `out = a b` or `out += a b`, by all threads. Each result is summed in an order that depends on the inner dimension
/// only.
pub(super) fn multiply(out: &mut Target<'_>, a: View<'_>, b: &Packed, accumulate: bool) {
    assert!(can_round(), "the dot product is only used where it was detected");
    assert!(suits(a) && a.columns == b.depth, "few rows as long as the right operand is deep");
    let pairs = b.steps * LINES;
    let mut rounded = vec![0_u32; a.rows * pairs];
    for (row, rounded) in rounded.chunks_exact_mut(pairs.max(1)).enumerate() {
        // SAFETY: the features were detected.
        unsafe { round(a.row(row), rounded) };
    }
    let groups = (PIECE / b.steps.max(1)).max(1);
    out.by_columns(groups * LINES, |results| strip(results, a.rows, &rounded, b, accumulate));
}

/// A row in bfloat16, a pair of neighbours in each number, the earlier one in its lower half. What is missing to whole
/// tiles is zero.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn round(row: &[f32], pairs: &mut [u32]) {
    for (values, pairs) in row.chunks(STEPS).zip(pairs.chunks_exact_mut(LINES)) {
        let mask = u32::MAX >> (STEPS - values.len());
        let (low, high) = (mask as u16, (mask >> 16) as u16);
        let at = values.as_ptr();
        // SAFETY: the masks keep to the chunk's values; sixteen pairs are 64 bytes; any bits are numbers.
        unsafe {
            let low = _mm512_maskz_loadu_ps(low, at);
            let high = _mm512_maskz_loadu_ps(high, at.wrapping_add(16));
            let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(pairs.as_mut_ptr().cast(), both);
        }
    }
}

/// Some groups of sixteen results of every row.
fn strip(mut results: Columns<'_>, rows: usize, rounded: &[u32], b: &Packed, accumulate: bool) {
    for at in (0..results.width()).step_by(LINES) {
        let tiles = b.group((results.first() + at) / LINES, 0);
        macro_rules! rows {
            ($($rows:literal)*) => {
                match rows {
                    // SAFETY: the features were detected by the only caller.
                    $($rows => unsafe { group::<$rows>(&mut results, at, rounded, tiles, accumulate) },)*
                    _ => unreachable!("a product of few rows has 1 to 8"),
                }
            };
        }
        rows!(1 2 3 4 5 6 7 8);
    }
}

/// Sixteen results of each of `ROWS` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn group<const ROWS: usize>(
    results: &mut Columns<'_>,
    at: usize,
    rounded: &[u32],
    tiles: &[Tile],
    accumulate: bool,
) {
    let pairs = tiles.len() * LINES;
    assert!(rounded.len() == ROWS * pairs, "a pair of the left operand for every row of a tile");
    let mut sums = [[_mm512_setzero_ps(); PARTIALS]; ROWS];
    for (step, tile) in tiles.iter().enumerate() {
        for pair in (0..LINES).step_by(PARTIALS) {
            for partial in 0..PARTIALS {
                let pair = pair + partial;
                let at = tile.pairs()[pair * LINES..].as_ptr();
                _mm_prefetch::<_MM_HINT_T0>(at.cast::<i8>().wrapping_add(AHEAD));
                // SAFETY: sixteen pairs, a row of the tile, are 64 bytes.
                let right = unsafe { bits(_mm512_loadu_si512(at.cast())) };
                for (row, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: inside `rounded` by the assertion; any bits are pairs of bfloat16.
                    let left = unsafe {
                        let left = *rounded.get_unchecked(row * pairs + step * LINES + pair);
                        bits(_mm512_set1_epi32(left.cast_signed()))
                    };
                    sums[partial] = _mm512_dpbf16_ps(sums[partial], left, right);
                }
            }
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        let [first, second] = sums;
        // SAFETY: a vector is sixteen floats.
        let sums: [f32; LINES] = unsafe { std::mem::transmute(_mm512_add_ps(first, second)) };
        for (column, sum) in sums.into_iter().enumerate().take(results.width() - at) {
            results.put(row, at + column, sum, accumulate);
        }
    }
}

/// # Safety
/// None beyond the transmutation of 64 plain bytes.
#[inline(always)]
unsafe fn bits(pairs: __m512i) -> __m512bh {
    // SAFETY: both types are 64 bytes of plain bits.
    unsafe { std::mem::transmute(pairs) }
}
