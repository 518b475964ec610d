//! Attention maps of every head on every prompt, and how alike the heads of two networks are by them.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind};
use rayon::prelude::*;

use crate::AuditError;
use crate::rows::{clean_batch, read};

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
    /// Entries of a triangle, `n (n + 1) / 2`.
    size: usize,
    prompts: usize,
    /// `[prompt, layer * heads + head, size]`.
    values: Vec<f32>,
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
        let (layers, heads) = (decoder.config().n_layers, decoder.config().n_heads);
        let mut groups = Vec::with_capacity(task.groups.len());
        for group in &task.groups {
            let length = group.length;
            let size = length * (length + 1) / 2;
            let mut values = vec![0.0; group.prompts.len() * layers * heads * size];
            for (index, prompts) in group.prompts.chunks(batch_size).enumerate() {
                if progress.cancelled() {
                    return Err(AuditError::Cancelled);
                }
                let mut resid = decoder.embed(&clean_batch(decoder, prompts)?, &mut NoTap);
                for layer in 0..layers {
                    let site = Site::block(layer, SiteKind::Pattern);
                    let mut capture = Capture::new([site]);
                    resid = decoder.run_blocks(layer..layer + 1, resid, &mut capture);
                    let pattern =
                        capture.get4(site).ok_or_else(|| AuditError::Site { site: site.to_string() })?;
                    let pattern = read(pattern, "attention patterns")?;
                    for (map, full) in pattern.chunks_exact(length * length).enumerate() {
                        let (prompt, head) = (index * batch_size + map / heads, map % heads);
                        let start = ((prompt * layers + layer) * heads + head) * size;
                        keep_triangle(full, length, &mut values[start..start + size]);
                    }
                }
            }
            groups.push(GroupMaps { size, prompts: group.prompts.len(), values });
        }
        Ok(AttentionMaps { layers, heads, groups })
    }

    /// Heads in all blocks.
    pub(crate) fn len(&self) -> usize {
        self.layers * self.heads
    }

    /// Mean map of every head under the prompts' weights, flattened, `[head, sum of group sizes]`.
    ///
    /// Within a group this is the mean over its prompts. Groups of different length have no common map: their
    /// mean maps are laid end to end, each scaled by the square root of its group's share of the weight, so
    /// that a cosine of two such vectors weighs every group by its prompts. With one group it is the
    /// paper's cosine of flattened mean maps.
    fn means(&self, weights: &[f64]) -> Vec<Vec<f32>> {
        let total: f64 = weights.iter().sum();
        let heads = self.len();
        (0..heads)
            .into_par_iter()
            .map(|head| {
                let mut mean = Vec::with_capacity(self.groups.iter().map(|group| group.size).sum());
                let mut first = 0;
                for group in &self.groups {
                    let own = &weights[first..first + group.prompts];
                    first += group.prompts;
                    let weight: f64 = own.iter().sum();
                    let scale = if weight > 0.0 { (weight / total).sqrt() / weight } else { 0.0 };
                    let mut sum = vec![0.0f32; group.size];
                    for (prompt, &times) in own.iter().enumerate().filter(|(_, times)| **times > 0.0) {
                        let start = (prompt * heads + head) * group.size;
                        let factor = (times * scale) as f32;
                        for (sum, value) in sum.iter_mut().zip(&group.values[start..start + group.size]) {
                            *sum += factor * value;
                        }
                    }
                    mean.extend(sum);
                }
                mean
            })
            .collect()
    }

    /// `S_head` of every head here (rows) and in `other` (columns): the cosine of flattened mean attention maps
    /// (variant B), in `[0, 1]`.
    ///
    /// `weights` says how often each prompt counts: ones for the prompts as they are.
    ///
    /// # Errors
    /// [`AuditError::Mismatch`] when the maps are of different prompts.
    pub(crate) fn similarity(
        &self,
        other: &AttentionMaps,
        weights: &[f64],
    ) -> Result<Vec<Vec<f64>>, AuditError> {
        let shape =
            |maps: &AttentionMaps| maps.groups.iter().map(|group| group.size * group.prompts).sum::<usize>();
        let alike = self.groups.iter().map(|group| (group.size, group.prompts));
        if !alike.eq(other.groups.iter().map(|group| (group.size, group.prompts))) {
            return Err(AuditError::Mismatch {
                what: "positions of the attention maps",
                first: shape(self),
                second: shape(other),
            });
        }
        let (here, there) = (unit_rows(self.means(weights)), unit_rows(other.means(weights)));
        Ok(here
            .par_iter()
            .map(|row| there.iter().map(|column| dot(row, column).clamp(0.0, 1.0)).collect())
            .collect())
    }
}

/// Copies the rows of a square map up to the diagonal.
fn keep_triangle(full: &[f32], length: usize, kept: &mut [f32]) {
    let mut at = 0;
    for (query, row) in full.chunks_exact(length).enumerate() {
        kept[at..at + query + 1].copy_from_slice(&row[..query + 1]);
        at += query + 1;
    }
}

/// Scales every vector to length 1.
fn unit_rows(rows: Vec<Vec<f32>>) -> Vec<Vec<f64>> {
    rows.into_iter()
        .map(|row| {
            let mut row: Vec<f64> = row.into_iter().map(f64::from).collect();
            let length = dot(&row, &row).sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|value| *value /= length);
            }
            row
        })
        .collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
