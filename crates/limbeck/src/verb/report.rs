//! `limbeck report`: the page of a run folder, rendered anew.

use std::path::PathBuf;

use clap::Args;
use limbeck::pipeline;
use serde_json::json;

use super::{Desk, require_results};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lines::{columns, wrapped};

/// Arguments of `limbeck report`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Run folder
    run: PathBuf,
}

impl Report {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        require_results(&self.run)?;
        super::require_fresh(&self.run, &pipeline::read_results(&self.run)?)?;
        let (page, results) = pipeline::rerender(&self.run)?;
        let data = json!({ "report": page, "verdict": results.verdict });
        desk.output.data(&data, || {
            let headline = wrapped(&results.verdict.headline, "", columns());
            format!("{headline}report: {}", page.display())
        })?;
        Ok(Exit::Fine)
    }
}
