//! `limbeck reproduce`: a paper's experiment on real data, its figures beside ours.

use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::{Args, Subcommand};
use limbeck::data::labelled::{SourceOverrides, data_set};
use limbeck::reproduce::{
    EXPERIMENTS, Options, RecipeOverride, ReproduceError, Written, experiment, reproduce,
};
use limbeck::results::{ClaimOutcome, Figure, FigureUnit, Reproduction};
use serde_json::json;

use super::Desk;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck reproduce`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Reproduce {
    #[command(subcommand)]
    what: Option<What>,
    /// The experiment (`limbeck reproduce list`)
    #[arg(required = true)]
    name: Option<String>,
    /// Runs with different seeds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Folder of networks and results; networks that are there are not trained again
    #[arg(long, value_name = "DIR", default_value = "reproductions")]
    out: PathBuf,
    /// The small variant, in seconds, on data inside the program where there are any: it shows that all works, and reproduces nothing
    #[arg(long)]
    small: bool,
    /// Take a data set from elsewhere, such as mnist=FOLDER or fashion-mnist=hf:datasets/org/name (repeatable)
    #[arg(long = "data", value_name = "NAME=SOURCE")]
    data: Vec<String>,
    /// Set a key of the experiment's recipe, such as teacher.epochs=10 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Networks trained at the same time, where several are independent [default: number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    jobs: Option<u64>,
}

/// What else can be asked.
#[derive(Debug, Subcommand)]
enum What {
    /// Names of the experiments, with what each shows
    List,
    /// The recipe of an experiment
    Show {
        /// Its name
        name: String,
    },
}

impl Reproduce {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        match (&self.what, &self.name) {
            (Some(What::List), _) => list(desk)?,
            (Some(What::Show { name }), _) => {
                let one = experiment(name)?;
                desk.output
                    .data(&json!({ "name": one.name, "recipe": one.recipe }), || one.recipe.to_owned())?;
            }
            (None, Some(name)) => self.run(name, desk)?,
            (None, None) => return Err(Failure::input("name an experiment").hint("limbeck reproduce list")),
        }
        Ok(Exit::Fine)
    }

    fn run(&self, name: &str, desk: &Desk) -> Result<(), Failure> {
        let experiment = experiment(name)?;
        let options = Options {
            seeds: self.seeds,
            out: self.out.clone(),
            small: self.small,
            overrides: self.set.iter().map(RecipeOverride::new).collect(),
            data: self.sources()?,
            jobs: self
                .jobs
                .map_or_else(|| available_parallelism().map_or(1, usize::from), |jobs| jobs as usize),
        };
        let (found, written) = reproduce(experiment, &options, &desk.progress)?;
        desk.output.data(&found, || text(&found, &written))
    }

    fn sources(&self) -> Result<SourceOverrides, Failure> {
        let mut sources = SourceOverrides::new();
        for argument in &self.data {
            let Some((name, source)) = argument.split_once('=') else {
                let failure = Failure::input(format!("--data {argument}: expected NAME=SOURCE"));
                return Err(failure.hint("such as --data mnist=FOLDER"));
            };
            data_set(name).map_err(Failure::input)?;
            sources.insert(name.to_owned(), source.parse().map_err(Failure::input)?);
        }
        Ok(sources)
    }
}

impl From<ReproduceError> for Failure {
    fn from(error: ReproduceError) -> Self {
        let exit = match &error {
            _ if error.is_cancelled() => Exit::Interrupted,
            _ if error.is_input() => Exit::BadInput,
            _ => Exit::Broke,
        };
        let hints = error.hints();
        Self { exit, error: error.into(), hints }
    }
}

fn list(desk: &Desk) -> Result<(), Failure> {
    let all: Vec<_> = EXPERIMENTS
        .iter()
        .map(|one| json!({ "name": one.name, "title": one.title, "paper": one.paper, "data": one.data }))
        .collect();
    desk.output.data(&all, || {
        let line = |one: &limbeck::reproduce::Experiment| {
            format!("{:<22} {} [{}]", one.name, one.title, one.data.join(", "))
        };
        EXPERIMENTS.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// The tables for a terminal.
fn text(found: &Reproduction, written: &Written) -> String {
    let mut text = format!("{}: {}\n{}\n", found.name, found.title, found.paper);
    if found.small {
        text += "The small variant: it shows that all works, and reproduces nothing.\n";
    }
    for table in &found.tables {
        let width = table.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        text += &format!("\n{}\n{:<width$}  {:>8}  ours\n", table.title, "", "paper");
        for row in &table.rows {
            let paper = row.paper.map_or_else(|| "-".to_owned(), |value| shown(value, row.unit));
            text += &format!("{:<width$}  {paper:>8}  {}\n", row.what, ours(row));
        }
        text += &format!("{}\n", table.caption);
    }
    text += "\n";
    for claim in &found.claims {
        let word = match claim.outcome {
            ClaimOutcome::Agrees => "agrees     ",
            ClaimOutcome::Differs => "differs    ",
            ClaimOutcome::CannotTell => "cannot tell",
        };
        text += &format!("{word}  {}\n             {}\n", claim.statement, claim.because);
    }
    text += &format!("\nreport: {}", written.report.display());
    text
}

fn ours(figure: &Figure) -> String {
    // A mean of counts over seeds has a decimal; a single count and its interval have none.
    let whole = figure.unit == FigureUnit::Count && figure.per_seed.len() == 1;
    let write = |value: f64| if whole { format!("{value:.0}") } else { shown(value, figure.unit) };
    let estimate = figure.ours;
    let mut text = if estimate.has_interval() {
        format!("{} [{}, {}]", write(estimate.value), write(estimate.low), write(estimate.high))
    } else {
        format!("{} (no interval)", write(estimate.value))
    };
    if figure.per_seed.len() > 1 {
        let each: Vec<String> = figure.per_seed.iter().map(|value| shown(*value, figure.unit)).collect();
        text += &format!("  ({})", each.join(", "));
    }
    text
}

fn shown(value: f64, unit: FigureUnit) -> String {
    match unit {
        FigureUnit::Count if (value - value.round()).abs() < 1e-6 => format!("{value:.0}"),
        FigureUnit::Count => format!("{value:.1}"),
        FigureUnit::Share => format!("{:.1}%", value * 100.0),
        FigureUnit::Number => format!("{value:.2}"),
    }
}
