//! `limbeck evaluate`: how good the networks are, and which is better.

use std::path::PathBuf;

use clap::Args;
use limbeck::data::table::TableFormat;
use limbeck::pipeline::Goal;
use limbeck::results::{Estimate, Evaluation};
use serde_json::json;

use super::{Desk, Overwrite, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck evaluate`.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Also write every network's scores on every example: one row an example and network
    #[arg(long, value_name = "FILE.jsonl|FILE.parquet")]
    save_scores: Option<PathBuf>,
    #[command(flatten)]
    overwrite: Overwrite,
}

impl Evaluate {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        if let Some(file) = &self.save_scores {
            TableFormat::of(file).map_err(|error| {
                Failure::input(error).hint("--save-scores scores.jsonl, or scores.parquet")
            })?;
        }
        let mut pipeline = self.recipe.open(self.overwrite, desk)?;
        pipeline.reach(Goal::Evaluate)?;
        let evaluation = pipeline.evaluation()?;
        if let Some(file) = &self.save_scores {
            pipeline.save_scores(file)?;
        }
        desk.output.data(&json!({ "evaluation": evaluation }), || table(&evaluation))?;
        Ok(Exit::Fine)
    }
}

fn table(evaluation: &Evaluation) -> String {
    let Evaluation { teacher, student, baseline, .. } = evaluation;
    let mut text = format!(
        "{} held-out examples, {} scored tokens\n{:<10} {:>24} {:>24} {:>24} {:>24}\n",
        evaluation.examples,
        evaluation.scored_tokens,
        "",
        "accuracy",
        "loss (nats)",
        "agreement",
        "KL (nats)"
    );
    let blank = || String::from("-");
    let mut row = |name: &str, cells: [String; 4]| {
        let [a, b, c, d] = cells;
        text += &format!("{name:<10} {a:>24} {b:>24} {c:>24} {d:>24}\n");
    };
    row("teacher", [cell(&teacher.accuracy), cell(&teacher.loss), blank(), blank()]);
    for (name, scores) in [("student", Some(student)), ("baseline", baseline.as_ref())] {
        if let Some(scores) = scores {
            let cells = [&scores.accuracy, &scores.loss, &scores.agreement, &scores.kl].map(cell);
            row(name, cells);
        }
    }
    for comparison in &evaluation.comparisons {
        text += &format!("{}\n", comparison.sentence);
    }
    text
}

fn cell(estimate: &Estimate) -> String {
    if estimate.has_interval() {
        format!("{:.4} [{:.4}, {:.4}]", estimate.value, estimate.low, estimate.high)
    } else {
        format!("{:.4} (no interval)", estimate.value)
    }
}
