//! `limbeck schema`: what recipes and results look like, for editors, other programs and people.

use clap::Subcommand;

use super::Desk;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck schema`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Schema {
    /// JSON schema of recipes
    Recipe,
    /// JSON schema of results.json
    Results,
    /// Every key of a recipe with type, default and meaning, as Markdown (docs/recipe.md)
    Reference,
}

impl Schema {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let schema = match self {
            Self::Recipe => limbeck::recipe::schema(),
            Self::Results => limbeck::results::schema(),
            Self::Reference => {
                desk.output.line(limbeck::recipe::reference().trim_end())?;
                return Ok(Exit::Fine);
            }
        };
        desk.output.line(&serde_json::to_string_pretty(&schema)?)?;
        Ok(Exit::Fine)
    }
}
