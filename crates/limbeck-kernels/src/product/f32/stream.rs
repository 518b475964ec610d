//! Products of a few rows with many, `x W^T` while a text is continued: the many stream from memory once.
//!
//! A row of `W` comes from memory, is multiplied with every row of `x` while it lies in the first-level cache, and is
//! not needed again; neither operand is laid out. Every result is one dot product, whose bits depend on the inner
//! dimension only.
#![allow(unsafe_code, reason = "an instruction that fetches ahead")]
#![deny(unsafe_op_in_unsafe_fn)]

use super::super::view::Columns;
use super::super::{FEW, Target, View};
use crate::vector::{Kernel, dispatch, dot, dot_while};

/// Values of the right operand in a piece of work.
const PIECE: usize = 32 * 1024;

/// Whether `a b` is a product of few rows with rows.
pub(super) fn suits(a: View<'_>, b: View<'_>) -> bool {
    a.rows <= FEW && a.columns > 0 && a.column_stride == 1 && b.row_stride == 1
}

/// `out = a b` or `out += a b` for operands that [`suits`] allows, by all threads.
pub(super) fn multiply(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    assert!(suits(a, b), "few rows are multiplied with rows");
    let weight = b.transposed();
    let width = (PIECE / weight.columns).max(1);
    out.by_columns(width, |results| dispatch(Dots { a, weight, results, accumulate }));
}

/// Some rows of the right operand, which lie as rows in memory, with all of the left one.
struct Dots<'a> {
    a: View<'a>,
    weight: View<'a>,
    results: Columns<'a>,
    accumulate: bool,
}

impl Kernel for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { a, weight, mut results, accumulate } = self;
        for column in 0..results.width() {
            let values = weight.row(results.first() + column);
            results.put(0, column, dot_while::<FMA>(a.row(0), values, fetch_ahead), accumulate);
            for row in 1..a.rows {
                results.put(row, column, dot::<FMA>(a.row(row), values), accumulate);
            }
        }
    }
}

/// Asks for what lies `AHEAD` bytes after these 32 values, two lines of cache.
#[inline(always)]
fn fetch_ahead(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        use crate::product::AHEAD;
        let ahead = values.as_ptr().cast::<i8>().wrapping_add(AHEAD);
        // SAFETY: every x86-64 processor has SSE; what is fetched is not read, and may lie anywhere.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(ahead);
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
