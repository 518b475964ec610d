//! Scores per token become estimates with intervals: the examples are what is resampled.

use limbeck_results::{Comparison, Estimate, Finding, StudentScores, TeacherScores};
use limbeck_stats::{Bootstrap, Cluster, Direction, Reliability};

use crate::EvalError;
use crate::scoring::{NetworkScores, Scores};
use crate::sentences::comparison_sentence;

/// With fewer examples than this a bootstrap interval says nothing about the difference.
pub(crate) const FEWEST_EXAMPLES: usize = 8;

/// One network's scores, gathered by example.
pub(crate) struct ByExample {
    accuracy: Vec<Cluster>,
    loss: Vec<Cluster>,
    agreement: Vec<Cluster>,
    kl: Vec<Cluster>,
    reliability: Vec<Reliability>,
}

impl ByExample {
    /// Gathers network `network`'s tokens by the example they are in.
    pub(crate) fn gather(scores: &Scores, network: usize) -> Result<ByExample, EvalError> {
        let tokens = &scores.networks[network];
        let mut gathered =
            ByExample { accuracy: vec![], loss: vec![], agreement: vec![], kl: vec![], reliability: vec![] };
        let mut start = 0;
        for run in scores.example.chunk_by(|a, b| a == b) {
            let range = start..start + run.len();
            start = range.end;
            gathered.push(tokens, range)?;
        }
        Ok(gathered)
    }

    fn push(&mut self, tokens: &NetworkScores, range: std::ops::Range<usize>) -> Result<(), EvalError> {
        let count = range.len() as f64;
        let share = |values: &[bool]| values.iter().filter(|&&value| value).count() as f64;
        self.accuracy.push(Cluster::new(share(&tokens.correct[range.clone()]), count));
        self.agreement.push(Cluster::new(share(&tokens.agrees[range.clone()]), count));
        self.loss.push(Cluster::new(tokens.loss[range.clone()].iter().sum(), count));
        self.kl.push(Cluster::new(tokens.kl[range.clone()].iter().sum(), count));
        let mut reliability = Reliability::new();
        for i in range {
            reliability.add(tokens.confidence[i].clamp(0.0, 1.0), tokens.correct[i])?;
        }
        self.reliability.push(reliability);
        Ok(())
    }

    /// Examples gathered.
    pub(crate) fn examples(&self) -> usize {
        self.loss.len()
    }

    /// Scores against the data.
    pub(crate) fn teacher(&self, bootstrap: &Bootstrap) -> Result<TeacherScores, EvalError> {
        let loss = bootstrap.ratio(&self.loss)?;
        Ok(TeacherScores {
            accuracy: bootstrap.ratio(&self.accuracy)?,
            loss,
            perplexity: loss.map(f64::exp),
            ece: bootstrap.ece(&self.reliability)?,
        })
    }

    /// Scores against the data and the teacher.
    pub(crate) fn student(&self, bootstrap: &Bootstrap) -> Result<StudentScores, EvalError> {
        let TeacherScores { accuracy, loss, perplexity, ece } = self.teacher(bootstrap)?;
        Ok(StudentScores {
            accuracy,
            loss,
            perplexity,
            ece,
            agreement: bootstrap.ratio(&self.agreement)?,
            kl: bootstrap.ratio(&self.kl)?,
        })
    }
}

/// Student against baseline by every measure, paired over examples.
pub(crate) fn compare(
    student: &ByExample,
    baseline: &ByExample,
    bootstrap: &Bootstrap,
) -> Result<Vec<Comparison>, EvalError> {
    use Direction::{HigherIsBetter, LowerIsBetter};
    let pair = |a: &[Cluster], b: &[Cluster]| bootstrap.ratio_difference(a, b);
    let measured: [(&str, Estimate, Direction); 5] = [
        ("accuracy", pair(&student.accuracy, &baseline.accuracy)?, HigherIsBetter),
        ("loss", pair(&student.loss, &baseline.loss)?, LowerIsBetter),
        ("agreement", pair(&student.agreement, &baseline.agreement)?, HigherIsBetter),
        ("kl", pair(&student.kl, &baseline.kl)?, LowerIsBetter),
        ("ece", bootstrap.ece_difference(&student.reliability, &baseline.reliability)?, LowerIsBetter),
    ];
    let examples = student.examples();
    Ok(measured
        .into_iter()
        .map(|(measure, difference, direction)| {
            let finding = match examples {
                0..FEWEST_EXAMPLES => Finding::CannotTell,
                _ => Finding::of(&difference, direction),
            };
            let sentence = comparison_sentence(measure, &difference, finding, examples);
            Comparison { measure: measure.to_owned(), difference, finding, sentence }
        })
        .collect())
}
