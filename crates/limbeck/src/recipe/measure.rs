//! Measures by their dotted path in `results.json`: which there are, and in which unit they come.

use std::sync::OnceLock;

use limbeck_results::Results;
use serde_json::Value;

use super::meant::nearest;

/// In which unit a measure comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A share from 0 to 1.
    Share,
    /// Percentage points, from 0 to 100.
    Points,
    /// Anything else.
    Other,
}

/// Last names of measures that are shares from 0 to 1.
const SHARES: [&str; 12] = [
    "accuracy",
    "agreement",
    "ece",
    "majority",
    "preference",
    "severity",
    "gini",
    "a",
    "similarity",
    "influence",
    "influence_weighted_similarity",
    "stability",
];

/// Last names of measures in percentage points.
const POINTS: [&str; 5] = ["mean", "worst", "worst_5_percent", "drop", "score"];

impl Unit {
    /// The unit of the measure that `path` names.
    pub(crate) fn of(path: &str) -> Self {
        let parts = || path.split('.').filter(|part| !matches!(*part, "value" | "low" | "high"));
        let last = parts().next_back().unwrap_or_default();
        let inside = parts().any(|part| part == "brittleness" || part == "components");
        if SHARES.contains(&last) {
            Self::Share
        } else if inside && POINTS.contains(&last) {
            Self::Points
        } else {
            Self::Other
        }
    }

    /// Why `bound` cannot be meant in this unit.
    pub(crate) fn doubt(self, path: &str, bound: f64) -> Option<String> {
        match self {
            Self::Share if !(0.0..=1.0).contains(&bound) => {
                let meant = if (1.0..=100.0).contains(&bound) {
                    format!("; for {bound} percent write {}", bound / 100.0)
                } else {
                    String::new()
                };
                Some(format!("{path} is a share from 0 to 1, and {bound} is none{meant}"))
            }
            Self::Points if bound > 0.0 && bound <= 1.0 => Some(format!(
                "{path} is in percentage points from 0 to 100, where {bound} is at most one point; for a share of {bound} write {}",
                bound * 100.0
            )),
            Self::Points if !(0.0..=100.0).contains(&bound) => {
                Some(format!("{path} is in percentage points from 0 to 100, and {bound} is none"))
            }
            _ => None,
        }
    }
}

/// Refuses a path that no results can hold, with the nearest name that they can.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let schema = schema();
    let mut at = schema;
    let mut behind: Vec<&str> = Vec::new();
    for part in path.split('.') {
        let place = || if behind.is_empty() { "the results".to_owned() } else { behind.join(".") };
        match step(at, part) {
            Step::To(next) => at = next,
            Step::Anything => return Ok(()),
            Step::No(names) => {
                let near = nearest(part, names.iter().map(String::as_str))
                    .map(|near| {
                        let whole: Vec<&str> = behind.iter().copied().chain([near]).collect();
                        format!("did you mean {}?", whole.join("."))
                    })
                    .unwrap_or_else(|| match names.is_empty() {
                        true => format!("{} is a value by itself", place()),
                        false => format!("there is {}", names.join(", ")),
                    });
                return Err(format!("there is no measure {path}: {} has no {part:?}; {near}", place()));
            }
        }
        behind.push(part);
    }
    Ok(())
}

fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(Results).to_value())
}

enum Step<'a> {
    To(&'a Value),
    /// The schema does not say what is inside.
    Anything,
    /// Names that would have been right.
    No(Vec<String>),
}

/// One name further down a schema.
fn step<'a>(at: &'a Value, part: &str) -> Step<'a> {
    let mut names = Vec::new();
    for shape in shapes(at) {
        if let Some(properties) = shape.get("properties").and_then(Value::as_object) {
            if let Some(next) = properties.get(part) {
                return Step::To(next);
            }
            names.extend(properties.keys().cloned());
        }
        if let (Some(items), Ok(_)) = (shape.get("items"), part.parse::<usize>()) {
            return Step::To(items);
        }
        match shape.get("additionalProperties") {
            Some(Value::Object(_)) => {
                return shape.get("additionalProperties").map_or(Step::Anything, Step::To);
            }
            Some(Value::Bool(true)) => return Step::Anything,
            _ => {}
        }
    }
    Step::No(names)
}

/// The shapes a value may have, references followed.
fn shapes(at: &Value) -> Vec<&Value> {
    if let Some(name) = at.get("$ref").and_then(Value::as_str) {
        let target = name.strip_prefix('#').and_then(|pointer| schema().pointer(pointer));
        return target.map(shapes).unwrap_or_default();
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(all) = at.get(key).and_then(Value::as_array) {
            return all.iter().flat_map(shapes).collect();
        }
    }
    vec![at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_results_are_known_and_others_refused() {
        for path in [
            "evaluation.student.accuracy",
            "evaluation.student.accuracy.low",
            "evaluation.over_seeds.student.accuracy",
            "evaluation.shifts.0.scores.student.kl",
            "audit.brittleness.student.severity",
            "audit.alignment.a",
            "training.runs.0.steps",
            "seconds.audit",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        let refused = check_path("evaluation.student.acuracy").unwrap_err();
        assert!(refused.contains("did you mean evaluation.student.accuracy?"), "{refused}");
        let refused = check_path("evaluation.student.accuracy.value.more").unwrap_err();
        assert!(refused.contains("is a value by itself"), "{refused}");
        for path in ["", "nothing", "evaluation.", "evaluation.shifts.first"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn shares_and_percents_are_not_mistaken_for_one_another() {
        let doubt = |path: &str, bound| Unit::of(path).doubt(path, bound);
        assert!(doubt("evaluation.student.accuracy", 90.0).unwrap().contains("write 0.9"));
        assert!(doubt("evaluation.student.agreement", -0.1).is_some());
        assert!(doubt("audit.brittleness.student.worst", 0.3).unwrap().contains("write 30"));
        assert!(doubt("audit.brittleness.student.worst", 130.0).is_some());
        assert_eq!(doubt("evaluation.student.accuracy", 0.9), None);
        assert_eq!(doubt("evaluation.student.accuracy.low", 1.0), None);
        assert_eq!(doubt("audit.brittleness.student.worst", 30.0), None);
        assert_eq!(doubt("evaluation.student.loss", 3.0), None);
    }
}
