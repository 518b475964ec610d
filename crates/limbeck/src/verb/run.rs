//! `limbeck run`: everything, from teacher to report.

use clap::Args;
use limbeck::eval::standings;
use limbeck::pipeline::{Pipeline, REPORT, RESULTS};
use limbeck::recipe::GateOutcome;
use limbeck::report::{next_steps, weakest_part};
use limbeck::results::Results;
use serde_json::json;

use super::{Desk, Overwrite, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lines::{columns, wrapped};

/// Arguments of `limbeck run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    overwrite: Overwrite,
}

impl Run {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let mut pipeline = self.recipe.open(self.overwrite, desk)?;
        let results = pipeline.run()?;
        conclude(desk, &pipeline, &results)
    }
}

/// Prints the verdict, the gates and the path of the report.
pub(super) fn conclude(desk: &Desk, pipeline: &Pipeline<'_>, results: &Results) -> Result<Exit, Failure> {
    let gates: Vec<GateOutcome> = pipeline.recipe().gates.iter().map(|gate| gate.judge(results)).collect();
    let report = pipeline.folder().join(REPORT);
    let data = json!({
        "verdict": results.verdict,
        "gates": gates,
        "was_finished": pipeline.was_finished(),
        "failures": pipeline.failures(),
        "report": report,
        "results": pipeline.folder().join(RESULTS),
    });
    desk.output.data(&data, || {
        let (verdict, columns) = (&results.verdict, columns());
        let mut text = String::new();
        if pipeline.was_finished() {
            let folder = pipeline.folder().display();
            text += &format!("{folder} holds this run, finished; nothing was done again.\n\n");
        }
        for warning in &verdict.warnings {
            text += &wrapped(warning, "", columns);
        }
        text += &wrapped(&verdict.headline, "", columns);
        for line in standings(&results.evaluation) {
            text += &wrapped(&line, "  ", columns);
        }
        text += &wrapped(weakest_part(results), "", columns);
        text += "Next:\n";
        let folder = pipeline.folder().display().to_string();
        for step in next_steps(results) {
            text += &wrapped(&step.replace("RUN", &folder), "- ", columns);
        }
        for gate in &gates {
            text += &format!("gate: {}\n", gate.sentence);
        }
        for failure in pipeline.failures() {
            text += &wrapped(failure, "failed: ", columns);
        }
        text += &format!("report: {}", report.display());
        text
    })?;
    if !pipeline.failures().is_empty() {
        return Ok(Exit::Broke);
    }
    Ok(if gates.iter().all(|gate| gate.passed) { Exit::Fine } else { Exit::No })
}
