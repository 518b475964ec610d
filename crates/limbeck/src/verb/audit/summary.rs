//! The first screen of an audit in a terminal: four answers, then the networks' figures side by side.

use limbeck::results::{Audit, AuditAnswers, Brittleness, DamageCurves, Estimate, NetworkAudit};

use crate::lines::wrapped;

/// Columns of a measure's name.
const NAME: usize = 26;
/// Columns of a network with its intervals beside the estimates.
const BESIDE: usize = 26;
/// Columns of a network with its intervals below the estimates.
const BELOW: usize = 18;

/// What the audit found, for people, in lines of at most `columns`.
pub(super) fn summary(audit: &Audit, answers: &AuditAnswers, columns: usize) -> String {
    let mut text = format!("{}, {} prompts\n\n", audit.task.replace('_', " "), audit.prompts);
    for caveat in &answers.caveats {
        text += &wrapped(caveat, "! ", columns);
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
        text += &format!("{question}\n{}", wrapped(answer, "  ", columns));
    }
    text.push('\n');
    text + &table(audit, columns)
}

/// A figure of one network; estimates have their interval as the second text.
type Cell = (String, String);

fn table(audit: &Audit, columns: usize) -> String {
    let of = &audit.brittleness;
    let networks: Vec<(&str, &NetworkAudit, &Brittleness)> = [
        ("teacher", Some(&audit.teacher), Some(&of.teacher)),
        ("student", Some(&audit.student), Some(&of.student)),
        ("baseline", audit.baseline.as_ref(), of.baseline.as_ref()),
    ]
    .into_iter()
    .filter_map(|(name, network, brittleness)| Some((name, network?, brittleness?)))
    .collect();
    let beside = NAME + BESIDE * networks.len() <= columns;
    let row = |name: &str, cell: &dyn Fn(&NetworkAudit, &Brittleness) -> Option<Cell>| {
        let cells: Vec<Option<Cell>> =
            networks.iter().map(|(_, network, brittleness)| cell(network, brittleness)).collect();
        if cells.iter().all(Option::is_none) { String::new() } else { lines(name, &cells, beside) }
    };
    let names: Vec<Option<Cell>> =
        networks.iter().map(|(name, ..)| Some(((*name).to_owned(), String::new()))).collect();
    let kept = |brittleness: &Brittleness, which: fn(&DamageCurves) -> Estimate| {
        brittleness.under_disturbance.as_ref().map(|curves| estimate(&which(curves), 1.0, 1))
    };
    [
        lines("", &names, beside),
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
            Some((format!("{} of {}", brittleness.over_20, network.components.len()), String::new()))
        }),
        row("kept under noise, %", &|_, brittleness| kept(brittleness, |curves| curves.noise.kept)),
        row("kept without worst, %", &|_, brittleness| kept(brittleness, |curves| curves.worst_first.kept)),
        row("kept without random, %", &|_, brittleness| kept(brittleness, |curves| curves.random.kept)),
        row("compensated by others, %", &|_, brittleness| {
            Some(estimate(&brittleness.spare_capacity.as_ref()?.taken_over, 100.0, 1))
        }),
    ]
    .concat()
}

/// A row of the table: on one line, or with the intervals on a second where the terminal is too narrow.
fn lines(name: &str, cells: &[Option<Cell>], beside: bool) -> String {
    let line = |name: &str, texts: Vec<String>, width: usize| {
        let texts: String = texts.iter().map(|text| format!("{text:>width$}")).collect();
        format!("{name:<NAME$}{texts}").trim_end().to_owned() + "\n"
    };
    let each = |text: &dyn Fn(&Cell) -> String| -> Vec<String> {
        cells.iter().map(|cell| cell.as_ref().map_or_else(|| "-".to_owned(), text)).collect()
    };
    if beside {
        let both = |(value, interval): &Cell| match interval.as_str() {
            "" => value.clone(),
            interval => format!("{value} ({interval})"),
        };
        return line(name, each(&both), BESIDE);
    }
    let values = line(name, each(&|(value, _)| value.clone()), BELOW);
    let intervals = line("", each(&|(_, interval)| interval.clone()), BELOW);
    if intervals.trim().is_empty() { values } else { values + &intervals }
}

/// `12.3` and `10.1 to 14.0`; the second empty where there is no interval.
fn estimate(found: &Estimate, factor: f64, places: usize) -> Cell {
    let [value, low, high] = [found.value, found.low, found.high].map(|number| number * factor);
    let interval = if found.has_interval() {
        format!("{low:.places$} to {high:.places$}")
    } else {
        "no interval".to_owned()
    };
    (format!("{value:.places$}"), interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_stand_below_where_there_is_no_room_beside() {
        let found = Estimate { value: 0.5, low: 0.25, high: 0.75 };
        let cells = [Some(estimate(&found, 100.0, 1)), None, Some(estimate(&found, 1.0, 2))];
        let wide = lines("right, %", &cells, true);
        let long = Estimate { value: 0.0081, low: 0.0071, high: 0.0092 };
        let long = lines("severity", &[Some(estimate(&long, 1.0, 4)), Some(estimate(&long, 1.0, 4))], true);
        assert!(long.contains("0.0081 (0.0071 to 0.0092) 0.0081"), "a gap between columns: {long}");
        assert!(wide.contains("50.0 (25.0 to 75.0)") && wide.lines().count() == 1, "{wide}");
        let narrow = lines("right, %", &cells, false);
        assert_eq!(narrow.lines().count(), 2);
        assert!(
            narrow.lines().all(|line| line.chars().count() <= NAME + 3 * BELOW && NAME + 3 * BELOW <= 80)
        );
        let end = |line: usize, text: &str| {
            let line = narrow.lines().nth(line).unwrap_or_default();
            line.find(text).map(|at| at + text.len())
        };
        assert_eq!(end(0, "50.0"), end(1, "25.0 to 75.0"), "{narrow}");
    }
}
