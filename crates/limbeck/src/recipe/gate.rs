//! Gates: what a run must reach before its student may ship.

use limbeck_results::Results;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
}

/// What a gate said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateOutcome {
    /// The path measured.
    pub measure: String,
    /// The value found; absent when the results do not hold it.
    pub value: Option<f64>,
    /// Whether the gate lets the run pass. A missing value never passes.
    pub passed: bool,
    /// The outcome in one sentence.
    pub sentence: String,
}

impl Gate {
    /// Holds `results` against the gate. An estimate counts by its `value`.
    pub fn judge(&self, results: &Results) -> GateOutcome {
        let json = serde_json::to_value(results).unwrap_or(Value::Null);
        let found = self.measure.split('.').try_fold(&json, |value, key| value.get(key));
        let value = found.and_then(|found| found.as_f64().or_else(|| found.get("value")?.as_f64()));
        let Some(value) = value else {
            let sentence = format!("{}: the results hold no such number", self.measure);
            return GateOutcome { measure: self.measure.clone(), value: None, passed: false, sentence };
        };
        let low = self.at_least.is_none_or(|bound| value >= bound);
        let high = self.at_most.is_none_or(|bound| value <= bound);
        let sentence = format!(
            "{}: {value:.4}{}{}: {}",
            self.measure,
            self.at_least.map_or_else(String::new, |bound| format!(", at least {bound}")),
            self.at_most.map_or_else(String::new, |bound| format!(", at most {bound}")),
            if low && high { "passed" } else { "failed" },
        );
        GateOutcome { measure: self.measure.clone(), value: Some(value), passed: low && high, sentence }
    }
}
