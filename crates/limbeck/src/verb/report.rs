//! `limbeck report`: the page of a run folder, rendered anew.

use std::path::PathBuf;

use clap::Args;
use limbeck::pipeline;
use serde_json::json;

use super::Desk;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck report`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Run folder
    run: PathBuf,
}

impl Report {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        if !self.run.join(pipeline::RESULTS).is_file() {
            return Err(Failure::input(format!("{} holds no {}", self.run.display(), pipeline::RESULTS))
                .hint("`limbeck run RECIPE` makes a run folder with results"));
        }
        let (page, results) = pipeline::rerender(&self.run)?;
        let data = json!({ "report": page, "verdict": results.verdict });
        desk.output.data(&data, || format!("{}\nreport: {}", results.verdict.headline, page.display()))?;
        Ok(Exit::Fine)
    }
}
