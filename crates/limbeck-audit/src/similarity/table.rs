//! Teacher x student matrices, summed up.

use limbeck_data::progress::Progress;
use limbeck_results::{ComponentKind, Link, MeasuredSimilarity, SimilarityMeasure};
use limbeck_stats::{Bootstrap, Estimate};

use super::assignment::assignment;
use super::comparison::{Comparison, Draw};
use super::matching::{label, most_similar};
use crate::AuditError;
use crate::intervals::told;

/// Best matches both ways and one to one, their means with intervals, and what chance gives.
///
/// The intervals resample prompts and keep the matches: they say how well the similarity of what was matched is known,
/// not how stable the matches are.
///
/// # Errors
/// [`AuditError::Stats`] when a similarity is not a number, [`AuditError::Cancelled`] on request.
pub(crate) fn summarise(
    comparison: &Comparison,
    measure: SimilarityMeasure,
    kind: ComponentKind,
    matrix: &[Vec<f64>],
    bootstrap: &Bootstrap,
    draws: &[Draw],
    progress: &dyn Progress,
) -> Result<MeasuredSimilarity, AuditError> {
    let (teacher_heads, student_heads) = (comparison.teacher.mean.heads, comparison.student.mean.heads);
    let turned = transposed(matrix);
    let best = |matrix: &[Vec<f64>]| -> Vec<usize> { matrix.iter().map(|row| most_similar(row).0).collect() };
    let of_teacher: Vec<(usize, usize)> = best(matrix).into_iter().enumerate().collect();
    let of_student: Vec<(usize, usize)> =
        best(&turned).into_iter().enumerate().map(|(s, t)| (t, s)).collect();
    let one_to_one = assignment(matrix);
    let pairs = [of_teacher.as_slice(), &of_student, &one_to_one].concat();
    let resampled = comparison.resampled(measure, kind, &pairs, draws, progress)?;
    let mean = |pairs: &[(usize, usize)], resampled: &[Vec<f64>]| -> Result<Estimate, AuditError> {
        let count = pairs.len().max(1) as f64;
        let value = pairs.iter().map(|&(t, s)| matrix[t][s]).sum::<f64>() / count;
        let values =
            (0..draws.len()).map(|draw| resampled.iter().map(|of_pair| of_pair[draw]).sum::<f64>() / count);
        Ok(told(bootstrap.interval(value, values.collect())?, comparison.teacher.mean.prompts()))
    };
    let links = |pairs: &[(usize, usize)]| -> Vec<Link> {
        let link = |&(t, s): &(usize, usize)| Link {
            teacher: label(kind, t, teacher_heads),
            student: label(kind, s, student_heads),
            similarity: matrix[t][s],
        };
        pairs.iter().map(link).collect()
    };
    let (first, rest) = resampled.split_at(of_teacher.len());
    let (second, third) = rest.split_at(of_student.len());
    let entries = matrix.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let in_block = |heads: usize| if kind == ComponentKind::Head { heads } else { 1 };
    Ok(MeasuredSimilarity {
        measure,
        kind,
        teacher_mean: mean(&of_teacher, first)?,
        student_mean: mean(&of_student, second)?,
        one_to_one_mean: mean(&one_to_one, third)?,
        chance: matrix.iter().flatten().sum::<f64>() / entries,
        teacher_best: links(&of_teacher),
        student_best: links(&of_student),
        one_to_one: links(&one_to_one),
        layers: by_layer(matrix, in_block(teacher_heads), in_block(student_heads)),
    })
}

/// `[teacher layer][student layer]`: the mean over the rows of a teacher layer of the best in the student layer.
fn by_layer(matrix: &[Vec<f64>], rows: usize, columns: usize) -> Vec<Vec<f64>> {
    let layers = matrix.first().map_or(0, Vec::len) / columns.max(1);
    let cell = |of_layer: &[Vec<f64>], layer: usize| {
        let best = |row: &Vec<f64>| most_similar(&row[layer * columns..(layer + 1) * columns]).1;
        of_layer.iter().map(best).sum::<f64>() / of_layer.len() as f64
    };
    let teacher_layers = matrix.chunks_exact(rows.max(1));
    teacher_layers.map(|of_layer| (0..layers).map(|layer| cell(of_layer, layer)).collect()).collect()
}

pub(crate) fn transposed(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let columns = matrix.first().map_or(0, Vec::len);
    (0..columns).map(|column| matrix.iter().map(|row| row[column]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_take_the_best_of_each_head() {
        // Two teacher layers of two heads, three student layers of one.
        let matrix = vec![vec![0.1, 0.2, 0.3], vec![0.5, 0.4, 0.3], vec![1.0, 0.0, 0.0], vec![0.0, 0.0, 1.0]];
        let expected = [[0.3, 0.3, 0.3], [0.5, 0.0, 0.5]];
        for (found, expected) in by_layer(&matrix, 2, 1).iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-12);
        }
        // One teacher layer of four heads, one student layer of three: 0.3, 0.5, 1 and 1.
        assert!((by_layer(&matrix, 4, 3)[0][0] - 0.7).abs() < 1e-12);
        assert_eq!(transposed(&transposed(&matrix)), matrix);
    }
}
