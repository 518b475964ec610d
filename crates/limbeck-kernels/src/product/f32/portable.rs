//! 32-bit products, by the `gemm` crate.
#![allow(unsafe_code, reason = "gemm takes pointers; the bounds are checked when views and targets are made")]
#![deny(unsafe_op_in_unsafe_fn)]

use rayon::prelude::*;

use super::super::{Target, View};

/// Inner dimension from which a product with few results is cut along it: the way back through a vocabulary
/// sums tens of thousands of terms for each of a few thousand results.
const LONG: usize = 4096;

/// Most results of such a product.
const FEW: usize = 256 * 1024;

/// Columns of the inner dimension per part of a long product.
const PART: usize = 2048;

/// Rows of results from which a product is cut into pieces of [`PIECE`]: gemm would lay out the whole left operand
/// anew, which for the gradient of a head over a vocabulary is as large as the logits.
pub(super) const TALL: usize = 8192;

/// Rows of a piece.
const PIECE: usize = 1024;

/// `out = a b` or `out += a b`, by all threads.
pub(super) fn multiply(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    if a.columns >= LONG && out.rows * out.columns <= FEW {
        long(out, a, b, accumulate);
    } else if out.rows >= TALL {
        let (rows, columns, row_stride, written) = (out.rows, out.columns, out.row_stride, out.written);
        out.data.par_chunks_mut(PIECE * row_stride).enumerate().for_each(|(piece, data)| {
            let start = piece * PIECE;
            if start < rows {
                let rows = PIECE.min(rows - start);
                let mut out = Target { data, rows, columns, row_stride, written };
                run(&mut out, a.row_range(start, rows), b, accumulate, gemm::Parallelism::None);
            }
        });
    } else {
        run(out, a, b, accumulate, gemm::Parallelism::Rayon(0));
    }
}

/// The same by the calling thread alone.
pub(super) fn multiply_alone(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    if out.rows > 0 && out.columns > 0 {
        run(out, a, b, accumulate, gemm::Parallelism::None);
    }
}

/// A product with a long inner dimension: one lane of parts per thread, the lanes' sums added in order.
fn long(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    let (rows, columns) = (out.rows, out.columns);
    let parts = a.columns.div_ceil(PART);
    let lanes = rayon::current_num_threads().min(parts).max(1);
    let sums: Vec<Vec<f32>> = (0..lanes)
        .into_par_iter()
        .map(|lane| {
            let mut sum = vec![0.0; rows * columns];
            for part in parts * lane / lanes..parts * (lane + 1) / lanes {
                let start = part * PART;
                let length = PART.min(a.columns - start);
                let mut target = Target::of(&mut sum, rows, columns, columns);
                let (a, b) = (a.column_range(start, length), b.row_range(start, length));
                run(&mut target, a, b, true, gemm::Parallelism::None);
            }
            sum
        })
        .collect();
    for (lane, sum) in sums.iter().enumerate() {
        let keep = accumulate || lane > 0;
        for (out, sum) in out.data.chunks_mut(out.row_stride).zip(sum.chunks_exact(columns)) {
            for (out, sum) in out.iter_mut().zip(sum) {
                // SAFETY: an accumulating product is only asked for over written values, and the first lane
                // has written all of them otherwise.
                let before = if keep { unsafe { out.assume_init() } } else { 0.0 };
                out.write(before + sum);
            }
        }
    }
}

fn run(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool, parallelism: gemm::Parallelism) {
    let [a_rows, a_columns, b_rows, b_columns, out_rows] =
        [a.row_stride, a.column_stride, b.row_stride, b.column_stride, out.row_stride]
            .map(usize::cast_signed);
    // SAFETY: both operands lie inside their slices (checked when the views were made; `transposed` exchanges
    // sizes together with strides, ranges only shrink), `out` inside its own, and `out` is borrowed mutably, so
    // that it overlaps neither. Its strides give distinct elements. Unwritten elements are not read: gemm reads
    // the target only when `accumulate` is set, for which the caller promises written values.
    unsafe {
        gemm::gemm(
            out.rows,
            out.columns,
            a.columns,
            out.data.as_mut_ptr().cast::<f32>(),
            1,
            out_rows,
            accumulate,
            a.data.as_ptr(),
            a_columns,
            a_rows,
            b.data.as_ptr(),
            b_columns,
            b_rows,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}
