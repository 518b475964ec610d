//! Findings in words.

use limbeck_results::{CarriedBy, Comparison, Finding};

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

/// Student against baseline in one sentence: over `examples`, by `trainings` of each, as one of `chances` to decide.
pub(crate) fn comparison_sentence(
    comparison: &Comparison,
    examples: usize,
    trainings: usize,
    chances: usize,
) -> String {
    let (name, unit, scale) = wording(&comparison.measure);
    let shown = comparison.corrected.as_ref().unwrap_or(&comparison.difference);
    let [value, low, high] = [shown.value, shown.low, shown.high].map(|x| x * scale);
    let margin = figure(comparison.margin.unwrap_or(0.0) * scale);
    let mut over = String::from("95% interval");
    if trainings > 1 {
        over += " over seeds and examples";
    }
    if chances > 1 {
        over += &format!(", corrected for {chances} comparisons,");
    }
    let signed = format!("difference {} {unit}, {over} {} to {}", figure(value), figure(low), figure(high));
    let (word, near, far) = if value < 0.0 { ("lower", -high, -low) } else { ("higher", low, high) };
    let carried = match comparison.carried_by {
        Some(CarriedBy { examples: few, share }) if comparison.finding != Finding::Equal => format!(
            " {few} of {examples} examples {} {:.0}% of that difference.",
            if few == 1 { "supplies" } else { "supply" },
            share * 100.0
        ),
        _ => String::new(),
    };
    let said = match comparison.finding {
        Finding::CannotTell if examples < FEWEST_EXAMPLES => {
            return format!(
                "The data cannot tell student and baseline apart in {name}: {examples} examples are too few for an interval (difference {} {unit}).",
                figure(value)
            );
        }
        Finding::CannotTell if !shown.is_finite() => {
            return format!(
                "The data cannot tell student and baseline apart in {name}: the difference, {} {unit}, is the same in every example, which allows no interval.",
                figure(value)
            );
        }
        Finding::CannotTell if near > 0.0 => format!(
            "The student's {name} is {word} than the baseline's, but the data cannot tell whether by as much as matters, {margin} {unit} ({signed})."
        ),
        Finding::CannotTell => {
            format!("The data cannot tell student and baseline apart in {name} ({signed}).")
        }
        Finding::Equal => {
            return format!(
                "In {name} student and baseline are equal within {margin} {unit}, by two one-sided tests ({signed})."
            );
        }
        Finding::Better | Finding::Worse => format!(
            "The student's {name} is {} {unit} {word} than the baseline's ({over} {} to {}).",
            figure(value.abs()),
            figure(near),
            figure(far)
        ),
    };
    said + &carried
}
