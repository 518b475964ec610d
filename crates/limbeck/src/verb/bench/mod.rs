//! `limbeck bench`: how fast this machine distils and generates.

mod classifier;
mod decoder;
mod flops;
mod generate;
mod measurement;
mod process;
mod stamps;
mod step;
mod sweep;
mod workload;

use clap::{Subcommand, ValueEnum};

use super::Desk;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Time of one distillation step, against the machine's rate of matrix products
    Step(step::Step),
    /// Tokens a second of a model: prompts read at once, then tokens one by one
    Generate(generate::Generate),
}

impl Bench {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Step(verb) => verb.perform(desk),
            Self::Generate(verb) => verb.perform(desk),
        }
    }
}

/// Number formats of the products' operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Precision {
    /// 32-bit floats
    F32,
}

impl Precision {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
        }
    }
}
