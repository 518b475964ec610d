//! `limbeck validate`: a recipe, checked and resolved.

use clap::Args;
use serde_json::json;

use super::{Desk, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Print the resolved recipe too
    #[arg(long)]
    resolved: bool,
}

impl Validate {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let loaded = self.recipe.load()?;
        let data = json!({ "valid": true, "recipe": loaded.recipe });
        desk.output.data(&data, || {
            if self.resolved { loaded.resolved.clone() } else { format!("{}: valid", self.recipe.name()) }
        })?;
        Ok(Exit::Fine)
    }
}
