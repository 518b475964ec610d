//! Whether components that are alike also carry alike: the alignment of a student with its components shuffled.

use limbeck_results::PermutationTest;
use limbeck_stats::quantile;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::matching::{Pairing, alignment_parts};
use crate::AuditError;

/// Tests `A` of matched pairs against that of students with shuffled components.
///
/// The matching picks the most similar component, so that a random matching would always look worse: that tells nothing.
/// What is tested is the claim behind `A`, that a component alike in form carries alike. Null hypothesis: which of the
/// student's components carries how much has nothing to do with which is like which. Under it, dealing the student's
/// influences out anew among its components of the same kind changes `A` by chance alone, and the p-value is uniform.
///
/// `teacher` and `student` are influences `|100 - score|` by component, `kinds` the student's components of each kind.
///
/// # Errors
/// [`AuditError::Mismatch`] when there are no pairs.
pub(crate) fn permutation_test(
    pairs: &[Pairing],
    teacher: &[f64],
    student: &[f64],
    kinds: &[Vec<usize>],
    draws: usize,
    seed: u64,
) -> Result<PermutationTest, AuditError> {
    let similarities: Vec<f64> = pairs.iter().map(|pair| pair.similarity).collect();
    let of_teacher: Vec<f64> = pairs.iter().map(|pair| teacher[pair.teacher]).collect();
    let aligned = |student: &[f64]| {
        let of_student: Vec<f64> = pairs.iter().map(|pair| student[pair.student]).collect();
        alignment_parts(&similarities, &of_teacher, &of_student)
            .map(|parts| parts.a)
            .ok_or(AuditError::Mismatch { what: "pairs", first: pairs.len(), second: 0 })
    };
    let found = aligned(student)?;
    let seeded = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = student.to_vec();
    let mut values = Vec::with_capacity(draws);
    for draw in 0..draws {
        let mut stream = seeded.clone();
        stream.set_stream(draw as u64);
        for kind in kinds {
            let mut order = kind.clone();
            order.shuffle(&mut stream);
            for (&to, &from) in kind.iter().zip(&order) {
                shuffled[to] = student[from];
            }
        }
        values.push(aligned(&shuffled)?);
    }
    // Rounding must not tell a shuffle that changes nothing from what was found.
    let as_large = values.iter().filter(|&&value| value >= found - 1e-12).count();
    let mean = values.iter().sum::<f64>() / draws.max(1) as f64;
    values.sort_unstable_by(f64::total_cmp);
    Ok(PermutationTest {
        draws,
        p_value: (1 + as_large) as f64 / (1 + draws) as f64,
        mean,
        high: quantile(&values, 0.95)?,
    })
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    const HEADS: usize = 24;
    const MLPS: usize = 8;

    /// A student like the teacher, every component matched with its own copy.
    fn networks(seed: u64) -> (Vec<Pairing>, Vec<f64>, Vec<Vec<usize>>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = HEADS + MLPS;
        let influence = (0..count).map(|_| 100.0 * rng.random::<f64>().powi(6)).collect();
        let pairs = (0..count)
            .map(|index| Pairing { teacher: index, student: index, similarity: rng.random_range(0.6..1.0) })
            .collect();
        (pairs, influence, vec![(0..HEADS).collect(), (HEADS..count).collect()])
    }

    #[test]
    fn a_copy_is_aligned_beyond_chance() {
        let (pairs, influence, kinds) = networks(1);
        let found = permutation_test(&pairs, &influence, &influence, &kinds, 199, 3).unwrap();
        assert!(found.p_value < 0.011, "{found:?}");
        assert!(found.mean < found.high);
    }

    #[test]
    fn a_shuffled_student_scores_at_chance() {
        let mut values = Vec::new();
        for seed in 0..200 {
            let (pairs, influence, kinds) = networks(seed);
            let mut student = influence.clone();
            let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
            for kind in &kinds {
                let mut order = kind.clone();
                order.shuffle(&mut rng);
                kind.iter().zip(order).for_each(|(&to, from)| student[to] = influence[from]);
            }
            values.push(permutation_test(&pairs, &influence, &student, &kinds, 99, seed).unwrap().p_value);
        }
        // Uniform: the share below x is x, give or take three standard errors.
        for x in [0.1, 0.25, 0.5, 0.75, 0.9] {
            let below = values.iter().filter(|&&p| p <= x).count() as f64 / 200.0;
            assert!((below - x).abs() < 3.0 * (x * (1.0 - x) / 200.0f64).sqrt() + 0.01, "{below} for {x}");
        }
    }
}
