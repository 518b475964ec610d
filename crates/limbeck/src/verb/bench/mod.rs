//! `limbeck bench`: how fast this machine distils, generates and audits.

mod audit;
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
use limbeck::kernels::Precision;

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
    /// Time of removing every head and MLP of a model in turn
    Audit(audit::Audit),
}

impl Bench {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Step(verb) => verb.perform(desk),
            Self::Generate(verb) => verb.perform(desk),
            Self::Audit(verb) => verb.perform(desk),
        }
    }
}

/// Number formats of the products' operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PrecisionName {
    /// 32-bit floats
    F32,
    /// bfloat16, summed in 32 bits
    Bf16,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::F32,
            PrecisionName::Bf16 => Self::Bf16,
        }
    }
}
