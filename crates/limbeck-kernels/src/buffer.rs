//! Vectors whose first contents are a kernel's results: nothing is zeroed before.
#![allow(unsafe_code, reason = "fresh memory is handed to kernels that write all of it")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Floats per piece of work of a pass over rows: below it, handing work to another thread costs more
/// than it saves.
const GRAIN: usize = 16 * 1024;

/// A vector of `length` values written by `write`, which must write every element.
///
/// With debug assertions the memory starts as NaN, so that a forgotten element shows in every test.
pub(crate) fn build(length: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(length);
    let fresh = &mut values.spare_capacity_mut()[..length];
    if cfg!(debug_assertions) {
        fresh.fill(MaybeUninit::new(f32::NAN));
    }
    write(fresh);
    // SAFETY: the capacity is at least `length`, and the callers inside this crate write every element: a
    // product writes its whole target, and the passes over rows go through all of them.
    unsafe { values.set_len(length) };
    values
}

/// Calls `work(first row, rows)` in parallel over pieces of whole rows.
pub(crate) fn for_rows<T: Send>(out: &mut [T], width: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if width == 0 || out.is_empty() {
        return;
    }
    let rows = piece_rows(width);
    if out.len() <= rows * width {
        return work(0, out);
    }
    out.par_chunks_mut(rows * width).enumerate().for_each(|(piece, out)| work(piece * rows, out));
}

/// Rows of one piece of work: a function of the width alone, so that sums over pieces have fixed bits.
pub(crate) fn piece_rows(width: usize) -> usize {
    (GRAIN / width.max(1)).max(1)
}

/// Written values seen as memory to be written again.
pub(crate) fn as_uninit(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    let pointer = values.as_mut_ptr().cast::<MaybeUninit<f32>>();
    // SAFETY: `MaybeUninit<f32>` has the layout of `f32`, the length is that of the borrowed slice, and the
    // kernels of this crate write only initialised values through it.
    unsafe { std::slice::from_raw_parts_mut(pointer, values.len()) }
}
