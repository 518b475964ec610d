//! `limbeck schema`: what recipes and results look like, for editors and other programs.

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
}

impl Schema {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let schema = match self {
            Self::Recipe => limbeck::recipe::schema(),
            Self::Results => limbeck::results::schema(),
        };
        desk.output.line(&serde_json::to_string_pretty(&schema)?)?;
        Ok(Exit::Fine)
    }
}
