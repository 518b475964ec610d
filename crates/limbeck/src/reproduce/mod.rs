//! Experiments: those of Hinton, Vinyals and Dean 2015, each a recipe and a table that sets the paper's figures beside ours; and
//! one of our own, whether a student's inside can be kept sound.
//!
//! An experiment trains its networks through a [`Workbench`], which keeps every one of them in a folder named by the hash of
//! all that decides its weights. A network that is there is not trained again, in this experiment or another, so a
//! run that was killed loses at most the network in work.

mod catalogue;
mod error;
mod evidence;
mod missing;
mod mnist;
mod recipe;
mod regulariser;
mod sound;
mod specialists;
mod speech;
mod store;
mod temperature;
mod workbench;

use std::path::{Path, PathBuf};

use limbeck_data::atomic::{check_file_replaceable, write_atomic, write_json};
use limbeck_data::labelled::SourceOverrides;
use limbeck_data::locate::Cache;
use limbeck_data::progress::Progress;
use limbeck_data::text::visible;
use limbeck_results::{Claim, CurvePlot, FigureTable, Reproduction};

pub use catalogue::{EXPERIMENTS, Experiment, experiment};
pub use error::ReproduceError;
pub use recipe::RecipeOverride;
pub use store::{StoredNetwork, TrainingRecord};
pub use workbench::Workbench;

/// Files of an experiment.
const JSON: &str = "reproduction.json";
const REPORT: &str = "report.html";
/// Version of `reproduction.json`.
const SCHEMA_VERSION: u32 = 1;

/// How an experiment is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of seeds, from 1 on.
    pub seeds: u64,
    /// Folder of the networks and of the results.
    pub out: PathBuf,
    /// The small variant: embedded data and small networks, in seconds.
    pub small: bool,
    /// Keys of the recipe set to other values.
    pub overrides: Vec<RecipeOverride>,
    /// Data sets taken from elsewhere.
    pub data: SourceOverrides,
    /// Networks trained at the same time, where an experiment has independent ones.
    pub jobs: usize,
}

/// What an experiment found, before it is written down.
#[derive(Debug, Default)]
pub struct Findings {
    /// Tables of figures.
    pub tables: Vec<FigureTable>,
    /// Curves.
    pub curves: Vec<CurvePlot>,
    /// Statements of the paper and whether ours agree.
    pub claims: Vec<Claim>,
    /// Differences from the paper's protocol, and reasons.
    pub notes: Vec<String>,
}

/// The files a reproduction is written to.
#[derive(Debug, Clone)]
pub struct Written {
    /// `reproduction.json`.
    pub json: PathBuf,
    /// `report.html`.
    pub report: PathBuf,
}

/// Runs an experiment and writes `OUT/NAME/reproduction.json` and `OUT/NAME/report.html`.
///
/// # Errors
/// An unknown key of the recipe, data that cannot be reached or are not as they should be, a training that fails, a
/// folder that cannot be written, or a stop on request.
pub fn reproduce(
    experiment: &Experiment,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Reproduction, Written), ReproduceError> {
    let recipe = recipe::resolve(experiment.recipe, options.small, &options.overrides)?;
    for (file, sign) in [(JSON, "\"limbeck_version\""), (REPORT, "content=\"limbeck ")] {
        check_file_replaceable(&options.out.join(experiment.name).join(file), sign)?;
    }
    let seeds: Vec<u64> = (1..=options.seeds).collect();
    let cache = Cache::from_env();
    let bench = Workbench::new(&options.out, &options.data, &cache, options.jobs, progress);
    let findings = (experiment.run)(&recipe, &seeds, &bench)?;
    let (networks, data) = bench.into_used();
    let reproduction = Reproduction {
        schema_version: SCHEMA_VERSION,
        limbeck_version: env!("CARGO_PKG_VERSION").to_owned(),
        name: experiment.name.to_owned(),
        title: experiment.title.to_owned(),
        paper: experiment.paper.to_owned(),
        small: options.small,
        seeds,
        data,
        tables: findings.tables,
        curves: findings.curves,
        claims: findings.claims,
        notes: findings.notes,
        training_seconds: networks.iter().map(|network| network.seconds).sum(),
        networks,
        recipe: toml::to_string_pretty(&recipe).unwrap_or_default(),
    };
    let written = write(&options.out.join(experiment.name), &reproduction)?;
    Ok((reproduction, written))
}

fn write(folder: &Path, reproduction: &Reproduction) -> Result<Written, ReproduceError> {
    let json = folder.join(JSON);
    let report = folder.join(REPORT);
    write_json(&json, reproduction)?;
    write_atomic(&report, visible(&limbeck_report::render_reproduction(reproduction)).as_bytes())?;
    Ok(Written { json, report })
}
