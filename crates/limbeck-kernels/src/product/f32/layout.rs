//! The right operand laid out as a tile reads it: panels of 48 columns, one inner index after the other.
#![allow(unsafe_code, reason = "vector instructions take pointers; the views say how much lies behind them")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::cell::RefCell;

use super::super::View;
use super::tile::{COLUMNS, LANES};
use super::turn::turn;

/// One line of cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "reached by pointer")] [f32; LANES]);

thread_local! {
    /// Room for panels, kept from product to product.
    static ROOM: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Hands over room for `floats`, aligned to lines of cache, with contents of any kind.
pub(super) fn with_room<R>(floats: usize, work: impl FnOnce(*mut f32) -> R) -> R {
    ROOM.with_borrow_mut(|room| {
        let lines = floats.div_ceil(LANES);
        if room.len() < lines {
            room.resize(lines, Line([0.0; LANES]));
        }
        work(room.as_mut_ptr().cast())
    })
}

/// Floats of the panels of `inner` x `columns` values: the last panel is rounded up to vectors.
pub(super) fn panel_floats(inner: usize, columns: usize) -> usize {
    inner * columns.next_multiple_of(LANES)
}

/// Lays a right operand out whose columns, not its rows, are neighbours in memory. What pads a panel is left as it is: it
/// reaches results that are not stored.
///
/// # Safety
/// The processor has AVX-512F; `to` may be written for [`panel_floats`] floats.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn lay_out(b: View<'_>, to: *mut f32) {
    assert_eq!(b.row_stride, 1, "the inner dimension of a right operand is laid out from contiguous memory");
    for start in (0..b.columns).step_by(LANES) {
        let panel = start / COLUMNS * COLUMNS;
        let width = COLUMNS.min(b.columns - panel).next_multiple_of(LANES);
        let to = to.wrapping_add(panel * b.rows + start - panel);
        let lanes = LANES.min(b.columns - start);
        for k in (0..b.rows).step_by(LANES) {
            // SAFETY: these columns at these inner indices lie inside the view, and in the panel they are `width` floats
            // from one inner index to the next.
            unsafe {
                let from = b.data.as_ptr().add(start * b.column_stride + k);
                let to = to.add(k * width);
                turn((from, b.column_stride), (to, width), lanes, LANES.min(b.rows - k), false);
            }
        }
    }
}
