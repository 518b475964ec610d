//! Rounding 32-bit matrices to bfloat16 and laying them out in tiles.
#![allow(unsafe_code, reason = "vector instructions that were detected, loads inside checked views")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::*;

use rayon::prelude::*;

use super::{LINES, STEPS};
use crate::product::View;
use crate::spare::Spare;

/// One tile: 16 x 16 pairs of bfloat16.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile([u32; 256]);

/// An operand in tiles: those of one group of 16 lines lie together, in the order of the inner dimension.
/// What is missing to full tiles is zero.
#[derive(Debug)]
pub(crate) struct Packed {
    tiles: Vec<Tile>,
    /// Rows of the left operand, or columns of the right one.
    pub(super) lines: usize,
    /// Inner dimension.
    pub(super) depth: usize,
    /// Tiles along the inner dimension.
    pub(super) steps: usize,
}

/// Tiles of operands that are gone, for those of the next step.
static SPARE: Spare<Tile> = Spare::new();

/// Whether this processor can round and lay out.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
}

impl Packed {
    /// The left operand `[lines, depth]`.
    pub(crate) fn left(view: View<'_>) -> Self {
        Self::new(view, false)
    }

    /// The right operand `[depth, lines]`.
    pub(crate) fn right(view: View<'_>) -> Self {
        Self::new(view.transposed(), true)
    }

    /// `view` is `[lines, depth]`; `turned` tiles have a pair of steps per row instead of a line.
    fn new(view: View<'_>, turned: bool) -> Self {
        assert!(available(), "bfloat16 tiles are only made where they were detected");
        let (lines, depth) = (view.rows, view.columns);
        let steps = depth.div_ceil(STEPS);
        let groups = lines.div_ceil(LINES);
        let mut tiles = SPARE.take(groups * steps, Tile([0; 256]));
        // Groups per piece of work: about 64 tiles.
        let piece = 64_usize.div_ceil(steps.max(1));
        tiles.par_chunks_mut((piece * steps).max(1)).enumerate().for_each(|(index, tiles)| {
            for (at, tile) in tiles.iter_mut().enumerate() {
                let at = index * piece * steps + at;
                // SAFETY: the features were detected above.
                *tile = unsafe { make(view, at / steps * LINES, at % steps * STEPS, turned) };
            }
        });
        Self { tiles, lines, depth, steps }
    }

    /// The tiles of a group of lines, from a step on.
    pub(super) fn group(&self, group: usize, step: usize) -> &[Tile] {
        &self.tiles[group * self.steps + step..(group + 1) * self.steps]
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        SPARE.keep(std::mem::take(&mut self.tiles));
    }
}

impl Tile {
    pub(super) fn pairs(&self) -> &[u32; 256] {
        &self.0
    }
}

/// The tile of 16 lines from `line` and 32 steps from `step`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn make(view: View<'_>, line: usize, step: usize, turned: bool) -> Tile {
    let lines = LINES.min(view.rows - line);
    let steps = STEPS.min(view.columns - step);
    let straight = view.column_stride == 1;
    let pairs = match (straight, lines == LINES && steps == STEPS) {
        (true, true) => along_lines(&view.data[line * view.row_stride + step..], view.row_stride),
        (false, true) => along_steps(&view.data[line + step * view.column_stride..], view.column_stride),
        (_, false) => {
            let mut patch = [0.0_f32; LINES * STEPS];
            for (index, value) in patch.iter_mut().enumerate() {
                let (l, s) = (index / STEPS, index % STEPS);
                if l < lines && s < steps {
                    *value = view.data[(line + l) * view.row_stride + (step + s) * view.column_stride];
                }
            }
            along_lines(&patch, STEPS)
        }
    };
    // Both loaders but the second give a line per row.
    let line_per_row = straight || !(lines == LINES && steps == STEPS);
    let rows = if line_per_row == turned { turn(pairs) } else { pairs };
    // SAFETY: sixteen vectors of 64 bytes are a tile's 1024, any bits are numbers.
    Tile(unsafe { std::mem::transmute::<[__m512i; 16], [u32; 256]>(rows) })
}

/// Sixteen lines of 32 contiguous values each, `stride` apart: a line per row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn along_lines(values: &[f32], stride: usize) -> [__m512i; 16] {
    assert!(values.len() >= 15 * stride + 32, "a whole tile lies inside its view");
    std::array::from_fn(|line| {
        // SAFETY: line * stride + 32 is inside the slice by the assertion.
        let (low, high) = unsafe {
            let at = values.as_ptr().add(line * stride);
            (_mm512_loadu_ps(at), _mm512_loadu_ps(at.add(16)))
        };
        // SAFETY: both types are 64 bytes of plain bits.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
    })
}

/// Thirty-two steps of 16 contiguous values each, `stride` apart: a pair of steps per row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn along_steps(values: &[f32], stride: usize) -> [__m512i; 16] {
    assert!(values.len() >= 31 * stride + 16, "a whole tile lies inside its view");
    std::array::from_fn(|pair| {
        // SAFETY: (2 * pair + 1) * stride + 16 is inside the slice by the assertion; the transmuted types are
        // 32 bytes of plain bits.
        let (even, odd) = unsafe {
            let at = values.as_ptr().add(2 * pair * stride);
            let even = _mm512_cvtneps_pbh(_mm512_loadu_ps(at));
            let odd = _mm512_cvtneps_pbh(_mm512_loadu_ps(at.add(stride)));
            (std::mem::transmute::<__m256bh, __m256i>(even), std::mem::transmute::<__m256bh, __m256i>(odd))
        };
        let odd = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(odd));
        _mm512_or_si512(_mm512_cvtepu16_epi32(even), odd)
    })
}

/// Rows and columns of 16 x 16 pairs exchanged: pairs, then quadruples, then the four quarters of a vector.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn turn(rows: [__m512i; 16]) -> [__m512i; 16] {
    let twos: [__m512i; 16] = std::array::from_fn(|i| {
        let (a, b) = (rows[i & !1], rows[i | 1]);
        if i & 1 == 0 { _mm512_unpacklo_epi32(a, b) } else { _mm512_unpackhi_epi32(a, b) }
    });
    let fours: [__m512i; 16] = std::array::from_fn(|i| {
        let (group, which) = (i & !3, i & 3);
        let (a, b) = (twos[group + which / 2], twos[group + 2 + which / 2]);
        if which & 1 == 0 { _mm512_unpacklo_epi64(a, b) } else { _mm512_unpackhi_epi64(a, b) }
    });
    let halves: [__m512i; 16] = std::array::from_fn(|i| {
        let (side, which) = (i & 8, i & 3);
        let (a, b) = (fours[side + which], fours[side + 4 + which]);
        if i & 4 == 0 { _mm512_shuffle_i32x4::<0x88>(a, b) } else { _mm512_shuffle_i32x4::<0xdd>(a, b) }
    });
    std::array::from_fn(|i| {
        let (a, b) = (halves[i & 7], halves[8 + (i & 7)]);
        if i & 8 == 0 { _mm512_shuffle_i32x4::<0x88>(a, b) } else { _mm512_shuffle_i32x4::<0xdd>(a, b) }
    })
}
