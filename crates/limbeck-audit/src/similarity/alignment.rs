//! Alignment of a student with its teacher: `A` of Haskins & Adams 2025, for any way to pair components.

use limbeck_results::{Alignment, Estimate, Match, component_label};
use limbeck_stats::Bootstrap;

use super::attention_maps::AttentionMeasure;
use super::comparison::Draw;
use super::matching::{AlignmentParts, Pairing, alignment_parts, pair};
use super::permutation::permutation_test;
use crate::influence::component;
use crate::intervals::told;
use crate::{AttentionMaps, AuditError, Directions, Sweep};

/// What the alignment needs of each network, measured on the same prompts.
#[derive(Debug, Clone, Copy)]
pub struct AlignmentInput<'a> {
    /// Attention maps: similarity of heads.
    pub maps: &'a AttentionMaps,
    /// Directions of the residual stream: similarity of MLPs.
    pub streams: &'a Directions,
    /// Zero-ablation sweep: influence.
    pub sweep: &'a Sweep,
}

/// Alignment by variant B: `A = (1/|P|) sum of S(s,t) (1 - |I_s - I_t|)` over the pairs of every teacher component with
/// its most similar student component of its kind, and its parts apart.
///
/// `S_head` is the cosine of flattened mean attention maps, `S_mlp` is `mean |diag(U1 U2^T)|` of the three
/// principal directions of the residual stream after the block; `I` is `|100 - score|` by zero ablation,
/// normalised over the pairs. The 95% bootstrap intervals resample prompts, and compute maps, directions,
/// matches and influences anew. Since `A` is a mean of largest similarities, its resamples lean upwards. The
/// permutation test shuffles the student's components as often as prompts are resampled.
///
/// # Errors
/// [`AuditError::Mismatch`] when the measurements are of different prompts, [`AuditError::Stats`] when a resample
/// has no logit difference.
pub fn alignment(
    teacher: &AlignmentInput,
    student: &AlignmentInput,
    bootstrap: &Bootstrap,
) -> Result<Alignment, AuditError> {
    teacher.maps.check_beside(student.maps)?;
    let streams = teacher.streams.beside(student.streams)?;
    estimate(teacher.sweep, student.sweep, bootstrap, &|draw, _| {
        let prepared = |maps: &AttentionMaps| maps.means(&draw.weights).prepare(AttentionMeasure::Maps);
        let heads = prepared(teacher.maps).matrix(&prepared(student.maps))?;
        let mlps = streams.diagonal_similarity(&draw.weights);
        Ok(pair(&heads, &mlps, teacher.sweep.heads, student.sweep.heads))
    })
}

/// `A` and its parts over the pairs that `find` gives for all prompts, and for each resample (which it is told the
/// number of), with intervals and permutation test.
///
/// # Errors
/// As [`alignment`], and what `find` says.
pub(crate) fn estimate(
    teacher: &Sweep,
    student: &Sweep,
    bootstrap: &Bootstrap,
    find: &dyn Fn(&Draw, Option<usize>) -> Result<Vec<Pairing>, AuditError>,
) -> Result<Alignment, AuditError> {
    let prompts = teacher.prompts();
    if prompts != student.prompts() {
        return Err(AuditError::Mismatch { what: "prompts", first: prompts, second: student.prompts() });
    }
    let influences = |sweep: &Sweep, draw: &Draw| -> Vec<f64> {
        let mut scores = vec![0.0; sweep.components()];
        sweep.scores(&draw.chosen, &mut scores);
        scores.iter().map(|score| (100.0 - score).abs()).collect()
    };
    let aligned =
        |draw: &Draw, number| -> Result<(Vec<Pairing>, AlignmentParts), AuditError> {
            let pairs = find(draw, number)?;
            let (ours, theirs) = (influences(teacher, draw), influences(student, draw));
            let similarities: Vec<f64> = pairs.iter().map(|pair| pair.similarity).collect();
            let of_teacher: Vec<f64> = pairs.iter().map(|pair| ours[pair.teacher]).collect();
            let of_student: Vec<f64> = pairs.iter().map(|pair| theirs[pair.student]).collect();
            let parts = alignment_parts(&similarities, &of_teacher, &of_student)
                .ok_or(AuditError::Mismatch { what: "pairs", first: pairs.len(), second: 0 })?;
            Ok((pairs, parts))
        };
    let everyone = Draw::new((0..prompts).collect());
    let (pairs, parts) = aligned(&everyone, None)?;
    let mut resampled: [Vec<f64>; 4] = Default::default();
    for (number, chosen) in bootstrap.draws(prompts)?.enumerate() {
        let (_, parts) = aligned(&Draw::new(chosen), Some(number))?;
        resampled.iter_mut().zip(figures(&parts)).for_each(|(values, value)| values.push(value));
    }
    let mut estimates = figures(&parts).into_iter().zip(resampled);
    let mut next = || -> Result<Estimate, AuditError> {
        let (value, resampled) = estimates.next().unwrap_or((f64::NAN, Vec::new()));
        Ok(told(bootstrap.interval(value, resampled)?, prompts))
    };
    let kinds: Vec<Vec<usize>> = [false, true]
        .map(|mlp| {
            let is_mlp = |index: &usize| component(*index, student.heads).2.is_none() == mlp;
            (0..student.components()).filter(is_mlp).collect()
        })
        .to_vec();
    let (ours, theirs) = (influences(teacher, &everyone), influences(student, &everyone));
    let permutation = permutation_test(&pairs, &ours, &theirs, &kinds, bootstrap.resamples, bootstrap.seed)?;
    Ok(Alignment {
        a: next()?,
        similarity: next()?,
        influence: next()?,
        influence_weighted_similarity: next()?,
        bound: parts.bound,
        permutation: Some(permutation),
        matches: matches(&pairs, &parts, teacher.heads, student.heads),
    })
}

fn figures(parts: &AlignmentParts) -> [f64; 4] {
    [parts.a, parts.similarity, parts.influence, parts.influence_weighted_similarity]
}

fn matches(
    pairs: &[Pairing],
    parts: &AlignmentParts,
    teacher_heads: usize,
    student_heads: usize,
) -> Vec<Match> {
    let described = pairs.iter().enumerate().map(|(index, pair)| {
        let (kind, layer, head) = component(pair.teacher, teacher_heads);
        let (_, student_layer, student_head) = component(pair.student, student_heads);
        Match {
            teacher: component_label(layer, head),
            student: component_label(student_layer, student_head),
            kind,
            similarity: pair.similarity,
            teacher_influence: parts.teacher_influence[index],
            student_influence: parts.student_influence[index],
        }
    });
    described.collect()
}
