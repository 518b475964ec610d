//! A whole operand rounded to bfloat16 and laid out, for as many products as wanted.
#![allow(unsafe_code, reason = "threads lay out disjoint tiles of one operand")]
#![deny(unsafe_op_in_unsafe_fn)]

use rayon::prelude::*;

use super::operand::{LINES, Laying, Operand, PATCH, STEPS, can_round};
use super::{ROUNDED, SIDE};
use crate::product::View;
use crate::spare::Spare;

/// One tile: 16 x 16 pairs of bfloat16.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Tile([u32; 256]);

impl Tile {
    pub(in super::super) fn pairs(&self) -> &[u32; 256] {
        &self.0
    }
}

/// An operand in tiles: those of one group of 16 lines lie together, in the order of the inner dimension.
/// What is missing to pairs of groups and to full tiles is zero.
#[derive(Debug)]
pub(crate) struct Packed {
    tiles: Vec<Tile>,
    /// Rows of the left operand, or columns of the right one.
    pub(in super::super) lines: usize,
    /// Inner dimension.
    pub(in super::super) depth: usize,
    /// Tiles along the inner dimension.
    pub(in super::super) steps: usize,
}

/// Tiles of operands that are gone, for those of the next step.
static SPARE: Spare<Tile> = Spare::new();

/// Tiles in a piece of work, about.
const PIECE: usize = 64;

impl Packed {
    /// The left operand `[lines, depth]`.
    pub(in super::super) fn left(view: View<'_>) -> Self {
        Self::new(Operand::left(view))
    }

    /// The right operand `[depth, lines]`.
    pub(in super::super) fn right(view: View<'_>) -> Self {
        Self::new(Operand::right(view))
    }

    fn new(operand: Operand<'_>) -> Self {
        assert!(can_round(), "bfloat16 tiles are only made where they were detected");
        let (lines, depth) = (operand.view.rows, operand.view.columns);
        let steps = depth.div_ceil(STEPS);
        let pairs = lines.div_ceil(SIDE);
        let mut tiles = SPARE.take(2 * pairs * steps, Tile([0; 256]));
        let piece = PIECE.div_ceil((2 * steps).max(1));
        tiles.par_chunks_mut((piece * 2 * steps).max(1)).enumerate().for_each(|(index, tiles)| {
            let first = index * piece * SIDE;
            let count = (piece * SIDE).min(lines - first);
            let part = operand.part(first, count, 0, depth);
            // SAFETY: these are the tiles of so many lines, and of all steps.
            unsafe { Laying::<ROUNDED>::new(part, tiles.as_mut_ptr().cast(), &mut PATCH.clone()).finish() };
        });
        Self { tiles, lines, depth, steps }
    }

    /// The tiles of a group of lines, from a step on.
    pub(in super::super) fn group(&self, group: usize, step: usize) -> &[Tile] {
        &self.tiles[group * self.steps + step..(group + 1) * self.steps]
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        SPARE.keep(std::mem::take(&mut self.tiles));
    }
}

const _: () = assert!(SIDE == 2 * LINES && size_of::<Tile>() == super::operand::TILE);
