//! Teacher, student and baseline on held-out and on shifted examples.

use limbeck_data::examples::TokenExample;
use limbeck_data::progress::Progress;
use limbeck_model::Decoder;
use limbeck_results::{Condition, Evaluation};
use limbeck_stats::Bootstrap;

use crate::EvalError;
use crate::scoring::{ScoringOptions, score};
use crate::summary::{ByExample, compare};

/// The networks of a run.
#[derive(Debug, Clone, Copy)]
pub struct Networks<'a> {
    /// Whom the student learnt from.
    pub teacher: &'a Decoder,
    /// The distilled student.
    pub student: &'a Decoder,
    /// The same student trained without the teacher.
    pub baseline: Option<&'a Decoder>,
}

/// Examples drawn differently from the training data.
#[derive(Debug, Clone, PartialEq)]
pub struct ShiftedSet {
    /// Short name, such as `unseen_names`.
    pub name: String,
    /// One sentence saying what differs.
    pub description: String,
    /// The examples.
    pub examples: Vec<TokenExample>,
}

/// How to score and to resample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationOptions {
    /// How the networks are run.
    pub scoring: ScoringOptions,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Seed of the resamples.
    pub seed: u64,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        EvaluationOptions { scoring: ScoringOptions::default(), resamples: 10_000, seed: 42 }
    }
}

/// Scores the networks on `held_out` and on every shifted set.
///
/// Intervals are 95% percentile bootstrap intervals that resample whole examples, since tokens of one
/// example are not independent; student and baseline are compared on the same resamples.
///
/// # Errors
/// As [`score`], and [`EvalError::Stats`] when there is too little to resample.
pub fn evaluate(
    networks: &Networks,
    held_out: &[TokenExample],
    shifts: &[ShiftedSet],
    options: &EvaluationOptions,
    progress: &dyn Progress,
) -> Result<Evaluation, EvalError> {
    let mut evaluation = condition(networks, held_out, options, "held-out", progress)?;
    for set in shifts {
        evaluation.shifts.push(Condition {
            name: set.name.clone(),
            description: set.description.clone(),
            scores: condition(networks, &set.examples, options, &set.name, progress)?,
        });
    }
    Ok(evaluation)
}

fn condition(
    networks: &Networks,
    examples: &[TokenExample],
    options: &EvaluationOptions,
    label: &str,
    progress: &dyn Progress,
) -> Result<Evaluation, EvalError> {
    let mut named = vec![("teacher", networks.teacher), ("student", networks.student)];
    named.extend(networks.baseline.map(|baseline| ("baseline", baseline)));
    let scores = score(&named, examples, &options.scoring, label, progress)?;
    let bootstrap = Bootstrap::with_seed(options.seed).with_resamples(options.resamples);
    let teacher = ByExample::gather(&scores, 0)?;
    let student = ByExample::gather(&scores, 1)?;
    let baseline = networks.baseline.map(|_| ByExample::gather(&scores, 2)).transpose()?;
    Ok(Evaluation {
        examples: teacher.examples(),
        scored_tokens: scores.example.len(),
        teacher: teacher.teacher(&bootstrap)?,
        student: student.student(&bootstrap)?,
        baseline: baseline.as_ref().map(|baseline| baseline.student(&bootstrap)).transpose()?,
        comparisons: match &baseline {
            Some(baseline) => compare(&student, baseline, &bootstrap)?,
            None => Vec::new(),
        },
        shifts: Vec::new(),
    })
}
