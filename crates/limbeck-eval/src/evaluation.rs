//! Teacher, student and baseline on held-out and on shifted examples.

use std::collections::HashMap;

use limbeck_data::examples::TokenExample;
use limbeck_data::progress::Progress;
use limbeck_model::Decoder;
use limbeck_results::{Condition, Evaluation, OverSeeds};
use limbeck_stats::Bootstrap;
use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::comparison::{SmallestEffect, Terms, compare};
use crate::scoring::{Scores, ScoringOptions, score};
use crate::summary::{ByExample, over_seeds};

/// The networks of a run.
#[derive(Debug, Clone, Copy)]
pub struct Networks<'a> {
    /// Whom the students learnt from.
    pub teacher: &'a Decoder,
    /// Student and baseline of every seed, at least one; the first are those of the run folder.
    pub pairs: &'a [Pair<'a>],
}

/// A student and the same network trained without the teacher.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The distilled student.
    pub student: &'a Decoder,
    /// The same student trained without the teacher; for all pairs or for none.
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

/// How to score, to resample and to judge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationOptions {
    /// How the networks are run.
    pub scoring: ScoringOptions,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Seed of the resamples.
    pub seed: u64,
    /// Differences below which student and baseline count as equal.
    pub smallest: SmallestEffect,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        EvaluationOptions {
            scoring: ScoringOptions::default(),
            resamples: 10_000,
            seed: 42,
            smallest: SmallestEffect::default(),
        }
    }
}

/// What every network scored on one example: sums over its scored tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleScores {
    /// `held_out`, or the name of a shifted set.
    pub set: String,
    /// Index of the example in its set, from 0.
    pub example: usize,
    /// Scored tokens in it.
    pub tokens: usize,
    /// Teacher, then student and baseline of every seed.
    pub networks: Vec<ExampleScore>,
}

/// What one network scored on one example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleScore {
    /// `teacher`, `student` or `baseline`.
    pub network: String,
    /// Number of the training, from 1; 1 for the teacher.
    pub training: usize,
    /// Tokens whose top-ranked prediction is the data's.
    pub correct: usize,
    /// Tokens on which it ranks the same token first as the teacher.
    pub agrees: usize,
    /// Sum of `-log p(target)`, in nats.
    pub loss: f64,
    /// Sum of `KL(teacher || network)`, in nats.
    pub kl: f64,
}

/// Scores the networks on `held_out` and on every shifted set; the second value is what they rest on.
///
/// Scores of one network have intervals over examples, since tokens of one example are not independent: adjusted ones
/// for shares, which never have zero width, and percentile bootstrap ones for means. Student and baseline are compared
/// on the same resamples. With several pairs the intervals of means and of comparisons hold seeds and examples crossed.
/// A comparison that decides the verdict has an interval corrected for the number of deciding measures, and on shifted
/// sets for the number of sets too (Bonferroni).
///
/// # Errors
/// As [`score`], and [`EvalError::Stats`] when there is too little to resample.
pub fn evaluate(
    networks: &Networks,
    held_out: &[TokenExample],
    shifts: &[ShiftedSet],
    options: &EvaluationOptions,
    progress: &dyn Progress,
) -> Result<(Evaluation, Vec<ExampleScores>), EvalError> {
    if networks.pairs.is_empty() {
        return Err(EvalError::Option {
            option: "pairs",
            found: "none".into(),
            expected: "there must be at least one student".into(),
        });
    }
    let mut kept = Vec::new();
    let mut evaluation = condition(networks, held_out, options, ("held_out", 1), &mut kept, progress)?;
    for set in shifts {
        let chances = (set.name.as_str(), shifts.len());
        evaluation.shifts.push(Condition {
            name: set.name.clone(),
            description: set.description.clone(),
            scores: condition(networks, &set.examples, options, chances, &mut kept, progress)?,
        });
    }
    Ok((evaluation, kept))
}

/// One set of examples, one of `sets` that are judged side by side.
fn condition(
    networks: &Networks,
    examples: &[TokenExample],
    options: &EvaluationOptions,
    (name, sets): (&str, usize),
    kept: &mut Vec<ExampleScores>,
    progress: &dyn Progress,
) -> Result<Evaluation, EvalError> {
    let with_baseline = networks.pairs.iter().all(|pair| pair.baseline.is_some());
    let mut named = vec![("teacher", networks.teacher)];
    for pair in networks.pairs {
        named.push(("student", pair.student));
        named.extend(pair.baseline.filter(|_| with_baseline).map(|baseline| ("baseline", baseline)));
    }
    let scores = score(&named, examples, &options.scoring, name, progress)?;
    let each = if with_baseline { 2 } else { 1 };
    kept.extend(by_example(name, &named, &scores, each));
    let gathered: Vec<ByExample> =
        (0..named.len()).map(|network| ByExample::gather(&scores, network)).collect::<Result<_, _>>()?;
    let (teacher, learners) = (&gathered[0], &gathered[1..]);
    let students: Vec<&ByExample> = learners.iter().step_by(each).collect();
    let baselines: Vec<&ByExample> = match with_baseline {
        true => learners.iter().skip(1).step_by(each).collect(),
        false => Vec::new(),
    };
    let bootstrap = Bootstrap::with_seed(options.seed).with_resamples(options.resamples);
    let several = students.len() > 1;
    let over = |networks: &[&ByExample]| over_seeds(networks, &bootstrap);
    Ok(Evaluation {
        examples: teacher.examples(),
        scored_tokens: scores.example.len(),
        seeds: students.len(),
        majority: majority(examples),
        teacher: teacher.teacher(&bootstrap)?,
        student: students[0].student(&bootstrap)?,
        baseline: baselines.first().map(|baseline| baseline.student(&bootstrap)).transpose()?,
        over_seeds: match several {
            true => Some(OverSeeds {
                student: over(&students)?,
                baseline: with_baseline.then(|| over(&baselines)).transpose()?,
            }),
            false => None,
        },
        comparisons: match with_baseline {
            true => compare(&students, &baselines, &Terms { bootstrap, smallest: options.smallest, sets })?,
            false => Vec::new(),
        },
        shifts: Vec::new(),
    })
}

/// Share of the scored tokens that are the most frequent of them.
fn majority(examples: &[TokenExample]) -> Option<f64> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    for example in examples {
        for (&id, _) in example.ids.iter().zip(&example.scored).filter(|&(_, &scored)| scored) {
            *counts.entry(id).or_default() += 1;
        }
    }
    let total: usize = counts.values().sum();
    counts.into_values().max().map(|most| most as f64 / total as f64)
}

fn by_example(
    set: &str,
    named: &[(&'static str, &Decoder)],
    scores: &Scores,
    each: usize,
) -> Vec<ExampleScores> {
    let mut start = 0;
    let runs = scores.example.chunk_by(|a, b| a == b);
    runs.map(|run| {
        let range = start..start + run.len();
        start = range.end;
        let count = |values: &[bool]| values.iter().filter(|&&value| value).count();
        let one = |(index, (network, _)): (usize, &(&'static str, &Decoder))| {
            let scored = &scores.networks[index];
            ExampleScore {
                network: (*network).to_owned(),
                training: index.saturating_sub(1) / each + 1,
                correct: count(&scored.correct[range.clone()]),
                agrees: count(&scored.agrees[range.clone()]),
                loss: scored.loss[range.clone()].iter().sum(),
                kl: scored.kl[range.clone()].iter().sum(),
            }
        };
        ExampleScores {
            set: set.to_owned(),
            example: run[0],
            tokens: run.len(),
            networks: named.iter().enumerate().map(one).collect(),
        }
    })
    .collect()
}
