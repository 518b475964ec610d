//! The inner loop of a 32-bit product: a tile of up to 8 x 48 results in registers, AVX-512.
#![allow(
    unsafe_code,
    reason = "vector instructions take pointers; the one caller says how much lies behind them"
)]
#![deny(unsafe_op_in_unsafe_fn)]

use std::arch::x86_64::{
    __m512, _MM_HINT_ET0, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm512_add_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
};

use super::super::lanes::{LANES, first};

/// Rows of a tile.
pub(super) const ROWS: usize = 8;

/// Vectors side by side in a tile: 24 of the 32 registers hold results.
pub(super) const VECTORS: usize = 3;

/// Columns of a tile.
pub(super) const COLUMNS: usize = LANES * VECTORS;

/// How many inner indices ahead the panel, which streams from the second-level cache, is fetched into the first.
const SOON: usize = 12;

/// Where a tile's operands and results lie.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// First element of the left operand; row `i` at inner index `k` is `i * row + k` further, or, when laid out,
    /// `i + k * ROWS`.
    pub(super) a: *const f32,
    pub(super) row: usize,
    pub(super) laid_out: bool,
    /// The right operand's panel: `width` columns for every inner index, one after the other.
    pub(super) b: *const f32,
    /// Inner dimension, at least 1.
    pub(super) inner: usize,
    /// First result; rows are `stride` apart.
    pub(super) c: *mut f32,
    pub(super) stride: usize,
    /// Rows of results, 1 to [`ROWS`].
    pub(super) rows: usize,
    /// Columns of results, 1 to [`COLUMNS`]; the panel is padded to whole vectors.
    pub(super) columns: usize,
    /// Whether the product is added to what is there.
    pub(super) accumulate: bool,
    /// What the next tiles will read: fetched meanwhile, `pace` floats further with every inner index.
    pub(super) ahead: *const f32,
    pub(super) pace: usize,
}

impl Tile {
    /// Computes the tile.
    ///
    /// # Safety
    /// The processor has AVX-512F. `a` may be read at the place of every `i < rows`, `k < inner`; `b` for
    /// `inner` times the columns rounded up to vectors; `c` may be written at `rows` rows of `columns` elements
    /// `stride` apart, and read there when `accumulate`.
    pub(super) unsafe fn compute(self) {
        macro_rules! sizes {
            ($($rows:literal)*) => {
                match (self.rows, self.columns.div_ceil(LANES), self.laid_out) {
                    // SAFETY: as this function's.
                    $(($rows, 1, false) => unsafe { run::<$rows, 1, false>(self) },
                    ($rows, 2, false) => unsafe { run::<$rows, 2, false>(self) },
                    ($rows, 3, false) => unsafe { run::<$rows, 3, false>(self) },
                    ($rows, 1, true) => unsafe { run::<$rows, 1, true>(self) },
                    ($rows, 2, true) => unsafe { run::<$rows, 2, true>(self) },
                    ($rows, 3, true) => unsafe { run::<$rows, 3, true>(self) },)*
                    _ => unreachable!("a tile has 1 to 8 rows of 1 to 48 columns"),
                }
            };
        }
        sizes!(1 2 3 4 5 6 7 8)
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn run<const R: usize, const V: usize, const LAID_OUT: bool>(tile: Tile) {
    let Tile { a, row, b, inner, c, stride, pace, .. } = tile;
    let rows: [*const f32; R] = std::array::from_fn(|i| a.wrapping_add(i * row));
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    // The results' lines are on their way while the sums are made.
    for i in 0..R {
        for v in 0..V {
            _mm_prefetch::<_MM_HINT_ET0>(c.wrapping_add(i * stride + v * LANES).cast());
        }
    }
    let (mut b, mut ahead) = (b, tile.ahead);
    for k in 0..inner {
        // SAFETY: inside the panel, as the caller promises.
        let right: [__m512; V] = std::array::from_fn(|v| unsafe { _mm512_loadu_ps(b.add(v * LANES)) });
        for v in 0..V {
            _mm_prefetch::<_MM_HINT_T0>(b.wrapping_add((SOON * V + v) * LANES).cast());
        }
        for i in 0..R {
            // SAFETY: row i at this inner index, as the caller promises.
            let left =
                _mm512_set1_ps(unsafe { if LAID_OUT { *a.add(k * ROWS + i) } else { *rows[i].add(k) } });
            for v in 0..V {
                sums[i][v] = _mm512_fmadd_ps(left, right[v], sums[i][v]);
            }
        }
        _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
        ahead = ahead.wrapping_add(pace);
        b = b.wrapping_add(V * LANES);
    }
    let mask = first(tile.columns - (V - 1) * LANES);
    for (i, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let mask = if v + 1 == V { mask } else { u16::MAX };
            // SAFETY: `mask` keeps to the columns of row i.
            unsafe {
                let at = c.add(i * stride + v * LANES);
                let sum =
                    if tile.accumulate { _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), sum) } else { sum };
                _mm512_mask_storeu_ps(at, mask, sum);
            }
        }
    }
}
