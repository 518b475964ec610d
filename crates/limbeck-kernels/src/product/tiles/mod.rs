//! Products on AMX tiles: of operands rounded to bfloat16, and of 32-bit ones split into three bfloat16 values each.
//!
//! A 32-bit number is exactly the sum of three parts, `x = x0 + x1 + x2`. Of the nine products of two numbers' parts the six
//! largest are summed, in 32 bits; what is left out is below 2^-24 of `|x y|` (Henry, Tang and Heinecke 2019, "Leveraging the
//! bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations"). Errors are smaller than those of
//! 32-bit multiply-adds (`tests::more_exact_than_multiply_adds`). Numbers below 2^-110 lose digits, as tiles take denormal
//! parts for 0; infinite ones, and those above 3.38e38, give NaN.
//!
//! Each thread computes a part of the results. It lays out a panel of one operand in the second-level cache; the other one
//! passes by that panel 32 lines at a time, and is laid out between the products of the lines before. Every result is
//! summed in the order of the inner dimension, whatever the number of threads.
#![allow(unsafe_code, reason = "tiles are written through pointers, by several threads into disjoint parts")]
#![deny(unsafe_op_in_unsafe_fn)]

mod block;
mod operand;
mod packed;

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
use std::ops::Range;

use super::amx::with_tiles;
use super::division::{Division, Results};
use super::scratch::with_scratch;
use super::{Target, View};
use crate::instructions::Instructions;
use block::{Block, Lines, SIDE};
pub(super) use operand::{LINES, STEPS, can_round};
use operand::{Laying, Operand, PATCH, TILE, laid_out_bytes};
pub(crate) use packed::Packed;
pub(super) use packed::Tile;

/// Parts of an operand that is rounded.
pub(super) const ROUNDED: usize = 1;

/// Parts of an operand that is split.
pub(super) const EXACT: usize = 3;

/// Inner dimension up to which a product is not cut along it.
const LONGEST: usize = 768;

/// Inner dimension of a part of a longer one.
const PART: usize = 512;

/// Bytes of the panel that stays in the second-level cache.
const SCRATCH: usize = 1024 * 1024;

/// Multiplications of a thread in the time that one value is laid out in.
const COPY: usize = 40;

/// Rows times columns of results for each of the rows and columns, from which laying out pays.
const LEAST: usize = 32;

/// Inner dimension from which a tile is not mostly padding.
const SHORTEST: usize = 24;

/// Whether a product is large enough that 32-bit operands are better split than multiplied as they are, where there are
/// tiles.
pub(super) fn suits(a: View<'_>, b: View<'_>) -> bool {
    let large = a.columns >= SHORTEST && a.rows * b.columns >= LEAST * (a.rows + b.columns);
    large && available()
}

/// Whether there are tiles, and instructions to lay operands out in them.
pub(super) fn available() -> bool {
    Instructions::used() == Instructions::Amx && can_round()
}

/// `out = a b` or `out += a b` of operands in `P` parts, where there is something to multiply; by all threads when
/// `parallel`.
pub(super) fn multiply<const P: usize>(
    out: &mut Target<'_>,
    a: View<'_>,
    b: View<'_>,
    accumulate: bool,
    parallel: bool,
) {
    assert!(available() && a.columns > 0, "there are tiles, and something to multiply");
    let transposed =
        transposed_values(b.transposed(), a.transposed()) + a.rows * b.columns < transposed_values(a, b);
    let (a, b) = if transposed { (b.transposed(), a.transposed()) } else { (a, b) };
    let c = Results::of(out);
    let cost = |[rows, columns]: [usize; 2]| {
        let (kept, streamed) = (rows.min(columns), rows.max(columns));
        let panels = kept.div_ceil(panel_lines::<P>(inner_part(a.columns), kept));
        rows * columns * P / EXACT + COPY * (kept + panels * streamed)
    };
    let sizes = [a.rows, a.columns, b.columns];
    Division::new(sizes, [SIDE; 2], parallel, cost).each(|rows, columns| {
        // SAFETY: the parts are disjoint in `out`, which is borrowed mutably; rows and columns lie inside the views.
        with_tiles(|| unsafe { compute::<P>(c, transposed, [a, b], [rows, columns], accumulate) });
    });
}

/// The same of a right operand that is rounded and laid out, by all threads.
pub(super) fn multiply_packed(out: &mut Target<'_>, a: View<'_>, b: &Packed, accumulate: bool) {
    assert!(available() && a.columns > 0, "there are tiles, and something to multiply");
    let c = Results::of(out);
    let sizes = [a.rows, a.columns, b.lines];
    let cost = |[rows, columns]: [usize; 2]| rows * columns / EXACT + COPY * rows;
    Division::new(sizes, [SIDE; 2], true, cost).each(|rows, columns| {
        // SAFETY: as in `multiply`.
        with_tiles(|| unsafe { compute_packed(c, a, b, [rows, columns], accumulate) });
    });
}

/// Values that are transposed while they are laid out, as they do not lie as their tiles want it.
fn transposed_values(a: View<'_>, b: View<'_>) -> usize {
    let left = if a.column_stride == 1 { 0 } else { a.rows * a.columns };
    let right = if b.column_stride == 1 { 0 } else { b.rows * b.columns };
    left + right
}

/// Inner dimension that is laid out at a time.
fn inner_part(inner: usize) -> usize {
    if inner > LONGEST { PART } else { inner }
}

/// Lines of a panel.
fn panel_lines<const P: usize>(inner: usize, lines: usize) -> usize {
    let most = (SCRATCH / laid_out_bytes::<P>(inner, SIDE)).max(1);
    let panels = lines.div_ceil(SIDE).div_ceil(most).max(1);
    lines.div_ceil(SIDE).div_ceil(panels) * SIDE
}

/// Computes the results of some rows and columns.
///
/// # Safety
/// Tiles are configured; `c` may be written at these rows and columns, or columns and rows when `transposed` (read too, when
/// `accumulate`), by nobody else meanwhile; rows and columns lie inside the operands.
unsafe fn compute<const P: usize>(
    c: Results,
    transposed: bool,
    [a, b]: [View<'_>; 2],
    [rows, columns]: [Range<usize>; 2],
    accumulate: bool,
) {
    let (a, b) = (Operand::left(a), Operand::right(b));
    let by_rows = rows.len() > columns.len();
    let (kept, streamed) = if by_rows { ((b, columns), (a, rows)) } else { ((a, rows), (b, columns)) };
    let inner = inner_part(a.depth());
    let width = panel_lines::<P>(inner, kept.1.len());
    let [panel, group] = [width, SIDE].map(|lines| laid_out_bytes::<P>(inner, lines));
    let mut patch = PATCH;
    with_scratch((panel + 2 * group) / size_of::<f32>(), |room| {
        let panel_at: *mut u8 = room.cast();
        for k in (0..a.depth()).step_by(inner) {
            let depth = inner.min(a.depth() - k);
            let steps = depth.div_ceil(STEPS);
            let pair = |start: *mut u8| Lines { start, second: steps * P * TILE };
            for first in kept.1.clone().step_by(width) {
                let lines = width.min(kept.1.end - first);
                let mut groups = [0, 1].map(|index| panel_at.wrapping_add(panel + index * group));
                let part = |line: usize| streamed.0.part(line, SIDE.min(streamed.1.end - line), k, depth);
                // SAFETY: the room was asked for above.
                unsafe {
                    Laying::<P>::new(kept.0.part(first, lines, k, depth), panel_at, &mut patch).finish();
                    Laying::<P>::new(part(streamed.1.start), groups[0], &mut patch).finish();
                }
                for passing in streamed.1.clone().step_by(SIDE) {
                    let count = SIDE.min(streamed.1.end - passing);
                    // SAFETY: the same.
                    let mut next = unsafe { Laying::<P>::new(part(passing + count), groups[1], &mut patch) };
                    let pace = next.left().div_ceil(lines.div_ceil(SIDE) * steps);
                    for at in (0..lines).step_by(SIDE) {
                        let here = SIDE.min(lines - at);
                        let panel = panel_at.wrapping_add(laid_out_bytes::<P>(depth, at));
                        let tiles = [pair(groups[0]), pair(panel)];
                        let ([row, column], [height, width], [a, b]) = if by_rows {
                            ([passing, first + at], [count, here], tiles)
                        } else {
                            ([first + at, passing], [here, count], [tiles[1], tiles[0]])
                        };
                        let c = if transposed { c.at(column, row) } else { c.at(row, column) };
                        let accumulate = accumulate || k > 0;
                        let block = Block { a, b, steps, c, height, width, transposed, accumulate };
                        // SAFETY: both operands' lines are laid out there, padded to 32; the results are the caller's.
                        unsafe { block.compute::<P>(|| next.advance(pace)) };
                    }
                    next.finish();
                    groups.swap(0, 1);
                }
            }
        }
    });
}

/// Computes the results of some rows and columns with a right operand that is laid out: panels of rows stay in the
/// second-level cache, and the columns' tiles, fetched ahead, pass by them.
///
/// # Safety
/// As [`compute`]'s; the columns start at a multiple of 32.
unsafe fn compute_packed(
    c: Results,
    a: View<'_>,
    b: &Packed,
    [rows, columns]: [Range<usize>; 2],
    accumulate: bool,
) {
    let a = Operand::left(a);
    let inner = inner_part(a.depth());
    let width = panel_lines::<ROUNDED>(inner, rows.len());
    let mut patch = PATCH;
    with_scratch(laid_out_bytes::<ROUNDED>(inner, width) / size_of::<f32>(), |room| {
        let panel_at: *mut u8 = room.cast();
        for k in (0..a.depth()).step_by(inner) {
            let depth = inner.min(a.depth() - k);
            let steps = depth.div_ceil(STEPS);
            for first in rows.clone().step_by(width) {
                let lines = width.min(rows.end - first);
                // SAFETY: the room was asked for above.
                unsafe {
                    Laying::<ROUNDED>::new(a.part(first, lines, k, depth), panel_at, &mut patch).finish();
                }
                for column in columns.clone().step_by(SIDE) {
                    let tiles = b.group(column / LINES, k / STEPS).as_ptr().cast::<u8>();
                    let b = Lines { start: tiles, second: b.steps * TILE };
                    let mut ahead = Ahead::new(b, steps, lines.div_ceil(SIDE));
                    for at in (0..lines).step_by(SIDE) {
                        let start = panel_at.wrapping_add(laid_out_bytes::<ROUNDED>(depth, at));
                        let a = Lines { start, second: steps * TILE };
                        let block = Block {
                            a,
                            b,
                            steps,
                            c: c.at(first + at, column),
                            height: SIDE.min(lines - at),
                            width: SIDE.min(columns.end - column),
                            transposed: false,
                            accumulate: accumulate || k > 0,
                        };
                        // SAFETY: as in `compute`.
                        unsafe { block.compute::<ROUNDED>(|| ahead.fetch()) };
                    }
                }
            }
        }
    });
}

/// The tiles of the next 32 lines of a packed operand, fetched between the products of these.
struct Ahead {
    at: [*const u8; 2],
    pace: usize,
}

/// Bytes of a line of cache.
const LINE: usize = 64;

impl Ahead {
    /// What follows `lines`, as many steps of it, within so many blocks of as many steps.
    fn new(lines: Lines, steps: usize, blocks: usize) -> Self {
        let next = lines.start.wrapping_add(2 * lines.second);
        let pace = (steps * TILE / LINE).div_ceil(steps * blocks);
        Self { at: [next, next.wrapping_add(lines.second)], pace }
    }

    #[inline(always)]
    fn fetch(&mut self) {
        for at in &mut self.at {
            for _ in 0..self.pace {
                // SAFETY: every x86-64 processor has SSE; what is fetched is not read, and may lie anywhere.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
                *at = at.wrapping_add(LINE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::f32::multiply_by;
    use super::*;

    /// Numbers between -1 and 1 with all 24 bits in use, of magnitudes that differ by up to 2^`spread`.
    fn noise(length: usize, seed: u64, spread: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u32
        };
        (0..length)
            .map(|_| {
                let value = next() as f32 / 2.0_f32.powi(30) - 1.0;
                value * 0.5_f32.powi((next() % (spread + 1)).cast_signed())
            })
            .collect()
    }

    fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
        let columns = values.len() / rows;
        (0..values.len()).map(|at| values[at % rows * columns + at / rows]).collect()
    }

    /// Every layout, sizes that leave tiles unfilled, one panel and several, one thread and all; also added to what is
    /// there, and nothing beside the results is touched.
    #[test]
    fn products_of_odd_sizes() {
        if !available() {
            return;
        }
        for (m, k, n) in [
            (1, 1, 1),
            (7, 33, 3),
            (32, 32, 32),
            (33, 17, 65),
            (70, 800, 41),
            (300, 1300, 17),
            (500, 700, 460),
        ] {
            let (a, b) = (noise(m * k, 1, 4), noise(k * n, 2, 4));
            let (a_transposed, b_transposed) = (transposed(&a, m), transposed(&b, k));
            let lefts = [View::rows(&a, m, k, k), View::rows(&a_transposed, k, m, m).transposed()];
            let rights = [View::rows(&b, k, n, n), View::rows(&b_transposed, n, k, k).transposed()];
            let term = |at: usize, q: usize| f64::from(a[at / n * k + q]) * f64::from(b[q * n + at % n]);
            // Every seventh result, of many.
            let checked = (0..m * n).filter(|at| m * n < 10_000 || at % 7 == 0);
            let expected: Vec<(usize, f64, f64)> = checked
                .map(|at| (at, (0..k).map(|q| term(at, q)).sum(), (0..k).map(|q| term(at, q).abs()).sum()))
                .collect();
            let stride = n + 3;
            for (left, right) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
                let mut bits: Vec<Vec<u32>> = Vec::new();
                for parallel in [false, true] {
                    let mut out = vec![9.0; m * stride];
                    let mut target = Target::of(&mut out, m, n, stride);
                    multiply::<EXACT>(&mut target, left, right, false, parallel);
                    bits.push(out.iter().map(|value| value.to_bits()).collect());
                    multiply::<EXACT>(&mut Target::of(&mut out, m, n, stride), left, right, true, parallel);
                    for &(at, sum, scale) in &expected {
                        let found = f64::from(out[at / n * stride + at % n]) / 2.0;
                        assert!(
                            (found - sum).abs() <= 3e-7 * scale,
                            "{m}x{k}x{n} at {at}: {found} for {sum}"
                        );
                    }
                    assert!((0..m).all(|row| out[row * stride + n..(row + 1) * stride] == [9.0; 3]));
                }
                assert_eq!(bits[0], bits[1], "{m}x{k}x{n}: the same bits on one thread and on all");
            }
        }
    }

    /// Errors against sums in 64 bits are no larger than those of the products that multiply 32-bit numbers themselves.
    #[test]
    fn more_exact_than_multiply_adds() {
        let (m, n) = (64, 96);
        for (k, spread) in [(32, 0), (300, 0), (600, 12), (2000, 0), (5000, 6)] {
            let (a, b) = (noise(m * k, 3, spread), noise(k * n, 4, spread));
            let (left, right) = (View::rows(&a, m, k, k), View::rows(&b, k, n, n));
            if !available() {
                return;
            }
            let error = |by: &dyn Fn(&mut Target<'_>)| -> (f64, f64) {
                let mut out = vec![0.0; m * n];
                by(&mut Target::of(&mut out, m, n, n));
                let errors = (0..m * n).map(|at| {
                    let term = |q: usize| f64::from(a[at / n * k + q]) * f64::from(b[q * n + at % n]);
                    let (sum, scale) = (0..k)
                        .map(term)
                        .fold((0.0, 0.0), |(sum, scale), term| (sum + term, scale + term.abs()));
                    (f64::from(out[at]) - sum).abs() / scale
                });
                let (squares, largest) = errors.fold((0.0, 0.0_f64), |(squares, most), error| {
                    (squares + error * error, most.max(error))
                });
                ((squares / (m * n) as f64).sqrt(), largest)
            };
            let split = error(&|out| multiply::<EXACT>(out, left, right, false, false));
            let other = error(&|out| {
                multiply_by(Instructions::Avx512, out, left, right, false, false);
            });
            assert!(split.0 <= other.0 && split.1 <= 1.5 * other.1, "inner {k}: {split:?} against {other:?}");
        }
    }

    /// Numbers that have no three parts: nothing finite comes of them, and nothing of the others changes.
    #[test]
    fn what_is_not_finite() {
        if !available() {
            return;
        }
        for hostile in [f32::INFINITY, f32::NAN, f32::from_bits(0x7fff_ffff), f32::MAX] {
            let mut a = vec![1.0; 40 * 40];
            a[3 * 40 + 5] = hostile;
            let b = vec![0.5; 40 * 40];
            let mut out = vec![0.0; 40 * 40];
            let [a, b] = [&a, &b].map(|values| View::rows(values, 40, 40, 40));
            multiply::<EXACT>(&mut Target::of(&mut out, 40, 40, 40), a, b, false, false);
            for (row, values) in out.chunks_exact(40).enumerate() {
                assert!(values.iter().all(|&value| if row == 3 {
                    !value.is_finite()
                } else {
                    value == 20.0
                }));
            }
        }
    }
}
