//! Attention maps of every head on every prompt, and how alike the heads of two networks are by them.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, SiteKind};
use rayon::prelude::*;

use super::products::{dot, times_transposed};
use super::walk::{Seen, each_block};
use crate::AuditError;
use crate::rows::read;

/// Attention maps, prompt by prompt, so that means over any resample of prompts can be taken.
///
/// Only the causal triangle is kept: what lies above it is zero in every network.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMaps {
    /// Blocks.
    layers: usize,
    /// Query heads per block.
    heads: usize,
    groups: Vec<GroupMaps>,
}

/// Maps of the prompts of one group, which have one length.
#[derive(Debug, Clone, PartialEq)]
struct GroupMaps {
    length: usize,
    prompts: usize,
    /// `[prompt, layer * heads + head, triangle]`.
    values: Vec<f32>,
}

/// Mean map of every head under the prompts' weights, group after group, each row of a triangle after the other.
///
/// Groups of different length have no common map. `share` says how much each group counts: its part of the weight.
pub(crate) struct MeanMaps {
    lengths: Vec<usize>,
    shares: Vec<f64>,
    /// `[head, sum of triangles]`.
    values: Vec<Vec<f64>>,
}

/// How attention maps are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttentionMeasure {
    /// Variant A's `S_head`: the mean over query rows of the cosine between mean attention rows; the mean over groups by
    /// their prompts where there are several.
    Rows,
    /// Variant B's `S_head`: the cosine of flattened mean maps. Mean maps of several groups are laid end to end, each
    /// scaled by the square root of its group's share, so that the cosine weighs every group by its prompts.
    Maps,
    /// `1 - JS / ln 2`: the Jensen-Shannon divergence `H((p + q) / 2) - (H(p) + H(q)) / 2` of mean attention rows, in
    /// nats (Lin 1991), mean over query rows from the second (the first has nothing but itself to attend to) and over
    /// groups by their prompts.
    Divergence,
}

/// Mean maps made ready for one measure.
pub(crate) enum PreparedMaps {
    /// By head; inner products are similarities.
    Vectors(Vec<Vec<f64>>),
    /// By head, with the weighted sum of `p ln p` and the weight of every entry.
    Distributions { maps: Vec<Vec<f64>>, entropies: Vec<f64>, weights: Vec<f64> },
}

/// Entries of the triangle of a map, `n (n + 1) / 2`.
fn triangle(length: usize) -> usize {
    length * (length + 1) / 2
}

impl AttentionMaps {
    /// Captures the attention pattern of every head on the clean prompts.
    ///
    /// # Errors
    /// [`AuditError::Cancelled`] on request; [`AuditError::Site`] when the decoder hands no pattern over.
    pub fn measure(
        decoder: &Decoder,
        task: &ContrastTask,
        batch_size: usize,
        progress: &dyn Progress,
    ) -> Result<AttentionMaps, AuditError> {
        let mut found = AttentionMaps::empty(decoder, task);
        each_block(decoder, task, &[SiteKind::Pattern], batch_size, progress, &mut |layer, seen| {
            found.add(layer, seen)
        })?;
        Ok(found)
    }

    pub(crate) fn empty(decoder: &Decoder, task: &ContrastTask) -> AttentionMaps {
        let (layers, heads) = (decoder.config().n_layers, decoder.config().n_heads);
        let groups = task.groups.iter().map(|group| {
            let (length, prompts) = (group.length, group.prompts.len());
            GroupMaps { length, prompts, values: vec![0.0; prompts * layers * heads * triangle(length)] }
        });
        AttentionMaps { layers, heads, groups: groups.collect() }
    }

    /// Adds the maps of one block.
    pub(crate) fn add(&mut self, layer: usize, seen: &[Seen]) -> Result<(), AuditError> {
        let mut before = vec![0; self.groups.len()];
        for seen in seen {
            let group = &mut self.groups[seen.group];
            let (length, size) = (group.length, triangle(group.length));
            let pattern = read(seen.get4(layer, SiteKind::Pattern)?, "attention patterns")?;
            for (map, full) in pattern.chunks_exact(length * length).enumerate() {
                let (prompt, head) = (before[seen.group] + map / self.heads, map % self.heads);
                let start = ((prompt * self.layers + layer) * self.heads + head) * size;
                keep_triangle(full, length, &mut group.values[start..start + size]);
            }
            before[seen.group] += seen.prompts;
        }
        Ok(())
    }

    /// Mean map of one head over the prompts of one group, the triangle row by row; empty when there is no such group.
    pub(crate) fn mean_in_group(&self, group: usize, layer: usize, head: usize) -> Vec<f64> {
        let Some(group) = self.groups.get(group) else { return Vec::new() };
        let (size, heads) = (group.length * (group.length + 1) / 2, self.layers * self.heads);
        let mut mean = vec![0.0; size];
        for prompt in 0..group.prompts {
            let start = (prompt * heads + layer * self.heads + head) * size;
            for (sum, value) in mean.iter_mut().zip(&group.values[start..start + size]) {
                *sum += f64::from(*value) / group.prompts as f64;
            }
        }
        mean
    }

    /// Heads in all blocks.
    pub(crate) fn len(&self) -> usize {
        self.layers * self.heads
    }

    /// Attention from the last position of a prompt, by key; prompts in the order of [`ContrastTask::prompts`].
    pub(crate) fn last_row(&self, mut prompt: usize, head: usize) -> &[f32] {
        for group in &self.groups {
            if prompt < group.prompts {
                let end = (prompt * self.len() + head + 1) * triangle(group.length);
                return &group.values[end - group.length..end];
            }
            prompt -= group.prompts;
        }
        &[]
    }

    /// Refuses maps of other prompts.
    ///
    /// # Errors
    /// [`AuditError::Mismatch`] when numbers of prompts or their lengths differ.
    pub(crate) fn check_beside(&self, other: &AttentionMaps) -> Result<(), AuditError> {
        let shape = |maps: &AttentionMaps| -> Vec<(usize, usize)> {
            maps.groups.iter().map(|group| (group.length, group.prompts)).collect()
        };
        let (first, second) = (shape(self), shape(other));
        if first == second {
            return Ok(());
        }
        let positions = |shape: &[(usize, usize)]| shape.iter().map(|(length, count)| length * count).sum();
        Err(AuditError::Mismatch {
            what: "positions of the attention maps",
            first: positions(&first),
            second: positions(&second),
        })
    }

    /// Mean map of every head within each group. `weights` says how often each prompt counts.
    pub(crate) fn means(&self, weights: &[f64]) -> MeanMaps {
        let total: f64 = weights.iter().sum();
        let heads = self.len();
        let mut first = 0;
        let of_groups: Vec<&[f64]> = (self.groups.iter())
            .map(|group| {
                first += group.prompts;
                &weights[first - group.prompts..first]
            })
            .collect();
        let values = (0..heads).into_par_iter().map(|head| {
            let mut mean = Vec::with_capacity(self.groups.iter().map(|group| triangle(group.length)).sum());
            for (group, own) in self.groups.iter().zip(&of_groups) {
                let size = triangle(group.length);
                let weight: f64 = own.iter().sum();
                let mut sum = vec![0.0f64; size];
                for (prompt, &times) in own.iter().enumerate().filter(|(_, times)| **times > 0.0) {
                    let start = (prompt * heads + head) * size;
                    let factor = times / weight;
                    for (sum, value) in sum.iter_mut().zip(&group.values[start..start + size]) {
                        *sum += factor * f64::from(*value);
                    }
                }
                mean.extend(sum);
            }
            mean
        });
        MeanMaps {
            lengths: self.groups.iter().map(|group| group.length).collect(),
            shares: of_groups.iter().map(|own| own.iter().sum::<f64>() / total).collect(),
            values: values.collect(),
        }
    }
}

impl MeanMaps {
    /// The maps as `measure` compares them.
    pub(crate) fn prepare(&self, measure: AttentionMeasure) -> PreparedMaps {
        match measure {
            AttentionMeasure::Maps => {
                let mut vectors = self.vectors(|group, row, _| scale(row, self.shares[group].sqrt()));
                vectors.iter_mut().for_each(|vector| make_unit(vector));
                PreparedMaps::Vectors(vectors)
            }
            AttentionMeasure::Rows => PreparedMaps::Vectors(self.vectors(|group, row, _| {
                make_unit(row);
                scale(row, (self.shares[group] / self.lengths[group] as f64).sqrt());
            })),
            AttentionMeasure::Divergence => {
                // Every entry is weighed by its row, so that one sum over all entries is the mean over rows and groups.
                let mut weights = Vec::new();
                for (&length, share) in self.lengths.iter().zip(&self.shares) {
                    weights.push(0.0);
                    for query in 1..length {
                        weights.extend(vec![share / (length - 1) as f64; query + 1]);
                    }
                }
                let entropy = |map: &Vec<f64>| map.iter().zip(&weights).map(|(p, w)| w * p_log_p(*p)).sum();
                let entropies = self.values.iter().map(entropy).collect();
                PreparedMaps::Distributions { maps: self.values.clone(), entropies, weights }
            }
        }
    }

    /// All maps with `change` applied to each query row: it is told group, row and query.
    fn vectors(&self, change: impl Fn(usize, &mut [f64], usize) + Sync) -> Vec<Vec<f64>> {
        let changed = |map: &Vec<f64>| {
            let mut map = map.clone();
            let mut rest = map.as_mut_slice();
            for (group, &length) in self.lengths.iter().enumerate() {
                for query in 0..length {
                    let (row, after) = rest.split_at_mut(query + 1);
                    change(group, row, query);
                    rest = after;
                }
            }
            map
        };
        self.values.par_iter().map(changed).collect()
    }
}

impl PreparedMaps {
    /// The similarity of every head here (rows) and in `other` (columns), in `[0, 1]`.
    ///
    /// # Errors
    /// [`AuditError::Read`] when a product cannot be read back.
    pub(crate) fn matrix(&self, other: &PreparedMaps) -> Result<Vec<Vec<f64>>, AuditError> {
        match (self, other) {
            (PreparedMaps::Vectors(here), PreparedMaps::Vectors(there)) => products(here, there),
            _ => {
                let row = |i| (0..other.len()).map(|j| self.pair(i, other, j)).collect();
                Ok((0..self.len()).into_par_iter().map(row).collect())
            }
        }
    }

    /// The similarity of head `i` here and head `j` in `other`; both must be prepared for one measure.
    pub(crate) fn pair(&self, i: usize, other: &PreparedMaps, j: usize) -> f64 {
        let value = match (self, other) {
            (PreparedMaps::Vectors(here), PreparedMaps::Vectors(there)) => dot(&here[i], &there[j]),
            (
                PreparedMaps::Distributions { maps: here, entropies: ours, weights },
                PreparedMaps::Distributions { maps: there, entropies: theirs, .. },
            ) => {
                let mixed: f64 = (here[i].iter().zip(&there[j]).zip(weights))
                    .map(|((p, q), w)| w * p_log_p(0.5 * (p + q)))
                    .sum();
                1.0 - (0.5 * (ours[i] + theirs[j]) - mixed) / std::f64::consts::LN_2
            }
            _ => 0.0,
        };
        value.clamp(0.0, 1.0)
    }

    fn len(&self) -> usize {
        match self {
            PreparedMaps::Vectors(vectors) => vectors.len(),
            PreparedMaps::Distributions { maps, .. } => maps.len(),
        }
    }
}

fn scale(row: &mut [f64], factor: f64) {
    row.iter_mut().for_each(|value| *value *= factor);
}

fn p_log_p(p: f64) -> f64 {
    if p > 0.0 { p * p.ln() } else { 0.0 }
}

/// Inner products of two sets of vectors, `[here][there]`, kept in `[0, 1]`.
fn products(here: &[Vec<f64>], there: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, AuditError> {
    let (Some(first), false) = (here.first(), there.is_empty()) else { return Ok(Vec::new()) };
    let values = times_transposed(&here.concat(), &there.concat(), first.len())?;
    let rows = values.chunks_exact(there.len());
    Ok(rows.map(|row| row.iter().map(|value| value.clamp(0.0, 1.0)).collect()).collect())
}

/// Copies the rows of a square map up to the diagonal.
fn keep_triangle(full: &[f32], length: usize, kept: &mut [f32]) {
    let mut at = 0;
    for (query, row) in full.chunks_exact(length).enumerate() {
        kept[at..at + query + 1].copy_from_slice(&row[..query + 1]);
        at += query + 1;
    }
}

/// Scales a vector to length 1; one of no length stays.
fn make_unit(vector: &mut [f64]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Maps of the fixture: one block, groups of `[prompt, head, query, key]`.
    fn maps(golden: &Value, name: &str) -> AttentionMaps {
        let numbers = |value: &Value| -> Vec<usize> { serde_json::from_value(value.clone()).unwrap() };
        let heads = golden["heads"].as_u64().unwrap() as usize;
        let sizes = numbers(&golden["lengths"]).into_iter().zip(numbers(&golden["prompts"]));
        let groups = sizes.zip(golden[name].as_array().unwrap()).map(|((length, prompts), values)| {
            let full: Vec<f32> = serde_json::from_value(values.clone()).unwrap();
            let size = triangle(length);
            let mut values = vec![0.0; prompts * heads * size];
            for (full, kept) in full.chunks_exact(length * length).zip(values.chunks_exact_mut(size)) {
                keep_triangle(full, length, kept);
            }
            GroupMaps { length, prompts, values }
        });
        AttentionMaps { layers: 1, heads, groups: groups.collect() }
    }

    #[test]
    fn as_numpy_and_scipy() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden/similarity.json")).unwrap();
        let golden = &golden["attention"];
        let (a, b) = (maps(golden, "a"), maps(golden, "b"));
        let weights = [1.0; 6];
        let (here, there) = (a.means(&weights), b.means(&weights));
        for (measure, name) in [
            (AttentionMeasure::Rows, "rows"),
            (AttentionMeasure::Maps, "maps"),
            (AttentionMeasure::Divergence, "divergence"),
        ] {
            let expected: Vec<Vec<f64>> = serde_json::from_value(golden[name].clone()).unwrap();
            let (here, there) = (here.prepare(measure), there.prepare(measure));
            let found = here.matrix(&there).unwrap();
            for i in 0..2 {
                assert!((here.pair(i, &here, i) - 1.0).abs() < 1e-9);
                for j in 0..2 {
                    assert!((found[i][j] - expected[i][j]).abs() < 1e-6, "{name}: {found:?} {expected:?}");
                    assert!((here.pair(i, &there, j) - found[i][j]).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_resample_is_its_prompts() {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden/similarity.json")).unwrap();
        let a = maps(&golden["attention"], "a");
        // Without the second group, and with its share alone.
        let first = a.means(&[2.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(first.shares, [1.0, 0.0]);
        for measure in [AttentionMeasure::Rows, AttentionMeasure::Maps, AttentionMeasure::Divergence] {
            let prepared = first.prepare(measure);
            assert!((prepared.pair(1, &prepared, 1) - 1.0).abs() < 1e-9, "{measure:?}");
        }
    }
}
