//! Transposes blocks of 16 x 16 values in registers, AVX-512.
#![allow(
    unsafe_code,
    reason = "vector instructions take pointers; the callers say how much lies behind them"
)]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
    _mm512_unpacklo_ps,
};

use super::lanes::{LANES as SIDE, first};

/// `to[j * to_stride + i] = from[i * from_stride + j]` for `i < rows`, `j < columns`, both at most 16; added to what is
/// there when `accumulate`.
///
/// # Safety
/// The processor has AVX-512F; `from` may be read and `to` written (read too, when `accumulate`) at those places.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose(
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
    rows: usize,
    columns: usize,
    accumulate: bool,
) {
    let (across, down) = (first(columns), first(rows));
    let mut block = [_mm512_setzero_ps(); SIDE];
    for (i, line) in block.iter_mut().enumerate().take(rows) {
        // SAFETY: row i, masked to its columns.
        *line = unsafe { _mm512_maskz_loadu_ps(across, from.add(i * from_stride)) };
    }
    let lines = transposed(block);
    for (j, &line) in lines.iter().enumerate().take(columns) {
        // SAFETY: row j of the target, masked to its columns.
        unsafe {
            let at = to.add(j * to_stride);
            let line = if accumulate { _mm512_add_ps(_mm512_maskz_loadu_ps(down, at), line) } else { line };
            _mm512_mask_storeu_ps(at, down, line);
        }
    }
}

/// The transposed block, in four rounds of pairwise exchanges.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(block: [__m512; SIDE]) -> [__m512; SIDE] {
    // Pairs of rows, then of pairs: quads[4 q + r] holds in lane l the column 4 l + r of rows 4 q .. 4 q + 4.
    let mut quads = [_mm512_setzero_ps(); SIDE];
    for q in 0..4 {
        let [a, b, c, d] = [block[4 * q], block[4 * q + 1], block[4 * q + 2], block[4 * q + 3]];
        let (low_ab, high_ab) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let (low_cd, high_cd) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        let pairs = |a, b| (_mm512_castps_pd(a), _mm512_castps_pd(b));
        let (low, other_low) = pairs(low_ab, low_cd);
        let (high, other_high) = pairs(high_ab, high_cd);
        quads[4 * q] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, other_low));
        quads[4 * q + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, other_low));
        quads[4 * q + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high, other_high));
        quads[4 * q + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high, other_high));
    }
    // Lanes of the four quads of a column are gathered: column 4 l + r is lane l of quads r, 4 + r, 8 + r, 12 + r.
    let mut out = [_mm512_setzero_ps(); SIDE];
    for r in 0..4 {
        let [a, b, c, d] = [quads[r], quads[4 + r], quads[8 + r], quads[12 + r]];
        let (ab_low, ab_high) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
        let (cd_low, cd_high) = (_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xee>(c, d));
        out[r] = _mm512_shuffle_f32x4::<0x88>(ab_low, cd_low);
        out[4 + r] = _mm512_shuffle_f32x4::<0xdd>(ab_low, cd_low);
        out[8 + r] = _mm512_shuffle_f32x4::<0x88>(ab_high, cd_high);
        out[12 + r] = _mm512_shuffle_f32x4::<0xdd>(ab_high, cd_high);
    }
    out
}
