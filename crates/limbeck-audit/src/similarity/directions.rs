//! Principal directions of what the MLPs put out, or of the residual stream that they leave behind, and how alike the
//! MLPs of two networks are by them.

use burn::tensor::{Tensor, TensorData};
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, SiteKind};
use rayon::prelude::*;

use super::eigen::{Eigen, eigen, largest};
use super::products::dot;
use super::walk::{Seen, each_block};
use crate::AuditError;
use crate::rows::read;

/// Directions compared (k = 3).
const DIRECTIONS: usize = 3;
/// Directions kept: resamples look for their principal directions among these.
const KEPT: usize = 8;

/// Values at one site of every block on the clean prompts, `[prompts * positions, d_model]` each, reduced to their
/// leading directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Directions {
    width: usize,
    prompts: usize,
    layers: Vec<Stream>,
}

/// One block's values.
#[derive(Debug, Clone, PartialEq)]
struct Stream {
    /// Leading eigenvectors of the uncentred covariance over prompts x positions, `[KEPT, d_model]`.
    directions: Vec<Vec<f64>>,
    /// Coordinates along them by prompt, `[position, KEPT]`.
    coordinates: Vec<Vec<f64>>,
    /// `coordinates^T coordinates` by prompt, `[KEPT, KEPT]`.
    products: Vec<Vec<f64>>,
}

impl Directions {
    /// Runs the clean prompts, and reduces what every block has at `site`, [`SiteKind::ResidPost`] (variant B) or
    /// [`SiteKind::MlpOut`] (variant A).
    ///
    /// # Errors
    /// [`AuditError::Cancelled`] on request, [`AuditError::Site`] for a site with heads, [`AuditError::Read`] when
    /// values cannot be read back.
    pub fn measure(
        decoder: &Decoder,
        task: &ContrastTask,
        site: SiteKind,
        batch_size: usize,
        progress: &dyn Progress,
    ) -> Result<Directions, AuditError> {
        let mut found = Directions::empty(decoder, task);
        each_block(decoder, task, &[site], batch_size, progress, &mut |layer, seen| {
            found.add(layer, site, seen)
        })?;
        Ok(found)
    }

    pub(crate) fn empty(decoder: &Decoder, task: &ContrastTask) -> Directions {
        Directions { width: decoder.config().d_model, prompts: task.len(), layers: Vec::new() }
    }

    /// Adds the next block.
    pub(crate) fn add(&mut self, layer: usize, site: SiteKind, seen: &[Seen]) -> Result<(), AuditError> {
        let width = self.width;
        let rows = |seen: &Seen| -> Result<Tensor<2>, AuditError> {
            let value = seen.get3(layer, site)?;
            let [count, length, width] = value.dims();
            Ok(value.reshape([count * length, width]))
        };
        let mut covariance = vec![0.0f64; width * width];
        for seen in seen {
            let values = rows(seen)?;
            let product = read(values.clone().transpose().matmul(values), "covariance")?;
            for (sum, value) in covariance.iter_mut().zip(product) {
                *sum += f64::from(value);
            }
        }
        let Eigen { vectors: directions, .. } = largest(&covariance, width, KEPT, DIRECTIONS);
        let kept = directions.len();
        let columns: Vec<f32> = directions.iter().flatten().map(|&value| value as f32).collect();
        let mut stream = Stream { directions, coordinates: Vec::new(), products: Vec::new() };
        for seen in seen {
            let values = rows(seen)?;
            let data = TensorData::new(columns.clone(), [kept, width]);
            let columns = Tensor::<2>::from_data(data, &values.device());
            let values = read(values.matmul(columns.transpose()), "coordinates")?;
            for prompt in values.chunks_exact(values.len() / seen.prompts) {
                let prompt: Vec<f64> = prompt.iter().map(|&value| f64::from(value)).collect();
                stream.products.push(product(&prompt, &prompt, kept, kept));
                stream.coordinates.push(prompt);
            }
        }
        self.layers.push(stream);
        Ok(())
    }

    /// This network's directions beside those of `other`, ready for any weights.
    ///
    /// # Errors
    /// [`AuditError::Mismatch`] when the measurements are of different prompts.
    pub(crate) fn beside<'a>(&'a self, other: &'a Directions) -> Result<PairedDirections<'a>, AuditError> {
        if self.prompts != other.prompts {
            return Err(AuditError::Mismatch { what: "prompts", first: self.prompts, second: other.prompts });
        }
        let same_width = self.width == other.width;
        let row = |here: &Stream| -> Vec<Vec<f64>> {
            let columns = other.layers.iter();
            columns.map(|there| if same_width { here.cosines(there) } else { here.courses(there) }).collect()
        };
        let crosses = self.layers.par_iter().map(row).collect();
        Ok(PairedDirections { here: self, there: other, same_width, crosses })
    }
}

/// Directions of two networks and their inner products.
///
/// Directions are eigenvectors of the uncentred covariance. Networks of one width are compared by the directions
/// themselves. With different widths there is no common space of directions, so the left singular vectors are
/// compared instead: the directions' courses over the same prompts x positions. Weights say how often each prompt
/// counts; the principal directions of a resample are sought among the leading eight of all prompts.
pub(crate) struct PairedDirections<'a> {
    here: &'a Directions,
    there: &'a Directions,
    same_width: bool,
    /// By pair of blocks: inner products of the kept directions, or of their courses, one matrix a prompt.
    crosses: Vec<Vec<Vec<f64>>>,
}

impl PairedDirections<'_> {
    /// Variant B's `S_mlp` of every pair of MLPs: `mean |diag(U1 U2^T)|` with k = 3, in `[0, 1]`, where the rows of `U`
    /// are the principal directions.
    pub(crate) fn diagonal_similarity(&self, weights: &[f64]) -> Vec<Vec<f64>> {
        self.compare(weights, |cosines, count| {
            let sum: f64 = (0..count).map(|i| cosines[i * count + i].abs().min(1.0)).sum();
            sum / count.max(1) as f64
        })
    }

    /// Variant A's `S_mlp`: `|mean of the 3x3 cosine matrix|` of the principal directions, in `[0, 1/3]`, which an
    /// MLP reaches with itself.
    ///
    /// An eigenvector has no sign of its own, and this mean depends on it: each is turned so that its course over
    /// prompts x positions has a sum that is not negative.
    pub(crate) fn mean_similarity(&self, weights: &[f64]) -> Vec<Vec<f64>> {
        self.compare(weights, |cosines, count| {
            cosines.iter().sum::<f64>().abs() / (count * count).max(1) as f64
        })
    }

    /// `judge` of the cosines `[count, count]` between the first directions, for every pair of blocks.
    fn compare(&self, weights: &[f64], judge: impl Fn(&[f64], usize) -> f64 + Sync) -> Vec<Vec<f64>> {
        let principal = |of: &Directions| -> Vec<Eigen> {
            of.layers.par_iter().map(|stream| stream.principal(weights)).collect()
        };
        let (here, there) = (principal(self.here), principal(self.there));
        let pair = |e: &Eigen, f: &Eigen, cross: &[f64]| {
            let count = DIRECTIONS.min(e.values.len()).min(f.values.len());
            let cosines = if self.same_width {
                cosines(e, f, cross, |_, _| 1.0)
            } else {
                let size = e.values.len() * f.values.len();
                let sum = weighted_sum(cross.chunks_exact(size.max(1)), size, weights);
                cosines(e, f, &sum, |i, j| (e.values[i] * f.values[j]).max(0.0).sqrt())
            };
            judge(&cosines, count)
        };
        let rows = here.par_iter().zip(&self.crosses);
        rows.map(|(e, crosses)| there.iter().zip(crosses).map(|(f, cross)| pair(e, f, cross)).collect())
            .collect()
    }
}

impl Stream {
    /// Principal directions under the prompts' weights, in coordinates of the kept ones, with courses whose sum is
    /// not negative.
    fn principal(&self, weights: &[f64]) -> Eigen {
        let kept = self.directions.len();
        let mut found =
            eigen(&weighted_sum(self.products.iter().map(Vec::as_slice), kept * kept, weights), kept);
        // Sum of the coordinates over prompts x positions, along the kept directions.
        let mut sums = vec![0.0; kept];
        for (coordinates, weight) in self.coordinates.iter().zip(weights) {
            for row in coordinates.chunks_exact(kept.max(1)) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        for vector in &mut found.vectors {
            if dot(vector, &sums) < 0.0 {
                vector.iter_mut().for_each(|value| *value = -*value);
            }
        }
        found
    }

    /// `coordinates^T other's coordinates`, one prompt after the other.
    fn courses(&self, other: &Stream) -> Vec<f64> {
        let (rows, columns) = (self.directions.len(), other.directions.len());
        let prompts = self.coordinates.iter().zip(&other.coordinates);
        prompts.flat_map(|(here, there)| product(here, there, rows, columns)).collect()
    }

    /// Inner products of the directions themselves.
    fn cosines(&self, other: &Stream) -> Vec<f64> {
        let columns = &other.directions;
        self.directions.iter().flat_map(|a| columns.iter().map(move |b| dot(a, b))).collect()
    }
}

/// Sum of matrices of `size` entries by the prompts' weights.
fn weighted_sum<'a>(parts: impl Iterator<Item = &'a [f64]>, size: usize, weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; size];
    for (part, &weight) in parts.zip(weights).filter(|(_, weight)| **weight > 0.0) {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += weight * value);
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

/// `e_i^T cross f_j / scale(i, j)` of the first directions, `[count, count]`; a direction of no length has cosine 0.
fn cosines(e: &Eigen, f: &Eigen, cross: &[f64], scale: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let count = DIRECTIONS.min(e.values.len()).min(f.values.len());
    let columns = f.values.len();
    let mut found = Vec::with_capacity(count * count);
    for i in 0..count {
        for j in 0..count {
            let rows = e.vectors[i].iter().zip(cross.chunks_exact(columns));
            let image: f64 = rows.map(|(e, row)| e * dot(row, &f.vectors[j])).sum();
            let scale = scale(i, j);
            found.push(if scale > 0.0 { image / scale } else { 0.0 });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const PROMPTS: usize = 6;
    const POSITIONS: usize = 5;

    /// Samples `[PROMPTS * POSITIONS, width]` as a stream of one layer.
    fn reduced(samples: &[f64], width: usize) -> Directions {
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
        Directions { width, prompts: PROMPTS, layers: vec![stream] }
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

    fn b_similarity(a: &Directions, b: &Directions, weights: &[f64]) -> f64 {
        a.beside(b).unwrap().diagonal_similarity(weights)[0][0]
    }

    #[test]
    fn the_mean_of_the_cosines_is_a_third_for_itself() {
        let narrow = samples(6, 1);
        let (a, wide) = (reduced(&narrow, 6), reduced(&widened(&narrow, 6), 8));
        let weights = [1.0; PROMPTS];
        let mean = |b: &Directions| a.beside(b).unwrap().mean_similarity(&weights)[0][0];
        assert!((mean(&a) - 1.0 / 3.0).abs() < 1e-9);
        // Whatever signs the eigenvectors came with.
        assert!((mean(&wide) - 1.0 / 3.0).abs() < 1e-9);
        assert!(mean(&reduced(&samples(6, 2), 6)) < 0.3);
    }

    #[test]
    fn the_same_courses_in_a_wider_space_are_the_same() {
        let narrow = samples(6, 1);
        let (a, b) = (reduced(&narrow, 6), reduced(&widened(&narrow, 6), 8));
        for weights in [[1.0; PROMPTS], [0.0, 2.0, 1.0, 0.0, 3.0, 0.0]] {
            let same = b_similarity(&a, &b, &weights);
            assert!((same - 1.0).abs() < 1e-9, "{same}");
            let other = b_similarity(&a, &reduced(&widened(&samples(6, 2), 6), 8), &weights);
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
        let (a, b) = (reduced(&planted([0, 1, 2]), 4), reduced(&planted([0, 2, 1]), 4));
        let weights = [1.0; PROMPTS];
        assert!((b_similarity(&a, &b, &weights) - 1.0 / 3.0).abs() < 1e-9);
        assert!((b_similarity(&a, &a, &weights) - 1.0).abs() < 1e-12);
    }
}
