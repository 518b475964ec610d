//! `limbeck quickstart`: the built-in recipe that needs nothing but this program.

use std::path::Path;

use clap::Args;
use limbeck::pipeline::Pipeline;
use limbeck::recipe::{self, Override};

use super::{Changes, Desk, Overwrite};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck quickstart`.
#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    overwrite: Overwrite,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl Quickstart {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let mut overrides = self.changes.overrides()?;
        if let Some(seed) = self.seed {
            overrides.push(Override::from_flag(&format!("seed={seed}"))?);
        }
        let text = recipe::builtin("quickstart")?.text;
        let loaded = recipe::load_text(text, Path::new("<built-in quickstart>"), &overrides)?;
        let mut pipeline = Pipeline::open(loaded, self.overwrite.force, desk.open_device()?, &desk.progress)?;
        let results = pipeline.run()?;
        super::run::conclude(desk, &pipeline, &results)
    }
}
