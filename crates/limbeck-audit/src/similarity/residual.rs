//! Principal directions of the residual stream after every block, and how alike the MLPs of two networks are
//! by them.

use burn::tensor::{Tensor, TensorData};
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, NoTap};
use rayon::prelude::*;

use super::attention_maps::dot;
use super::eigen::{Eigen, jacobi, largest};
use crate::AuditError;
use crate::rows::{clean_batch, read};

/// Directions compared (variant B: k = 3).
const DIRECTIONS: usize = 3;
/// Directions kept: resamples look for their principal directions among these.
const KEPT: usize = 8;

/// The residual stream after every block (`hook_resid_post`) on the clean prompts, reduced to its leading directions.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualStreams {
    width: usize,
    prompts: usize,
    layers: Vec<Stream>,
}

/// One block's stream.
#[derive(Debug, Clone, PartialEq)]
struct Stream {
    /// Leading eigenvectors of the uncentred covariance over prompts x positions, `[KEPT, d_model]`.
    directions: Vec<Vec<f64>>,
    /// Coordinates along them by prompt, `[position, KEPT]`.
    coordinates: Vec<Vec<f64>>,
    /// `coordinates^T coordinates` by prompt, `[KEPT, KEPT]`.
    products: Vec<Vec<f64>>,
}

impl ResidualStreams {
    /// Runs the clean prompts twice: for the covariances, then for the coordinates along their leading directions.
    ///
    /// # Errors
    /// [`AuditError::Cancelled`] on request, [`AuditError::Read`] when values cannot be read back.
    pub fn measure(
        decoder: &Decoder,
        task: &ContrastTask,
        batch_size: usize,
        progress: &dyn Progress,
    ) -> Result<ResidualStreams, AuditError> {
        let (layers, width) = (decoder.config().n_layers, decoder.config().d_model);
        let mut covariances = vec![vec![0.0f64; width * width]; layers];
        each_stream(decoder, task, batch_size, progress, &mut |layer, stream, _| {
            let product =
                read(stream.clone().transpose().matmul(stream), "covariance of the residual stream")?;
            for (sum, value) in covariances[layer].iter_mut().zip(product) {
                *sum += f64::from(value);
            }
            Ok(())
        })?;
        let mut found: Vec<Stream> = covariances
            .into_iter()
            .map(|covariance| {
                let Eigen { vectors, .. } = largest(&covariance, width, KEPT, DIRECTIONS);
                Stream { directions: vectors, coordinates: Vec::new(), products: Vec::new() }
            })
            .collect();
        each_stream(decoder, task, batch_size, progress, &mut |layer, stream, prompts| {
            let into = &mut found[layer];
            let kept = into.directions.len();
            let columns: Vec<f32> = into.directions.iter().flatten().map(|&value| value as f32).collect();
            let columns = Tensor::<2>::from_data(TensorData::new(columns, [kept, width]), &stream.device());
            let values = read(stream.matmul(columns.transpose()), "residual stream")?;
            for prompt in values.chunks_exact(values.len() / prompts) {
                let prompt: Vec<f64> = prompt.iter().map(|&value| f64::from(value)).collect();
                into.products.push(product(&prompt, &prompt, kept, kept));
                into.coordinates.push(prompt);
            }
            Ok(())
        })?;
        Ok(ResidualStreams { width, prompts: task.len(), layers: found })
    }

    /// `S_mlp` of the MLP of every block here (rows) and in `other` (columns): `mean |diag(U1 U2^T)|` with k = 3, in
    /// `[0, 1]`, where the rows of `U` are the principal directions of the residual stream that the MLP leaves behind.
    ///
    /// Directions are eigenvectors of the uncentred covariance. Networks of one width are compared by the
    /// directions themselves. With different widths there is no common space of directions, so the left singular
    /// vectors are compared instead: the directions' courses over the same prompts x positions.
    /// `weights` says how often each prompt counts; the directions of a resample are sought among the leading
    /// eight of all prompts.
    ///
    /// # Errors
    /// [`AuditError::Mismatch`] when the streams are of different prompts.
    pub(crate) fn similarity(
        &self,
        other: &ResidualStreams,
        weights: &[f64],
    ) -> Result<Vec<Vec<f64>>, AuditError> {
        if self.prompts != other.prompts {
            return Err(AuditError::Mismatch { what: "prompts", first: self.prompts, second: other.prompts });
        }
        let here: Vec<Eigen> = self.layers.par_iter().map(|stream| stream.principal(weights)).collect();
        let there: Vec<Eigen> = other.layers.par_iter().map(|stream| stream.principal(weights)).collect();
        Ok(here
            .par_iter()
            .zip(&self.layers)
            .map(|(e, stream)| {
                let columns = there.iter().zip(&other.layers);
                columns
                    .map(|(f, column)| {
                        if self.width == other.width {
                            let cross = cross(&stream.directions, &column.directions);
                            overlap(e, f, &cross, |_| 1.0)
                        } else {
                            let cross = stream.courses(column, weights);
                            overlap(e, f, &cross, |i| (e.values[i] * f.values[i]).max(0.0).sqrt())
                        }
                    })
                    .collect()
            })
            .collect())
    }
}

impl Stream {
    /// Principal directions under the prompts' weights, in coordinates of the kept ones.
    fn principal(&self, weights: &[f64]) -> Eigen {
        let kept = self.directions.len();
        jacobi(&weighted_sum(&self.products, weights), kept)
    }

    /// `sum over prompts of weight * coordinates^T other's coordinates`.
    fn courses(&self, other: &Stream, weights: &[f64]) -> Vec<f64> {
        let (rows, columns) = (self.directions.len(), other.directions.len());
        let mut sum = vec![0.0; rows * columns];
        for (prompt, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            let part = product(&self.coordinates[prompt], &other.coordinates[prompt], rows, columns);
            for (sum, value) in sum.iter_mut().zip(part) {
                *sum += weight * value;
            }
        }
        sum
    }
}

fn weighted_sum(parts: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; parts.first().map_or(0, Vec::len)];
    for (part, weight) in parts.iter().zip(weights) {
        for (sum, value) in sum.iter_mut().zip(part) {
            *sum += weight * value;
        }
    }
    sum
}

/// `a^T b` of two matrices with one row per position, `[rows, columns]`.
fn product(a: &[f64], b: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut sum = vec![0.0; rows * columns];
    for (a, b) in a.chunks_exact(rows).zip(b.chunks_exact(columns)) {
        for (i, a) in a.iter().enumerate() {
            for (j, b) in b.iter().enumerate() {
                sum[i * columns + j] += a * b;
            }
        }
    }
    sum
}

/// Inner products of two sets of directions.
fn cross(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<f64> {
    a.iter().flat_map(|a| b.iter().map(move |b| dot(a, b))).collect()
}

/// Mean of `|e_i^T cross f_i| / scale(i)` over the first three directions; a direction of no length counts 0.
fn overlap(e: &Eigen, f: &Eigen, cross: &[f64], scale: impl Fn(usize) -> f64) -> f64 {
    let count = DIRECTIONS.min(e.values.len()).min(f.values.len());
    let columns = f.values.len();
    let sum: f64 = (0..count)
        .map(|i| {
            let image = e.vectors[i]
                .iter()
                .zip(cross.chunks_exact(columns))
                .map(|(e, row)| e * dot(row, &f.vectors[i]));
            let scale = scale(i);
            if scale > 0.0 { (image.sum::<f64>().abs() / scale).min(1.0) } else { 0.0 }
        })
        .sum();
    sum / count.max(1) as f64
}

/// Hands over every block's residual stream, `[prompts * positions, d_model]`, batch by batch.
fn each_stream(
    decoder: &Decoder,
    task: &ContrastTask,
    batch_size: usize,
    progress: &dyn Progress,
    see: &mut dyn FnMut(usize, Tensor<2>, usize) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    for group in &task.groups {
        for prompts in group.prompts.chunks(batch_size) {
            if progress.cancelled() {
                return Err(AuditError::Cancelled);
            }
            let mut resid = decoder.embed(&clean_batch(decoder, prompts)?, &mut NoTap);
            for layer in 0..decoder.config().n_layers {
                resid = decoder.run_blocks(layer..layer + 1, resid, &mut NoTap);
                let [count, length, width] = resid.dims();
                see(layer, resid.clone().reshape([count * length, width]), count)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const PROMPTS: usize = 6;
    const POSITIONS: usize = 5;

    /// Samples `[PROMPTS * POSITIONS, width]` as a stream of one layer.
    fn streams(samples: &[f64], width: usize) -> ResidualStreams {
        let Eigen { vectors, .. } =
            largest(&product(samples, samples, width, width), width, KEPT, DIRECTIONS);
        let mut stream = Stream { directions: vectors, coordinates: vec![], products: vec![] };
        let kept = stream.directions.len();
        for prompt in samples.chunks_exact(POSITIONS * width) {
            let rows = prompt.chunks_exact(width);
            let coordinates: Vec<f64> = rows
                .flat_map(|row| stream.directions.iter().map(|v| dot(row, v)).collect::<Vec<_>>())
                .collect();
            stream.products.push(product(&coordinates, &coordinates, kept, kept));
            stream.coordinates.push(coordinates);
        }
        ResidualStreams { width, prompts: PROMPTS, layers: vec![stream] }
    }

    fn samples(width: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Columns of different size, so that the principal directions are far apart.
        (0..PROMPTS * POSITIONS * width)
            .map(|i| rng.random_range(-1.0..1.0) * 3.0 / (1.0 + (i % width) as f64))
            .collect()
    }

    /// The same samples in a wider space: two columns of zeros more.
    fn widened(samples: &[f64], width: usize) -> Vec<f64> {
        samples.chunks_exact(width).flat_map(|row| [&[0.0], row, &[0.0]].concat()).collect()
    }

    #[test]
    fn the_same_courses_in_a_wider_space_are_the_same() {
        let narrow = samples(6, 1);
        let (a, b) = (streams(&narrow, 6), streams(&widened(&narrow, 6), 8));
        for weights in [[1.0; PROMPTS], [0.0, 2.0, 1.0, 0.0, 3.0, 0.0]] {
            let same = a.similarity(&b, &weights).unwrap()[0][0];
            assert!((same - 1.0).abs() < 1e-9, "{same}");
            let other = a.similarity(&streams(&widened(&samples(6, 2), 6), 8), &weights).unwrap()[0][0];
            assert!(other < 0.9, "{other}");
        }
    }

    #[test]
    fn planted_directions_are_compared_in_order() {
        // Axes 0, 1, 2 against axes 0, 2, 1: only the first of the three falls on its own.
        let planted = |order: [usize; 3]| -> Vec<f64> {
            let mut samples = vec![0.0; PROMPTS * POSITIONS * 4];
            for (i, row) in samples.chunks_exact_mut(4).enumerate() {
                row[order[i % 3]] = [9.0, 5.0, 2.0][i % 3];
            }
            samples
        };
        let (a, b) = (streams(&planted([0, 1, 2]), 4), streams(&planted([0, 2, 1]), 4));
        let weights = [1.0; PROMPTS];
        assert!((a.similarity(&b, &weights).unwrap()[0][0] - 1.0 / 3.0).abs() < 1e-9);
        assert!((a.similarity(&a, &weights).unwrap()[0][0] - 1.0).abs() < 1e-12);
    }
}
