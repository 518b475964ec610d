//! How the results of a product are divided among threads, and where they go.
#![allow(unsafe_code, reason = "several threads write disjoint parts of one target")]

use std::ops::Range;

use rayon::prelude::*;

use super::Target;

/// Multiplications below which waking another thread costs more than it saves.
const SMALL: usize = 512 * 1024;

/// Where results go.
#[derive(Clone, Copy)]
pub(super) struct Results {
    pub(super) start: *mut f32,
    /// From one row to the next.
    pub(super) stride: usize,
}

// SAFETY: only a place; who writes where is settled by `Division::each`, whose parts are disjoint.
unsafe impl Send for Results {}
// SAFETY: the same.
unsafe impl Sync for Results {}

impl Results {
    pub(super) fn of(out: &mut Target<'_>) -> Self {
        Self { start: out.data.as_mut_ptr().cast(), stride: out.row_stride }
    }

    /// From this row and column on.
    pub(super) fn at(self, row: usize, column: usize) -> Self {
        Self { start: self.start.wrapping_add(row * self.stride + column), ..self }
    }
}

/// Rows and columns of results cut into parts, one for each thread.
pub(super) struct Division {
    sizes: [usize; 2],
    units: [usize; 2],
    cuts: [usize; 2],
}

impl Division {
    /// Of results of so many rows, inner indices and columns, in whole units of rows and columns; in one part when it is small or not `parallel`. Else
    /// so that the largest part has the least `cost`, a function of its rows and columns.
    pub(super) fn new(
        [rows, inner, columns]: [usize; 3],
        units: [usize; 2],
        parallel: bool,
        cost: impl Fn([usize; 2]) -> usize,
    ) -> Self {
        let sizes = [rows, columns];
        let threads =
            if parallel && rows * inner * columns > SMALL { rayon::current_num_threads() } else { 1 };
        let counts = [0, 1].map(|side| sizes[side].div_ceil(units[side]));
        let largest = |cuts: [usize; 2]| [0, 1].map(|side| counts[side].div_ceil(cuts[side]) * units[side]);
        let cuts = (1..=threads)
            .map(|across| [threads / across, across])
            .filter(|cuts| cuts[0] <= counts[0] && cuts[1] <= counts[1])
            .min_by_key(|&cuts| cost(largest(cuts)))
            .unwrap_or([1, 1]);
        Self { sizes, units, cuts }
    }

    /// Does `work` on the rows and columns of every part, each on a thread of its own.
    pub(super) fn each(&self, work: impl Fn(Range<usize>, Range<usize>) + Sync) {
        let [down, across] = self.cuts;
        let part = |part: usize| work(self.share(0, part / across), self.share(1, part % across));
        match down * across {
            1 => part(0),
            parts => (0..parts).into_par_iter().for_each(part),
        }
    }

    /// The `part`-th share of the rows (0) or the columns (1).
    fn share(&self, side: usize, part: usize) -> Range<usize> {
        let (length, unit, parts) = (self.sizes[side], self.units[side], self.cuts[side]);
        let units = length.div_ceil(unit);
        let at = |part: usize| (part * units / parts * unit).min(length);
        at(part)..at(part + 1)
    }
}
