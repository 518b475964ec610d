//! Matrix products over slices, at the rate of the `gemm` crate.
#![allow(unsafe_code, reason = "gemm takes pointers; the bounds are checked here before each call")]
#![deny(unsafe_op_in_unsafe_fn)]

/// A matrix inside a slice: element `(i, j)` is at `i * row_stride + j * column_stride`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
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
}

fn fits(length: usize, rows: usize, columns: usize, row_stride: usize) -> bool {
    rows == 0
        || columns == 0
        || (row_stride >= columns && (rows - 1).saturating_mul(row_stride).saturating_add(columns) <= length)
}

/// `out = a * b`, or `out += a * b` when `accumulate`; `out` is row-major with rows
/// `row_stride` elements apart. All threads of the rayon pool take part; the order of additions
/// depends on their number, never on their timing.
pub(crate) fn multiply(out: &mut [f32], row_stride: usize, a: View<'_>, b: View<'_>, accumulate: bool) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product agree");
    assert!(fits(out.len(), a.rows, b.columns, row_stride), "a product lies inside its slice");
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    let [a_rows, a_columns, b_rows, b_columns, out_rows] =
        [a.row_stride, a.column_stride, b.row_stride, b.column_stride, row_stride].map(usize::cast_signed);
    // SAFETY: both operands lie inside their slices (checked when the views were made; `transposed`
    // exchanges sizes together with strides), `out` inside its own (checked above), and `out` is
    // borrowed mutably, so that it overlaps neither. The strides of `out` give distinct elements.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
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
            gemm::Parallelism::Rayon(0),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layout and odd sizes against the definition.
    #[test]
    fn products_of_odd_sizes() {
        for (m, k, n) in [(1, 1, 1), (1, 7, 5), (7, 1, 3), (33, 17, 65), (129, 31, 7)] {
            let a: Vec<f32> = (0..m * k).map(|i| (i % 11) as f32 - 5.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
            let expected: Vec<f32> = (0..m * n)
                .map(|at| (0..k).map(|inner| a[at / n * k + inner] * b[inner * n + at % n]).sum())
                .collect();
            let b_turned: Vec<f32> = (0..k * n).map(|at| b[at % k * n + at / k]).collect();
            let a_turned: Vec<f32> = (0..m * k).map(|at| a[at % m * k + at / m]).collect();
            let lefts = [View::rows(&a, m, k, k), View::rows(&a_turned, k, m, m).transposed()];
            let rights = [View::rows(&b, k, n, n), View::rows(&b_turned, n, k, k).transposed()];
            for left in lefts {
                for right in rights {
                    let stride = n + 3;
                    let mut out = vec![9.0; m * stride];
                    multiply(&mut out, stride, left, right, false);
                    multiply(&mut out, stride, left, right, true);
                    for at in 0..m * n {
                        assert_eq!(out[at / n * stride + at % n], 2.0 * expected[at]);
                    }
                    assert!((0..m - 1).all(|row| out[row * stride + n..(row + 1) * stride] == [9.0; 3]));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "inside its slice")]
    fn a_view_past_the_end_is_refused() {
        let _ = View::rows(&[0.0; 5], 2, 3, 3);
    }
}
