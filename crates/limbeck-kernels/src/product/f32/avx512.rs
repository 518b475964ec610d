//! Products on AVX-512.
//!
//! The right operand is laid out in panels. The left one is read where it lies when its rows are contiguous, else some rows
//! of it at a time are laid out in blocks. Of a product of rows with rows, `x W^T`, the smaller operand is the one that is
//! laid out, so that the rows of a vocabulary stream from memory once and are never copied: when that is the left one, the
//! transposed product is computed, and its tiles are turned before they are stored. Every result is summed in the order of
//! the inner dimension, whatever the number of threads.
#![allow(unsafe_code, reason = "tiles are written through pointers, by several threads into disjoint parts")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::ops::Range;

use super::super::division::{Division, Results};
use super::super::lanes::LANES;
use super::super::room::with_room;
use super::super::turn::turn;
use super::super::{Target, View};
use super::layout::{laid_out_floats, lay_left_out, lay_right_out};
use super::portable::TALL;
use super::tile::{COLUMNS, ROWS, Tile};

/// Inner dimension up to which a product is not cut along it.
const LONGEST: usize = 2048;

/// Inner dimension of a part of a longer one.
const PART: usize = 768;

/// Floats of panels laid out at a time: a megabyte stays in the second-level cache.
const ROOM: usize = 256 * 1024;

/// Floats of the rows that pass by a panel before the next panel's turn comes.
const NEAR: usize = 16 * 1024;

/// Multiplications in the time that one value is laid out in.
const COPY: usize = 32;

/// Whether there is something to multiply with, this processor has the instructions, and the product is none of those that
/// `gemm` is faster at: the gradient of a head over a vocabulary, whose results are many and whose sums are short.
pub(in super::super) fn suits(a: View<'_>) -> bool {
    let tall = a.column_stride != 1 && a.rows >= TALL;
    a.columns > 0 && !tall && is_x86_feature_detected!("avx512f")
}

/// `out = a b` or `out += a b` where this [`suits`]; by all threads when `parallel`.
pub(in super::super) fn multiply(
    out: &mut Target<'_>,
    a: View<'_>,
    b: View<'_>,
    accumulate: bool,
    parallel: bool,
) {
    assert!(suits(a), "there is AVX-512, and something to multiply with");
    // What is copied: the left operand and all results on their way through the transposed product, else the right one.
    let rows_with_rows = a.column_stride == 1 && b.row_stride == 1;
    let turned = rows_with_rows && a.rows * (a.columns + b.columns) < b.rows * b.columns;
    let c = Results::of(out);
    let (a, b) = if turned { (b.transposed(), a.transposed()) } else { (a, b) };
    let division =
        Division::new([a.rows, a.columns, b.columns], [LANES, COLUMNS], parallel, |[rows, columns]| {
            columns * (rows + COPY)
        });
    division.each(|rows, columns| {
        // SAFETY: the parts are disjoint in `out`, which is borrowed mutably; rows and columns lie inside the views.
        unsafe { compute(c, turned, a, b, rows, columns, accumulate) }
    });
}

/// Computes the results of some rows and columns.
///
/// # Safety
/// The processor has AVX-512F; `c` may be written at these rows and columns (read too, when `accumulate`), by nobody
/// else meanwhile; rows and columns lie inside the operands.
unsafe fn compute(
    c: Results,
    turned: bool,
    a: View<'_>,
    b: View<'_>,
    rows: Range<usize>,
    columns: Range<usize>,
    accumulate: bool,
) {
    let inner = if a.columns > LONGEST { PART } else { a.columns };
    let width = (ROOM / inner / COLUMNS * COLUMNS).max(COLUMNS).min(columns.len());
    let (right_floats, in_place) = (laid_out_floats(inner, width), a.column_stride == 1);
    let near = (NEAR / inner / LANES * LANES).clamp(LANES, 4 * LANES);
    let left_floats = if in_place { 0 } else { laid_out_floats(inner, near) };
    with_room(right_floats + left_floats, |panels| {
        let blocks = (!in_place).then(|| panels.wrapping_add(right_floats));
        for first in columns.clone().step_by(width) {
            let count = width.min(columns.end - first);
            for k in (0..a.columns).step_by(inner) {
                let depth = inner.min(a.columns - k);
                let right = b.row_range(k, depth).column_range(first, count);
                let accumulate = accumulate || k > 0;
                let block = Block { c, turned, panels, blocks, near, depth, first, count, accumulate };
                // SAFETY: the room was asked for above; the rest as this function's caller promises.
                unsafe {
                    lay_right_out(right, panels);
                    block.multiply(a.column_range(k, depth), rows.clone());
                }
            }
        }
    });
}

/// Panels of the right operand, and which results they give.
struct Block {
    c: Results,
    /// Whether the result of row `i` and column `j` goes to row `j` and column `i`.
    turned: bool,
    panels: *const f32,
    /// Room for rows of the left operand, where they are laid out.
    blocks: Option<*mut f32>,
    /// Rows of the left operand that pass by a panel before the next panel's turn comes.
    near: usize,
    depth: usize,
    /// First column, and how many.
    first: usize,
    count: usize,
    accumulate: bool,
}

impl Block {
    /// Multiplies rows of the left operand with all panels, some rows at a time.
    ///
    /// # Safety
    /// As [`compute`]'s.
    unsafe fn multiply(&self, a: View<'_>, rows: Range<usize>) {
        for start in rows.clone().step_by(self.near) {
            let group = a.row_range(start, self.near.min(rows.end - start));
            // SAFETY: as the caller promises; `compute` has made room for `near` rows.
            unsafe {
                if let Some(blocks) = self.blocks {
                    lay_left_out(group, blocks);
                }
                if self.turned {
                    self.turned(group, start);
                } else {
                    self.straight(group, start);
                }
            }
        }
    }

    /// The tile of up to 8 rows from `row` on, its results still without a place.
    fn tile(&self, a: View<'_>, row: usize, ahead: &mut Ahead) -> Tile {
        Tile {
            a: match self.blocks {
                Some(blocks) => blocks.wrapping_add(row * self.depth),
                None => a.data.as_ptr().wrapping_add(row * a.row_stride),
            },
            row: a.row_stride,
            laid_out: self.blocks.is_some(),
            b: self.panels,
            inner: self.depth,
            c: std::ptr::null_mut(),
            stride: self.c.stride,
            rows: ROWS.min(a.rows - row),
            columns: 0,
            accumulate: self.accumulate,
            ahead: ahead.next(),
            pace: ahead.pace,
        }
    }

    /// First column of every panel, how many it has, and where it lies.
    fn panels(&self) -> impl Iterator<Item = (usize, usize, *const f32)> {
        let (count, depth, panels) = (self.count, self.depth, self.panels);
        (0..count)
            .step_by(COLUMNS)
            .map(move |at| (at, COLUMNS.min(count - at), panels.wrapping_add(at * depth)))
    }

    /// A group of rows with every panel.
    ///
    /// # Safety
    /// As [`compute`]'s.
    unsafe fn straight(&self, a: View<'_>, start: usize) {
        let mut ahead = Ahead::new(a, self);
        for (at, columns, b) in self.panels() {
            for row in (0..a.rows).step_by(ROWS) {
                let place = (start + row) * self.c.stride + self.first + at;
                let tile = self.tile(a, row, &mut ahead);
                // SAFETY: these rows and columns of results are the caller's.
                unsafe { Tile { b, columns, c: self.c.start.add(place), ..tile }.compute() };
            }
        }
    }

    /// A group of rows with every panel, turned 16 rows at a time: whole lines of cache are written.
    ///
    /// # Safety
    /// As [`compute`]'s.
    unsafe fn turned(&self, a: View<'_>, start: usize) {
        let mut results = [0.0_f32; LANES * COLUMNS];
        let results = results.as_mut_ptr();
        let mut ahead = Ahead::new(a, self);
        for (at, columns, b) in self.panels() {
            for strip in (0..a.rows).step_by(LANES) {
                let rows = LANES.min(a.rows - strip);
                // SAFETY: `results` has room for 16 rows of 48; the places they are turned to are the caller's.
                unsafe {
                    for half in (0..rows).step_by(ROWS) {
                        let c = results.add(half * COLUMNS);
                        let tile = self.tile(a, strip + half, &mut ahead);
                        Tile { b, columns, c, stride: COLUMNS, accumulate: false, ..tile }.compute();
                    }
                    for group in (0..columns).step_by(LANES) {
                        let row = self.first + at + group;
                        let to = self.c.start.add(row * self.c.stride + start + strip);
                        let lanes = LANES.min(columns - group);
                        turn(
                            (results.add(group), COLUMNS),
                            (to, self.c.stride),
                            rows,
                            lanes,
                            self.accumulate,
                        );
                    }
                }
            }
        }
    }
}

/// Hands every tile of a group of rows its share of the rows after the group, to be fetched meanwhile.
struct Ahead {
    at: *const f32,
    pace: usize,
    share: usize,
}

impl Ahead {
    fn new(a: View<'_>, block: &Block) -> Self {
        // Rows that lie far apart would mostly be fetched for nothing.
        if block.blocks.is_some() || a.row_stride > 2 * block.depth {
            return Self { at: a.data.as_ptr(), pace: 0, share: 0 };
        }
        let tiles = block.count.div_ceil(COLUMNS) * a.rows.div_ceil(ROWS);
        let pace = (a.rows * a.row_stride).div_ceil(tiles * block.depth);
        let at = a.data.as_ptr().wrapping_add(a.rows * a.row_stride);
        Self { at, pace, share: pace * block.depth }
    }

    fn next(&mut self) -> *const f32 {
        let now = self.at;
        self.at = now.wrapping_add(self.share);
        now
    }
}
