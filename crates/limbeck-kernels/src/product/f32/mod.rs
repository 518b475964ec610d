//! 32-bit products: of few rows with rows by a kernel that streams them, large ones on AMX tiles (`tiles`), others by vector
//! instructions (`panels`), and on other processors by the `gemm` crate.
#![allow(unsafe_code, reason = "kernels for instructions that were detected")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod panels;
mod portable;
mod stream;

#[cfg(target_arch = "x86_64")]
use super::tiles::{self, EXACT};
use super::{Target, View};
use crate::instructions::Instructions;

/// `out = a b` or `out += a b`, by all threads.
pub(super) fn multiply(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    if stream::suits(a, b) {
        stream::multiply(out, a, b, accumulate);
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if tiles::suits(a, b) {
        tiles::multiply::<EXACT>(out, a, b, accumulate, true);
        return;
    }
    multiply_by(Instructions::used(), out, a, b, accumulate, true);
}

/// The same by the calling thread alone.
pub(super) fn multiply_alone(out: &mut Target<'_>, a: View<'_>, b: View<'_>, accumulate: bool) {
    if out.rows == 0 || out.columns == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if tiles::suits(a, b) {
        tiles::multiply::<EXACT>(out, a, b, accumulate, false);
        return;
    }
    multiply_by(Instructions::used(), out, a, b, accumulate, false);
}

/// The same by multiply-adds of these instructions, at most of those that the processor has; by all threads when `parallel`.
pub(super) fn multiply_by(
    instructions: Instructions,
    out: &mut Target<'_>,
    a: View<'_>,
    b: View<'_>,
    accumulate: bool,
    parallel: bool,
) {
    #[cfg(target_arch = "x86_64")]
    {
        let level = instructions.min(Instructions::detected());
        // The gradient of a head over a vocabulary, whose results are many and whose sums are short: there `gemm` is faster
        // than the panels of AVX-512.
        let tall = a.column_stride != 1 && a.rows >= portable::TALL;
        if a.columns > 0 && level >= Instructions::Avx512 && !tall {
            // SAFETY: the processor has AVX-512.
            unsafe { panels::multiply::<avx512::Avx512>(out, a, b, accumulate, parallel) };
            return;
        }
        if a.columns > 0 && level == Instructions::Avx2 {
            // SAFETY: the processor has AVX2 and FMA.
            unsafe { panels::multiply::<avx2::Avx2>(out, a, b, accumulate, parallel) };
            return;
        }
    }
    let _ = instructions;
    if parallel {
        portable::multiply(out, a, b, accumulate);
    } else {
        portable::multiply_alone(out, a, b, accumulate);
    }
}
