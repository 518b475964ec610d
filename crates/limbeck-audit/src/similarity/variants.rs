//! Alignment by other pairs and similarities than variant B's.

use limbeck_data::progress::Progress;
use limbeck_results::{Alignment, ComponentKind, SimilarityMeasure};
use limbeck_stats::Bootstrap;

use super::alignment::estimate;
use super::assignment::assignment;
use super::attention_maps::AttentionMeasure;
use super::comparison::{Comparison, Draw};
use super::matching::{Pairing, pair, place};
use super::table::transposed;
use crate::rows::stop_if_asked;
use crate::{AttentionMaps, AuditError};

/// Variant A (Haskins & Adams 2025): every student component with its most similar teacher component, many to one.
///
/// `S_head` is the mean over query rows of the cosine between mean attention rows. `S_mlp` is `|mean of the 3x3 cosine
/// matrix|` of the principal directions of the MLPs' outputs; the matched MLPs' values are brought to the mean and
/// standard deviation of the matched heads' and kept in `[0, 1]`, so that the bound holds. Influence is by mean
/// ablation. Everything is computed anew in every resample.
///
/// # Errors
/// As [`super::alignment`], and [`AuditError::Cancelled`] on request.
pub(crate) fn variant_a(
    comparison: &Comparison,
    bootstrap: &Bootstrap,
    progress: &dyn Progress,
) -> Result<Alignment, AuditError> {
    let (teacher, student) = (comparison.teacher, comparison.student);
    estimate(teacher.mean, student.mean, bootstrap, &|draw: &Draw, _| {
        stop_if_asked(progress)?;
        let prepared = |maps: &AttentionMaps| maps.means(&draw.weights).prepare(AttentionMeasure::Rows);
        let heads = prepared(&student.observations.maps).matrix(&prepared(&teacher.observations.maps))?;
        let mlps = transposed(&comparison.directions.mean_similarity(&draw.weights));
        let mut pairs = pair(&heads, &mlps, student.mean.heads, teacher.mean.heads);
        // The rows were the student's.
        pairs.iter_mut().for_each(|pair| std::mem::swap(&mut pair.teacher, &mut pair.student));
        rescale(&mut pairs, student.mean.heads);
        Ok(pairs)
    })
}

/// Brings the MLPs' similarities to the mean and standard deviation of the heads'.
fn rescale(pairs: &mut [Pairing], student_heads: usize) {
    let is_mlp = |pair: &Pairing| pair.student % (student_heads + 1) == student_heads;
    let moments = |mlp: bool| {
        let values = || pairs.iter().filter(|pair| is_mlp(pair) == mlp).map(|pair| pair.similarity);
        let count = values().count().max(1) as f64;
        let mean = values().sum::<f64>() / count;
        (mean, (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
    };
    let ((heads, head_spread), (mlps, mlp_spread)) = (moments(false), moments(true));
    for pair in pairs.iter_mut().filter(|pair| is_mlp(pair)) {
        // MLPs that are all alike (to rounding) have no spread to bring anywhere.
        let deviation = if mlp_spread > 1e-9 { (pair.similarity - mlps) / mlp_spread } else { 0.0 };
        pair.similarity = (heads + deviation * head_spread).clamp(0.0, 1.0);
    }
}

/// One to one by CKA of outputs, influence by mean ablation. The matching stays that of all prompts; resamples take its
/// similarities and the influences anew.
///
/// # Errors
/// As [`variant_a`].
pub(crate) fn one_to_one(
    comparison: &Comparison,
    bootstrap: &Bootstrap,
    draws: &[Draw],
    progress: &dyn Progress,
) -> Result<Alignment, AuditError> {
    let (teacher, student) = (comparison.teacher.mean, comparison.student.mean);
    let (mut pairs, mut resampled) = (Vec::new(), Vec::new());
    for kind in [ComponentKind::Head, ComponentKind::Mlp] {
        let Some(matrix) = comparison.matrix(SimilarityMeasure::Cka, kind) else { continue };
        let matched = assignment(matrix);
        resampled.extend(comparison.resampled(SimilarityMeasure::Cka, kind, &matched, draws, progress)?);
        pairs.extend(matched.into_iter().map(|(t, s)| Pairing {
            teacher: place(kind, t, teacher.heads),
            student: place(kind, s, student.heads),
            similarity: matrix[t][s],
        }));
    }
    estimate(teacher, student, bootstrap, &|_, number| {
        let Some(number) = number else { return Ok(pairs.clone()) };
        let values = pairs.iter().zip(&resampled);
        Ok(values.map(|(pair, values)| Pairing { similarity: values[number], ..*pair }).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mlps_take_the_heads_mean_and_deviation() {
        // Heads 0.6 and 0.8, MLPs 0.1 and 0.3: one layer after the other, one head each.
        let similarities = [0.6, 0.1, 0.8, 0.3];
        let pairing = |(index, &similarity)| Pairing { teacher: index, student: index, similarity };
        let mut pairs: Vec<Pairing> = similarities.iter().enumerate().map(pairing).collect();
        rescale(&mut pairs, 1);
        for (pair, expected) in pairs.iter().zip([0.6, 0.6, 0.8, 0.8]) {
            assert!((pair.similarity - expected).abs() < 1e-12);
        }
        // All MLPs alike: they take the heads' mean.
        let mut pairs: Vec<Pairing> =
            [1.0, 1.0 / 3.0, 0.9, 1.0 / 3.0].iter().enumerate().map(pairing).collect();
        rescale(&mut pairs, 1);
        assert!((pairs[1].similarity - 0.95).abs() < 1e-12 && (pairs[3].similarity - 0.95).abs() < 1e-12);
    }
}
