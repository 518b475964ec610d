//! bfloat16 products: operands are rounded and laid out in tiles, and multiplied on AMX, or, where there is none, by the
//! AVX512-BF16 dot product.

mod dot;
mod stream;

use super::tiles::{self, Packed};
use super::{Target, View};

/// Whether this processor has a kernel.
pub(super) fn available() -> bool {
    tiles::can_round()
}

/// `out = a b` or `out += a b` by all threads. Each element is summed in an order given by the inner dimension, so
/// its bits do not depend on threads.
pub(super) fn multiply(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    if stream::suits(a) || !tiles::available() {
        multiply_packed(out, a, &Packed::right(b), accumulate);
    } else {
        tiles::multiply::<{ tiles::ROUNDED }>(out, a, b, accumulate, true);
    }
}

/// The same of a right operand that is laid out.
pub(super) fn multiply_packed(out: &mut Target<'_>, a: View<'_>, b: &Packed, accumulate: bool) {
    assert_eq!(a.columns, b.depth, "inner dimensions of a product agree");
    assert_eq!([out.rows, out.columns], [a.rows, b.lines], "a product fits its target");
    assert!(out.written || !accumulate, "a product is added to written values only");
    if stream::suits(a) {
        stream::multiply(out, a, b, accumulate);
    } else if tiles::available() {
        tiles::multiply_packed(out, a, b, accumulate);
    } else {
        dot::multiply(out, &Packed::left(a), b, accumulate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Kernel = fn(&mut Target<'_>, View<'_>, View<'_>, bool);

    fn rounded(value: f32) -> f32 {
        let bits = value.to_bits();
        f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
    }

    /// Every layout, odd sizes and both kernels against the definition over rounded operands, in 64 bits.
    #[test]
    fn products_of_odd_sizes() {
        if !available() {
            return;
        }
        let by_tiles: Kernel = |out, a, b, accumulate| {
            tiles::multiply::<{ tiles::ROUNDED }>(out, a, b, accumulate, true);
        };
        let by_packed: Kernel =
            |out, a, b, accumulate| tiles::multiply_packed(out, a, &Packed::right(b), accumulate);
        let by_dots: Kernel = |out, a, b, accumulate| {
            dot::multiply(out, &Packed::left(a), &Packed::right(b), accumulate);
        };
        let kernels = [("tiles", by_tiles), ("packed", by_packed), ("dots", by_dots)];
        let kernels = &kernels[if tiles::available() { 0 } else { 2 }..];
        for (m, k, n) in [
            (1, 1, 1),
            (1, 7, 5),
            (7, 1, 3),
            (16, 32, 16),
            (33, 17, 65),
            (129, 31, 7),
            (40, 700, 50),
            (64, 64, 96),
            (300, 1600, 90),
        ] {
            let a: Vec<f32> = (0..m * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| ((i * 53 % 89) as f32 - 44.0) / 9.0).collect();
            let term = |at: usize, q: usize| {
                f64::from(rounded(a[at / n * k + q])) * f64::from(rounded(b[q * n + at % n]))
            };
            let expected: Vec<f64> = (0..m * n).map(|at| (0..k).map(|q| term(at, q)).sum()).collect();
            let scale: Vec<f64> = (0..m * n).map(|at| (0..k).map(|q| term(at, q).abs()).sum()).collect();
            let b_transposed: Vec<f32> = (0..k * n).map(|at| b[at % k * n + at / k]).collect();
            let a_transposed: Vec<f32> = (0..m * k).map(|at| a[at % m * k + at / m]).collect();
            let lefts = [View::rows(&a, m, k, k), View::rows(&a_transposed, k, m, m).transposed()];
            let rights = [View::rows(&b, k, n, n), View::rows(&b_transposed, n, k, k).transposed()];
            for (&(name, kernel), left) in kernels.iter().flat_map(|kernel| lefts.map(|left| (kernel, left)))
            {
                for right in rights {
                    let stride = n + 3;
                    let mut out = vec![9.0; m * stride];
                    let mut target = Target::of(&mut out, m, n, stride);
                    kernel(&mut target, left, right, false);
                    kernel(&mut target, left, right, true);
                    for at in 0..m * n {
                        let found = f64::from(out[at / n * stride + at % n]);
                        let error = (found - 2.0 * expected[at]).abs();
                        assert!(
                            error <= 1e-6 * scale[at] + 1e-12,
                            "{name} {m}x{k}x{n} at {at}: {found} for {}",
                            2.0 * expected[at]
                        );
                    }
                    assert!((0..m - 1).all(|row| out[row * stride + n..(row + 1) * stride] == [9.0; 3]));
                }
            }
        }
    }

    /// One to eight rows, odd sizes, one piece and several: against the tiles, and the bits of each row alone.
    #[test]
    fn few_rows() {
        if !available() {
            return;
        }
        for (k, n) in [(1, 1), (7, 5), (33, 65), (700, 50), (95, 2001)] {
            let a: Vec<f32> = (0..8 * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| ((i * 53 % 89) as f32 - 44.0) / 9.0).collect();
            let packed = Packed::right(View::rows(&b, n, k, k).transposed());
            let stride = n + 3;
            let mut alone = vec![0.0; 8 * stride];
            for (row, alone) in alone.chunks_exact_mut(stride).enumerate() {
                let left = View::rows(&a[row * k..], 1, k, k);
                multiply_packed(&mut Target::of(alone, 1, n, stride), left, &packed, false);
            }
            for m in 1..=8 {
                let left = View::rows(&a, m, k, k);
                assert!(stream::suits(left));
                let mut out = vec![9.0; m * stride];
                let mut expected = out.clone();
                multiply_packed(&mut Target::of(&mut out, m, n, stride), left, &packed, false);
                dot::multiply(
                    &mut Target::of(&mut expected, m, n, stride),
                    &Packed::left(left),
                    &packed,
                    false,
                );
                for at in 0..m * n {
                    let (row, column) = (at / n, at % n);
                    let (found, tiles) = (out[row * stride + column], expected[row * stride + column]);
                    assert!((found - tiles).abs() < 1e-6 * 40.0 * k as f32, "{m}x{k}x{n}: {found}, {tiles}");
                    assert_eq!(found, alone[row * stride + column], "{m}x{k}x{n} at {at}");
                }
                assert!((0..m).all(|row| out[row * stride + n..(row + 1) * stride] == [9.0; 3]));
                // Added to what is there.
                multiply_packed(&mut Target::of(&mut out, m, n, stride), left, &packed, true);
                for at in 0..m * n {
                    let (found, once) = (out[at / n * stride + at % n], alone[at / n * stride + at % n]);
                    assert_eq!(found, 2.0 * once);
                }
            }
        }
    }
}
