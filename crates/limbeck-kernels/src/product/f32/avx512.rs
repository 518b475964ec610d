//! Tiles of up to 8 x 48 results in registers, and operands laid out for them: AVX-512.
#![allow(
    unsafe_code,
    reason = "vector instructions take pointers; the one caller says how much lies behind them"
)]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::{
    __m512, _MM_HINT_ET0, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm256_storeu_ps, _mm512_add_ps,
    _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f64x2,
    _mm512_storeu_ps,
};

use super::super::View;
use super::super::lanes::{LANES, first};
use super::super::transpose::transpose;
use super::panels::{SOON, Tile, Vectors};

/// Rows of a tile.
const ROWS: usize = 8;

/// Vectors side by side in a tile: 24 of the 32 registers hold results.
const VECTORS: usize = 3;

/// Columns of a tile.
const COLUMNS: usize = LANES * VECTORS;

/// Vectors of 16 numbers.
pub(in super::super) struct Avx512;

impl Vectors for Avx512 {
    const LANES: usize = LANES;
    const ROWS: usize = ROWS;
    const COLUMNS: usize = COLUMNS;
    const STRIP: usize = LANES;
    /// A megabyte.
    const SCRATCH: usize = 256 * 1024;

    unsafe fn tile(tile: Tile) {
        macro_rules! sizes {
            ($($rows:literal)*) => {
                match (tile.rows, tile.columns.div_ceil(LANES), tile.laid_out) {
                    // SAFETY: as this function's.
                    $(($rows, 1, false) => unsafe { run::<$rows, 1, false>(tile) },
                    ($rows, 2, false) => unsafe { run::<$rows, 2, false>(tile) },
                    ($rows, 3, false) => unsafe { run::<$rows, 3, false>(tile) },
                    ($rows, 1, true) => unsafe { run::<$rows, 1, true>(tile) },
                    ($rows, 2, true) => unsafe { run::<$rows, 2, true>(tile) },
                    ($rows, 3, true) => unsafe { run::<$rows, 3, true>(tile) },)*
                    _ => unreachable!("a tile has 1 to 8 rows of 1 to 48 columns"),
                }
            };
        }
        sizes!(1 2 3 4 5 6 7 8)
    }

    unsafe fn lay_right_out(b: View<'_>, to: *mut f32) {
        // SAFETY: as this function's.
        unsafe { lay_right_out(b, to) }
    }

    unsafe fn lay_left_out(a: View<'_>, to: *mut f32) {
        // SAFETY: as this function's.
        unsafe { lay_left_out(a, to) }
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

#[target_feature(enable = "avx512f")]
unsafe fn run<const R: usize, const V: usize, const LAID_OUT: bool>(tile: Tile) {
    let Tile { a, row, b, inner, c, stride, pace, .. } = tile;
    let rows: [*const f32; R] = std::array::from_fn(|i| a.wrapping_add(i * row));
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    // The results' lines are on their way while the sums are made.
    for i in 0..R {
        for v in 0..V {
            _mm_prefetch::<_MM_HINT_ET0>(c.wrapping_add(i * stride + v * LANES).cast());
        }
    }
    let (mut b, mut ahead) = (b, tile.ahead);
    for k in 0..inner {
        // SAFETY: inside the panel, as the caller promises.
        let right: [__m512; V] = std::array::from_fn(|v| unsafe { _mm512_loadu_ps(b.add(v * LANES)) });
        for v in 0..V {
            _mm_prefetch::<_MM_HINT_T0>(b.wrapping_add((SOON * V + v) * LANES).cast());
        }
        for i in 0..R {
            // SAFETY: row i at this inner index, as the caller promises.
            let left =
                _mm512_set1_ps(unsafe { if LAID_OUT { *a.add(k * ROWS + i) } else { *rows[i].add(k) } });
            for v in 0..V {
                sums[i][v] = _mm512_fmadd_ps(left, right[v], sums[i][v]);
            }
        }
        _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
        ahead = ahead.wrapping_add(pace);
        b = b.wrapping_add(V * LANES);
    }
    let mask = first(tile.columns - (V - 1) * LANES);
    for (i, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let mask = if v + 1 == V { mask } else { u16::MAX };
            // SAFETY: `mask` keeps to the columns of row i.
            unsafe {
                let at = c.add(i * stride + v * LANES);
                let sum =
                    if tile.accumulate { _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), sum) } else { sum };
                _mm512_mask_storeu_ps(at, mask, sum);
            }
        }
    }
}

/// As [`Vectors::lay_right_out`].
#[target_feature(enable = "avx512f")]
unsafe fn lay_right_out(b: View<'_>, to: *mut f32) {
    for panel in (0..b.columns).step_by(COLUMNS) {
        let columns = b.column_range(panel, COLUMNS.min(b.columns - panel));
        // SAFETY: the panel's part of the room.
        unsafe {
            let to = to.add(panel * b.rows);
            if b.row_stride == 1 { lay_columns(columns, to) } else { lay_rows(columns, to) }
        }
    }
}

/// Lays out a panel whose columns are contiguous in memory.
///
/// # Safety
/// As [`Vectors::lay_right_out`]'s.
#[target_feature(enable = "avx512f")]
unsafe fn lay_columns(b: View<'_>, to: *mut f32) {
    assert_eq!(b.row_stride, 1, "columns are laid out from contiguous memory");
    let width = b.columns.next_multiple_of(LANES);
    for start in (0..b.columns).step_by(LANES) {
        let lanes = LANES.min(b.columns - start);
        for k in (0..b.rows).step_by(LANES) {
            // SAFETY: these columns at these inner indices lie inside the view, and in the panel they are `width` floats
            // from one inner index to the next.
            unsafe {
                let from = b.data.as_ptr().add(start * b.column_stride + k);
                let to = to.add(k * width + start);
                transpose((from, b.column_stride), (to, width), lanes, LANES.min(b.rows - k), false);
            }
        }
    }
}

/// Lays out a panel whose rows are contiguous in memory.
///
/// # Safety
/// As [`Vectors::lay_right_out`]'s.
#[target_feature(enable = "avx512f")]
unsafe fn lay_rows(b: View<'_>, to: *mut f32) {
    assert_eq!(b.column_stride, 1, "rows are laid out from contiguous memory");
    let width = b.columns.next_multiple_of(LANES);
    for k in 0..b.rows {
        for start in (0..width).step_by(LANES) {
            let lanes = first(b.columns - start);
            // SAFETY: lanes inside the row; the panel is padded to whole vectors.
            unsafe {
                let line = _mm512_maskz_loadu_ps(lanes, b.data.as_ptr().add(k * b.row_stride + start));
                _mm512_storeu_ps(to.add(k * width + start), line);
            }
        }
    }
}

/// As [`Vectors::lay_left_out`]; a pair of blocks is padded with 0.
#[target_feature(enable = "avx512f")]
unsafe fn lay_left_out(a: View<'_>, to: *mut f32) {
    assert_eq!(a.row_stride, 1, "a left operand is laid out from contiguous columns");
    for k in 0..a.columns {
        for start in (0..a.rows).step_by(LANES) {
            // SAFETY: rows inside the view; two blocks of 8 rows have room.
            unsafe {
                let from = a.data.as_ptr().add(k * a.column_stride + start);
                let both = _mm512_maskz_loadu_ps(first(a.rows - start), from);
                let to = to.add(start * a.columns + k * ROWS);
                _mm256_storeu_ps(to, _mm512_castps512_ps256(both));
                let pairs = _mm512_castps_pd(both);
                let upper = _mm512_castpd_ps(_mm512_shuffle_f64x2::<0b11_10_11_10>(pairs, pairs));
                _mm256_storeu_ps(to.add(ROWS * a.columns), _mm512_castps512_ps256(upper));
            }
        }
    }
}
