//! The first screen of an audit in a terminal: four answers, then the networks' figures side by side.

use limbeck::results::{Audit, AuditAnswers, Brittleness, Estimate, NetworkAudit};

/// Columns of text.
const WIDTH: usize = 100;

/// What the audit found, for people.
pub(super) fn summary(audit: &Audit, answers: &AuditAnswers) -> String {
    let mut text = format!("{}, {} prompts\n\n", audit.task.replace('_', " "), audit.prompts);
    for caveat in &answers.caveats {
        text += &wrapped(&format!("! {caveat}"), 0);
    }
    if !answers.caveats.is_empty() {
        text.push('\n');
    }
    for (question, answer) in [
        ("What carries the task", &answers.carries),
        ("What became of the teacher's components", &answers.became),
        ("How alike the two are", &answers.alike),
        ("What breaks first", &answers.breaks),
    ] {
        text += &format!("{question}\n{}", wrapped(answer, 2));
    }
    text.push('\n');
    text + &table(audit)
}

/// Text in lines of at most [`WIDTH`] columns, each set in by `indent`.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &format!("{:indent$}{line}\n", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &format!("{:indent$}{line}\n", "")
}

fn table(audit: &Audit) -> String {
    let of = &audit.brittleness;
    let networks: Vec<(&str, &NetworkAudit, &Brittleness)> = [
        ("teacher", Some(&audit.teacher), Some(&of.teacher)),
        ("student", Some(&audit.student), Some(&of.student)),
        ("baseline", audit.baseline.as_ref(), of.baseline.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, network, brittleness)| Some((name, network?, brittleness?)))
    .collect();
    let row = |name: &str, cell: &dyn Fn(&NetworkAudit, &Brittleness) -> Option<String>| {
        let cells = networks.iter().map(|(_, network, brittleness)| cell(network, brittleness));
        let cells: Vec<String> = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned())).collect();
        if cells.iter().all(|cell| cell == "-") { String::new() } else { line(name, &cells) }
    };
    let names: Vec<String> = networks.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let kept = |brittleness: &Brittleness, which: fn(&limbeck::results::DamageCurves) -> Estimate| {
        brittleness.under_disturbance.as_ref().map(|curves| estimate(&which(curves), 1.0, 1))
    };
    [
        line("", &names),
        row("right, %", &|network, _| Some(estimate(&network.accuracy, 100.0, 1))),
        row("logit difference", &|network, _| Some(estimate(&network.logit_difference, 1.0, 2))),
        row("  spread over prompts", &|network, _| {
            let spread = network.logit_difference_spread.as_ref()?;
            Some(estimate(&spread.standard_deviation, 1.0, 2))
        }),
        row("mean damage, points", &|_, brittleness| Some(estimate(&brittleness.mean, 1.0, 2))),
        row("worst component, points", &|_, brittleness| Some(estimate(&brittleness.worst, 1.0, 1))),
        row("severity", &|_, brittleness| Some(estimate(&brittleness.severity, 1.0, 4))),
        row("components over 20 points", &|network, brittleness| {
            Some(format!("{} of {}", brittleness.over_20, network.components.len()))
        }),
        row("kept under noise, %", &|_, brittleness| kept(brittleness, |curves| curves.noise.kept)),
        row("kept without the worst, %", &|_, brittleness| {
            kept(brittleness, |curves| curves.worst_first.kept)
        }),
        row("kept without random ones, %", &|_, brittleness| kept(brittleness, |curves| curves.random.kept)),
        row("taken over by others, %", &|_, brittleness| {
            Some(estimate(&brittleness.spare_capacity.as_ref()?.taken_over, 100.0, 1))
        }),
    ]
    .concat()
}

fn line(name: &str, cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>24}")).collect();
    format!("{name:<28}{}", cells.concat()).trim_end().to_owned() + "\n"
}

/// `12.3 (10.1 to 14.0)`.
fn estimate(found: &Estimate, factor: f64, places: usize) -> String {
    let [value, low, high] = [found.value, found.low, found.high].map(|number| number * factor);
    format!("{value:.places$} ({low:.places$} to {high:.places$})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_a_screen() {
        let text = "word ".repeat(60);
        let lines = wrapped(&text, 2);
        assert!(
            lines.lines().count() > 1
                && lines.lines().all(|line| line.len() <= WIDTH && line.starts_with("  w"))
        );
        assert_eq!(lines.split_whitespace().count(), 60);
    }
}
