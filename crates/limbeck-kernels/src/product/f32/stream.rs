//! Products of a few rows with many, `x W^T` while a text is continued: the many stream from memory once.
//!
//! A row of `W` comes from memory, is multiplied with every row of `x` while it lies in the first-level cache, and is
//! not needed again; neither operand is laid out. Every result is one dot product, whose bits depend on the inner
//! dimension only.

use rayon::prelude::*;

use super::super::view::Columns;
use super::super::{Target, View};
use crate::vector::{Kernel, dispatch, dot};

/// Rows of the left operand up to which the right one is waited for, not the arithmetic.
const MOST: usize = 8;

/// Values of the right operand in a piece of work.
const PIECE: usize = 32 * 1024;

/// Whether `a b` is a product of few rows with rows.
pub(super) fn suits(a: View<'_>, b: View<'_>) -> bool {
    a.rows <= MOST && a.columns > 0 && a.column_stride == 1 && b.row_stride == 1
}

/// `out = a b` or `out += a b` for operands that [`suits`] allows, by all threads.
pub(super) fn multiply(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    assert!(suits(a, b), "few rows are multiplied with rows");
    let weight = b.transposed();
    let width = (PIECE / weight.columns).max(1);
    let run = |results: Columns<'_>| dispatch(Dots { a, weight, results, accumulate });
    if weight.rows <= width {
        out.columns_by(weight.rows).for_each(run);
    } else {
        let pieces: Vec<Columns<'_>> = out.columns_by(width).collect();
        pieces.into_par_iter().for_each(run);
    }
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
            for row in 0..a.rows {
                results.put(row, column, dot::<FMA>(a.row(row), values), accumulate);
            }
        }
    }
}
