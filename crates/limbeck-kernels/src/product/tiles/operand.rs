//! Operands rounded or split, and laid out in tiles.
//!
//! A tile holds 16 lines (rows of the left operand, columns of the right one) by 32 steps of the inner dimension, as 16 x 16
//! pairs of neighbouring steps, 1 KiB. The left operand's tiles have a line per row, the right operand's a pair of steps
//! per row, as AMX wants them. The tiles of 16 lines lie together, in the order of the inner dimension, for every 32 steps
//! the parts of the same values one after the other, the largest first.
#![allow(unsafe_code, reason = "vector instructions that were detected, loads inside checked views")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _MM_HINT_T1, _mm_prefetch, _mm512_add_epi32, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_mask_blend_epi16,
    _mm512_permutex2var_epi16, _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_srli_epi32,
    _mm512_store_si512, _mm512_sub_ps,
};

use super::super::View;
use super::super::transpose::transpose;
use super::EXACT;
use crate::instructions::Instructions;

/// Lines of a tile.
pub(in super::super) const LINES: usize = 16;

/// Steps of the inner dimension that one tile covers.
pub(in super::super) const STEPS: usize = 32;

/// Bytes of a tile.
pub(super) const TILE: usize = 1024;

/// Whether this processor can round, split and lay out.
pub(in super::super) fn can_round() -> bool {
    Instructions::used() >= Instructions::Avx512 && is_x86_feature_detected!("avx512bf16")
}

/// Bytes of `lines` lines, rounded up to pairs of tiles, laid out.
pub(super) fn laid_out_bytes<const P: usize>(depth: usize, lines: usize) -> usize {
    lines.next_multiple_of(2 * LINES) / LINES * depth.div_ceil(STEPS) * P * TILE
}

/// The left operand's rows or the right one's columns.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    /// `[lines, depth]`.
    pub(super) view: View<'a>,
    /// Whether a tile has a pair of steps per row instead of a line.
    paired: bool,
}

impl<'a> Operand<'a> {
    pub(super) fn left(view: View<'a>) -> Self {
        Self { view, paired: false }
    }

    pub(super) fn right(view: View<'a>) -> Self {
        Self { view: view.transposed(), paired: true }
    }

    pub(super) fn depth(&self) -> usize {
        self.view.columns
    }

    /// Some of the lines, along a part of the inner dimension.
    pub(super) fn part(self, line: usize, lines: usize, step: usize, steps: usize) -> Self {
        Self { view: self.view.row_range(line, lines).column_range(step, steps), ..self }
    }
}

/// An operand on its way to its tiles, a few rows of them at a time, so that this can be done between products: tiles are
/// multiplied while vectors are split.
pub(super) struct Laying<'a, const P: usize> {
    operand: Operand<'a>,
    to: *mut u8,
    /// Quarters of tiles that are not laid out yet.
    left: usize,
    /// The next one: first line and step of its tiles, and which quarter.
    line: usize,
    step: usize,
    quarter: usize,
    /// Where the values of the tiles at hand lie, and how far apart their lines or pairs of steps are.
    from: *const f32,
    stride: usize,
    /// Where the values a block further on lie, and how far apart their lines or steps are.
    ahead: (*const f32, usize),
    /// The values at hand, where they have to be transposed or are not all there.
    patch: &'a mut Patch,
}

/// The values of 16 lines and 32 steps.
type Patch = [f32; LINES * STEPS];

/// Room for a [`Laying`].
pub(super) const PATCH: Patch = [0.0; LINES * STEPS];

/// Pieces in which the tiles of 16 lines and 32 steps are made.
const QUARTERS: usize = 4;

impl<'a, const P: usize> Laying<'a, P> {
    /// All lines of an operand; what is missing to pairs of full tiles becomes 0.
    ///
    /// # Safety
    /// Until it is dropped, `to` may be written for [`laid_out_bytes`] bytes; it lies at a multiple of 64.
    pub(super) unsafe fn new(operand: Operand<'a>, to: *mut u8, patch: &'a mut Patch) -> Self {
        assert!(can_round(), "tiles are only made where the instructions were detected");
        let left = laid_out_bytes::<P>(operand.view.columns, operand.view.rows) / (P * TILE) * QUARTERS;
        Self {
            operand,
            to,
            left,
            line: 0,
            step: 0,
            quarter: 0,
            from: std::ptr::null(),
            stride: 0,
            ahead: (std::ptr::null(), 0),
            patch,
        }
    }

    /// Pieces that are not laid out yet.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Lays out so many pieces more, or what is left.
    #[inline(always)]
    pub(super) fn advance(&mut self, pieces: usize) {
        for _ in 0..pieces.min(self.left) {
            // SAFETY: the instructions were detected by `new`, there are pieces left, and `to` is as its caller promised.
            unsafe { self.piece() };
        }
    }

    /// Lays out what is left.
    pub(super) fn finish(&mut self) {
        self.advance(self.left);
    }

    /// Lays out one piece, and has the lines a block further on fetched.
    ///
    /// # Safety
    /// AVX-512F and BW; pieces are left.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn piece(&mut self) {
        let Self { line, step, quarter, .. } = *self;
        if quarter == 0 {
            // SAFETY: as this function's.
            unsafe { self.find(line, step) };
        }
        self.fetch(quarter);
        self.pass();
        // SAFETY: tiles of `to`, which has room for all; `find` has set where a quarter of the values is read.
        unsafe {
            let steps = self.operand.view.columns.div_ceil(STEPS);
            let to = self.to.add((line / LINES * steps + step / STEPS) * P * TILE);
            if self.operand.paired {
                pairs::<P>(self.from, self.stride, quarter, to);
            } else {
                lines::<P>(self.from, self.stride, quarter, to);
            }
        }
    }

    /// Goes on to the next piece: the rest of a tile, then the same steps of the pair's other lines, which may lie beside
    /// them in memory, then the next steps.
    fn pass(&mut self) {
        self.left -= 1;
        self.quarter = (self.quarter + 1) % QUARTERS;
        if self.quarter == 0 {
            self.line ^= LINES;
            if self.line & LINES == 0 {
                self.step += STEPS;
                if self.step >= self.operand.view.columns {
                    self.step = 0;
                    self.line += 2 * LINES;
                }
            }
        }
    }

    /// Asks for a quarter of the values a block further on.
    #[inline(always)]
    fn fetch(&self, quarter: usize) {
        let (from, stride) = self.ahead;
        // Stretches of contiguous values, and lines of cache in each.
        let (stretches, lines) = if self.operand.view.column_stride == 1 { (4, 2) } else { (8, 1) };
        for stretch in stretches * quarter..stretches * (quarter + 1) {
            for line in 0..lines {
                // SAFETY: every x86-64 processor has SSE; what is fetched is not read, and may lie anywhere.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(stretch * stride + line * LINES).cast())
                };
            }
        }
    }

    /// Settles where the values of 16 lines and 32 steps are read.
    ///
    /// # Safety
    /// AVX-512F; there are such lines, or lines that pad a pair of tiles.
    #[target_feature(enable = "avx512f")]
    unsafe fn find(&mut self, line: usize, step: usize) {
        let Operand { view: View { data, rows, columns, row_stride, column_stride }, paired } = self.operand;
        let lines = LINES.min(rows.saturating_sub(line));
        let steps = STEPS.min(columns - step);
        let along_lines = column_stride == 1;
        let start = line * row_stride + step * column_stride;
        let mut edge: Patch;
        let (from, stride) = if lines == LINES && steps == STEPS {
            let stride = if along_lines { row_stride } else { column_stride };
            assert!(start + (LINES - 1) * row_stride + (STEPS - 1) * column_stride < data.len(), "inside");
            self.ahead = (data.as_ptr().wrapping_add(start + 2 * LINES * row_stride), stride);
            (data[start..].as_ptr(), stride)
        } else {
            let transposes = along_lines == paired;
            let values = if transposes {
                edge = [0.0; LINES * STEPS];
                &mut edge
            } else {
                self.patch.fill(0.0);
                &mut *self.patch
            };
            // Stretches of contiguous values, each to the start of its row of the patch.
            let (stretches, length, stride, across) = match (lines, along_lines) {
                (0, _) => (0, 0, 0, LINES),
                (_, true) => (lines, steps, row_stride, STEPS),
                (_, false) => (steps, lines, column_stride, LINES),
            };
            for (index, values) in values.chunks_exact_mut(across).enumerate().take(stretches) {
                let from = &data[start + index * stride..][..length];
                values[..length].copy_from_slice(from);
            }
            (values.as_ptr(), across)
        };
        (self.from, self.stride) = (from, stride);
        if along_lines == paired {
            let across = if along_lines { LINES } else { STEPS };
            for half in [0, LINES] {
                // Sixteen steps of all lines: where they lie, and where they go.
                let [at, to] = if along_lines { [half, half * LINES] } else { [half * stride, half] };
                // SAFETY: sixteen by sixteen values, which are there; they fit the patch.
                unsafe {
                    let place = (self.patch.as_mut_ptr().add(to), across);
                    transpose((from.add(at), stride), place, LINES, LINES, false);
                }
            }
            (self.from, self.stride) = (self.patch.as_ptr(), across);
        }
    }
}

/// A quarter of the tiles of a line per row, from sixteen lines of 32 contiguous values, `stride` apart.
///
/// # Safety
/// The values may be read; `to` may be written for `P` tiles and is aligned to 64 bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn lines<const P: usize>(from: *const f32, stride: usize, quarter: usize, to: *mut u8) {
    let upper = upper_halves();
    for line in 4 * quarter..4 * quarter + 4 {
        // SAFETY: 32 values of the line, and its row in every tile.
        unsafe {
            let from = from.add(line * stride);
            let (low, high) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(LINES)));
            if P == 1 {
                _mm512_store_si512(to.add(line * 64).cast(), both(low, high));
                continue;
            }
            let (low, high) = (split(low), split(high));
            for part in 0..P {
                let row = _mm512_permutex2var_epi16(low[part], upper, high[part]);
                _mm512_store_si512(to.add(part * TILE + line * 64).cast(), row);
            }
        }
    }
}

/// A quarter of the tiles of a pair of steps per row, from 32 steps of sixteen contiguous values, `stride` apart.
///
/// # Safety
/// As [`lines`]'s.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn pairs<const P: usize>(from: *const f32, stride: usize, quarter: usize, to: *mut u8) {
    let in_turn = in_turn();
    for pair in 4 * quarter..4 * quarter + 4 {
        // SAFETY: sixteen values of two steps, and their row in every tile.
        unsafe {
            let from = from.add(2 * pair * stride);
            let (even, odd) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(stride)));
            if P == 1 {
                let row = _mm512_permutexvar_epi16(in_turn, both(even, odd));
                _mm512_store_si512(to.add(pair * 64).cast(), row);
                continue;
            }
            let (even, odd) = (split(even), split(odd));
            for part in 0..P {
                let even = _mm512_srli_epi32::<16>(even[part]);
                let row = _mm512_mask_blend_epi16(0xaaaa_aaaa, even, odd[part]);
                _mm512_store_si512(to.add(part * TILE + pair * 64).cast(), row);
            }
        }
    }
}

/// Values as sums of three bfloat16 values, each the upper half of a 32-bit number: the value rounded to 8 significant
/// bits, what is left rounded, and what is left then, which has 8 bits at most.
#[target_feature(enable = "avx512f")]
#[inline]
fn split(values: __m512) -> [__m512i; EXACT] {
    let first = rounded(values);
    let rest = _mm512_sub_ps(values, _mm512_castsi512_ps(first));
    let second = rounded(rest);
    let third = _mm512_sub_ps(rest, _mm512_castsi512_ps(second));
    [first, second, _mm512_castps_si512(third)]
}

/// Rounded to the nearest bfloat16, halves away from 0.
#[target_feature(enable = "avx512f")]
#[inline]
fn rounded(values: __m512) -> __m512i {
    let half = _mm512_set1_epi32(0x8000);
    let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(values), half), upper)
}

/// Two vectors rounded to bfloat16, one after the other.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn both(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both types are 64 bytes of plain bits.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Which of 64 halves of numbers make a row: the upper ones of two vectors.
fn upper_halves() -> __m512i {
    vector(|i| 2 * i + 1)
}

/// The order in which two times sixteen numbers alternate.
fn in_turn() -> __m512i {
    vector(|i| i / 2 + i % 2 * 16)
}

fn vector(index: impl Fn(u16) -> u16) -> __m512i {
    let indices: [u16; 32] = std::array::from_fn(|i| index(i as u16));
    // SAFETY: 32 numbers of two bytes are 64 bytes.
    unsafe { std::mem::transmute::<[u16; 32], __m512i>(indices) }
}
