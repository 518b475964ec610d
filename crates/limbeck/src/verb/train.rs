//! `limbeck train`: student and baseline.

use clap::Args;
use limbeck::pipeline::Goal;
use limbeck::results::{Training, TrainingRun};
use serde_json::json;

use super::{Desk, Overwrite, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck train`.
#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    overwrite: Overwrite,
}

impl Train {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let mut pipeline = self.recipe.open(self.overwrite, desk)?;
        pipeline.reach(Goal::Train)?;
        let training: Training = pipeline.training()?;
        let folder = pipeline.folder();
        let data = json!({ "training": training, "student": folder.join("student") });
        desk.output.data(&data, || {
            let lines: Vec<String> = training.runs.iter().map(sentence).collect();
            format!("{}\nstudent: {}", lines.join("\n"), folder.join("student").display())
        })?;
        Ok(Exit::Fine)
    }
}

fn sentence(run: &TrainingRun) -> String {
    let losses = run.curve.first().zip(run.curve.last());
    let losses = losses
        .map_or_else(String::new, |(first, last)| format!(", loss {:.4} to {:.4}", first.loss, last.loss));
    format!("{}: {} steps, {} tokens{losses}", run.network, run.steps, run.tokens)
}
