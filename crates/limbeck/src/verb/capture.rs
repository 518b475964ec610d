//! `limbeck capture`: the teacher's signals on disk.

use clap::Args;
use limbeck::pipeline::Goal;
use serde_json::json;

use super::{Desk, Overwrite, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck capture`.
#[derive(Debug, Args)]
pub(crate) struct Capture {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    overwrite: Overwrite,
}

impl Capture {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let mut pipeline = self.recipe.open(self.overwrite, desk)?;
        pipeline.reach(Goal::Capture)?;
        let folder = pipeline.folder().join("signals");
        desk.output.data(&json!({ "signals": folder }), || format!("signals: {}", folder.display()))?;
        Ok(Exit::Fine)
    }
}
