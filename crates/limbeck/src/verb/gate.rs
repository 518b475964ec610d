//! `limbeck gate`: a finished run held against bounds, for continuous integration.

use std::path::PathBuf;

use clap::Args;
use limbeck::pipeline::read_results;
use limbeck::recipe::{self, CannotTell, GateAnswer, GateOutcome, gates_of};
use serde_json::json;

use super::{Desk, require_results};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck gate`.
#[derive(Debug, Args)]
pub(crate) struct Gate {
    /// Run folder
    run: PathBuf,
    /// Least accuracy of the student on held-out data, as a share
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    min_accuracy: Option<f64>,
    /// Least agreement of the student with its teacher, as a share
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    min_agreement: Option<f64>,
    /// Greatest severity of the student's brittleness, 0 to 1
    #[arg(long, value_name = "SEVERITY", value_parser = share, allow_negative_numbers = true)]
    max_severity: Option<f64>,
    /// Greatest damage by the loss of one of the student's components, in percentage points
    #[arg(long, value_name = "POINTS", value_parser = finite, allow_negative_numbers = true)]
    max_worst: Option<f64>,
    /// Least alignment A of student and teacher
    #[arg(long, value_name = "A", value_parser = share, allow_negative_numbers = true)]
    min_alignment: Option<f64>,
    /// Least value of anything else in results.json, such as audit.student.accuracy=0.9 (repeatable)
    #[arg(long, value_name = "MEASURE=BOUND", value_parser = bound)]
    at_least: Vec<(String, f64)>,
    /// Greatest value of anything else in results.json, such as evaluation.student.kl=0.5 (repeatable)
    #[arg(long, value_name = "MEASURE=BOUND", value_parser = bound)]
    at_most: Vec<(String, f64)>,
    /// Judge the gates of the run's recipe too; they are judged anyway when no bound is named
    #[arg(long)]
    recipe: bool,
    /// What becomes of a value beyond a bound whose 95% interval reaches over it: fail or pass; fail, or what the recipe says,
    /// unless given
    #[arg(long, value_name = "ANSWER", value_parser = cannot_tell)]
    cannot_tell: Option<CannotTell>,
}

impl Gate {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        require_results(&self.run)?;
        let results = read_results(&self.run)?;
        super::require_fresh(&self.run, &results)?;
        let mut gates = self.named();
        if self.recipe || gates.is_empty() {
            gates.extend(gates_of(&results)?);
        }
        if gates.is_empty() {
            let example = match results.audit {
                Some(_) => "for example: limbeck gate RUN --min-agreement 0.9 --max-severity 0.1",
                None => {
                    "for example: limbeck gate RUN --min-agreement 0.9; severity is known where there was an audit"
                }
            };
            return Err(Failure::input("no bound is named, and the run's recipe has no gates").hint(example));
        }
        for gate in &mut gates {
            gate.cannot_tell = self.cannot_tell.unwrap_or(gate.cannot_tell);
            gate.check().map_err(Failure::input)?;
        }
        let outcomes: Vec<GateOutcome> = gates.iter().map(|gate| gate.judge(&results)).collect();
        let passed = outcomes.iter().all(|outcome| outcome.passed);
        desk.output.data(&json!({ "passed": passed, "gates": outcomes }), || summary(&outcomes))?;
        Ok(if passed { Exit::Fine } else { Exit::No })
    }

    /// The bounds named on the command line.
    fn named(&self) -> Vec<recipe::Gate> {
        let least = [
            ("evaluation.student.accuracy", self.min_accuracy),
            ("evaluation.student.agreement", self.min_agreement),
            ("audit.alignment.a", self.min_alignment),
        ];
        let most = [
            ("audit.brittleness.student.severity", self.max_severity),
            ("audit.brittleness.student.worst", self.max_worst),
        ];
        let known = |bounds: &[(&str, Option<f64>)]| -> Vec<(String, f64)> {
            bounds.iter().filter_map(|&(measure, bound)| Some((measure.to_owned(), bound?))).collect()
        };
        let gate = |measure, at_least, at_most| recipe::Gate {
            measure,
            at_least,
            at_most,
            cannot_tell: CannotTell::default(),
        };
        let least = known(&least).into_iter().chain(self.at_least.clone());
        let most = known(&most).into_iter().chain(self.at_most.clone());
        least
            .map(|(measure, bound)| gate(measure, Some(bound), None))
            .chain(most.map(|(measure, bound)| gate(measure, None, Some(bound))))
            .collect()
    }
}

fn summary(outcomes: &[GateOutcome]) -> String {
    let line = |outcome: &GateOutcome| {
        let word = match (outcome.passed, outcome.answer) {
            (true, GateAnswer::CannotTell) => "passed, cannot tell",
            (true, _) => "passed",
            (false, GateAnswer::CannotTell) => "failed, cannot tell",
            (false, _) => "failed",
        };
        format!("{word}: {}\n", outcome.sentence)
    };
    outcomes.iter().map(line).collect()
}

/// A bound one can be on a side of.
fn finite(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("expected a number".to_owned()),
    }
}

/// A share from 0 to 1, also written in percent.
fn share(text: &str) -> Result<f64, String> {
    let text = text.trim();
    match text.strip_suffix('%') {
        Some(percent) => finite(percent).map(|percent| percent / 100.0),
        None => finite(text),
    }
}

/// What becomes of a gate when the data cannot tell.
fn cannot_tell(text: &str) -> Result<CannotTell, String> {
    match text {
        "fail" => Ok(CannotTell::Fail),
        "pass" => Ok(CannotTell::Pass),
        _ => Err("expected fail or pass".to_owned()),
    }
}

/// `measure=bound`.
fn bound(text: &str) -> Result<(String, f64), String> {
    match text.split_once('=') {
        Some((measure, number)) if !measure.trim().is_empty() => {
            Ok((measure.trim().to_owned(), finite(number)?))
        }
        _ => Err("expected MEASURE=BOUND, such as evaluation.student.kl=0.5".to_owned()),
    }
}
