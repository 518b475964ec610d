//! The verbs, one file each.

mod audit;
mod bench;
mod capture;
mod completions;
mod evaluate;
mod gate;
mod meant;
mod model;
mod quickstart;
mod recipes;
mod report;
mod reproduce;
mod run;
mod schema;
mod train;
mod validate;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Args, Parser, Subcommand};
use limbeck::kernels::DeviceName;
use limbeck::pipeline::{Pipeline, RESULTS, stale};
use limbeck::recipe::{self, Loaded, Override};
use limbeck::results::Results;

pub(crate) use self::meant::meant;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Reporter;

/// Distil a large model into a small one, then prove what survived.
#[derive(Debug, Parser)]
#[command(name = "limbeck", version, arg_required_else_help = true, after_help = after_help())]
pub(crate) struct Cli {
    /// Print data as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress and no notes on stderr
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Where tensors live: cpu, cuda[:N] or wgpu[:N]; the last two in programs built with that Cargo feature
    #[arg(long, global = true, value_name = "DEVICE", env = limbeck::env::DEVICE, default_value_t)]
    pub(crate) device: DeviceName,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Do everything a recipe asks, from teacher to report
    Run(run::Run),
    /// The whole way without a network: a teacher from scratch, a student, the report
    Quickstart(quickstart::Quickstart),
    /// Check a recipe without running it
    Validate(validate::Validate),
    /// Write the teacher's signals to disk
    Capture(capture::Capture),
    /// Train student and baseline
    Train(train::Train),
    /// Score teacher, student and baseline
    Evaluate(evaluate::Evaluate),
    /// Look inside: of a recipe's networks, or of any two models
    Audit(audit::Audit),
    /// Hold a run's figures against bounds: exit code 1 when one is broken
    Gate(gate::Gate),
    /// Render the page of a run folder anew
    Report(report::Report),
    /// Repeat a paper's experiment on real data, its figures beside ours
    Reproduce(reproduce::Reproduce),
    /// Look at, run and convert a model
    #[command(subcommand)]
    Model(model::Model),
    /// The recipes built in
    #[command(subcommand)]
    Recipes(recipes::Recipes),
    /// Measure speed and memory on this machine
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Completions for a shell
    Completions(completions::Completions),
    /// JSON schemas of recipes and results
    #[command(subcommand)]
    Schema(schema::Schema),
}

/// What every verb works with.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) output: Output,
    pub(crate) progress: Reporter,
    pub(crate) device: DeviceName,
}

impl Desk {
    /// Opens the device asked for.
    pub(crate) fn open_device(&self) -> Result<Device, Failure> {
        self.device.open().map_err(Failure::input)
    }
}

impl Verb {
    /// Does it.
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Run(verb) => verb.perform(desk),
            Self::Quickstart(verb) => verb.perform(desk),
            Self::Validate(verb) => verb.perform(desk),
            Self::Capture(verb) => verb.perform(desk),
            Self::Train(verb) => verb.perform(desk),
            Self::Evaluate(verb) => verb.perform(desk),
            Self::Audit(verb) => verb.perform(desk),
            Self::Gate(verb) => verb.perform(desk),
            Self::Report(verb) => verb.perform(desk),
            Self::Reproduce(verb) => verb.perform(desk),
            Self::Model(verb) => verb.perform(desk),
            Self::Recipes(verb) => verb.perform(desk),
            Self::Bench(verb) => verb.perform(desk),
            Self::Completions(verb) => verb.perform(desk),
            Self::Schema(verb) => verb.perform(desk),
        }
    }
}

/// A recipe on the command line, with what is laid over it.
#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// Recipe file, or the name of one built in (`limbeck recipes list`)
    recipe: PathBuf,
    #[command(flatten)]
    changes: Changes,
}

/// Whether a finished run may be replaced.
#[derive(Debug, Clone, Copy, Args, Default)]
pub(crate) struct Overwrite {
    /// Replace a finished run of another recipe that stands in the run folder
    #[arg(long)]
    force: bool,
}

/// Changes to a recipe.
#[derive(Debug, Args, Default)]
pub(crate) struct Changes {
    /// Set a key, such as training.steps=100 (repeatable; wins over everything)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Run folder, instead of the recipe's output_dir; of an audit of models, folder for audit.json and audit.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keys that flags of the verb stand for, below those that are set by name.
    #[arg(skip)]
    flags: Vec<Override>,
}

impl Changes {
    /// Everything laid over a recipe: the environment, then the flags.
    pub(crate) fn overrides(&self) -> Result<Vec<Override>, Failure> {
        let mut all = Override::from_environment();
        if let Some(out) = &self.out {
            let text = out.to_str().ok_or_else(|| Failure::input("--out: the path is not valid UTF-8"))?;
            all.push(Override::string("--out", "output_dir", text));
        }
        all.extend(self.flags.iter().cloned());
        all.extend(self.keys()?);
        Ok(all)
    }

    /// The keys set by name.
    pub(crate) fn keys(&self) -> Result<Vec<Override>, Failure> {
        Ok(self.set.iter().map(|argument| Override::from_flag(argument)).collect::<Result<_, _>>()?)
    }

    /// The same with keys that flags of the verb stand for.
    pub(crate) fn with(self, flags: Vec<Override>) -> Self {
        Self { flags, ..self }
    }
}

impl RecipeArgs {
    /// Reads and checks the recipe.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        Ok(recipe::load(&self.recipe, &self.changes.overrides()?)?)
    }

    /// The path or name as given.
    pub(crate) fn name(&self) -> String {
        self.recipe.display().to_string()
    }

    /// Opens the recipe's run folder.
    pub(crate) fn open<'a>(&self, overwrite: Overwrite, desk: &'a Desk) -> Result<Pipeline<'a>, Failure> {
        Ok(Pipeline::open(self.load()?, overwrite.force, desk.open_device()?, &desk.progress)?)
    }
}

/// Refuses a folder without results.
pub(crate) fn require_results(run: &Path) -> Result<(), Failure> {
    if run.join(RESULTS).is_file() {
        return Ok(());
    }
    Err(Failure::input(format!("{} holds no {RESULTS}", run.display()))
        .hint("`limbeck run RECIPE` makes a run folder with results"))
}

/// Refuses results that are not of what stands in the run folder now.
pub(crate) fn require_fresh(run: &Path, results: &Results) -> Result<(), Failure> {
    let reasons = stale(run, results);
    if reasons.is_empty() {
        return Ok(());
    }
    let error = format!("the results in {} are stale: {}", run.display(), reasons.join("; "));
    Err(Failure::input(error)
        .hint("`limbeck run RECIPE` brings the folder up to date; what has not changed is not done again"))
}

fn after_help() -> String {
    let mut text = String::from("Environment:\n");
    for (name, meaning) in limbeck::env::VARIABLES {
        text += &format!("  {name:<22} {meaning}\n");
    }
    text += "\nExit codes: 0 fine, 1 a gate said no, 2 bad usage or input, 3 it broke, 130 interrupted";
    text
}
