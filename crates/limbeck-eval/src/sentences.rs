//! Findings in words.

use limbeck_results::{Estimate, Finding};

use crate::summary::FEWEST_EXAMPLES;

/// How a measure is called, in which unit it is told, and how many of those units are one of its own.
fn wording(measure: &str) -> (&'static str, &'static str, f64) {
    match measure {
        "accuracy" => ("accuracy", "points", 100.0),
        "agreement" => ("agreement with the teacher", "points", 100.0),
        "kl" => ("divergence from the teacher", "nats", 1.0),
        "ece" => ("calibration error", "points", 100.0),
        _ => ("loss", "nats", 1.0),
    }
}

/// A figure with as many decimals as its size needs.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    let decimals = if size == 0.0 || size >= 10.0 {
        1
    } else if size >= 0.1 {
        2
    } else if size >= 0.001 {
        4
    } else {
        return format!("{value:.1e}");
    };
    format!("{value:.decimals$}")
}

/// Student against baseline in one sentence.
pub(crate) fn comparison_sentence(
    measure: &str,
    difference: &Estimate,
    finding: Finding,
    examples: usize,
) -> String {
    let (name, unit, scale) = wording(measure);
    let [value, low, high] = [difference.value, difference.low, difference.high].map(|x| x * scale);
    if finding == Finding::CannotTell {
        let few = if examples < FEWEST_EXAMPLES {
            format!("; {examples} examples are too few")
        } else {
            String::new()
        };
        return format!(
            "The data cannot tell student and baseline apart in {name} (difference {} {unit}, 95% interval {} to {}{few}).",
            figure(value),
            figure(low),
            figure(high)
        );
    }
    let (word, low, high) = if value < 0.0 { ("lower", -high, -low) } else { ("higher", low, high) };
    format!(
        "The student's {name} is {} {unit} {word} than the baseline's (95% interval {} to {}).",
        figure(value.abs()),
        figure(low),
        figure(high)
    )
}
