//! Tiles of up to 6 x 16 results in registers, and operands laid out for them: AVX2 with fused multiply-adds.
#![allow(
    unsafe_code,
    reason = "vector instructions take pointers; the one caller says how much lies behind them"
)]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::{
    __m256, _MM_HINT_ET0, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm256_add_ps, _mm256_broadcast_ss,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use super::super::View;
use super::panels::{SOON, Tile, Vectors};

/// Numbers in a vector.
const LANES: usize = 8;

/// Rows of a tile.
const ROWS: usize = 6;

/// Vectors side by side in a tile: 12 of the 16 registers hold results.
const VECTORS: usize = 2;

/// Columns of a tile.
const COLUMNS: usize = LANES * VECTORS;

/// Vectors of 8 numbers.
pub(in super::super) struct Avx2;

impl Vectors for Avx2 {
    const LANES: usize = LANES;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const STRIP: usize = 24;
    /// A quarter of a megabyte: these processors have a second-level cache of a half or more.
    const SCRATCH: usize = 64 * 1024;

    unsafe fn tile(tile: Tile) {
        macro_rules! sizes {
            ($($rows:literal)*) => {
                match (tile.rows, tile.columns.div_ceil(LANES), tile.laid_out) {
                    // SAFETY: as this function's.
                    $(($rows, 1, false) => unsafe { run::<$rows, 1, false>(tile) },
                    ($rows, 2, false) => unsafe { run::<$rows, 2, false>(tile) },
                    ($rows, 1, true) => unsafe { run::<$rows, 1, true>(tile) },
                    ($rows, 2, true) => unsafe { run::<$rows, 2, true>(tile) },)*
                    _ => unreachable!("a tile has 1 to 6 rows of 1 to 16 columns"),
                }
            };
        }
        sizes!(1 2 3 4 5 6)
    }

    unsafe fn lay_right_out(b: View<'_>, to: *mut f32) {
        // SAFETY: as this function's.
        unsafe { lay_right_out(b, to) }
    }

    unsafe fn lay_left_out(a: View<'_>, to: *mut f32) {
        assert_eq!(a.row_stride, 1, "a left operand is laid out from contiguous columns");
        for k in 0..a.columns {
            for start in (0..a.rows).step_by(ROWS) {
                let rows = ROWS.min(a.rows - start);
                // SAFETY: rows inside the view; a block of 6 rows has room.
                unsafe {
                    let from = a.data.as_ptr().add(k * a.column_stride + start);
                    let to = to.add(start * a.columns + k * ROWS);
                    if rows == ROWS {
                        to.copy_from_nonoverlapping(from, ROWS);
                    } else {
                        to.copy_from_nonoverlapping(from, rows);
                    }
                }
            }
        }
    }

    unsafe fn transpose(
        from: (*const f32, usize),
        to: (*mut f32, usize),
        rows: usize,
        columns: usize,
        accumulate: bool,
    ) {
        // SAFETY: as this function's.
        unsafe { transpose(from, to, rows, columns, accumulate) }
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn run<const R: usize, const V: usize, const LAID_OUT: bool>(tile: Tile) {
    let Tile { a, row, b, inner, c, stride, pace, .. } = tile;
    let rows: [*const f32; R] = std::array::from_fn(|i| a.wrapping_add(i * row));
    let mut sums = [[_mm256_setzero_ps(); V]; R];
    // The results' lines are on their way while the sums are made.
    for i in 0..R {
        _mm_prefetch::<_MM_HINT_ET0>(c.wrapping_add(i * stride).cast());
    }
    let (mut b, mut ahead) = (b, tile.ahead);
    for k in 0..inner {
        // SAFETY: inside the panel, as the caller promises.
        let right: [__m256; V] = std::array::from_fn(|v| unsafe { _mm256_loadu_ps(b.add(v * LANES)) });
        _mm_prefetch::<_MM_HINT_T0>(b.wrapping_add(SOON * V * LANES).cast());
        for i in 0..R {
            // SAFETY: row i at this inner index, as the caller promises.
            let left = unsafe {
                _mm256_broadcast_ss(if LAID_OUT { &*a.add(k * ROWS + i) } else { &*rows[i].add(k) })
            };
            for v in 0..V {
                sums[i][v] = _mm256_fmadd_ps(left, right[v], sums[i][v]);
            }
        }
        _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
        ahead = ahead.wrapping_add(pace);
        b = b.wrapping_add(V * LANES);
    }
    for (i, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: row i, at this vector's columns.
            unsafe { put(c.add(i * stride + v * LANES), sum, tile.columns - v * LANES, tile.accumulate) };
        }
    }
}

/// Writes the first `lanes` numbers of a vector, all when there are more; added to what is there when `accumulate`.
///
/// # Safety
/// AVX2; `at` may be written (read too, when `accumulate`) for so many numbers.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn put(at: *mut f32, value: __m256, lanes: usize, accumulate: bool) {
    if lanes >= LANES {
        // SAFETY: a whole vector.
        unsafe {
            let value = if accumulate { _mm256_add_ps(_mm256_loadu_ps(at), value) } else { value };
            _mm256_storeu_ps(at, value);
        }
    } else {
        let mut values = [0.0_f32; LANES];
        // SAFETY: eight numbers; then `lanes` of them, one at a time.
        unsafe {
            _mm256_storeu_ps(values.as_mut_ptr(), value);
            for (lane, value) in values.into_iter().take(lanes).enumerate() {
                let at = at.add(lane);
                *at = if accumulate { *at + value } else { value };
            }
        }
    }
}

/// As [`Vectors::lay_right_out`].
#[target_feature(enable = "avx2")]
unsafe fn lay_right_out(b: View<'_>, to: *mut f32) {
    for panel in (0..b.columns).step_by(COLUMNS) {
        let part = b.column_range(panel, COLUMNS.min(b.columns - panel));
        let width = part.columns.next_multiple_of(LANES);
        let from = part.data.as_ptr();
        // SAFETY: columns at inner indices inside the view; the panel's part of the room, padded to whole vectors.
        unsafe {
            let to = to.add(panel * b.rows);
            if part.row_stride == 1 {
                for start in (0..part.columns).step_by(LANES) {
                    let lanes = LANES.min(part.columns - start);
                    for k in (0..part.rows).step_by(LANES) {
                        let from = from.add(start * part.column_stride + k);
                        let to = to.add(k * width + start);
                        let depth = LANES.min(part.rows - k);
                        transpose((from, part.column_stride), (to, width), lanes, depth, false);
                    }
                }
            } else {
                for k in 0..part.rows {
                    let (from, to) = (from.add(k * part.row_stride), to.add(k * width));
                    if part.columns == COLUMNS {
                        to.copy_from_nonoverlapping(from, COLUMNS);
                    } else {
                        to.copy_from_nonoverlapping(from, part.columns);
                    }
                }
            }
        }
    }
}

/// As [`Vectors::transpose`].
#[target_feature(enable = "avx2")]
unsafe fn transpose(
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
    rows: usize,
    columns: usize,
    accumulate: bool,
) {
    if rows < LANES || columns < LANES {
        for j in 0..columns {
            for i in 0..rows {
                // SAFETY: element i, j and its place, as the caller promises.
                unsafe {
                    let at = to.add(j * to_stride + i);
                    let value = *from.add(i * from_stride + j);
                    *at = if accumulate { *at + value } else { value };
                }
            }
        }
        return;
    }
    // SAFETY: eight whole rows.
    let lines: [__m256; LANES] =
        std::array::from_fn(|i| unsafe { _mm256_loadu_ps(from.add(i * from_stride)) });
    for (j, line) in transposed(lines).into_iter().enumerate() {
        // SAFETY: eight whole rows of the target.
        unsafe { put(to.add(j * to_stride), line, LANES, accumulate) };
    }
}

/// The transposed block, in three rounds of pairwise exchanges.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(lines: [__m256; LANES]) -> [__m256; LANES] {
    // fours[4 q + r]: in each half of the vector, column r (second half: 4 + r) of rows 4 q .. 4 q + 4.
    let mut fours = [_mm256_setzero_ps(); LANES];
    for q in 0..2 {
        let [a, b, c, d] = [lines[4 * q], lines[4 * q + 1], lines[4 * q + 2], lines[4 * q + 3]];
        let (low_ab, high_ab) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (low_cd, high_cd) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        fours[4 * q] = _mm256_shuffle_ps::<0x44>(low_ab, low_cd);
        fours[4 * q + 1] = _mm256_shuffle_ps::<0xee>(low_ab, low_cd);
        fours[4 * q + 2] = _mm256_shuffle_ps::<0x44>(high_ab, high_cd);
        fours[4 * q + 3] = _mm256_shuffle_ps::<0xee>(high_ab, high_cd);
    }
    let mut out = [_mm256_setzero_ps(); LANES];
    for r in 0..4 {
        out[r] = _mm256_permute2f128_ps::<0x20>(fours[r], fours[4 + r]);
        out[4 + r] = _mm256_permute2f128_ps::<0x31>(fours[r], fours[4 + r]);
    }
    out
}
