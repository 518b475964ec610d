//! Loops over slices that compile to the widest vectors of the processor at hand.
//!
//! A [`Kernel`] is written once as plain scalar loops. [`dispatch`] instantiates it under the
//! target features found at run time (AVX-512, AVX2 with FMA, or the baseline), so that no
//! `target-cpu` flag is needed. Everything a kernel calls must be `#[inline(always)]`: a function
//! that stays apart is compiled for the baseline.
//!
//! Sums use a fixed number of partial sums, so their bits do not depend on how the compiler
//! vectorises, and blocks of 32-bit sums are added up in 64 bits.

/// Independent partial sums of a reduction: two vectors of AVX-512, four of AVX2.
const PARTIALS: usize = 32;

/// A computation that is compiled once for each level of vector instructions.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// The computation. `FMA`: a fused multiply-add is one instruction. Implementations must be
    /// `#[inline(always)]`.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// Runs a kernel with the best instructions of this processor.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        x86::dispatch(kernel)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        if cfg!(target_arch = "aarch64") { kernel.run::<true>() } else { kernel.run::<false>() }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The copies for x86-64.
    #![allow(unsafe_code, reason = "calling a function compiled for features that were just detected")]
    #![deny(unsafe_op_in_unsafe_fn)]

    use super::Kernel;
    use crate::instructions::Instructions;

    #[inline]
    pub(super) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
        match Instructions::used() {
            // SAFETY: every feature the function is compiled for was detected.
            Instructions::Amx | Instructions::Avx512 => unsafe { avx512(kernel) },
            // SAFETY: as above.
            Instructions::Avx2 => unsafe { avx2(kernel) },
            Instructions::Portable => kernel.run::<false>(),
        }
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
    fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<true>()
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<true>()
    }
}

/// `a * b + c`, fused where that is one instruction (elsewhere a call into libm would be made).
#[inline(always)]
pub(crate) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` for `x <= 88`, to two units in the last place; below -87 the result is 0. NaN stays NaN.
///
/// `x = n ln 2 + r` with `n` whole and `|r| <= ln(2) / 2`; `e^r` by the minimax polynomial of
/// degree 6 of the Cephes library, `2^n` by writing the exponent bits.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const LOWEST: f32 = -87.0;
    // Written so that NaN fails the comparison and passes through.
    let clamped = if x < LOWEST { LOWEST } else { x };
    let shifted = multiply_add::<FMA>(clamped, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let high = multiply_add::<FMA>(whole, -LN2_HIGH, clamped);
    let r = multiply_add::<FMA>(whole, -LN2_LOW, high);
    let mut series = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        series = multiply_add::<FMA>(series, r, coefficient);
    }
    let tail = multiply_add::<FMA>(series, r * r, r);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    let value = (tail + 1.0) * power;
    if x < LOWEST { 0.0 } else { value }
}

/// `ln x` for normal positive `x`, to two units in the last place; exactly 0 at 1.
///
/// `x = 2^n m` with m between `sqrt(1/2)` and `sqrt(2)`; `ln m` by the minimax polynomial of degree 9
/// of the Cephes library.
#[inline(always)]
pub(crate) fn ln<const FMA: bool>(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let offset = x.to_bits().wrapping_sub(SQRT_HALF);
    let power = ((offset as i32) >> 23) as f32;
    let r = f32::from_bits((offset & 0x007f_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    let mut series = 7.037_683_6e-2;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        series = multiply_add::<FMA>(series, r, coefficient);
    }
    let square = r * r;
    let low = multiply_add::<FMA>(power, LN2_LOW, series * r * square);
    let near = multiply_add::<FMA>(-0.5, square, low) + r;
    multiply_add::<FMA>(power, LN2_HIGH, near)
}

/// Sum of a block of at most a few thousand values, in a fixed order.
#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut partial = [0.0_f32; PARTIALS];
    let mut blocks = values.chunks_exact(PARTIALS);
    for block in &mut blocks {
        for lane in 0..PARTIALS {
            partial[lane] += block[lane];
        }
    }
    for (lane, value) in blocks.remainder().iter().enumerate() {
        partial[lane] += value;
    }
    fold(partial)
}

/// Dot product of two blocks of one length, in a fixed order.
#[inline(always)]
pub(crate) fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    dot_while::<FMA>(a, b, |_| ())
}

/// [`dot`], with something done at every 32 values of the second block, such as fetching what comes after them.
#[inline(always)]
pub(crate) fn dot_while<const FMA: bool>(a: &[f32], b: &[f32], meanwhile: impl Fn(&[f32])) -> f32 {
    let mut partial = [0.0_f32; PARTIALS];
    let mut left = a.chunks_exact(PARTIALS);
    let mut right = b.chunks_exact(PARTIALS);
    for (x, y) in (&mut left).zip(&mut right) {
        meanwhile(y);
        for lane in 0..PARTIALS {
            partial[lane] = multiply_add::<FMA>(x[lane], y[lane], partial[lane]);
        }
    }
    for (lane, (x, y)) in left.remainder().iter().zip(right.remainder()).enumerate() {
        partial[lane] = multiply_add::<FMA>(*x, *y, partial[lane]);
    }
    fold(partial)
}

/// Largest value; NaN is passed over, an empty slice gives negative infinity.
#[inline(always)]
pub(crate) fn largest(values: &[f32]) -> f32 {
    let mut partial = [f32::NEG_INFINITY; PARTIALS];
    let mut blocks = values.chunks_exact(PARTIALS);
    for block in &mut blocks {
        for lane in 0..PARTIALS {
            partial[lane] = if block[lane] > partial[lane] { block[lane] } else { partial[lane] };
        }
    }
    let rest = blocks.remainder().iter().copied();
    partial.into_iter().chain(rest).fold(f32::NEG_INFINITY, f32::max)
}

/// Adds the partial sums up pairwise.
#[inline(always)]
fn fold(mut partial: [f32; PARTIALS]) -> f32 {
    let mut width = PARTIALS / 2;
    while width > 0 {
        for lane in 0..width {
            partial[lane] += partial[lane + width];
        }
        width /= 2;
    }
    partial[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Exps<'a>(&'a mut [f32]);
    impl Kernel for Exps<'_> {
        type Output = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            self.0.iter_mut().for_each(|x| *x = exp::<FMA>(*x));
        }
    }

    /// Largest relative error over `[-87, 3]`, measured against f64.
    fn worst(run: impl Fn(&mut [f32])) -> f64 {
        let inputs: Vec<f32> = (0..900_001).map(|i| -87.0 + i as f32 * 1e-4).collect();
        let mut outputs = inputs.clone();
        run(&mut outputs);
        inputs
            .iter()
            .zip(&outputs)
            .map(|(x, y)| {
                let exact = f64::from(*x).exp();
                ((f64::from(*y) - exact) / exact).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_accurate_with_every_instruction_set() {
        assert!(worst(|x| dispatch(Exps(x))) < 1.5e-7);
        assert!(worst(|x| Exps(x).run::<false>()) < 2e-7);
    }

    #[test]
    fn exp_at_the_edges() {
        for (x, y) in [(0.0, 1.0), (f32::NEG_INFINITY, 0.0), (-87.1, 0.0), (-1e30, 0.0)] {
            assert_eq!(exp::<true>(x), y, "{x}");
            assert_eq!(exp::<false>(x), y, "{x}");
        }
        assert!(exp::<true>(f32::NAN).is_nan());
    }

    struct Logs<'a>(&'a mut [f32]);
    impl Kernel for Logs<'_> {
        type Output = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            self.0.iter_mut().for_each(|x| *x = ln::<FMA>(*x));
        }
    }

    #[test]
    fn ln_is_accurate_with_every_instruction_set() {
        let inputs: Vec<f32> = (0..400_000)
            .flat_map(|i| {
                [f32::from_bits(0x0080_0000 + i * 5_000), 1.0 + i as f32 * 1e-7, 1.0 - i as f32 * 1e-7]
            })
            .filter(|x| *x > 0.0)
            .collect();
        for plain in [false, true] {
            let mut outputs = inputs.clone();
            if plain {
                Logs(&mut outputs).run::<false>()
            } else {
                dispatch(Logs(&mut outputs))
            }
            for (x, y) in inputs.iter().zip(&outputs) {
                let exact = f64::from(*x).ln();
                assert!((f64::from(*y) - exact).abs() <= 2e-7 * exact.abs(), "{x}: {y} is not {exact}");
            }
        }
        assert_eq!(ln::<true>(1.0), 0.0);
    }

    #[test]
    fn reductions_of_odd_lengths() {
        for length in [0, 1, 7, 31, 32, 33, 100, 1000] {
            let a: Vec<f32> = (0..length).map(|i| (i % 13) as f32 - 6.0).collect();
            let b: Vec<f32> = (0..length).map(|i| (i % 7) as f32).collect();
            assert_eq!(sum(&a), a.iter().sum::<f32>());
            assert_eq!(dot::<false>(&a, &b), a.iter().zip(&b).map(|(x, y)| x * y).sum::<f32>());
            assert_eq!(largest(&a), a.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
