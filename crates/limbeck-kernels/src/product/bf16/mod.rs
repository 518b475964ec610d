//! bfloat16 products: operands rounded and laid out in tiles, then multiplied tile by tile.
//!
//! A tile holds 16 lines (rows of the left operand, columns of the right one) by 32 steps of the inner
//! dimension, as 16 x 16 pairs of neighbouring steps: 1 KiB, what one AMX register holds. The left operand's
//! tiles have a line per row, the right operand's a pair of steps per row, as both AMX and the AVX512-BF16 dot
//! product want them. Packing costs one pass over each operand; a product of `m x k x n` does `2 m n / (m + n)`
//! operations per packed number.

mod amx;
mod dot;
mod stream;
mod tile;

use rayon::prelude::*;

pub(crate) use tile::Packed;

use super::{Target, View};

/// Lines of a tile.
const LINES: usize = 16;

/// Steps of the inner dimension that one tile covers.
const STEPS: usize = 32;

/// Tiles along the inner dimension multiplied before the next pair of lines is taken up: one strip of the
/// right operand then stays in the first-level cache.
const DEPTH: usize = 16;

/// Which instructions multiply tiles here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Amx,
    Dot,
}

/// Whether this processor has a kernel.
pub(super) fn available() -> bool {
    kernel().is_some()
}

fn kernel() -> Option<Kernel> {
    if !tile::available() {
        return None;
    }
    if super::amx::available() { Some(Kernel::Amx) } else { Some(Kernel::Dot) }
}

/// `out = a b` or `out += a b` by all threads. Each element is summed in an order given by the inner dimension, so
/// its bits do not depend on threads.
pub(super) fn multiply(out: &mut Target<'_>, a: View<'_>, b: &Packed, accumulate: bool) {
    if stream::suits(a) {
        stream::multiply(out, a, b, accumulate);
        return;
    }
    let kernel = if super::amx::available() { Kernel::Amx } else { Kernel::Dot };
    multiply_by(kernel, out, &Packed::left(a), b, accumulate);
}

fn multiply_by(kernel: Kernel, out: &mut Target<'_>, a: &Packed, b: &Packed, accumulate: bool) {
    assert_eq!(a.depth, b.depth, "inner dimensions of a product agree");
    assert_eq!([out.rows, out.columns], [a.lines, b.lines], "a product fits its target");
    assert!(out.written || !accumulate, "a product is added to written values only");
    let field = Field::new(out);
    // Strips along the dimension that has more of them, so that every thread finds work.
    let columns = b.lines.div_ceil(2 * LINES);
    let rows = a.lines.div_ceil(2 * LINES);
    let cuts = (4 * rayon::current_num_threads()).div_ceil(columns).min(rows);
    (0..columns * cuts).into_par_iter().for_each(|index| {
        let (column, cut) = (index / cuts, index % cuts);
        let strip = Strip { column, rows: rows * cut / cuts..rows * (cut + 1) / cuts };
        match kernel {
            Kernel::Amx => amx::multiply(&field, a, b, &strip, accumulate),
            Kernel::Dot => dot::multiply(&field, a, b, &strip, accumulate),
        }
    });
}

/// Two tiles' width of columns, and a range of pairs of row tiles.
struct Strip {
    column: usize,
    rows: std::ops::Range<usize>,
}

/// A target that several threads write, each its own blocks.
struct Field {
    data: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
}

#[allow(unsafe_code, reason = "threads write disjoint blocks of one target")]
mod shared {
    use super::Field;

    // SAFETY: the strips of a product are disjoint blocks of the target, each written by one thread, and the
    // target is borrowed mutably as long as the field lives.
    unsafe impl Sync for Field {}
}

impl Field {
    fn new(out: &mut Target<'_>) -> Self {
        let data = out.data.as_mut_ptr().cast::<f32>();
        Self { data, rows: out.rows, columns: out.columns, row_stride: out.row_stride }
    }
}

/// The blocks of 32 x 32 results of a strip: position of the block and of the tiles that make it.
#[derive(Debug, Clone, Copy)]
struct Block {
    row: usize,
    column: usize,
    /// Rows and columns of it inside the target.
    height: usize,
    width: usize,
    /// Its two row tiles and column tiles; the second is the first again where there is no second.
    a: [usize; 2],
    b: [usize; 2],
}

impl Block {
    fn at(field: &Field, row_pair: usize, column_pair: usize) -> Self {
        let side = 2 * LINES;
        let (row, column) = (row_pair * side, column_pair * side);
        let second = |first: usize, lines: usize| if (first + 1) * LINES < lines { first + 1 } else { first };
        let (a, b) = (2 * row_pair, 2 * column_pair);
        Self {
            row,
            column,
            height: side.min(field.rows - row),
            width: side.min(field.columns - column),
            a: [a, second(a, field.rows)],
            b: [b, second(b, field.columns)],
        }
    }

    fn whole(&self) -> bool {
        self.height == 2 * LINES && self.width == 2 * LINES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let kernels =
            if crate::product::amx::available() { vec![Kernel::Amx, Kernel::Dot] } else { vec![Kernel::Dot] };
        for (m, k, n) in [
            (1, 1, 1),
            (1, 7, 5),
            (7, 1, 3),
            (16, 32, 16),
            (33, 17, 65),
            (129, 31, 7),
            (40, 700, 50),
            (64, 64, 96),
        ] {
            let a: Vec<f32> = (0..m * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| ((i * 53 % 89) as f32 - 44.0) / 9.0).collect();
            let term = |at: usize, q: usize| {
                f64::from(rounded(a[at / n * k + q])) * f64::from(rounded(b[q * n + at % n]))
            };
            let expected: Vec<f64> = (0..m * n).map(|at| (0..k).map(|q| term(at, q)).sum()).collect();
            let scale: Vec<f64> = (0..m * n).map(|at| (0..k).map(|q| term(at, q).abs()).sum()).collect();
            let b_turned: Vec<f32> = (0..k * n).map(|at| b[at % k * n + at / k]).collect();
            let a_turned: Vec<f32> = (0..m * k).map(|at| a[at % m * k + at / m]).collect();
            let lefts = [View::rows(&a, m, k, k), View::rows(&a_turned, k, m, m).transposed()];
            let rights = [View::rows(&b, k, n, n), View::rows(&b_turned, n, k, k).transposed()];
            for (&kernel, left) in kernels.iter().flat_map(|kernel| lefts.map(|left| (kernel, left))) {
                for right in rights {
                    let stride = n + 3;
                    let mut out = vec![9.0; m * stride];
                    let (left, right) = (Packed::left(left), Packed::right(right));
                    let mut target = Target::of(&mut out, m, n, stride);
                    multiply_by(kernel, &mut target, &left, &right, false);
                    multiply_by(kernel, &mut target, &left, &right, true);
                    for at in 0..m * n {
                        let found = f64::from(out[at / n * stride + at % n]);
                        let error = (found - 2.0 * expected[at]).abs();
                        assert!(
                            error <= 1e-6 * scale[at] + 1e-12,
                            "{kernel:?} {m}x{k}x{n} at {at}: {found} for {}",
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
                multiply(&mut Target::of(alone, 1, n, stride), left, &packed, false);
            }
            for m in 1..=8 {
                let left = View::rows(&a, m, k, k);
                assert!(stream::suits(left));
                let mut out = vec![9.0; m * stride];
                let mut expected = out.clone();
                multiply(&mut Target::of(&mut out, m, n, stride), left, &packed, false);
                let left_tiles = Packed::left(left);
                let target = &mut Target::of(&mut expected, m, n, stride);
                multiply_by(Kernel::Dot, target, &left_tiles, &packed, false);
                for at in 0..m * n {
                    let (row, column) = (at / n, at % n);
                    let (found, tiles) = (out[row * stride + column], expected[row * stride + column]);
                    assert!((found - tiles).abs() < 1e-6 * 40.0 * k as f32, "{m}x{k}x{n}: {found}, {tiles}");
                    assert_eq!(found, alone[row * stride + column], "{m}x{k}x{n} at {at}");
                }
                assert!((0..m).all(|row| out[row * stride + n..(row + 1) * stride] == [9.0; 3]));
                // Added to what is there.
                multiply(&mut Target::of(&mut out, m, n, stride), left, &packed, true);
                for at in 0..m * n {
                    let (found, once) = (out[at / n * stride + at % n], alone[at / n * stride + at % n]);
                    assert_eq!(found, 2.0 * once);
                }
            }
        }
    }
}
