//! Alignment of a student with its teacher, variant B of Haskins & Adams 2025.

use limbeck_results::{Alignment, Match, component_label};
use limbeck_stats::Bootstrap;

use super::matching::{AlignmentParts, Pairing, alignment_parts, pair};
use crate::influence::component;
use crate::{AttentionMaps, AuditError, ResidualStreams, Sweep};

/// What the alignment needs of each network, measured on the same prompts.
#[derive(Debug, Clone, Copy)]
pub struct AlignmentInput<'a> {
    /// Attention maps: similarity of heads.
    pub maps: &'a AttentionMaps,
    /// Residual streams: similarity of MLPs.
    pub streams: &'a ResidualStreams,
    /// Zero-ablation sweep: influence.
    pub sweep: &'a Sweep,
}

/// `A = (1/|P|) sum of S(s,t) (1 - |I_s - I_t|)` over the pairs of every teacher component with its most similar student
/// component of its kind, and its parts apart.
///
/// `S_head` is the cosine of flattened mean attention maps, `S_mlp` is `mean |diag(U1 U2^T)|` of the three
/// principal directions of the residual stream after the block; `I` is `|100 - score|` by zero ablation,
/// normalised over the pairs. The 95% bootstrap intervals resample prompts, and compute maps, directions,
/// matches and influences anew. Since `A` is a mean of largest similarities, its resamples lean upwards.
///
/// # Errors
/// [`AuditError::Mismatch`] when the measurements are of different prompts, [`AuditError::Stats`] when a resample
/// has no logit difference.
pub fn alignment(
    teacher: &AlignmentInput,
    student: &AlignmentInput,
    bootstrap: &Bootstrap,
) -> Result<Alignment, AuditError> {
    let prompts = teacher.sweep.prompts();
    if prompts != student.sweep.prompts() {
        return Err(AuditError::Mismatch {
            what: "prompts",
            first: prompts,
            second: student.sweep.prompts(),
        });
    }
    let everyone: Vec<usize> = (0..prompts).collect();
    let (pairs, parts) = align(teacher, student, &everyone)?;
    let mut failed = None;
    let estimates = bootstrap.statistics(prompts, 4, |chosen, out| match align(teacher, student, chosen) {
        Ok((_, parts)) => {
            out.copy_from_slice(&[
                parts.a,
                parts.similarity,
                parts.influence,
                parts.influence_weighted_similarity,
            ]);
        }
        Err(error) => {
            out.fill(f64::NAN);
            failed.get_or_insert(error);
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let estimates = estimates?;
    let [a, similarity, influence, influence_weighted_similarity] = <[_; 4]>::try_from(estimates)
        .map_err(|found| AuditError::Mismatch { what: "statistics", first: 4, second: found.len() })?;
    let matches = pairs.iter().enumerate().map(|(index, pair)| {
        let (kind, layer, head) = component(pair.teacher, teacher.sweep.heads);
        let (_, student_layer, student_head) = component(pair.student, student.sweep.heads);
        Match {
            teacher: component_label(layer, head),
            student: component_label(student_layer, student_head),
            kind,
            similarity: pair.similarity,
            teacher_influence: parts.teacher_influence[index],
            student_influence: parts.student_influence[index],
        }
    });
    Ok(Alignment {
        a,
        similarity,
        influence,
        influence_weighted_similarity,
        bound: parts.bound,
        permutation: None,
        matches: matches.collect(),
    })
}

/// Pairs and alignment over the chosen prompts, repetitions counting.
fn align(
    teacher: &AlignmentInput,
    student: &AlignmentInput,
    chosen: &[usize],
) -> Result<(Vec<Pairing>, AlignmentParts), AuditError> {
    let mut weights = vec![0.0; teacher.sweep.prompts()];
    for &prompt in chosen {
        weights[prompt] += 1.0;
    }
    let heads = teacher.maps.similarity(student.maps, &weights)?;
    let mlps = teacher.streams.similarity(student.streams, &weights)?;
    let (pairs, mut ours, mut theirs) = (
        pair(&heads, &mlps, teacher.sweep.heads, student.sweep.heads),
        vec![0.0; teacher.sweep.components()],
        vec![0.0; student.sweep.components()],
    );
    teacher.sweep.scores(chosen, &mut ours);
    student.sweep.scores(chosen, &mut theirs);
    let similarities: Vec<f64> = pairs.iter().map(|pair| pair.similarity).collect();
    let teacher_influence: Vec<f64> = pairs.iter().map(|pair| (100.0 - ours[pair.teacher]).abs()).collect();
    let student_influence: Vec<f64> = pairs.iter().map(|pair| (100.0 - theirs[pair.student]).abs()).collect();
    let parts = alignment_parts(&similarities, &teacher_influence, &student_influence)
        .ok_or(AuditError::Mismatch { what: "pairs", first: pairs.len(), second: 0 })?;
    Ok((pairs, parts))
}
