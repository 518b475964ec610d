//! Two networks side by side: every measure between every two components of a kind.

use std::collections::BTreeMap;

use limbeck_data::progress::Progress;
use limbeck_results::{ComponentKind, SimilarityMeasure};
use rayon::prelude::*;

use super::attention_maps::AttentionMeasure;
use super::directions::PairedDirections;
use super::effects::{Correlation, correlation_of, correlations, effects};
use super::moments::OutputMeasure;
use super::outputs::similarities;
use super::{AlignmentInput, Observations};
use crate::rows::stop_if_asked;
use crate::{AuditError, Sweep};

/// What is known of a network.
#[derive(Debug, Clone, Copy)]
pub struct Measurements<'a> {
    /// From a pass over the clean prompts.
    pub observations: &'a Observations,
    /// Mean-ablation sweep.
    pub mean: &'a Sweep,
    /// Zero-ablation sweep.
    pub zero: &'a Sweep,
}

impl<'a> Measurements<'a> {
    /// What alignment by variant B needs of it.
    pub fn alignment_input(self) -> AlignmentInput<'a> {
        let observations = self.observations;
        AlignmentInput { maps: &observations.maps, streams: &observations.streams, sweep: self.zero }
    }
}

/// A resample of prompts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draw {
    /// Prompts drawn, repetitions among them.
    pub(crate) chosen: Vec<usize>,
    /// How often each prompt was drawn.
    pub(crate) weights: Vec<f64>,
}

impl Draw {
    pub(crate) fn new(chosen: Vec<usize>) -> Draw {
        let mut weights = vec![0.0; chosen.len()];
        for &prompt in &chosen {
            weights[prompt] += 1.0;
        }
        Draw { chosen, weights }
    }
}

/// A teacher and a student (or a baseline), with the matrices of all measures.
pub struct Comparison<'a> {
    pub(crate) teacher: Measurements<'a>,
    pub(crate) student: Measurements<'a>,
    pub(crate) directions: PairedDirections<'a>,
    pub(crate) streams: PairedDirections<'a>,
    matrices: BTreeMap<(SimilarityMeasure, bool), Vec<Vec<f64>>>,
}

const OUTPUTS: [(SimilarityMeasure, OutputMeasure); 3] = [
    (SimilarityMeasure::Cka, OutputMeasure::Cka),
    (SimilarityMeasure::Svcca, OutputMeasure::Svcca),
    (SimilarityMeasure::Procrustes, OutputMeasure::Procrustes),
];
const ATTENTION: [(SimilarityMeasure, AttentionMeasure); 3] = [
    (SimilarityMeasure::AttentionRows, AttentionMeasure::Rows),
    (SimilarityMeasure::AttentionMaps, AttentionMeasure::Maps),
    (SimilarityMeasure::AttentionDivergence, AttentionMeasure::Divergence),
];
const EFFECTS: [(SimilarityMeasure, Correlation); 2] = [
    (SimilarityMeasure::EffectPearson, Correlation::Pearson),
    (SimilarityMeasure::EffectSpearman, Correlation::Spearman),
];
const KINDS: [ComponentKind; 2] = [ComponentKind::Head, ComponentKind::Mlp];

impl<'a> Comparison<'a> {
    /// Compares every teacher component with every student component of its kind.
    ///
    /// # Errors
    /// [`AuditError::Mismatch`] when the measurements are of different prompts, [`AuditError::Cancelled`] on request,
    /// [`AuditError::Read`] when a product cannot be read back.
    pub fn new(
        teacher: Measurements<'a>,
        student: Measurements<'a>,
        progress: &dyn Progress,
    ) -> Result<Comparison<'a>, AuditError> {
        let (ours, theirs) = (teacher.observations, student.observations);
        let counts = [student.mean, student.zero, teacher.zero].map(Sweep::prompts);
        if let Some(&second) = counts.iter().find(|&&count| count != teacher.mean.prompts()) {
            return Err(AuditError::Mismatch { what: "prompts", first: teacher.mean.prompts(), second });
        }
        if ours.outputs.rows_per_prompt != theirs.outputs.rows_per_prompt {
            return Err(AuditError::Mismatch {
                what: "positions compared by prompt",
                first: ours.outputs.rows_per_prompt,
                second: theirs.outputs.rows_per_prompt,
            });
        }
        ours.maps.check_beside(&theirs.maps)?;
        let mut found = Comparison {
            teacher,
            student,
            directions: ours.mlps.beside(&theirs.mlps)?,
            streams: ours.streams.beside(&theirs.streams)?,
            matrices: BTreeMap::new(),
        };
        let everyone = vec![1.0; teacher.mean.prompts()];
        let (here, there) = (ours.maps.means(&everyone), theirs.maps.means(&everyone));
        for (measure, how) in ATTENTION {
            stop_if_asked(progress)?;
            found.keep(measure, ComponentKind::Head, here.prepare(how).matrix(&there.prepare(how))?);
        }
        let diagonal = found.streams.diagonal_similarity(&everyone);
        let mean = found.directions.mean_similarity(&everyone);
        found.keep(SimilarityMeasure::ResidualDirections, ComponentKind::Mlp, diagonal);
        found.keep(SimilarityMeasure::OutputDirections, ComponentKind::Mlp, mean);
        for kind in KINDS {
            stop_if_asked(progress)?;
            let how: Vec<OutputMeasure> = OUTPUTS.iter().map(|(_, how)| *how).collect();
            let matrices = similarities(&how, ours.outputs.of(kind), theirs.outputs.of(kind))?;
            for ((measure, _), matrix) in OUTPUTS.into_iter().zip(matrices) {
                found.keep(measure, kind, matrix);
            }
            for (measure, how) in EFFECTS {
                let matrix = correlations(how, &effects(teacher.mean, kind), &effects(student.mean, kind))?;
                found.keep(measure, kind, matrix);
            }
        }
        Ok(found)
    }

    fn keep(&mut self, measure: SimilarityMeasure, kind: ComponentKind, matrix: Vec<Vec<f64>>) {
        self.matrices.insert((measure, kind == ComponentKind::Head), matrix);
    }

    /// Every measure there is, with its `[teacher][student]` matrix; heads before MLPs.
    pub(crate) fn matrices(
        &self,
    ) -> impl Iterator<Item = (SimilarityMeasure, ComponentKind, &Vec<Vec<f64>>)> {
        KINDS.into_iter().flat_map(|kind| {
            let of_kind =
                self.matrices.iter().filter(move |((_, head), _)| *head == (kind == ComponentKind::Head));
            of_kind.map(move |((measure, _), matrix)| (*measure, kind, matrix))
        })
    }

    /// The matrix of one measure; `None` where it does not apply to the kind.
    pub(crate) fn matrix(&self, measure: SimilarityMeasure, kind: ComponentKind) -> Option<&Vec<Vec<f64>>> {
        self.matrices.get(&(measure, kind == ComponentKind::Head))
    }

    /// Values of some pairs (teacher, student) on resamples, `[pair][draw]`.
    ///
    /// # Errors
    /// [`AuditError::Cancelled`] on request.
    pub(crate) fn resampled(
        &self,
        measure: SimilarityMeasure,
        kind: ComponentKind,
        pairs: &[(usize, usize)],
        draws: &[Draw],
        progress: &dyn Progress,
    ) -> Result<Vec<Vec<f64>>, AuditError> {
        stop_if_asked(progress)?;
        let (ours, theirs) = (self.teacher.observations, self.student.observations);
        if let Some((_, how)) = OUTPUTS.iter().find(|(known, _)| *known == measure) {
            let (here, there) = (ours.outputs.of(kind), theirs.outputs.of(kind));
            let weights: Vec<&[f64]> = draws.iter().map(|draw| draw.weights.as_slice()).collect();
            let rows = ours.outputs.rows_per_prompt;
            let values = |&(t, s): &(usize, usize)| here[t].resampled(&there[s], *how, rows, &weights);
            return Ok(pairs.par_iter().map(values).collect());
        }
        if let Some((_, how)) = EFFECTS.iter().find(|(known, _)| *known == measure) {
            let (here, there) = (effects(self.teacher.mean, kind), effects(self.student.mean, kind));
            let values = |&(t, s): &(usize, usize)| -> Vec<f64> {
                draws.iter().map(|draw| correlation_of(*how, &here[t], &there[s], &draw.chosen)).collect()
            };
            return Ok(pairs.par_iter().map(values).collect());
        }
        let mut found = vec![Vec::with_capacity(draws.len()); pairs.len()];
        for draw in draws {
            stop_if_asked(progress)?;
            let attention = ATTENTION.iter().find(|(known, _)| *known == measure);
            let values: Vec<f64> = match attention {
                Some((_, how)) => {
                    let here = ours.maps.means(&draw.weights).prepare(*how);
                    let there = theirs.maps.means(&draw.weights).prepare(*how);
                    pairs.par_iter().map(|&(t, s)| here.pair(t, &there, s)).collect()
                }
                None => {
                    let matrix = if measure == SimilarityMeasure::OutputDirections {
                        self.directions.mean_similarity(&draw.weights)
                    } else {
                        self.streams.diagonal_similarity(&draw.weights)
                    };
                    pairs.iter().map(|&(t, s)| matrix[t][s]).collect()
                }
            };
            found.iter_mut().zip(values).for_each(|(found, value)| found.push(value));
        }
        Ok(found)
    }
}
