//! Operands laid out as a tile reads them, one inner index after the other: the right one in panels of 48 columns, the left
//! one in blocks of 8 rows.
#![allow(unsafe_code, reason = "vector instructions take pointers; the views say how much lies behind them")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::{
    _mm256_storeu_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_maskz_loadu_ps,
    _mm512_shuffle_f64x2, _mm512_storeu_ps,
};

use super::super::View;
use super::super::lanes::{LANES, first};
use super::super::turn::turn;
use super::tile::{COLUMNS, ROWS};

/// Floats of an operand laid out: panels of `lines` columns or blocks of `lines` rows, the last rounded up to vectors.
pub(super) fn laid_out_floats(inner: usize, lines: usize) -> usize {
    inner * lines.next_multiple_of(LANES)
}

/// Lays a right operand out in panels. What pads a panel is left as it is, or 0: it reaches results that are not stored.
///
/// # Safety
/// The processor has AVX-512F; `to` may be written for [`laid_out_floats`] floats.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn lay_right_out(b: View<'_>, to: *mut f32) {
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
/// As [`lay_right_out`]'s.
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
                turn((from, b.column_stride), (to, width), lanes, LANES.min(b.rows - k), false);
            }
        }
    }
}

/// Lays out a panel whose rows are contiguous in memory.
///
/// # Safety
/// As [`lay_right_out`]'s.
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

/// Lays a left operand out whose columns are contiguous in memory: blocks of 8 rows, padded with 0 to a pair of blocks.
///
/// # Safety
/// The processor has AVX-512F; `to` may be written for [`laid_out_floats`] floats.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn lay_left_out(a: View<'_>, to: *mut f32) {
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
