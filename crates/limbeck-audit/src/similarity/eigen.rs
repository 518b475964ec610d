//! Largest eigenvalues of symmetric matrices, deterministically.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::products::dot;

/// QL steps after which an eigenvalue has long been found.
const STEPS: usize = 60;
/// Up to this size a matrix is diagonalised whole.
const SMALL: usize = 128;
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

/// All eigenvalues of the symmetric matrix `[n, n]` with their vectors: Householder tridiagonalisation, then implicit
/// QL steps (Golub & Van Loan 2013, 8.3).
pub(crate) fn eigen(matrix: &[f64], n: usize) -> Eigen {
    let mut vectors = vec![0.0; n * n];
    for i in 0..n {
        vectors[i * n + i] = 1.0;
    }
    let (mut diagonal, mut beside) = tridiagonal(matrix, n, &mut vectors);
    diagonalise(&mut diagonal, &mut beside, n, &mut vectors);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]));
    Eigen {
        values: order.iter().map(|&i| diagonal[i]).collect(),
        vectors: order.iter().map(|&i| vectors[i * n..(i + 1) * n].to_vec()).collect(),
    }
}

/// The eigenvalues alone, in no order.
pub(crate) fn eigenvalues(matrix: &[f64], n: usize) -> Vec<f64> {
    let (mut diagonal, mut beside) = tridiagonal(matrix, n, &mut []);
    diagonalise(&mut diagonal, &mut beside, n, &mut []);
    diagonal
}

/// Sum of the singular values of `[rows, columns]`, the nuclear norm.
///
/// They are roots of eigenvalues of the smaller product of the matrix with itself: each is right to some `1e-8` of
/// the largest.
pub(crate) fn nuclear_norm(matrix: &[f64], rows: usize, columns: usize) -> f64 {
    let small = rows.min(columns);
    // Entry (i, inner) of the matrix, turned so that it has no more rows than columns.
    let at = |i: usize, inner: usize| {
        if rows <= columns { matrix[i * columns + inner] } else { matrix[inner * columns + i] }
    };
    let mut gram = vec![0.0; small * small];
    for i in 0..small {
        for j in 0..=i {
            let value = (0..rows.max(columns)).map(|inner| at(i, inner) * at(j, inner)).sum();
            gram[i * small + j] = value;
            gram[j * small + i] = value;
        }
    }
    eigenvalues(&gram, small).into_iter().map(|value| value.max(0.0).sqrt()).sum()
}

/// Diagonal and the entries beside it (`n - 1`, then a zero) of `H A H^T`; `vectors` becomes `H vectors`, or stays
/// empty.
fn tridiagonal(matrix: &[f64], n: usize, vectors: &mut [f64]) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let (mut v, mut p) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n.saturating_sub(2) {
        let below = k + 1..n;
        let length = below.clone().map(|i| a[i * n + k].powi(2)).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        let first = a[(k + 1) * n + k];
        for i in below.clone() {
            v[i] = a[i * n + k];
        }
        v[k + 1] += length.copysign(first);
        let size = below.clone().map(|i| v[i] * v[i]).sum::<f64>();
        for i in below.clone() {
            p[i] = 2.0 / size * dot(&a[i * n + k + 1..(i + 1) * n], &v[k + 1..]);
        }
        let half = dot(&p[k + 1..], &v[k + 1..]) / size;
        for i in below.clone() {
            p[i] -= half * v[i];
        }
        for i in below.clone() {
            let (vi, pi) = (v[i], p[i]);
            for ((entry, vj), pj) in
                a[i * n + k + 1..(i + 1) * n].iter_mut().zip(&v[k + 1..]).zip(&p[k + 1..])
            {
                *entry -= vi * pj + pi * vj;
            }
        }
        a[(k + 1) * n + k] = -length.copysign(first);
        if !vectors.is_empty() {
            let mut image = vec![0.0; n];
            for i in below.clone() {
                for (sum, value) in image.iter_mut().zip(&vectors[i * n..(i + 1) * n]) {
                    *sum += v[i] * value;
                }
            }
            for i in below {
                let factor = 2.0 * v[i] / size;
                for (value, part) in vectors[i * n..(i + 1) * n].iter_mut().zip(&image) {
                    *value -= factor * part;
                }
            }
        }
    }
    let beside = (0..n).map(|i| if i + 1 < n { a[(i + 1) * n + i] } else { 0.0 }).collect();
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// QL steps with implicit shifts until nothing is left beside the diagonal; rows of `vectors` turn along.
fn diagonalise(d: &mut [f64], e: &mut [f64], n: usize, vectors: &mut [f64]) {
    let scale = d.iter().chain(e.iter()).fold(0.0f64, |largest, value| largest.max(value.abs()));
    for l in 0..n {
        for _ in 0..STEPS {
            let small =
                |m: usize, d: &[f64]| f64::EPSILON * (d[m].abs() + d[m + 1].abs()).max(scale * f64::EPSILON);
            let m = (l..n - 1).find(|&m| e[m].abs() <= small(m, d)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let slope = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (slope + slope.hypot(1.0).copysign(slope));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let t = (d[i] - g) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = g + p;
                g = c * t - b;
                if !vectors.is_empty() {
                    let (upper, lower) = vectors.split_at_mut((i + 1) * n);
                    for (x, y) in upper[i * n..].iter_mut().zip(&mut lower[..n]) {
                        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                    }
                }
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
}

/// The `count` largest eigenvalues (fewer when the matrix is smaller) of a positive semidefinite matrix `[n, n]`.
///
/// Subspace iteration with Rayleigh-Ritz projection from a seeded start; `leading` of them are converged.
pub(crate) fn largest(matrix: &[f64], n: usize, count: usize, leading: usize) -> Eigen {
    if n <= SMALL.max(count) {
        let mut all = eigen(matrix, n);
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
        let small = eigen(&projected, width);
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
    fn planted_eigenvalues_are_found() {
        let values = [9.0, 4.0, 1.0, 0.5, 0.0, 0.0];
        let m = matrix(&values, 3);
        check(&eigen(&m, 6), &m, 6, &values, 1e-10);
        let mut alone = eigenvalues(&m, 6);
        alone.sort_by(|a, b| b.total_cmp(a));
        assert!(alone.iter().zip(values).all(|(found, expected)| (found - expected).abs() < 1e-10));
    }

    #[test]
    fn vectors_are_orthonormal() {
        for n in [1, 2, 3, 40, 97] {
            let values: Vec<f64> = (0..n).map(|i| 0.5f64.powi((i / 2) as i32)).collect();
            let m = matrix(&values, 7);
            let found = eigen(&m, n);
            check(&found, &m, n, &values, 1e-10);
            for (i, v) in found.vectors.iter().enumerate() {
                for (j, w) in found.vectors.iter().enumerate() {
                    assert!((dot(v, w) - f64::from(u8::from(i == j))).abs() < 1e-10);
                }
            }
        }
        assert!(eigen(&[0.0; 9], 3).values.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn the_nuclear_norm_of_a_planted_matrix() {
        // Two rows of length 3 and 4 at a right angle.
        let m = [3.0, 0.0, 0.0, 0.0, 0.0, -4.0];
        assert!((nuclear_norm(&m, 2, 3) - 7.0).abs() < 1e-7);
        // (3, 0), (0, 0), (0, -4).
        assert!((nuclear_norm(&m, 3, 2) - 7.0).abs() < 1e-7);
    }

    #[test]
    fn subspace_iteration_finds_the_largest() {
        let n = 200;
        let values: Vec<f64> = (0..n).map(|i| 100.0 * 0.8f64.powi(i as i32)).collect();
        let m = matrix(&values, 4);
        let found = largest(&m, n, 8, 3);
        check(&found, &m, n, &values[..3], 1e-6);
        assert_eq!(found.values.len(), 8);
    }

    #[test]
    fn a_matrix_of_low_rank_has_its_rank() {
        let n = 150;
        let mut values = vec![0.0; n];
        values[0] = 5.0;
        let m = matrix(&values, 5);
        let found = largest(&m, n, 4, 1);
        assert!((found.values[0] - 5.0).abs() < 1e-9);
        assert!(found.values[1..].iter().all(|value| value.abs() < 1e-9));
    }
}
