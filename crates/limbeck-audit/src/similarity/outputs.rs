//! What every head and MLP adds to the residual stream, reduced to its leading directions, and how alike the
//! components of two networks are by it.

use std::collections::BTreeMap;

use limbeck_model::{Decoder, Parameter, SiteKind};
use limbeck_results::ComponentKind;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::eigen::eigen;
use super::moments::{OutputMeasure, Own, similarity};
use super::products::{times, transposed_times};
use super::walk::Seen;
use crate::AuditError;
use crate::rows::read;

/// Share of an output's variance that canonical correlations look at (Raghu et al. 2017: 99%).
const EXPLAINED: f64 = 0.99;
/// Variance of a direction, as a share of the largest, below which it is rounding.
const NOTHING: f64 = 1e-9;
/// Variance of an output, as a share of its square, below which it is rounding of 32-bit numbers.
const ROUNDING: f64 = 1e-13;
/// Columns of the random start beyond the directions asked for, and rounds of iteration from it (Halko, Martinsson &
/// Tropp 2011, algorithm 4.4).
const EXTRA: usize = 8;
const ROUNDS: usize = 4;

/// Outputs of all components of a network on the same rows: some positions of every prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outputs {
    /// Rows by prompt.
    pub(crate) rows_per_prompt: usize,
    pub(crate) heads: Vec<Output>,
    pub(crate) mlps: Vec<Output>,
}

/// Outputs of one component.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    /// Coordinates along its leading directions, centred over all rows, `[row, width]`.
    coordinates: Vec<f64>,
    width: usize,
    /// Directions that hold [`EXPLAINED`] of its variance, or as many as are kept.
    leading: usize,
    /// Share of its variance that lies in the kept directions.
    pub(crate) variance: f64,
}

/// Which rows are compared, and how many directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reduction {
    /// Rows by prompt.
    pub(crate) positions: usize,
    /// Leading positions left out.
    pub(crate) skip: usize,
    /// Directions kept, at most.
    pub(crate) directions: usize,
}

impl Reduction {
    /// Positions of a prompt of `length` tokens, evenly spread and the last among them.
    fn places(&self, length: usize) -> impl Iterator<Item = usize> + use<> {
        let (count, free) = (self.positions, length - self.skip.min(length - 1));
        // Counted back from the last, so that the answer's position is always there.
        (0..count).rev().map(move |i| length - 1 - i * free / count)
    }
}

/// Output projections `[heads * d_head, d_model]`, by block, needed to see what a head writes.
pub(crate) fn projections(decoder: &Decoder) -> Vec<Vec<f64>> {
    let mut found = BTreeMap::new();
    decoder.visit(&mut |name: &str, parameter: &Parameter| {
        let block = name.strip_prefix("blocks.").and_then(|rest| rest.strip_suffix(".attn.o.weight"));
        let Some(block) = block.and_then(|block| block.parse::<usize>().ok()) else { return };
        let [rows, columns] = parameter.shape()[..] else { return };
        let values = parameter.to_vec();
        let turned = (0..columns).flat_map(|j| (0..rows).map(move |i| i * columns + j));
        found.insert(block, turned.map(|at| f64::from(values[at])).collect::<Vec<f64>>());
    });
    found.into_values().collect()
}

impl Outputs {
    pub(crate) fn empty(reduction: &Reduction) -> Outputs {
        Outputs { rows_per_prompt: reduction.positions, heads: Vec::new(), mlps: Vec::new() }
    }

    /// Adds the components of the next block, whose output projection is `projection [heads * d_head, d_model]`.
    pub(crate) fn add(
        &mut self,
        layer: usize,
        seen: &[Seen],
        projection: &[f64],
        reduction: &Reduction,
    ) -> Result<(), AuditError> {
        let (mut z, mut mlp) = (Vec::new(), Vec::new());
        let (mut heads, mut width) = (0, 0);
        for seen in seen {
            let value = seen.get4(layer, SiteKind::Z)?;
            let [_, length, count, d_head] = value.dims();
            heads = count;
            keep_places(&read(value, "head outputs")?, length, count * d_head, reduction, &mut z);
            let value = seen.get3(layer, SiteKind::MlpOut)?;
            width = value.dims()[2];
            keep_places(&read(value, "MLP outputs")?, length, width, reduction, &mut mlp);
        }
        let all = projection.len() / width.max(1);
        let d_head = all / heads.max(1);
        let reduced = (0..heads).into_par_iter().map(|head| {
            let own: Vec<f64> = z
                .chunks_exact(all)
                .flat_map(|row| row[head * d_head..(head + 1) * d_head].iter().copied())
                .collect();
            let weight = &projection[head * d_head * width..(head + 1) * d_head * width];
            head_output(own, d_head, weight, width, reduction.directions)
        });
        self.heads.extend(reduced.collect::<Result<Vec<Output>, AuditError>>()?);
        self.mlps.push(wide_output(mlp, width, reduction.directions)?);
        Ok(())
    }

    /// Components of a kind.
    pub(crate) fn of(&self, kind: ComponentKind) -> &[Output] {
        match kind {
            ComponentKind::Head => &self.heads,
            ComponentKind::Mlp => &self.mlps,
        }
    }

    /// Mean share of variance kept, over all components that vary at all.
    pub(crate) fn variance(&self) -> f64 {
        let (sum, count) = (self.heads.iter().chain(&self.mlps))
            .filter(|output| output.width > 0)
            .fold((0.0, 0), |(sum, count), output| (sum + output.variance, count + 1));
        sum / f64::from(count.max(1))
    }
}

/// The measures asked for between all components of a kind, `[measure][here][there]`.
pub(crate) fn similarities(
    measures: &[OutputMeasure],
    here: &[Output],
    there: &[Output],
) -> Result<Vec<Vec<Vec<f64>>>, AuditError> {
    let (ours, theirs): (Vec<Own>, Vec<Own>) =
        (here.par_iter().map(Output::own).collect(), there.par_iter().map(Output::own).collect());
    let starts: Vec<usize> = (there.iter())
        .scan(0, |sum, output| {
            *sum += output.width;
            Some(*sum - output.width)
        })
        .collect();
    let columns: usize = there.iter().map(|output| output.width).sum();
    let side_by_side = beside(there);
    let mut found = vec![Vec::with_capacity(here.len()); measures.len()];
    // One product of a handful of components with all others at a time: large products are fast, and what they make is
    // soon gone.
    for (outputs, owns) in here.chunks(CHUNK).zip(ours.chunks(CHUNK)) {
        let rows: usize = outputs.iter().map(|output| output.width).sum();
        let product = transposed_times(&beside(outputs), rows, &side_by_side, columns)?;
        let mut first = 0;
        for (output, own) in outputs.iter().zip(owns) {
            let block = &product[first * columns..(first + output.width) * columns];
            first += output.width;
            let pair = |index: usize| -> Vec<f64> {
                let (start, width) = (starts[index], there[index].width);
                let rows =
                    (0..output.width).map(|row| &block[row * columns + start..row * columns + start + width]);
                let cross: Vec<f64> = rows.flatten().copied().collect();
                measures.iter().map(|&measure| similarity(measure, own, &theirs[index], &cross)).collect()
            };
            let pairs: Vec<Vec<f64>> = (0..there.len()).into_par_iter().map(pair).collect();
            for (measure, found) in found.iter_mut().enumerate() {
                found.push(pairs.iter().map(|values| values[measure]).collect());
            }
        }
    }
    Ok(found)
}

/// Components multiplied with all others at a time.
const CHUNK: usize = 16;

/// Outputs side by side, `[row, sum of widths]`.
fn beside(outputs: &[Output]) -> Vec<f64> {
    let rows = outputs
        .iter()
        .filter(|output| output.width > 0)
        .map(|output| output.coordinates.len() / output.width)
        .max();
    let mut all = Vec::new();
    for row in 0..rows.unwrap_or(0) {
        for output in outputs {
            all.extend_from_slice(&output.coordinates[row * output.width..(row + 1) * output.width]);
        }
    }
    all
}

impl Output {
    fn own(&self) -> Own {
        let mut moments = vec![0.0; self.width * self.width];
        add_products(&self.coordinates, self.width, &self.coordinates, self.width, 1.0, &mut moments);
        Own::new(&moments, self.width, self.leading)
    }

    /// A measure between this component and another on resamples of prompts, one value for each of `draws`, which say
    /// how often each prompt counts. The directions stay those of all prompts; means are taken anew.
    pub(crate) fn resampled(
        &self,
        other: &Output,
        measure: OutputMeasure,
        rows_per_prompt: usize,
        draws: &[&[f64]],
    ) -> Vec<f64> {
        let (own, theirs) =
            (Parts::new(self, self, rows_per_prompt), Parts::new(other, other, rows_per_prompt));
        let cross = Parts::new(self, other, rows_per_prompt);
        let value = |weights: &&[f64]| {
            let x = Own::new(&own.moments(weights), self.width, self.leading);
            let y = Own::new(&theirs.moments(weights), other.width, other.leading);
            similarity(measure, &x, &y, &cross.moments(weights))
        };
        draws.iter().map(value).collect()
    }
}

/// Products and sums of two components, prompt by prompt.
struct Parts {
    /// By prompt, `[x.width, y.width]`.
    products: Vec<Vec<f64>>,
    /// By prompt, sums over its rows.
    sums: Vec<(Vec<f64>, Vec<f64>)>,
    rows: f64,
}

impl Parts {
    fn new(x: &Output, y: &Output, rows: usize) -> Parts {
        let sum = |values: &[f64], width: usize| {
            let mut sum = vec![0.0; width];
            for row in values.chunks_exact(width.max(1)) {
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            sum
        };
        let (mut products, mut sums) = (Vec::new(), Vec::new());
        if x.width > 0 && y.width > 0 {
            let prompts =
                x.coordinates.chunks_exact(rows * x.width).zip(y.coordinates.chunks_exact(rows * y.width));
            for (a, b) in prompts {
                let mut product = vec![0.0; x.width * y.width];
                add_products(a, x.width, b, y.width, 1.0, &mut product);
                products.push(product);
                sums.push((sum(a, x.width), sum(b, y.width)));
            }
        }
        Parts { products, sums, rows: rows as f64 }
    }

    /// `X^T Y` under the prompts' weights, columns centred.
    fn moments(&self, weights: &[f64]) -> Vec<f64> {
        let Some(first) = self.products.first() else { return Vec::new() };
        let mut moments = vec![0.0; first.len()];
        let (mut a, mut b) = (vec![0.0; self.sums[0].0.len()], vec![0.0; self.sums[0].1.len()]);
        let mut rows = 0.0;
        for ((product, sums), &weight) in
            self.products.iter().zip(&self.sums).zip(weights).filter(|(_, w)| **w > 0.0)
        {
            moments.iter_mut().zip(product).for_each(|(sum, value)| *sum += weight * value);
            a.iter_mut().zip(&sums.0).for_each(|(sum, value)| *sum += weight * value);
            b.iter_mut().zip(&sums.1).for_each(|(sum, value)| *sum += weight * value);
            rows += weight * self.rows;
        }
        add_products(&a, a.len(), &b, b.len(), -1.0 / rows, &mut moments);
        moments
    }
}

/// `sum += factor a^T b`, `a [rows, m]` and `b [rows, n]`.
fn add_products(a: &[f64], m: usize, b: &[f64], n: usize, factor: f64, sum: &mut [f64]) {
    if m == 0 || n == 0 {
        return;
    }
    for (a, b) in a.chunks_exact(m).zip(b.chunks_exact(n)) {
        for (a, row) in a.iter().zip(sum.chunks_exact_mut(n)) {
            let factor = factor * a;
            row.iter_mut().zip(b).for_each(|(sum, b)| *sum += factor * b);
        }
    }
}

/// Adds the rows compared of values `[prompts, length, width]`.
fn keep_places(values: &[f32], length: usize, width: usize, reduction: &Reduction, kept: &mut Vec<f64>) {
    for prompt in values.chunks_exact(length * width) {
        for place in reduction.places(length) {
            kept.extend(prompt[place * width..(place + 1) * width].iter().map(|&value| f64::from(value)));
        }
    }
}

/// Subtracts every column's mean. What varies by rounding alone (of 32 bits) becomes zero: it is constant.
fn centre(values: &mut [f64], width: usize) {
    let rows = (values.len() / width.max(1)) as f64;
    let energy = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
    let before = energy(values);
    let mut mean = vec![0.0; width];
    for row in values.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value / rows);
    }
    for row in values.chunks_exact_mut(width) {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
    }
    if energy(values) <= before * ROUNDING {
        values.fill(0.0);
    }
}

/// What a head writes, `z W`, `z [row, d_head]` and `W [d_head, d_model]`: inner products of its rows are those of `z M`
/// with `M M^T = W W^T`, so that no more than `d_head` coordinates are needed.
fn head_output(
    mut z: Vec<f64>,
    d_head: usize,
    weight: &[f64],
    width: usize,
    directions: usize,
) -> Result<Output, AuditError> {
    centre(&mut z, d_head);
    let gram = super::products::times_transposed(weight, weight, width)?;
    let found = eigen(&gram, d_head);
    let mut root = vec![0.0; d_head * d_head];
    for (j, (value, vector)) in found.values.iter().zip(&found.vectors).enumerate() {
        for (i, entry) in vector.iter().enumerate() {
            root[i * d_head + j] = entry * value.max(0.0).sqrt();
        }
    }
    principal(&times(&z, d_head, &root, d_head)?, d_head, directions, None)
}

/// What an MLP writes, `[row, width]`. Of a wide one only a subspace that holds its leading directions is looked at.
fn wide_output(mut values: Vec<f64>, width: usize, directions: usize) -> Result<Output, AuditError> {
    centre(&mut values, width);
    let narrow = directions + EXTRA;
    if width <= 2 * narrow {
        return principal(&values, width, directions, None);
    }
    let total: f64 = values.iter().map(|value| value * value).sum();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut basis: Vec<f64> = (0..width * narrow).map(|_| rng.random_range(-1.0..1.0)).collect();
    let mut count = narrow;
    for _ in 0..ROUNDS {
        let image = times(&values, width, &basis, count)?;
        (basis, count) = orthonormal(transposed_times(&values, width, &image, count)?, count)?;
        if count == 0 {
            return Ok(Output { coordinates: Vec::new(), width: 0, leading: 0, variance: 0.0 });
        }
    }
    principal(&times(&values, width, &basis, count)?, count, directions, Some(total))
}

/// An orthonormal basis of the columns `[row, count]`, without those that are rounding, and their number.
fn orthonormal(columns: Vec<f64>, count: usize) -> Result<(Vec<f64>, usize), AuditError> {
    let (mut columns, mut count) = (columns, count);
    // Once to drop what is rounding, once more for accuracy.
    for _ in 0..2 {
        let found = eigen(&transposed_times(&columns, count, &columns, count)?, count);
        let largest = found.values.first().copied().unwrap_or(0.0);
        let kept = found.values.iter().take_while(|value| **value > largest * 1e-14 && **value > 0.0).count();
        let mut turn = vec![0.0; count * kept];
        for (j, (value, vector)) in found.values.iter().zip(&found.vectors).take(kept).enumerate() {
            for (i, entry) in vector.iter().enumerate() {
                turn[i * kept + j] = entry / value.sqrt();
            }
        }
        if kept == 0 {
            return Ok((Vec::new(), 0));
        }
        columns = times(&columns, count, &turn, kept)?;
        count = kept;
    }
    Ok((columns, count))
}

/// Principal components of centred values `[row, width]`; `total` is their variance before they were narrowed.
fn principal(
    values: &[f64],
    width: usize,
    directions: usize,
    total: Option<f64>,
) -> Result<Output, AuditError> {
    let found = eigen(&transposed_times(values, width, values, width)?, width);
    let total = total.unwrap_or_else(|| found.values.iter().map(|value| value.max(0.0)).sum());
    let largest = found.values.first().copied().unwrap_or(0.0);
    let kept = found
        .values
        .iter()
        .take(directions)
        .take_while(|value| **value > largest * NOTHING && **value > 0.0)
        .count();
    let mut turn = vec![0.0; width * kept];
    for (j, vector) in found.vectors.iter().take(kept).enumerate() {
        for (i, entry) in vector.iter().enumerate() {
            turn[i * kept + j] = *entry;
        }
    }
    let held: f64 = found.values[..kept].iter().sum();
    let mut so_far = 0.0;
    let leading = found.values[..kept]
        .iter()
        .take_while(|value| {
            let before = so_far;
            so_far += **value;
            before < EXPLAINED * total
        })
        .count();
    Ok(Output {
        coordinates: times(values, width, &turn, kept)?,
        width: kept,
        leading,
        variance: if total > 0.0 { (held / total).min(1.0) } else { 0.0 },
    })
}

#[cfg(test)]
mod tests;
