//! The alignment metric itself, over similarities and influences as plain numbers.

use limbeck_results::{ComponentKind, component_label};

/// A teacher component and the student component most like it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pairing {
    /// Index of the teacher's component: by layer, heads before the MLP.
    pub teacher: usize,
    /// Index of the student's, counted alike.
    pub student: usize,
    /// `S(s, t)`, in `[0, 1]`.
    pub similarity: f64,
}

/// Index among all components (by layer, heads before the MLP) of component `index` of its kind.
pub(crate) fn place(kind: ComponentKind, index: usize, heads: usize) -> usize {
    match kind {
        ComponentKind::Head => index / heads * (heads + 1) + index % heads,
        ComponentKind::Mlp => index * (heads + 1) + heads,
    }
}

/// Label of component `index` of its kind.
pub(crate) fn label(kind: ComponentKind, index: usize, heads: usize) -> String {
    match kind {
        ComponentKind::Head => component_label(index / heads, Some(index % heads)),
        ComponentKind::Mlp => component_label(index, None),
    }
}

/// Matches every row with the most similar column of its kind, each row once. Of equally similar ones the first is
/// taken.
///
/// `heads[row][column]` and `mlps[row][column]` are similarities, heads counted `layer * heads + head`. In variant B rows
/// are the teacher's; the result names them so.
pub(crate) fn pair(
    heads: &[Vec<f64>],
    mlps: &[Vec<f64>],
    teacher_heads: usize,
    student_heads: usize,
) -> Vec<Pairing> {
    let of = |kind, matrix: &[Vec<f64>]| -> Vec<Pairing> {
        let pairing = |(index, row): (usize, &Vec<f64>)| {
            let (other, similarity) = most_similar(row);
            Pairing {
                teacher: place(kind, index, teacher_heads),
                student: place(kind, other, student_heads),
                similarity,
            }
        };
        matrix.iter().enumerate().map(pairing).collect()
    };
    let mut pairs = [of(ComponentKind::Head, heads), of(ComponentKind::Mlp, mlps)].concat();
    pairs.sort_by_key(|pair| pair.teacher);
    pairs
}

/// The largest entry and its place, the first of equal ones.
pub(crate) fn most_similar(row: &[f64]) -> (usize, f64) {
    row.iter()
        .copied()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (i, value)| if value > best.1 { (i, value) } else { best })
}

/// Alignment and its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlignmentParts {
    /// `A = mean of S (1 - |I_s - I_t|)`.
    pub a: f64,
    /// `mean(S)`.
    pub similarity: f64,
    /// `mean of 1 - |I_s - I_t|`.
    pub influence: f64,
    /// `sum of I_t S`.
    pub influence_weighted_similarity: f64,
    /// `mean(S) - 2/|P| <= A <= mean(S)`.
    pub bound: (f64, f64),
    /// `I_t` by pair, of sum 1.
    pub teacher_influence: Vec<f64>,
    /// `I_s` by pair, of sum 1.
    pub student_influence: Vec<f64>,
}

/// Alignment of matched pairs (Haskins & Adams 2025).
///
/// `similarities` are `S` in `[0, 1]`; `teacher` and `student` are the pairs' influences `|100 - score|`, not yet
/// normalised: here each is divided by its sum over the pairs. Where no component has any influence they
/// share it equally. `None` when there are no pairs or the lengths differ.
pub fn alignment_parts(similarities: &[f64], teacher: &[f64], student: &[f64]) -> Option<AlignmentParts> {
    let pairs = similarities.len();
    if pairs == 0 || teacher.len() != pairs || student.len() != pairs {
        return None;
    }
    let count = pairs as f64;
    let (teacher, student) = (shares(teacher), shares(student));
    let closeness: Vec<f64> = teacher.iter().zip(&student).map(|(t, s)| 1.0 - (s - t).abs()).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
    let similarity = mean(&mut similarities.iter().copied());
    Some(AlignmentParts {
        a: mean(&mut similarities.iter().zip(&closeness).map(|(s, c)| s * c)),
        similarity,
        influence: mean(&mut closeness.iter().copied()),
        influence_weighted_similarity: similarities.iter().zip(&teacher).map(|(s, t)| s * t).sum(),
        bound: (similarity - 2.0 / count, similarity),
        teacher_influence: teacher,
        student_influence: student,
    })
}

fn shares(values: &[f64]) -> Vec<f64> {
    let total: f64 = values.iter().sum();
    let equal = 1.0 / values.len() as f64;
    values.iter().map(|value| if total > 0.0 { value / total } else { equal }).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn worked_example() {
        // I_t = (.75, .25), I_s = (.5, .5): A = (.8 * .75 + .4 * .75) / 2.
        let parts = alignment_parts(&[0.8, 0.4], &[30.0, 10.0], &[7.0, 7.0]).unwrap();
        assert!((parts.a - 0.45).abs() < 1e-12);
        assert!((parts.similarity - 0.6).abs() < 1e-12);
        assert!((parts.influence - 0.75).abs() < 1e-12);
        assert!((parts.influence_weighted_similarity - 0.7).abs() < 1e-12);
        assert!((parts.bound.0 + 0.4).abs() < 1e-12);
    }

    #[test]
    fn the_bound_always_holds() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for case in 0..20_000 {
            let pairs = rng.random_range(1..40);
            // Influences of very different sizes, zeros among them; similarities at the ends of their range too.
            let mut influence = |pairs: usize| -> Vec<f64> {
                let sharp = rng.random_range(0..30);
                (0..pairs)
                    .map(|_| if rng.random_bool(0.2) { 0.0 } else { 100.0 * rng.random::<f64>().powi(sharp) })
                    .collect()
            };
            let (teacher, student) = (influence(pairs), influence(pairs));
            let similarities: Vec<f64> =
                (0..pairs).map(|_| rng.random_range(-0.3f64..1.3).clamp(0.0, 1.0)).collect();
            let parts = alignment_parts(&similarities, &teacher, &student).unwrap();
            assert!(parts.a <= parts.bound.1 + 1e-12, "case {case}");
            assert!(parts.a >= parts.bound.0 - 1e-12, "case {case}");
            assert!((parts.teacher_influence.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!((0.0..=1.0).contains(&parts.influence));
        }
    }

    #[test]
    fn every_teacher_component_is_in_one_pair_of_its_kind() {
        // Two layers of two heads against one layer of three.
        let heads = vec![vec![0.1, 0.9, 0.2], vec![0.3, 0.2, 0.1], vec![0.5, 0.5, 0.4], vec![0.0, 0.1, 0.99]];
        let pairs = pair(&heads, &[vec![0.7], vec![0.96]], 2, 3);
        let matched: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.teacher, pair.student)).collect();
        assert_eq!(matched, [(0, 1), (1, 0), (2, 3), (3, 0), (4, 2), (5, 3)]);
    }

    #[test]
    fn nothing_to_pair() {
        assert!(alignment_parts(&[], &[], &[]).is_none());
        assert!(alignment_parts(&[1.0], &[1.0, 2.0], &[1.0]).is_none());
    }
}
