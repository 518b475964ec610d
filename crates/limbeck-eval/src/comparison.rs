//! Student against baseline: paired differences, what decides them, and in how many places.

use limbeck_results::{CarriedBy, Comparison, Estimate, VarianceShares};
use limbeck_stats::{Bootstrap, Carriers, Cluster, Crossed, CrossedResamples, Direction, Finding, carriers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::sentences::comparison_sentence;
use crate::summary::{ByExample, FEWEST_EXAMPLES};

/// The measures that decide whether distillation helped: how the student does on the data itself.
/// Agreement and divergence say how faithful it is, which is not the same as better.
pub(crate) const DECIDING: [&str; 2] = ["loss", "accuracy"];

/// The smallest differences between student and baseline that matter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmallestEffect {
    /// Of accuracy, agreement and calibration error, in percentage points.
    pub points: f64,
    /// Of loss and divergence, in percent of the baseline's.
    pub percent: f64,
}

impl Default for SmallestEffect {
    fn default() -> Self {
        Self { points: 1.0, percent: 1.0 }
    }
}

/// How differences are judged.
pub(crate) struct Terms {
    pub(crate) bootstrap: Bootstrap,
    pub(crate) smallest: SmallestEffect,
    /// Sets of examples judged side by side.
    pub(crate) sets: usize,
}

/// One measure of every pair: a number for any choice of examples.
struct Measure<'a> {
    name: &'static str,
    direction: Direction,
    /// Whether it is a share in `[0, 1]`, told in points.
    share: bool,
    /// Numerator and denominator by pair and example, student and baseline; none for the calibration error.
    clusters: Option<Vec<(&'a [Cluster], &'a [Cluster])>>,
}

/// Student against baseline by every measure, paired over examples and over seeds.
pub(crate) fn compare(
    students: &[&ByExample],
    baselines: &[&ByExample],
    terms: &Terms,
) -> Result<Vec<Comparison>, EvalError> {
    use Direction::{HigherIsBetter, LowerIsBetter};
    let of = |name, direction, share, pick: fn(&ByExample) -> &[Cluster]| Measure {
        name,
        direction,
        share,
        clusters: Some(students.iter().zip(baselines).map(|(a, b)| (pick(a), pick(b))).collect()),
    };
    let measures = [
        of("accuracy", HigherIsBetter, true, |one| &one.accuracy),
        of("loss", LowerIsBetter, false, |one| &one.loss),
        of("agreement", HigherIsBetter, true, |one| &one.agreement),
        of("kl", LowerIsBetter, false, |one| &one.kl),
        Measure { name: "ece", direction: LowerIsBetter, share: true, clusters: None },
    ];
    measures.iter().map(|measure| measure.compare(students, baselines, terms)).collect()
}

/// A difference whose interval can be had at any confidence.
enum Difference {
    /// Of shares by one pair: an adjusted interval, never of zero width.
    Shares(Vec<Cluster>, Vec<Cluster>),
    /// By one pair: the values on resampled examples.
    Resampled(f64, Vec<f64>),
    /// By several pairs: what their values on all and on the same resampled examples add up to. Of shares also the pooled ones
    /// of all pairs by example, so that the interval has a width where all pairs are equal.
    Crossed { summed: CrossedResamples, pooled: Option<(Vec<Cluster>, Vec<Cluster>)> },
}

impl Difference {
    fn interval(&self, confidence: f64, bootstrap: &Bootstrap) -> Result<Estimate, EvalError> {
        Ok(match self {
            Self::Shares(first, second) => limbeck_stats::clustered_difference(first, second, confidence)?,
            Self::Resampled(value, values) => {
                Bootstrap { confidence, ..*bootstrap }.interval(*value, values.clone())?
            }
            Self::Crossed { summed, pooled } => {
                let found = summed.at(confidence)?.estimate;
                match pooled {
                    None => found,
                    Some((first, second)) => {
                        let floor = limbeck_stats::clustered_difference(first, second, confidence)?;
                        Estimate { low: found.low.min(floor.low), high: found.high.max(floor.high), ..found }
                    }
                }
            }
        })
    }

    fn variance(&self) -> Result<Option<VarianceShares>, EvalError> {
        let Self::Crossed { summed, .. } = self else { return Ok(None) };
        let Crossed { variance_seed, variance_item, variance_rest, .. } = summed.at(0.95)?;
        let all = variance_seed + variance_item + variance_rest;
        Ok((all > 0.0).then(|| VarianceShares { seeds: variance_seed / all, examples: variance_item / all }))
    }
}

impl Measure<'_> {
    fn compare(
        &self,
        students: &[&ByExample],
        baselines: &[&ByExample],
        terms: &Terms,
    ) -> Result<Comparison, EvalError> {
        let examples = students.first().map_or(0, |student| student.examples());
        let bootstrap = &terms.bootstrap;
        let difference = self.difference(students, baselines, bootstrap)?;
        let at = |confidence| difference.interval(confidence, bootstrap);
        let decides = DECIDING.contains(&self.name);
        let chances = if decides { DECIDING.len() * terms.sets } else { 1 };
        let error = 0.05 / chances as f64;
        let found = at(0.95)?;
        let corrected = (chances > 1).then(|| at(1.0 - error)).transpose()?;
        let margin = self.margin(baselines, &terms.smallest);
        let finding = match examples {
            0..FEWEST_EXAMPLES => Finding::CannotTell,
            _ => {
                let narrow = at(1.0 - 2.0 * error)?;
                Finding::of_size(corrected.as_ref().unwrap_or(&found), &narrow, margin, self.direction)
            }
        };
        let mut comparison = Comparison {
            measure: self.name.to_owned(),
            difference: found,
            corrected,
            margin: Some(margin),
            finding,
            variance: difference.variance()?,
            carried_by: self.carried_by(examples),
            sentence: String::new(),
        };
        comparison.sentence = comparison_sentence(&comparison, examples, students.len(), chances);
        Ok(comparison)
    }

    fn difference(
        &self,
        students: &[&ByExample],
        baselines: &[&ByExample],
        bootstrap: &Bootstrap,
    ) -> Result<Difference, EvalError> {
        if let (true, Some([(first, second)])) = (self.share, self.clusters.as_deref()) {
            return Ok(Difference::Shares(first.to_vec(), second.to_vec()));
        }
        let examples = students.first().map_or(0, |student| student.examples());
        let (points, values) = bootstrap.resampled(examples, students.len(), |chosen, out| {
            for (index, out) in out.iter_mut().enumerate() {
                *out = match &self.clusters {
                    Some(clusters) => {
                        let (first, second) = clusters[index];
                        let mean = |all: &[Cluster]| Cluster::total(chosen.iter().map(|&i| &all[i])).mean();
                        mean(first) - mean(second)
                    }
                    None => students[index].ece_of(chosen) - baselines[index].ece_of(chosen),
                };
            }
        })?;
        Ok(match points.as_slice() {
            [one] => Difference::Resampled(*one, values.into_iter().flatten().collect()),
            _ => Difference::Crossed {
                summed: CrossedResamples::new(&points, &values, examples)?,
                pooled: self.pooled(examples),
            },
        })
    }

    /// Of a share: what all students, and all baselines, did on each example together.
    fn pooled(&self, examples: usize) -> Option<(Vec<Cluster>, Vec<Cluster>)> {
        let clusters = self.clusters.as_ref().filter(|_| self.share)?;
        let of = |pick: fn(&(&[Cluster], &[Cluster]), usize) -> Cluster| -> Vec<Cluster> {
            let sum = |i| clusters.iter().map(|pair| pick(pair, i)).collect::<Vec<_>>();
            (0..examples).map(|i| Cluster::total(&sum(i))).collect()
        };
        Some((of(|pair, i| pair.0[i]), of(|pair, i| pair.1[i])))
    }

    /// The smallest difference that matters, in the measure's unit.
    fn margin(&self, baselines: &[&ByExample], smallest: &SmallestEffect) -> f64 {
        if self.share {
            return smallest.points / 100.0;
        }
        let clusters = self.clusters.iter().flatten();
        let mean: f64 = clusters.map(|(_, baseline)| Cluster::total(baseline.iter()).mean()).sum();
        smallest.percent / 100.0 * mean / baselines.len().max(1) as f64
    }

    /// The few examples that supply most of a difference, where few do.
    fn carried_by(&self, examples: usize) -> Option<CarriedBy> {
        let mut own = vec![0.0; examples];
        for (student, baseline) in self.clusters.as_ref()? {
            for (own, (a, b)) in own.iter_mut().zip(student.iter().zip(*baseline)) {
                *own += a.sum - b.sum;
            }
        }
        // Differences that add up to nothing are carried by nobody.
        let found = carriers(&own).ok().filter(Carriers::few)?;
        let (examples, share) = match found.largest_share {
            share if share >= 0.25 => (1, share),
            _ => (found.half, 0.5),
        };
        Some(CarriedBy { examples, share })
    }
}
