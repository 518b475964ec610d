//! The inner loop: a block of 32 x 32 results in four tile registers.
#![allow(unsafe_code, reason = "AMX has no stable intrinsics; results are written through pointers")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::asm;
use std::arch::x86_64::{_mm512_add_ps, _mm512_load_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps};
use std::mem::MaybeUninit;

use super::super::division::Results;
use super::super::lanes::first;
use super::super::transpose::transpose;
use super::EXACT;
use super::operand::{LINES, TILE};

/// Rows and columns of a block.
pub(super) const SIDE: usize = 2 * LINES;

/// Two groups of 16 lines, laid out.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    /// The first group's tiles.
    pub(super) start: *const u8,
    /// Bytes from there to the second group's.
    pub(super) second: usize,
}

/// What is multiplied, and where the product goes.
pub(super) struct Block {
    pub(super) a: Lines,
    pub(super) b: Lines,
    /// Tiles along the inner dimension.
    pub(super) steps: usize,
    pub(super) c: Results,
    /// Rows and columns of results, at most 32.
    pub(super) height: usize,
    pub(super) width: usize,
    /// Whether the result of row `i` and column `j` goes to row `j` and column `i`.
    pub(super) transposed: bool,
    /// Whether the product is added to what is there.
    pub(super) accumulate: bool,
}

/// A block beside its results.
#[repr(align(64))]
struct Patch(MaybeUninit<[f32; SIDE * SIDE]>);

impl Block {
    /// Computes the block of operands in `P` parts, and does something `between` its steps.
    ///
    /// # Safety
    /// Tiles are configured. `a` and `b` hold groups of `steps` times `P` tiles; `c` may be written at the block's
    /// rows and columns, and read there when `accumulate`.
    pub(super) unsafe fn compute<const P: usize>(&self, mut between: impl FnMut()) {
        let Results { start, stride } = self.c;
        for row in 0..if self.transposed { self.width } else { self.height } {
            // SAFETY: only an instruction that fetches; it reads nothing.
            unsafe {
                fetch_for_writing(start.wrapping_add(row * stride));
                fetch_for_writing(start.wrapping_add(row * stride + LINES));
            }
        }
        // SAFETY: tiles are configured.
        unsafe {
            asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
        }
        for step in 0..self.steps {
            let [a, b] = [self.a, self.b].map(|Lines { start, second }| {
                let first = start.wrapping_add(step * P * TILE);
                [first, first.wrapping_add(second)]
            });
            // SAFETY: the tiles of each group at this step.
            unsafe { if P == EXACT { multiply_parts(a, b) } else { multiply_tiles(a, b) } };
            between();
        }
        if self.height == SIDE && self.width == SIDE && !self.accumulate && !self.transposed {
            // SAFETY: 32 rows of 32 results are the caller's.
            return unsafe { store(start, stride) };
        }
        let mut patch = Patch(MaybeUninit::uninit());
        // SAFETY: the patch has 32 rows of 32; the results' rows, cut to the block's width, are the caller's.
        unsafe {
            store(patch.0.as_mut_ptr().cast(), SIDE);
            if self.transposed { self.put_transposed(&patch) } else { self.put(&patch) }
        }
    }

    /// Writes the block from the patch, or adds it, rows as columns.
    ///
    /// # Safety
    /// AVX-512F; `c` as in [`Self::compute`].
    #[target_feature(enable = "avx512f")]
    unsafe fn put_transposed(&self, patch: &Patch) {
        for row in (0..self.height).step_by(LINES) {
            for column in (0..self.width).step_by(LINES) {
                let from = patch.0.as_ptr().cast::<f32>().wrapping_add(row * SIDE + column);
                let to = self.c.start.wrapping_add(column * self.c.stride + row);
                let [rows, columns] = [self.height - row, self.width - column].map(|size| size.min(LINES));
                // SAFETY: up to 16 by 16 results of the patch, and their places.
                unsafe { transpose((from, SIDE), (to, self.c.stride), rows, columns, self.accumulate) };
            }
        }
    }

    /// Writes the block from the patch, or adds it.
    ///
    /// # Safety
    /// AVX-512F; `c` as in [`Self::compute`].
    #[target_feature(enable = "avx512f")]
    unsafe fn put(&self, patch: &Patch) {
        let masks = [first(self.width), first(self.width.saturating_sub(LINES))];
        for row in 0..self.height {
            for (half, mask) in masks.into_iter().enumerate() {
                // SAFETY: a vector of the patch; the mask keeps to the block's columns.
                unsafe {
                    let value = _mm512_load_ps(patch.0.as_ptr().cast::<f32>().add(row * SIDE + half * LINES));
                    let to = self.c.start.wrapping_add(row * self.c.stride + half * LINES);
                    let value = if self.accumulate {
                        _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), value)
                    } else {
                        value
                    };
                    _mm512_mask_storeu_ps(to, mask, value);
                }
            }
        }
    }
}

/// The products of one tile of each group.
///
/// # Safety
/// Tiles are configured; every pointer has a tile behind it.
#[inline(always)]
unsafe fn multiply_tiles(a: [*const u8; 2], b: [*const u8; 2]) {
    // SAFETY: reads a tile from each pointer.
    unsafe {
        asm!(
            "tileloadd tmm4, [{a0} + {row}*1]",
            "tileloadd tmm6, [{b0} + {row}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b1} + {row}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {row}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            a0 = in(reg) a[0], a1 = in(reg) a[1], b0 = in(reg) b[0], b1 = in(reg) b[1], row = in(reg) 64_usize,
            options(nostack, readonly),
        );
    }
}

/// The six largest products of parts at one step: parts 2 0, 1 0, 1 1, 0 1, 0 2 and 0 0 of left and right, so that only
/// one side changes from each to the next.
///
/// # Safety
/// Tiles are configured; every pointer has three tiles behind it.
#[inline(always)]
unsafe fn multiply_parts(a: [*const u8; 2], b: [*const u8; 2]) {
    // SAFETY: reads three tiles from each pointer.
    unsafe {
        asm!(
            "tileloadd tmm4, [{a0} + {row}*1 + 2048]",
            "tileloadd tmm6, [{b0} + {row}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b1} + {row}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {row}*1 + 2048]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm4, [{a0} + {row}*1 + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {row}*1 + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm6, [{b0} + {row}*1 + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{b1} + {row}*1 + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm4, [{a0} + {row}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {row}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm6, [{b0} + {row}*1 + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{b1} + {row}*1 + 2048]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm6, [{b0} + {row}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{b1} + {row}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            a0 = in(reg) a[0], a1 = in(reg) a[1], b0 = in(reg) b[0], b1 = in(reg) b[1], row = in(reg) 64_usize,
            options(nostack, readonly),
        );
    }
}

/// The four tiles of results, rows `stride` apart.
///
/// # Safety
/// Tiles are configured; 32 rows of 32 floats may be written.
#[inline(always)]
unsafe fn store(to: *mut f32, stride: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "tilestored [{upper} + {bytes}*1], tmm0",
            "tilestored [{upper} + {bytes}*1 + 64], tmm1",
            "tilestored [{lower} + {bytes}*1], tmm2",
            "tilestored [{lower} + {bytes}*1 + 64], tmm3",
            upper = in(reg) to, lower = in(reg) to.wrapping_add(LINES * stride), bytes = in(reg) stride * size_of::<f32>(),
            options(nostack),
        );
    }
}

/// Asks for a line of cache to be written to.
///
/// # Safety
/// The processor has PREFETCHW, as all with AMX do.
#[inline(always)]
unsafe fn fetch_for_writing(at: *mut f32) {
    // SAFETY: a hint; it reads and writes nothing.
    unsafe { asm!("prefetchw [{at}]", at = in(reg) at, options(nostack, readonly)) };
}
