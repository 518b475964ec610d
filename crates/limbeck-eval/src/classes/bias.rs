//! Adjusting the biases of classes a student saw too seldom or too often (Hinton, Vinyals, Dean 2015, section 3: after
//! training without a single 3, raising the bias of class 3 by 3.5 left 14 of its 1010 cases wrong).
//!
//! The paper chose the shift on the test set. Here it is chosen on held-out data, either for the fewest errors, or without
//! any label, so that the student gives the classes as much probability in the mean as its teacher does.

use limbeck_model::{ClassLogits, argmax};

/// A shift of the biases of some classes and how it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Added to the logit of each of the classes.
    pub by: f64,
    /// Errors with it, on the examples it was chosen on.
    pub errors: usize,
}

/// The shift of `classes` with the fewest errors on these examples, found exactly: as a function of the shift the number of
/// errors only changes where some example goes over from the other classes to these. Of several best stretches the one
/// nearest to 0 is taken, and of that the middle (at an open end: 1 beyond the last change).
pub fn shift_for_fewest_errors(logits: &ClassLogits, labels: &[u32], classes: &[u32]) -> Shift {
    // Example i is given to the shifted classes from threshold d_i on: (d, right below d, right above d).
    let mut changes: Vec<(f64, bool, bool)> = Vec::new();
    let inside = |class: usize| classes.contains(&(class as u32));
    for (row, &label) in logits.rows().zip(labels) {
        let best = |wanted: bool| {
            let values = row.iter().enumerate().filter(|(class, _)| inside(*class) == wanted);
            values.fold(None, |best: Option<(usize, f32)>, (class, &value)| match best {
                Some((_, most)) if most >= value => best,
                _ => Some((class, value)),
            })
        };
        if let (Some((chosen, of_chosen)), Some((other, of_others))) = (best(true), best(false)) {
            let threshold = f64::from(of_others) - f64::from(of_chosen);
            changes.push((threshold, other as u32 == label, chosen as u32 == label));
        }
    }
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
        let errors = logits.predictions().iter().zip(labels).filter(|(found, label)| found != label).count();
        return Shift { by: 0.0, errors };
    };
    let (first, last) = (first.0, last.0);
    let mut errors = changes.iter().filter(|(_, below, _)| !below).count();
    let mut best = (errors, first - 1.0);
    let mut start = first;
    for (index, (_, below, above)) in changes.iter().enumerate() {
        errors = errors + usize::from(*below) - usize::from(*above);
        let end = changes.get(index + 1).map_or(last + 2.0, |next| next.0);
        if end <= start {
            continue;
        }
        let middle = f64::midpoint(start, end);
        let nearer = middle.abs() < best.1.abs();
        if errors < best.0 || (errors == best.0 && nearer) {
            best = (errors, middle);
        }
        start = end;
    }
    Shift { by: best.1, errors: best.0 }
}

/// The shift `s` of `classes` at which the student's mean probability of them, `mean_i sum_c softmax(z_i / T + s 1_c)_c`,
/// is the teacher's, to 1e-9 by bisection in [-50, 50]. It needs no label. The shift of the logits themselves is `T s`,
/// which is what is returned.
pub fn match_mean_probability(
    student: &ClassLogits,
    teacher: &ClassLogits,
    classes: &[u32],
    temperature: f64,
) -> f64 {
    let wanted = mean_probability(teacher, classes, temperature, 0.0);
    let (mut low, mut high) = (-50.0, 50.0);
    while high - low > 1e-9 {
        let middle = f64::midpoint(low, high);
        if mean_probability(student, classes, temperature, middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    temperature * f64::midpoint(low, high)
}

fn mean_probability(logits: &ClassLogits, classes: &[u32], temperature: f64, shift: f64) -> f64 {
    let share = |row: &[f32]| {
        let scaled: Vec<f64> = row
            .iter()
            .enumerate()
            .map(|(class, z)| {
                let moved = if classes.contains(&(class as u32)) { shift } else { 0.0 };
                f64::from(*z) / temperature + moved
            })
            .collect();
        let top = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scaled.iter().map(|z| (z - top).exp()).sum();
        let of_classes = classes.iter().filter_map(|class| scaled.get(*class as usize));
        of_classes.map(|z| (z - top).exp()).sum::<f64>() / sum
    };
    logits.rows().map(share).sum::<f64>() / logits.len().max(1) as f64
}

/// For each example whether it is wrong once `by` is added to the logits of `classes`.
pub fn shifted(logits: &ClassLogits, labels: &[u32], classes: &[u32], by: f64) -> Vec<bool> {
    let moved = |row: &[f32]| {
        let values: Vec<f32> = row
            .iter()
            .enumerate()
            .map(|(class, z)| if classes.contains(&(class as u32)) { z + by as f32 } else { *z })
            .collect();
        argmax(&values)
    };
    logits.rows().zip(labels).map(|(row, &label)| moved(row) != label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(rows: usize, seed: u64) -> (ClassLogits, Vec<u32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let labels: Vec<u32> = (0..rows).map(|_| rng.random_range(0..4)).collect();
        let values = labels
            .iter()
            .flat_map(|&label| {
                let row: Vec<f32> = (0..4)
                    .map(|class| {
                        let bias = if class == 2 { -2.5 } else { 0.0 };
                        rng.random_range(-1.0..1.0) + bias + if class == label { 1.5 } else { 0.0 }
                    })
                    .collect();
                row
            })
            .collect();
        (ClassLogits { classes: 4, values }, labels)
    }

    #[test]
    fn no_shift_on_a_grid_beats_the_one_found() {
        for (seed, classes) in [(1, vec![2]), (2, vec![2, 3]), (3, vec![0])] {
            let (logits, labels) = random(300, seed);
            let count = |by: f64| shifted(&logits, &labels, &classes, by).iter().filter(|w| **w).count();
            let found = shift_for_fewest_errors(&logits, &labels, &classes);
            assert_eq!(count(found.by), found.errors);
            for step in -600..=600 {
                assert!(count(f64::from(step) / 100.0) >= found.errors, "seed {seed}, shift {step}/100");
            }
        }
        let (logits, labels) = random(300, 1);
        assert!(shift_for_fewest_errors(&logits, &labels, &[2]).by > 1.0, "class 2 was made too unlikely");
    }

    #[test]
    fn matching_the_teachers_mean_undoes_a_shift() {
        let (teacher, _) = random(200, 5);
        let mut student = teacher.clone();
        student.values.chunks_mut(4).for_each(|row| row[1] -= 3.0);
        for temperature in [1.0, 5.0] {
            let by = match_mean_probability(&student, &teacher, &[1], temperature);
            assert!((by - 3.0).abs() < 1e-4, "{by}");
        }
    }
}
