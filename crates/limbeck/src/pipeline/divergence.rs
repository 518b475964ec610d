//! Trainings that went wrong without leaving the finite numbers: said, not left to whoever reads the figures.

use limbeck_results::{CurvePoint, Evaluation};

use super::StageError;

/// Points at the end of a curve whose mean is held against its beginning.
const LAST: usize = 10;
/// The loss must be this much above the first one to count: steps differ by what is in them.
const MARGIN: f64 = 1.1;

/// What is to be said of a network whose loss ended above where it began.
pub(super) fn of_curve(network: &str, curve: &[CurvePoint]) -> Option<String> {
    let first = curve.first()?.loss;
    let last = &curve[curve.len().saturating_sub(LAST).max(1).min(curve.len())..];
    let mean = last.iter().map(|point| point.loss).sum::<f64>() / last.len() as f64;
    (last.len() > 1 && mean > first * MARGIN + 1e-6).then(|| {
        format!(
            "The training of the {network} diverged: its loss rose from {first:.3} at the first step to {mean:.3} over the last \
             {}. A lower learning_rate usually helps.",
            last.len()
        )
    })
}

/// Refuses scores that are no numbers, by the network's name.
pub(super) fn check(evaluation: &Evaluation) -> Result<(), StageError> {
    match losses(evaluation).into_iter().find(|(_, loss)| !loss.is_finite()) {
        Some((network, value)) => Err(StageError::NotFinite { network, value }),
        None => Ok(()),
    }
}

/// What is to be said of networks that know less than nothing: whose loss is above that of equal chances for all tokens, where an
/// untrained network stands.
pub(super) fn of_scores(evaluation: &Evaluation, vocab_size: usize) -> Vec<String> {
    let chance = (vocab_size.max(1) as f64).ln();
    let above = losses(evaluation).into_iter().filter(|(_, loss)| *loss > chance * 1.02);
    above
        .map(|(network, loss)| {
            format!(
                "The {network}'s loss on the held-out examples, {loss:.3}, is above ln {vocab_size} = {chance:.3}, that of a network \
                 that knows nothing: it diverged, or is no model of this data."
            )
        })
        .collect()
}

fn losses(evaluation: &Evaluation) -> Vec<(&'static str, f64)> {
    let mut found =
        vec![("teacher", evaluation.teacher.loss.value), ("student", evaluation.student.loss.value)];
    found.extend(evaluation.baseline.as_ref().map(|scores| ("baseline", scores.loss.value)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: &[f64]) -> Vec<CurvePoint> {
        let point = |(step, loss): (usize, &f64)| CurvePoint {
            step: step as u64 + 1,
            loss: *loss,
            terms: Vec::new(),
        };
        losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn a_loss_that_rose_is_said() {
        let said = of_curve("student", &curve(&[4.0, 9.0, 60.0, 50.0])).unwrap();
        assert!(said.contains("student diverged") && said.contains("from 4.000"), "{said}");
        assert_eq!(of_curve("student", &curve(&[4.0, 9.0, 3.0, 2.0, 1.0])), None);
        assert_eq!(of_curve("student", &curve(&[4.0, 4.1, 4.2])), None, "within what steps differ by");
        assert_eq!(of_curve("student", &curve(&[4.0, 60.0])), None, "a single step says nothing");
        assert_eq!(of_curve("student", &[]), None);
    }
}
