//! Similarity of two sets of outputs from their second moments: CKA, SVCCA, Procrustes.
//!
//! `X [rows, n]` and `Y [rows, m]` are outputs of two components on the same rows, columns centred. All three measures
//! need `X^T X`, `Y^T Y` and `X^T Y` only, so that resamples of prompts can be taken by adding up moments.

use super::eigen::nuclear_norm;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputMeasure {
    /// Linear CKA, `|X^T Y|^2 / (|X^T X| |Y^T Y|)` in Frobenius norms (Kornblith et al. 2019, eq. 6). The same after
    /// rotations and scaling of either.
    Cka,
    /// Mean canonical correlation, the sum of the singular values of `(X^T X)^-1/2 X^T Y (Y^T Y)^-1/2` over the smaller
    /// rank, between the leading directions of each (Raghu et al. 2017). The same after any invertible map
    /// within those.
    Svcca,
    /// `sum of singular values of X^T Y / (|X| |Y|)`: with `X` and `Y` scaled to norm 1, `1 - d^2 / 2` of the distance
    /// `d = min over rotations Q of |X Q - Y|` (orthogonal Procrustes, Schönemann 1966).
    Procrustes,
}

/// Moments of one set of outputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Own {
    width: usize,
    /// `|X^T X|`.
    norm: f64,
    /// `|X|^2`.
    trace: f64,
    /// Inverse of the Cholesky factor of the leading directions' `X^T X`, lower triangular, `[leading, leading]`.
    whitening: Vec<f64>,
    leading: usize,
    /// Leading directions that are not constant.
    rank: usize,
}

impl Own {
    /// Of the moments `X^T X [width, width]`; the first `leading` columns take part in canonical correlations.
    pub(crate) fn new(moments: &[f64], width: usize, leading: usize) -> Own {
        let trace: f64 = (0..width).map(|i| moments[i * width + i]).sum();
        let norm = moments.iter().map(|value| value * value).sum::<f64>().sqrt();
        let (whitening, rank) = inverse_cholesky(moments, width, leading);
        Own { width, norm, trace, whitening, leading, rank }
    }
}

/// The measure of two sets of outputs, `cross = X^T Y [x.width, y.width]`; 0 where one of them is constant.
pub(crate) fn similarity(measure: OutputMeasure, x: &Own, y: &Own, cross: &[f64]) -> f64 {
    let share = |above: f64, below: f64| if below > 0.0 { (above / below).clamp(0.0, 1.0) } else { 0.0 };
    match measure {
        OutputMeasure::Cka => share(cross.iter().map(|value| value * value).sum(), x.norm * y.norm),
        OutputMeasure::Procrustes => share(nuclear_norm(cross, x.width, y.width), (x.trace * y.trace).sqrt()),
        OutputMeasure::Svcca => {
            let (rows, columns) = (x.leading, y.leading);
            let part: Vec<f64> =
                (0..rows).flat_map(|i| cross[i * y.width..i * y.width + columns].iter().copied()).collect();
            // L_x^-1 C L_y^-T.
            let half = lower_times(&x.whitening, rows, &part, columns);
            let turned = lower_times(&y.whitening, columns, &transposed(&half, rows, columns), rows);
            share(nuclear_norm(&turned, columns, rows), x.rank.min(y.rank) as f64)
        }
    }
}

/// Inverse of the lower Cholesky factor of the leading block, and its rank. A direction that is, to rounding, a
/// combination of those before it gets a row of zeros: it takes no part.
fn inverse_cholesky(moments: &[f64], width: usize, leading: usize) -> (Vec<f64>, usize) {
    let n = leading;
    let mut factor = vec![0.0; n * n];
    let mut inverse = vec![0.0; n * n];
    let mut rank = 0;
    for i in 0..n {
        for j in 0..i {
            if factor[j * n + j] > 0.0 {
                let done: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
                factor[i * n + j] = (moments[i * width + j] - done) / factor[j * n + j];
            }
        }
        let own = moments[i * width + i];
        let left = own - (0..i).map(|k| factor[i * n + k].powi(2)).sum::<f64>();
        if left > own * 1e-10 {
            rank += 1;
            let pivot = left.sqrt();
            factor[i * n + i] = pivot;
            inverse[i * n + i] = 1.0 / pivot;
            for j in 0..i {
                let sum: f64 = (j..i).map(|k| factor[i * n + k] * inverse[k * n + j]).sum();
                inverse[i * n + j] = -sum / pivot;
            }
        }
    }
    (inverse, rank)
}

/// `lower matrix`, `lower [n, n]` triangular and `matrix [n, columns]`.
fn lower_times(lower: &[f64], n: usize, matrix: &[f64], columns: usize) -> Vec<f64> {
    let mut product = vec![0.0; n * columns];
    for i in 0..n {
        for k in 0..=i {
            let factor = lower[i * n + k];
            let row = &matrix[k * columns..(k + 1) * columns];
            product[i * columns..(i + 1) * columns]
                .iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += factor * value);
        }
    }
    product
}

fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| matrix[i * columns + j])).collect()
}

#[cfg(test)]
mod tests;
