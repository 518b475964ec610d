//! Matrices inside slices: what is read, and where a product goes.
#![allow(unsafe_code, reason = "a product is added to values in memory that may be unwritten")]
#![deny(unsafe_op_in_unsafe_fn)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::buffer::as_uninit;

/// A matrix inside a slice: element `(i, j)` is at `i * row_stride + j * column_stride`. One stride is 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix whose rows start `row_stride` elements apart.
    pub(crate) fn rows(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(fits(data.len(), rows, columns, row_stride), "a matrix view lies inside its slice");
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Number of rows.
    pub(crate) fn height(&self) -> usize {
        self.rows
    }

    /// The values of one row of a matrix that is not transposed.
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        assert!(row < self.rows && self.column_stride == 1, "a row of a row-major matrix");
        &self.data[row * self.row_stride..][..self.columns]
    }

    /// Some of the rows.
    pub(crate) fn row_range(self, start: usize, rows: usize) -> Self {
        assert!(start + rows <= self.rows, "a range of rows lies inside its matrix");
        let from = (start * self.row_stride).min(self.data.len());
        Self { data: &self.data[from..], rows, ..self }
    }

    /// Some of the columns.
    pub(super) fn column_range(self, start: usize, columns: usize) -> Self {
        self.transposed().row_range(start, columns).transposed()
    }
}

/// Where a product goes: rows `row_stride` elements apart. Its elements may be unwritten memory; a product
/// that does not accumulate writes every one of them and reads none.
pub(crate) struct Target<'a> {
    pub(super) data: &'a mut [MaybeUninit<f32>],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    /// Whether its elements hold values, so that a product may be added to them.
    pub(super) written: bool,
}

impl<'a> Target<'a> {
    /// Over memory that may be unwritten.
    pub(crate) fn new(
        data: &'a mut [MaybeUninit<f32>],
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Self {
        assert!(fits(data.len(), rows, columns, row_stride), "a product lies inside its slice");
        Self { data, rows, columns, row_stride, written: false }
    }

    /// Over values that are written already.
    pub(crate) fn of(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { written: true, ..Self::new(as_uninit(data), rows, columns, row_stride) }
    }

    /// Writes one value everywhere.
    pub(super) fn fill(&mut self, value: f32) {
        for row in self.data.chunks_mut(self.row_stride).take(self.rows) {
            row[..self.columns].fill(MaybeUninit::new(value));
        }
    }
}

impl Target<'_> {
    /// Does `work` on its columns in pieces of `width`, on all threads where there are several pieces.
    pub(super) fn by_columns(&mut self, width: usize, work: impl Fn(Columns<'_>) + Send + Sync) {
        let pieces: Vec<Columns<'_>> = self.columns_by(width).collect();
        if pieces.len() > 1 {
            pieces.into_par_iter().for_each(work);
        } else {
            pieces.into_iter().for_each(work);
        }
    }

    /// Its columns in pieces of `width`, the last as many as are left: each may be written by another thread.
    fn columns_by(&mut self, width: usize) -> impl Iterator<Item = Columns<'_>> {
        let (columns, written) = (self.columns, self.written);
        let rows = self.data.chunks_mut(self.row_stride.max(1)).take(self.rows);
        let mut rows: Vec<_> = rows.map(|row| row[..columns].chunks_mut(width.max(1))).collect();
        (0..columns).step_by(width.max(1)).map(move |first| {
            let rows = rows.iter_mut().filter_map(Iterator::next).collect();
            Columns { rows, first, written }
        })
    }
}

/// Neighbouring columns of a target, in every row.
pub(super) struct Columns<'a> {
    rows: Vec<&'a mut [MaybeUninit<f32>]>,
    first: usize,
    written: bool,
}

impl Columns<'_> {
    /// Index of the first.
    #[inline(always)]
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// How many there are.
    #[inline(always)]
    pub(super) fn width(&self) -> usize {
        self.rows.first().map_or(0, |row| row.len())
    }

    /// Writes a result, or adds it to what is there; `column` counts from the first of these.
    #[inline(always)]
    pub(super) fn put(&mut self, row: usize, column: usize, value: f32, accumulate: bool) {
        let slot = &mut self.rows[row][column];
        assert!(self.written || !accumulate, "a product is added to written values only");
        // SAFETY: read only where the target holds values, as asserted.
        let before = if accumulate { unsafe { slot.assume_init() } } else { 0.0 };
        slot.write(before + value);
    }
}

fn fits(length: usize, rows: usize, columns: usize, row_stride: usize) -> bool {
    rows == 0
        || columns == 0
        || (row_stride >= columns && (rows - 1).saturating_mul(row_stride).saturating_add(columns) <= length)
}
