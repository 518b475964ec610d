//! `limbeck recipes`: what is built in.

use clap::Subcommand;
use limbeck::recipe::{BUILTIN, builtin};
use serde_json::json;

use super::Desk;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck recipes`.
#[derive(Debug, Subcommand)]
pub(crate) enum Recipes {
    /// Names of the recipes, with what each is for
    List,
    /// The text of a recipe, to begin your own from
    Show {
        /// Its name
        name: String,
    },
}

impl Recipes {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let all: Vec<_> = BUILTIN
                    .iter()
                    .map(|one| json!({ "name": one.name, "description": one.description() }))
                    .collect();
                desk.output.data(&all, || {
                    let lines = BUILTIN.iter().map(|one| format!("{:<16} {}", one.name, one.description()));
                    lines.collect::<Vec<_>>().join("\n")
                })?;
            }
            Self::Show { name } => {
                let one = builtin(&name)?;
                desk.output.data(&json!({ "name": one.name, "text": one.text }), || one.text.to_owned())?;
            }
        }
        Ok(Exit::Fine)
    }
}
