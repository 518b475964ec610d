//! Tiles multiplied by AMX.
#![allow(unsafe_code, reason = "AMX has no stable intrinsics")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::asm;

use super::super::amx::with_tiles;
use super::tile::{Packed, Tile};
use super::{Block, DEPTH, Field, LINES, Strip};

/// One strip of a product.
pub(super) fn multiply(field: &Field, a: &Packed, b: &Packed, strip: &Strip, accumulate: bool) {
    with_tiles(|| {
        for step in (0..a.steps).step_by(DEPTH) {
            let steps = DEPTH.min(a.steps - step);
            for row in strip.rows.clone() {
                let block = Block::at(field, row, strip.column);
                let a = block.a.map(|group| &a.group(group, step)[..steps]);
                let b = block.b.map(|group| &b.group(group, step)[..steps]);
                multiply_block(field, block, a, b, accumulate || step > 0);
            }
        }
    });
}

/// One block of 32 x 32 results; at the edge of the target through a patch beside it.
fn multiply_block(field: &Field, block: Block, a: [&[Tile]; 2], b: [&[Tile]; 2], accumulate: bool) {
    // SAFETY: the block's first element is inside the target.
    let out = unsafe { field.data.add(block.row * field.row_stride + block.column) };
    if block.whole() {
        // SAFETY: the 32 x 32 elements from `out` on are inside the target and belong to this strip.
        return unsafe { tiles(out, field.row_stride, a, b, accumulate) };
    }
    let mut patch = [0.0_f32; 4 * LINES * LINES];
    let row = |index: usize| index * field.row_stride;
    if accumulate {
        for (index, patch) in patch.chunks_exact_mut(2 * LINES).take(block.height).enumerate() {
            for (column, value) in patch[..block.width].iter_mut().enumerate() {
                // SAFETY: inside the block's height and width, hence inside the target; written, as the product
                // accumulates.
                *value = unsafe { *out.add(row(index) + column) };
            }
        }
    }
    // SAFETY: the patch is 32 x 32.
    unsafe { tiles(patch.as_mut_ptr(), 2 * LINES, a, b, accumulate) };
    for (index, patch) in patch.chunks_exact(2 * LINES).take(block.height).enumerate() {
        for (column, value) in patch[..block.width].iter().enumerate() {
            // SAFETY: as above.
            unsafe { out.add(row(index) + column).write(*value) };
        }
    }
}

/// `[a0; a1] [b0 b1]` into 32 x 32 floats, rows `stride` apart. Two tiles of each operand make four of results.
///
/// # Safety
/// AMX is configured; the 32 x 32 elements from `out` on are valid for writes, and for reads when `accumulate`.
unsafe fn tiles(out: *mut f32, stride: usize, a: [&[Tile]; 2], b: [&[Tile]; 2], accumulate: bool) {
    let steps = a[0].len();
    assert!([a[1].len(), b[0].len(), b[1].len()] == [steps; 3] && steps > 0, "operands have equal depth");
    let bytes = stride * size_of::<f32>();
    // SAFETY: the caller vouches for `out`; row 16 is one of its rows. The loop reads `steps` tiles from each
    // pointer, which are the lengths of the slices.
    unsafe {
        let lower = out.add(LINES * stride);
        if accumulate {
            asm!(
                "tileloadd tmm0, [{upper} + {bytes}*1]",
                "tileloadd tmm1, [{upper} + {bytes}*1 + 64]",
                "tileloadd tmm2, [{lower} + {bytes}*1]",
                "tileloadd tmm3, [{lower} + {bytes}*1 + 64]",
                upper = in(reg) out, lower = in(reg) lower, bytes = in(reg) bytes,
                options(nostack, readonly),
            );
        } else {
            asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
        }
        asm!(
            "2:",
            "tileloadd tmm4, [{a0} + {row}*1]",
            "tileloadd tmm6, [{b0} + {row}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b1} + {row}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {row}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a0}, 1024",
            "add {a1}, 1024",
            "add {b0}, 1024",
            "add {b1}, 1024",
            "dec {steps}",
            "jnz 2b",
            a0 = inout(reg) a[0].as_ptr() => _,
            a1 = inout(reg) a[1].as_ptr() => _,
            b0 = inout(reg) b[0].as_ptr() => _,
            b1 = inout(reg) b[1].as_ptr() => _,
            steps = inout(reg) steps => _,
            row = in(reg) 64_usize,
            options(nostack, readonly),
        );
        asm!(
            "tilestored [{upper} + {bytes}*1], tmm0",
            "tilestored [{upper} + {bytes}*1 + 64], tmm1",
            "tilestored [{lower} + {bytes}*1], tmm2",
            "tilestored [{lower} + {bytes}*1 + 64], tmm3",
            upper = in(reg) out, lower = in(reg) lower, bytes = in(reg) bytes,
            options(nostack),
        );
    }
}
