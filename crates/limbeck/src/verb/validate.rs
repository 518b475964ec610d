//! `limbeck validate`: a recipe, checked and resolved, its data read, its run estimated.

use clap::Args;
use limbeck::pipeline::Pipeline;
use serde_json::json;

use super::{Desk, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Print the resolved recipe instead, without reading data
    #[arg(long)]
    resolved: bool,
    /// Check the recipe alone: fetch and read no data and no model
    #[arg(long)]
    no_data: bool,
}

impl Validate {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let loaded = self.recipe.load()?;
        let survey = if self.no_data || self.resolved {
            None
        } else {
            // Nothing of it is kept: the run folder stays as it is.
            let folder = tempfile::tempdir()
                .map_err(|error| Failure::broke(format!("cannot make a temporary folder: {error}")))?;
            let mut looked_at = loaded.clone();
            looked_at.recipe.output_dir = folder.path().to_path_buf();
            let mut pipeline = Pipeline::open(looked_at, false, desk.open_device()?, &desk.progress)?;
            Some(pipeline.survey()?)
        };
        let data = json!({ "valid": true, "recipe": loaded.recipe, "survey": survey });
        desk.output.data(&data, || {
            if self.resolved {
                return loaded.resolved.clone();
            }
            let found = survey.as_ref().map(|survey| format!("\n{}", survey.text())).unwrap_or_default();
            format!("{}: valid{found}", self.recipe.name())
        })?;
        Ok(Exit::Fine)
    }
}
