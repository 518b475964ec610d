//! 32-bit products: of few rows with rows by a kernel that streams them, large ones on AMX tiles (`tiles`), others on AVX-512,
//! and on other processors by the `gemm` crate.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "x86_64")]
mod layout;
mod portable;
mod stream;
#[cfg(target_arch = "x86_64")]
mod tile;
#[cfg(target_arch = "x86_64")]
use super::tiles::{self, EXACT};
use super::{Target, View};

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
    #[cfg(target_arch = "x86_64")]
    if avx512::suits(a) {
        avx512::multiply(out, a, b, accumulate, true);
        return;
    }
    portable::multiply(out, a, b, accumulate);
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
    #[cfg(target_arch = "x86_64")]
    if avx512::suits(a) {
        avx512::multiply(out, a, b, accumulate, false);
        return;
    }
    portable::multiply_alone(out, a, b, accumulate);
}
