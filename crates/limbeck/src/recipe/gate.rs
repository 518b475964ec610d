//! Gates: what a run must reach before its student may ship.
//!
//! A bound on an estimate is broken when the whole 95% interval is on its wrong side. Where only the value is, and
//! the interval reaches over the bound, the data cannot tell: that fails too, unless the gate says `cannot_tell = "pass"`.

use limbeck_results::{Results, Solves};
use limbeck_stats::SEVERITY_THRESHOLD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::RecipeError;
use super::measure::{Unit, check_path};

/// A bound on one measured value of `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Dotted path in `results.json`, such as `evaluation.student.agreement`.
    pub measure: String,
    /// The least value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The greatest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// What becomes of a value on the wrong side of a bound whose interval reaches over it.
    #[serde(default, skip_serializing_if = "CannotTell::fails")]
    pub cannot_tell: CannotTell,
}

/// What becomes of a gate when the data cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CannotTell {
    /// The gate says no.
    #[default]
    Fail,
    /// The gate lets the run pass.
    Pass,
}

impl CannotTell {
    fn fails(&self) -> bool {
        *self == Self::Fail
    }
}

/// How a measured value stands to its bounds, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateAnswer {
    /// The value is on the right side of every bound.
    Holds,
    /// The value is on the wrong side of a bound, but its interval reaches over it.
    CannotTell,
    /// The whole interval is on the wrong side of a bound.
    Broken,
    /// The results hold no such number.
    Missing,
    /// The network audited is not shown to solve the task, so that a figure of its inside says nothing.
    Unsolved,
}

/// What a gate said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateOutcome {
    /// The path measured.
    pub measure: String,
    /// The value found; absent when the results do not hold it.
    pub value: Option<f64>,
    /// Its 95% interval; absent for a plain number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// How the value stands to the bounds.
    pub answer: GateAnswer,
    /// Whether the gate lets the run pass. A missing value never passes.
    pub passed: bool,
    /// The outcome in one sentence.
    pub sentence: String,
}

/// A number of the results with its interval.
#[derive(Debug, Clone, Copy)]
struct Measured {
    value: f64,
    interval: Option<(f64, f64)>,
}

impl Measured {
    /// A plain number, or an estimate with all three of its numbers.
    fn read(found: &Value) -> Option<Self> {
        if let Some(value) = found.as_f64() {
            return Some(Self { value, interval: None });
        }
        let part = |key: &str| found.get(key)?.as_f64();
        let interval = part("low").zip(part("high"));
        Some(Self { value: part("value")?, interval })
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.4}", self.value)?;
        match self.interval {
            Some((low, high)) => write!(f, " (95% interval {low:.4} to {high:.4})"),
            None => Ok(()),
        }
    }
}

impl Gate {
    /// Refuses a gate that means nothing: a measure that no results can hold, no bound, a bound in another unit.
    ///
    /// # Errors
    /// What is wrong, with what would be right.
    pub fn check(&self) -> Result<(), String> {
        let bounds = [self.at_least, self.at_most];
        if bounds.iter().all(Option::is_none) {
            return Err("a gate needs at_least, at_most or both".to_owned());
        }
        check_path(&self.measure)?;
        for bound in bounds.into_iter().flatten() {
            if !bound.is_finite() {
                return Err(format!("{}: {bound} is no bound", self.measure));
            }
            Unit::of(&self.measure).doubt(&self.measure, bound).map_or(Ok(()), Err)?;
        }
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least > most => {
                Err(format!("{}: at_least {least} is above at_most {most}", self.measure))
            }
            _ => Ok(()),
        }
    }

    /// Holds `results` against the gate.
    pub fn judge(&self, results: &Results) -> GateOutcome {
        let outcome = self.judge_json(&serde_json::to_value(results).unwrap_or(Value::Null));
        match self.unsolved(results) {
            Some(reason) if outcome.answer != GateAnswer::Missing => {
                self.outcome(None, GateAnswer::Unsolved, reason)
            }
            _ => outcome,
        }
    }

    /// Whether a severity of 0 without an interval is one: no component's damage reaches the threshold by its interval.
    fn certainly_zero(&self, found: &Measured, results: &Value) -> bool {
        let Some(network) = self.measure.strip_suffix(".severity") else { return false };
        let pointer = format!("/{}/worst/high", network.replace('.', "/"));
        let worst = results.pointer(&pointer).and_then(Value::as_f64);
        found.value == 0.0 && worst.is_some_and(|high| high <= SEVERITY_THRESHOLD)
    }

    /// Why a figure of an audit says nothing: the network that it is of does not solve the task.
    fn unsolved(&self, results: &Results) -> Option<String> {
        let audit = results.audit.as_ref()?;
        let path = self.measure.strip_prefix("audit.")?;
        let (whose, network) = match path {
            path if path.contains("teacher") => ("teacher", &audit.teacher),
            path if path.contains("baseline") => ("baseline", audit.baseline.as_ref()?),
            _ => ("student", &audit.student),
        };
        let of_answers = ["accuracy", "preference", "logit_difference"];
        let answers = path.split('.').any(|part| of_answers.contains(&part));
        if answers || network.solves() == Solves::Yes {
            return None;
        }
        Some(format!(
            "{}: the {whose} is not shown to solve the {} task (right on {:.1}% of the prompts), so this figure says nothing",
            self.measure,
            audit.task,
            network.accuracy.value * 100.0
        ))
    }

    fn judge_json(&self, results: &Value) -> GateOutcome {
        let found = self.measure.split('.').try_fold(results, |value, key| match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            other => other.get(key),
        });
        let Some((number, found)) = found.and_then(|found| Some((found, Measured::read(found)?))) else {
            let sentence = format!("{}: the results hold no such number", self.measure);
            return self.outcome(None, GateAnswer::Missing, sentence);
        };
        let (low, high) = found.interval.unwrap_or((found.value, found.value));
        let below = self.at_least.map(|bound| stands(bound - found.value, bound - high));
        let above = self.at_most.map(|bound| stands(found.value - bound, low - bound));
        let mut answer = below.max(above).unwrap_or(GateAnswer::Holds);
        let uncertain =
            number.is_object() && found.interval.is_none() && !self.certainly_zero(&found, results);
        if uncertain && answer != GateAnswer::Missing {
            answer = GateAnswer::CannotTell;
        }
        let asked = match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => format!("between {least} and {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "anything".to_owned(),
        };
        let measure = &self.measure;
        let sentence = match answer {
            GateAnswer::Broken if found.interval.is_some() => {
                format!("{measure} is {found}, but must be {asked}: the whole interval is outside")
            }
            GateAnswer::Broken | GateAnswer::Missing | GateAnswer::Unsolved => {
                format!("{measure} is {found}, but must be {asked}")
            }
            GateAnswer::CannotTell if uncertain => {
                let then = if self.cannot_tell.fails() { "fails" } else { "passes" };
                format!(
                    "{measure} is {found} without an interval and should be {asked}: the data cannot tell, which {then}"
                )
            }
            GateAnswer::CannotTell => {
                let then = if self.cannot_tell.fails() { "which fails" } else { "which this gate lets pass" };
                format!(
                    "{measure} is {found} and should be {asked}, but the interval reaches over the bound: the data cannot \
                     tell, {then}"
                )
            }
            GateAnswer::Holds => {
                let beyond = |bound: Option<f64>, end: f64, sign: f64| {
                    bound.is_some_and(|bound| sign * (bound - end) > 0.0)
                };
                let reaches = beyond(self.at_least, low, 1.0) || beyond(self.at_most, high, -1.0);
                let though = if reaches { ", though its interval reaches over the bound" } else { "" };
                format!("{measure} is {found}, {asked} as it must be{though}")
            }
        };
        self.outcome(Some(found), answer, sentence)
    }

    fn outcome(&self, found: Option<Measured>, answer: GateAnswer, sentence: String) -> GateOutcome {
        GateOutcome {
            measure: self.measure.clone(),
            value: found.map(|found| found.value),
            interval: found.and_then(|found| found.interval),
            answer,
            passed: match answer {
                GateAnswer::Holds => true,
                GateAnswer::CannotTell => !self.cannot_tell.fails(),
                GateAnswer::Broken | GateAnswer::Missing | GateAnswer::Unsolved => false,
            },
            sentence,
        }
    }
}

/// From how far the value is beyond a bound, and how far the nearer end of its interval.
fn stands(value: f64, nearer_end: f64) -> GateAnswer {
    if value <= 0.0 {
        GateAnswer::Holds
    } else if nearer_end > 0.0 {
        GateAnswer::Broken
    } else {
        GateAnswer::CannotTell
    }
}

/// The gates of the recipe that a run's results keep.
///
/// # Errors
/// [`RecipeError::Results`] when that recipe cannot be read.
pub fn gates_of(results: &Results) -> Result<Vec<Gate>, RecipeError> {
    #[derive(Deserialize)]
    struct Gates {
        #[serde(default)]
        gates: Vec<Gate>,
    }
    Ok(toml::from_str::<Gates>(&results.recipe)?.gates)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn results() -> Value {
        json!({
            "evaluation": { "student": {
                "agreement": { "value": 0.89, "low": 0.85, "high": 0.93 },
                "kl": { "value": null, "low": null, "high": null },
                "ece": { "value": 0.1, "low": null, "high": null },
            } },
            "prompts": 12,
            "runs": [{ "loss": 3.5 }],
        })
    }

    fn judge(measure: &str, at_least: Option<f64>, at_most: Option<f64>, pass: bool) -> GateOutcome {
        let cannot_tell = if pass { CannotTell::Pass } else { CannotTell::Fail };
        Gate { measure: measure.to_owned(), at_least, at_most, cannot_tell }.judge_json(&results())
    }

    #[test]
    fn a_bound_is_broken_when_the_whole_interval_is_beyond_it() {
        let measure = "evaluation.student.agreement";
        for (at_least, answer) in [
            (0.89, GateAnswer::Holds),
            (0.86, GateAnswer::Holds),
            (0.90, GateAnswer::CannotTell),
            (0.93, GateAnswer::CannotTell),
            (0.94, GateAnswer::Broken),
        ] {
            assert_eq!(judge(measure, Some(at_least), None, false).answer, answer, "at least {at_least}");
            // The same upside down.
            let at_most = 0.89 + (0.89 - at_least);
            let mirrored = match answer {
                GateAnswer::Holds => GateAnswer::Holds,
                _ if at_most < 0.85 => GateAnswer::Broken,
                _ => GateAnswer::CannotTell,
            };
            assert_eq!(judge(measure, None, Some(at_most), false).answer, mirrored, "at most {at_most}");
        }
        let unsure = judge(measure, Some(0.9), None, false);
        assert!(!unsure.passed && unsure.sentence.contains("cannot tell"), "{}", unsure.sentence);
        assert!(judge(measure, Some(0.9), None, true).passed);
        let held = judge(measure, Some(0.86), None, false);
        assert!(held.passed && held.sentence.ends_with("reaches over the bound"), "{}", held.sentence);
        let broken = judge(measure, Some(0.95), Some(1.0), false);
        assert!(!broken.passed && broken.sentence.contains("between 0.95 and 1"), "{}", broken.sentence);
    }

    #[test]
    fn a_value_without_an_interval_cannot_be_told_but_for_a_severity_of_nothing() {
        let outcome = judge("evaluation.student.ece", None, Some(0.2), false);
        assert_eq!((outcome.answer, outcome.passed), (GateAnswer::CannotTell, false), "{}", outcome.sentence);
        let gate = Gate {
            measure: "audit.brittleness.student.severity".to_owned(),
            at_least: None,
            at_most: Some(0.1),
            cannot_tell: CannotTell::Fail,
        };
        let of = |high: f64| {
            json!({ "audit": { "brittleness": { "student": {
                "severity": { "value": 0.0, "low": null, "high": null },
                "worst": { "value": 13.0, "low": 12.0, "high": high },
            } } } })
        };
        assert_eq!(gate.judge_json(&of(15.0)).answer, GateAnswer::Holds);
        assert_eq!(gate.judge_json(&of(25.0)).answer, GateAnswer::CannotTell);
    }

    #[test]
    fn plain_numbers_have_no_doubt() {
        assert_eq!(judge("prompts", Some(12.0), None, false).answer, GateAnswer::Holds);
        assert_eq!(judge("prompts", Some(13.0), None, false).answer, GateAnswer::Broken);
        assert_eq!(judge("runs.0.loss", None, Some(3.0), false).answer, GateAnswer::Broken);
    }

    #[test]
    fn what_is_missing_never_passes() {
        for measure in ["nothing", "evaluation.student", "evaluation.student.kl", "runs.1.loss", ""] {
            let outcome = judge(measure, Some(f64::NEG_INFINITY), None, false);
            assert_eq!((outcome.answer, outcome.passed), (GateAnswer::Missing, false), "{measure}");
        }
    }
}
