//! Largest eigenvalues of symmetric matrices, deterministically.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::attention_maps::dot;

/// Rounds of Jacobi rotations after which a matrix is diagonal for any purpose.
const SWEEPS: usize = 60;
/// Up to this size a matrix is diagonalised whole.
const SMALL: usize = 48;
/// Columns of the subspace beyond those asked for: the more, the faster it converges.
const EXTRA: usize = 8;
/// Rounds of subspace iteration; the residual that ends it is usually met in a few dozen.
const ROUNDS: usize = 400;
/// A direction has converged when `|C v - lambda v|` falls below this share of the largest eigenvalue.
const TOLERANCE: f64 = 1e-9;

/// Eigenvalues from largest to smallest, and their unit eigenvectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    /// `vectors[i]` belongs to `values[i]`.
    pub(crate) vectors: Vec<Vec<f64>>,
}

/// All eigenvalues of the symmetric matrix `[n, n]`, by cyclic Jacobi rotations (Golub & Van Loan, 8.5).
pub(crate) fn jacobi(matrix: &[f64], n: usize) -> Eigen {
    let mut a = matrix.to_vec();
    let mut v = vec![0.0; n * n];
    for i in 0..n {
        v[i * n + i] = 1.0;
    }
    let norm: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let off: f64 =
            (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))).map(|(p, q)| a[p * n + q].powi(2)).sum();
        if off <= norm * 1e-32 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, n, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    Eigen {
        values: order.iter().map(|&i| a[i * n + i]).collect(),
        vectors: order.iter().map(|&i| (0..n).map(|row| v[row * n + i]).collect()).collect(),
    }
}

/// Zeroes entry (p, q) of `a` by a rotation, and carries it over to `v`.
fn rotate(a: &mut [f64], v: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let tau = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    let s = t * c;
    for i in 0..n {
        let (x, y) = (a[i * n + p], a[i * n + q]);
        (a[i * n + p], a[i * n + q]) = (c * x - s * y, s * x + c * y);
    }
    for i in 0..n {
        let (x, y) = (a[p * n + i], a[q * n + i]);
        (a[p * n + i], a[q * n + i]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (v[i * n + p], v[i * n + q]);
        (v[i * n + p], v[i * n + q]) = (c * x - s * y, s * x + c * y);
    }
}

/// The `count` largest eigenvalues (fewer when the matrix is smaller) of a positive semidefinite matrix `[n, n]`.
///
/// Subspace iteration with Rayleigh-Ritz projection from a seeded start; `leading` of them are converged.
pub(crate) fn largest(matrix: &[f64], n: usize, count: usize, leading: usize) -> Eigen {
    if n <= SMALL.max(count) {
        let mut all = jacobi(matrix, n);
        all.values.truncate(count);
        all.vectors.truncate(count);
        return all;
    }
    let width = (count + EXTRA).min(n);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut basis: Vec<Vec<f64>> =
        (0..width).map(|_| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    orthonormalise(&mut basis, &mut rng);
    let mut found = Eigen { values: vec![0.0; width], vectors: basis };
    for _ in 0..ROUNDS {
        let images: Vec<Vec<f64>> = found.vectors.par_iter().map(|v| multiply(matrix, n, v)).collect();
        let projected: Vec<f64> =
            found.vectors.iter().flat_map(|v| images.iter().map(move |w| dot(v, w))).collect();
        let small = jacobi(&projected, width);
        let mixed =
            |of: &[Vec<f64>]| -> Vec<Vec<f64>> { small.vectors.par_iter().map(|e| combine(of, e)).collect() };
        let (vectors, images) = (mixed(&found.vectors), mixed(&images));
        let residual = (0..leading.min(width))
            .map(|i| {
                let parts = images[i].iter().zip(&vectors[i]);
                parts.map(|(w, v)| (w - small.values[i] * v).powi(2)).sum::<f64>().sqrt()
            })
            .fold(0.0, f64::max);
        found = Eigen { values: small.values.clone(), vectors };
        if residual <= TOLERANCE * small.values[0].max(f64::MIN_POSITIVE) {
            break;
        }
        found.vectors = images;
        orthonormalise(&mut found.vectors, &mut rng);
    }
    found.values.truncate(count);
    found.vectors.truncate(count);
    found
}

fn multiply(matrix: &[f64], n: usize, v: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(n).map(|row| dot(row, v)).collect()
}

/// `sum of e[i] * vectors[i]`.
pub(crate) fn combine(vectors: &[Vec<f64>], e: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for (vector, factor) in vectors.iter().zip(e) {
        for (sum, value) in sum.iter_mut().zip(vector) {
            *sum += factor * value;
        }
    }
    sum
}

/// Gram-Schmidt, twice for accuracy; a vector that vanishes (a matrix of low rank) is drawn anew.
fn orthonormalise(vectors: &mut [Vec<f64>], rng: &mut ChaCha8Rng) {
    for i in 0..vectors.len() {
        for _ in 0..8 {
            let before = dot(&vectors[i], &vectors[i]).sqrt();
            for _ in 0..2 {
                let (done, rest) = vectors.split_at_mut(i);
                for other in done.iter() {
                    let overlap = dot(other, &rest[0]);
                    for (value, part) in rest[0].iter_mut().zip(other) {
                        *value -= overlap * part;
                    }
                }
            }
            let length = dot(&vectors[i], &vectors[i]).sqrt();
            if length > 1e-12 * before && length > f64::MIN_POSITIVE {
                vectors[i].iter_mut().for_each(|value| *value /= length);
                break;
            }
            vectors[i].iter_mut().for_each(|value| *value = rng.random_range(-1.0..1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Q diag(values) Q^T` with a random orthogonal `Q`.
    fn matrix(values: &[f64], seed: u64) -> Vec<f64> {
        let n = values.len();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut q: Vec<Vec<f64>> =
            (0..n).map(|_| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
        orthonormalise(&mut q, &mut rng);
        let mut m = vec![0.0; n * n];
        for (vector, value) in q.iter().zip(values) {
            for i in 0..n {
                for j in 0..n {
                    m[i * n + j] += value * vector[i] * vector[j];
                }
            }
        }
        m
    }

    fn check(found: &Eigen, m: &[f64], n: usize, values: &[f64], tolerance: f64) {
        for (i, &expected) in values.iter().enumerate() {
            assert!((found.values[i] - expected).abs() < tolerance, "{} for {expected}", found.values[i]);
            let image = multiply(m, n, &found.vectors[i]);
            for (w, v) in image.iter().zip(&found.vectors[i]) {
                assert!((w - expected * v).abs() < tolerance);
            }
        }
    }

    #[test]
    fn jacobi_finds_planted_eigenvalues() {
        let values = [9.0, 4.0, 1.0, 0.5, 0.0, 0.0];
        let m = matrix(&values, 3);
        check(&jacobi(&m, 6), &m, 6, &values, 1e-10);
    }

    #[test]
    fn subspace_iteration_finds_the_largest() {
        let n = 120;
        let values: Vec<f64> = (0..n).map(|i| 100.0 * 0.8f64.powi(i as i32)).collect();
        let m = matrix(&values, 4);
        let found = largest(&m, n, 8, 3);
        check(&found, &m, n, &values[..3], 1e-6);
        assert_eq!(found.values.len(), 8);
    }

    #[test]
    fn a_matrix_of_low_rank_has_its_rank() {
        let n = 90;
        let mut values = vec![0.0; n];
        values[0] = 5.0;
        let m = matrix(&values, 5);
        let found = largest(&m, n, 4, 1);
        assert!((found.values[0] - 5.0).abs() < 1e-9);
        assert!(found.values[1..].iter().all(|value| value.abs() < 1e-9));
    }
}
