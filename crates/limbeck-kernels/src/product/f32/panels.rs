//! 32-bit products by vector instructions: AVX-512, AVX2.
//!
//! The right operand is laid out in panels. The left one is read where it lies when its rows are contiguous, else some rows
//! of it at a time are laid out in blocks. Of a product of rows with rows, `x W^T`, the smaller operand is the one that is
//! laid out, so that the rows of a vocabulary stream from memory once and are never copied: when that is the left one, the
//! transposed product is computed, and its tiles are transposed before they are stored. Every result is summed in the order of
//! the inner dimension, whatever the number of threads.
#![allow(unsafe_code, reason = "tiles are written through pointers, by several threads into disjoint parts")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::marker::PhantomData;
use std::ops::Range;

use super::super::division::{Division, Results};
use super::super::scratch::with_scratch;
use super::super::{Target, View};

/// Vector instructions: the tiles they compute, and the operands they lay out for them.
pub(in super::super) trait Vectors {
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of a tile.
    const ROWS: usize;
    /// Columns of a tile: whole vectors.
    const COLUMNS: usize;
    /// Rows that are transposed together: whole tiles and whole vectors.
    const STRIP: usize;
    /// Floats of panels laid out at a time: they stay in the second-level cache.
    const SCRATCH: usize;

    /// Computes a tile.
    ///
    /// # Safety
    /// The processor has the instructions. `tile.a` may be read at the place of every row and inner index; `tile.b` for
    /// `inner` times the columns rounded up to vectors; `tile.c` may be written at its rows of `columns` elements
    /// `stride` apart, and read there when `accumulate`.
    unsafe fn tile(tile: Tile);

    /// Lays a right operand out in panels of [`Self::COLUMNS`] columns, one inner index after the other. What pads a panel
    /// to whole vectors may be anything: it reaches results that are not stored.
    ///
    /// # Safety
    /// The processor has the instructions; `to` may be written for [`laid_out_floats`] of the columns.
    unsafe fn lay_right_out(b: View<'_>, to: *mut f32);

    /// Lays a left operand whose columns are contiguous out in blocks of [`Self::ROWS`] rows.
    ///
    /// # Safety
    /// The processor has the instructions; `to` may be written for [`laid_out_floats`] of the rows.
    unsafe fn lay_left_out(a: View<'_>, to: *mut f32);

    /// `to[j * to_stride + i] = from[i * from_stride + j]` for `i < rows`, `j < columns`, both at most a vector; added to
    /// what is there when `accumulate`.
    ///
    /// # Safety
    /// The processor has the instructions; `from` may be read and `to` written (read too, when `accumulate`) at those
    /// places.
    unsafe fn transpose(
        from: (*const f32, usize),
        to: (*mut f32, usize),
        rows: usize,
        columns: usize,
        accumulate: bool,
    );
}

/// Where a tile's operands and results lie.
#[derive(Clone, Copy)]
pub(in super::super) struct Tile {
    /// First element of the left operand; row `i` at inner index `k` is `i * row + k` further, or, when laid out,
    /// `i + k` times the rows of a tile.
    pub(super) a: *const f32,
    pub(super) row: usize,
    pub(super) laid_out: bool,
    /// The right operand's panel: `width` columns for every inner index, one after the other.
    pub(super) b: *const f32,
    /// Inner dimension, at least 1.
    pub(super) inner: usize,
    /// First result; rows are `stride` apart.
    pub(super) c: *mut f32,
    pub(super) stride: usize,
    /// Rows of results, at least 1.
    pub(super) rows: usize,
    /// Columns of results, at least 1; the panel is padded to whole vectors.
    pub(super) columns: usize,
    /// Whether the product is added to what is there.
    pub(super) accumulate: bool,
    /// What the next tiles will read: fetched meanwhile, `pace` floats further with every inner index.
    pub(super) ahead: *const f32,
    pub(super) pace: usize,
}

/// How many inner indices ahead a panel, which streams from the second-level cache, is fetched into the first.
pub(super) const SOON: usize = 12;

/// Floats of the largest strip of tiles that is transposed.
const STRIP_FLOATS: usize = 768;

/// Inner dimension up to which a product is not cut along it.
const LONGEST: usize = 2048;

/// Inner dimension of a part of a longer one.
const PART: usize = 768;

/// Floats of the rows that pass by a panel before the next panel's turn comes.
const NEAR: usize = 16 * 1024;

/// Multiplications in the time that one value is laid out in.
const COPY: usize = 32;

/// `out = a b` or `out += a b` where there is something to multiply with, by all threads when `parallel`.
///
/// # Safety
/// The processor has the instructions.
pub(in super::super) unsafe fn multiply<I: Vectors>(
    out: &mut Target<'_>,
    a: View<'_>,
    b: View<'_>,
    accumulate: bool,
    parallel: bool,
) {
    assert!(a.columns > 0, "there is something to multiply with");
    // What is copied: the left operand and all results on their way through the transposed product, else the right one.
    let rows_with_rows = a.column_stride == 1 && b.row_stride == 1;
    let transposed = rows_with_rows && a.rows * (a.columns + b.columns) < b.rows * b.columns;
    let c = Results::of(out);
    let (a, b) = if transposed { (b.transposed(), a.transposed()) } else { (a, b) };
    let division =
        Division::new([a.rows, a.columns, b.columns], [I::STRIP, I::COLUMNS], parallel, |[rows, columns]| {
            columns * (rows + COPY)
        });
    division.each(|rows, columns| {
        // SAFETY: the parts are disjoint in `out`, which is borrowed mutably; rows and columns lie inside the views.
        unsafe { compute::<I>(c, transposed, a, b, rows, columns, accumulate) }
    });
}

/// Floats of an operand laid out: panels of `lines` columns or blocks of `lines` rows, padded to whole strips.
fn laid_out_floats<I: Vectors>(inner: usize, lines: usize) -> usize {
    inner * lines.next_multiple_of(I::STRIP)
}

/// Computes the results of some rows and columns.
///
/// # Safety
/// The processor has the instructions; `c` may be written at these rows and columns (read too, when `accumulate`), by nobody
/// else meanwhile; rows and columns lie inside the operands.
unsafe fn compute<I: Vectors>(
    c: Results,
    transposed: bool,
    a: View<'_>,
    b: View<'_>,
    rows: Range<usize>,
    columns: Range<usize>,
    accumulate: bool,
) {
    let inner = if a.columns > LONGEST { PART } else { a.columns };
    let width = (I::SCRATCH / inner / I::COLUMNS * I::COLUMNS).max(I::COLUMNS).min(columns.len());
    let (right_floats, in_place) = (laid_out_floats::<I>(inner, width), a.column_stride == 1);
    let near = (NEAR / inner / I::STRIP * I::STRIP).clamp(I::STRIP, 4 * I::STRIP);
    let left_floats = if in_place { 0 } else { laid_out_floats::<I>(inner, near) };
    with_scratch(right_floats + left_floats, |panels| {
        let blocks = (!in_place).then(|| panels.wrapping_add(right_floats));
        for first in columns.clone().step_by(width) {
            let count = width.min(columns.end - first);
            for k in (0..a.columns).step_by(inner) {
                let depth = inner.min(a.columns - k);
                let right = b.row_range(k, depth).column_range(first, count);
                let accumulate = accumulate || k > 0;
                let block = Block::<I> {
                    instructions: PhantomData,
                    c,
                    transposed,
                    panels,
                    blocks,
                    near,
                    depth,
                    first,
                    count,
                    accumulate,
                };
                // SAFETY: the room was asked for above; the rest as this function's caller promises.
                unsafe {
                    I::lay_right_out(right, panels);
                    block.multiply(a.column_range(k, depth), rows.clone());
                }
            }
        }
    });
}

/// Panels of the right operand, and which results they give.
struct Block<I> {
    instructions: PhantomData<I>,
    c: Results,
    /// Whether the result of row `i` and column `j` goes to row `j` and column `i`.
    transposed: bool,
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

impl<I: Vectors> Block<I> {
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
                    I::lay_left_out(group, blocks);
                }
                if self.transposed {
                    self.transposed(group, start);
                } else {
                    self.straight(group, start);
                }
            }
        }
    }

    /// The tile of rows from `row` on, its results still without a place.
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
            rows: I::ROWS.min(a.rows - row),
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
            .step_by(I::COLUMNS)
            .map(move |at| (at, I::COLUMNS.min(count - at), panels.wrapping_add(at * depth)))
    }

    /// A group of rows with every panel.
    ///
    /// # Safety
    /// As [`compute`]'s.
    unsafe fn straight(&self, a: View<'_>, start: usize) {
        let mut ahead = Ahead::new(a, self);
        for (at, columns, b) in self.panels() {
            for row in (0..a.rows).step_by(I::ROWS) {
                let place = (start + row) * self.c.stride + self.first + at;
                let tile = self.tile(a, row, &mut ahead);
                // SAFETY: these rows and columns of results are the caller's.
                unsafe { I::tile(Tile { b, columns, c: self.c.start.add(place), ..tile }) };
            }
        }
    }

    /// A group of rows with every panel, transposed a strip at a time: whole lines of cache are written.
    ///
    /// # Safety
    /// As [`compute`]'s.
    unsafe fn transposed(&self, a: View<'_>, start: usize) {
        const { assert!(I::STRIP * I::COLUMNS <= STRIP_FLOATS) };
        let mut results = [0.0_f32; STRIP_FLOATS];
        let results = results.as_mut_ptr();
        let mut ahead = Ahead::new(a, self);
        for (at, columns, b) in self.panels() {
            for strip in (0..a.rows).step_by(I::STRIP) {
                let rows = I::STRIP.min(a.rows - strip);
                // SAFETY: `results` has room for a strip; the places they are transposed to are the caller's.
                unsafe {
                    for half in (0..rows).step_by(I::ROWS) {
                        let c = results.add(half * I::COLUMNS);
                        let tile = self.tile(a, strip + half, &mut ahead);
                        I::tile(Tile { b, columns, c, stride: I::COLUMNS, accumulate: false, ..tile });
                    }
                    for group in (0..columns).step_by(I::LANES) {
                        let lanes = I::LANES.min(columns - group);
                        for part in (0..rows).step_by(I::LANES) {
                            let row = self.first + at + group;
                            let to = self.c.start.add(row * self.c.stride + start + strip + part);
                            I::transpose(
                                (results.add(part * I::COLUMNS + group), I::COLUMNS),
                                (to, self.c.stride),
                                I::LANES.min(rows - part),
                                lanes,
                                self.accumulate,
                            );
                        }
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
    fn new<I: Vectors>(a: View<'_>, block: &Block<I>) -> Self {
        // Rows that lie far apart would mostly be fetched for nothing.
        if block.blocks.is_some() || a.row_stride > 2 * block.depth {
            return Self { at: a.data.as_ptr(), pace: 0, share: 0 };
        }
        let tiles = block.count.div_ceil(I::COLUMNS) * a.rows.div_ceil(I::ROWS);
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
