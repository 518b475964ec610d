//! Matrix products over slices, of 32-bit and of bfloat16 operands: on AMX tiles where there are any, else by AVX-512 or AVX2,
//! else by the `gemm` crate.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod bf16;
#[cfg(target_arch = "x86_64")]
mod division;
mod f32;
#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod scratch;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod view;

pub(crate) use view::{Target, View};

use crate::Precision;
use crate::buffer::build;

/// Rows of a left operand up to which the right one is waited for, not the arithmetic.
const FEW: usize = 8;

/// Bytes ahead of which the right operand of few rows is fetched: the processor's own fetching ahead begins anew at every
/// page.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 2048;

/// Whether this processor has AMX tiles, and the system lends them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_tiles() -> bool {
    amx::available()
}

/// Whether bfloat16 products have a kernel on this processor.
pub(crate) fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        bf16::available()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// `out = a b`, or `out += a b` when `accumulate`. All threads of the rayon pool take part; the order of additions
/// depends on the sizes and the number of threads, never on timing.
pub(crate) fn multiply(
    mut out: Target<'_>,
    a: View<'_>,
    b: View<'_>,
    accumulate: bool,
    precision: Precision,
) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product agree");
    assert_eq!([out.rows, out.columns], [a.rows, b.columns], "a product fits its target");
    assert!(out.written || !accumulate, "a product is added to written values only");
    if out.rows == 0 || out.columns == 0 {
        return;
    }
    if a.columns == 0 {
        if !accumulate {
            out.fill(0.0);
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if precision.native() == Precision::Bf16 {
        bf16::multiply(&mut out, a, b, accumulate);
        return;
    }
    let _ = precision;
    f32::multiply(&mut out, a, b, accumulate);
}

/// The product as a new row-major matrix.
pub(crate) fn product(a: View<'_>, b: View<'_>, precision: Precision) -> Vec<f32> {
    let (rows, columns) = (a.rows, b.columns);
    build(rows * columns, |out| multiply(Target::new(out, rows, columns, columns), a, b, false, precision))
}

/// A right operand rounded to bfloat16 and laid out in tiles, for as many products as wanted. Made only where
/// [`has_bf16`].
pub(crate) struct Ready {
    #[cfg(target_arch = "x86_64")]
    packed: tiles::Packed,
}

impl Ready {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn new(view: View<'_>) -> Self {
        Self { packed: tiles::Packed::right(view) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn new(_: View<'_>) -> Self {
        unreachable!("this architecture has no bfloat16 products")
    }

    /// As [`multiply`].
    pub(crate) fn multiply(&self, mut out: Target<'_>, a: View<'_>, accumulate: bool) {
        #[cfg(target_arch = "x86_64")]
        bf16::multiply_packed(&mut out, a, &self.packed, accumulate);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (&mut out, a, accumulate);
    }
}

/// A small product by the calling thread alone, always 32-bit: for work that is parallel outside.
pub(crate) fn multiply_alone(out: &mut [f32], row_stride: usize, a: View<'_>, b: View<'_>, accumulate: bool) {
    let mut out = Target::of(out, a.rows, b.columns, row_stride);
    assert_eq!(a.columns, b.rows, "inner dimensions of a product agree");
    f32::multiply_alone(&mut out, a, b, accumulate);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::Instructions;

    /// Every layout and odd sizes against the definition; some are cut along the inner dimension, some along the
    /// rows, some are computed as the transposed product, and the largest are shared among threads.
    #[test]
    fn products_of_odd_sizes() {
        let sizes = [
            (1, 1, 1),
            (1, 7, 5),
            (7, 1, 3),
            (33, 17, 65),
            (129, 31, 7),
            (3, 4097, 5),
            (8193, 3, 2),
            (130, 150, 97),
            (49, 300, 131),
            (34, 2500, 51),
        ];
        // Few rows by a kernel of their own: one piece, and several.
        let few = (1..=9).flat_map(|m| [(m, 33, 17), (m, 5, 1), (m, 131, 1003)]);
        for (m, k, n) in sizes.into_iter().chain(few) {
            let a: Vec<f32> = (0..m * k).map(|i| (i % 11) as f32 - 5.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32 - 3.0).collect();
            let expected: Vec<f32> = (0..m * n)
                .map(|at| (0..k).map(|inner| a[at / n * k + inner] * b[inner * n + at % n]).sum())
                .collect();
            let b_transposed: Vec<f32> = (0..k * n).map(|at| b[at % k * n + at / k]).collect();
            let a_transposed: Vec<f32> = (0..m * k).map(|at| a[at % m * k + at / m]).collect();
            let lefts = [View::rows(&a, m, k, k), View::rows(&a_transposed, k, m, m).transposed()];
            let rights = [View::rows(&b, k, n, n), View::rows(&b_transposed, n, k, k).transposed()];
            for left in lefts {
                for right in rights {
                    let stride = n + 3;
                    let mut out = vec![9.0; m * stride];
                    let mut alone = out.clone();
                    for instructions in Instructions::ALL {
                        for parallel in [false, true] {
                            let mut out = out.clone();
                            let mut target = Target::of(&mut out, m, n, stride);
                            for accumulate in [false, true] {
                                f32::multiply_by(
                                    instructions,
                                    &mut target,
                                    left,
                                    right,
                                    accumulate,
                                    parallel,
                                );
                            }
                            assert!((0..m * n).all(|at| out[at / n * stride + at % n] == 2.0 * expected[at]));
                            assert!((0..m).all(|row| out[row * stride + n..(row + 1) * stride] == [9.0; 3]));
                        }
                    }
                    for accumulate in [false, true] {
                        let target = Target::of(&mut out, m, n, stride);
                        multiply(target, left, right, accumulate, Precision::F32);
                        multiply_alone(&mut alone, stride, left, right, accumulate);
                    }
                    for at in 0..m * n {
                        assert_eq!(out[at / n * stride + at % n], 2.0 * expected[at]);
                        assert_eq!(alone[at / n * stride + at % n], 2.0 * expected[at]);
                    }
                    assert!((0..m - 1).all(|row| out[row * stride + n..(row + 1) * stride] == [9.0; 3]));
                }
            }
        }
    }

    /// AVX2 and AVX-512 sum in one order: where a processor has both, their products are equal to the bit.
    #[test]
    fn same_bits_of_both_vector_instructions() {
        if Instructions::detected() < Instructions::Avx512 {
            return;
        }
        for (m, k, n) in [(7, 33, 3), (33, 17, 65), (70, 3000, 41), (300, 500, 460)] {
            let a: Vec<f32> = (0..m * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| ((i * 53 % 89) as f32 - 44.0) / 9.0).collect();
            let by = |instructions| {
                let mut out = vec![0.0; m * n];
                let (a, b) = (View::rows(&a, m, k, k), View::rows(&b, n, k, k).transposed());
                f32::multiply_by(instructions, &mut Target::of(&mut out, m, n, n), a, b, false, true);
                out
            };
            assert_eq!(by(Instructions::Avx2), by(Instructions::Avx512));
        }
    }

    #[test]
    #[should_panic(expected = "inside its slice")]
    fn a_view_past_the_end_is_refused() {
        let _ = View::rows(&[0.0; 5], 2, 3, 3);
    }
}
