//! `limbeck audit`: what is inside a recipe's networks, or inside any two models.

mod summary;

use std::path::{Path, PathBuf};

use clap::Args;
use limbeck::audit::{AuditConfig, AuditError, Pair, Subject, audited};
use limbeck::data::atomic::{check_file_replaceable, write_atomic, write_json};
use limbeck::data::hash::hash_bytes;
use limbeck::data::progress::Progress;
use limbeck::data::text::visible;
use limbeck::eval::contrast::{KnownTask, OwnTask, TaskChoice};
use limbeck::eval::{EvalError, answers};
use limbeck::model::LoadedModel;
use limbeck::networks;
use limbeck::pipeline::{Goal, Journal, Pipeline, PipelineError, StageError};
use limbeck::recipe::{self, Override};
use limbeck::report::{AuditPage, render_audit};
use limbeck::results;
use serde_json::json;

use super::{Changes, Desk, Overwrite, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lines;
use summary::summary;

/// Files of an audit of models.
const AUDIT: &str = "audit.json";
const PAGE: &str = "audit.html";

/// Arguments of `limbeck audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Recipe file, or the name of one built in
    #[arg(required_unless_present_any = ["teacher", "student"], conflicts_with_all = ["teacher", "student", "baseline", "prompts", "seed"])]
    recipe: Option<PathBuf>,
    /// The teacher: a path, hf:org/name@rev, pypi:name==version or npm:name@version
    #[arg(long, value_name = "MODEL", requires = "student")]
    teacher: Option<String>,
    /// The student
    #[arg(long, value_name = "MODEL", requires = "teacher")]
    student: Option<String>,
    /// The same student trained without the teacher
    #[arg(long, value_name = "MODEL", requires = "teacher")]
    baseline: Option<String>,
    /// What the networks are measured on: numerals (unless said), number_words, ioi, greater_than, induction,
    /// simple_qa, or a file of prompts of your own (.jsonl with clean, corrupted, right and wrong)
    #[arg(long, value_name = "TASK|FILE.jsonl", value_parser = task)]
    task: Option<TaskChoice>,
    /// Prompts per template; of a file, at most so many of each length
    #[arg(long, value_name = "N")]
    prompts: Option<usize>,
    /// Seed of prompts and intervals
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Also write the prompts of every task, their tokens and answers: one row a prompt
    #[arg(long, value_name = "FILE.jsonl|FILE.parquet")]
    save_prompts: Option<PathBuf>,
    /// Also write every network's logit difference on every prompt, untouched and with each component ablated
    #[arg(long, value_name = "FILE.jsonl|FILE.parquet")]
    save_scores: Option<PathBuf>,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    overwrite: Overwrite,
}

impl Audit {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let found = match (&self.recipe, &self.teacher, &self.student) {
            (_, Some(teacher), Some(student)) => self.of_models(teacher, student, desk)?,
            (Some(recipe), ..) => {
                let flags = self.flags()?;
                let arguments = RecipeArgs { recipe: recipe.clone(), changes: self.changes.with(flags) };
                let mut pipeline: Pipeline<'_> = arguments.open(self.overwrite, desk)?;
                pipeline.reach(Goal::Audit)?;
                let found = pipeline.audited()?;
                found.ok_or_else(|| {
                    Failure::input("the recipe names no task to audit the networks on")
                        .hint("name one: --task induction, or a section [audit] with task = \"induction\"")
                })?
            }
            _ => return Err(Failure::input("name a recipe, or --teacher and --student")),
        };
        let said = answers(&found);
        desk.output
            .data(&json!({ "answers": said, "audit": found }), || summary(&found, &said, lines::columns()))?;
        Ok(Exit::Fine)
    }

    /// Keys that flags stand for, below those that are set by name.
    fn flags(&self) -> Result<Vec<Override>, Failure> {
        let path = |flag: &str, key: &str, path: &Path| {
            let text =
                path.to_str().ok_or_else(|| Failure::input(format!("{flag}: the path is not valid UTF-8")));
            // In a recipe's run relative paths are below the run folder; those of a flag are below the working folder.
            let absolute = std::path::absolute(text?).map_err(|error| Failure::input(error.to_string()))?;
            Ok::<_, Failure>(Override::string(flag, key, &absolute.display().to_string()))
        };
        let mut flags = Vec::new();
        if let Some(task) = &self.task {
            flags.push(Override::value("--task", "audit.task", &toml_of(task)));
        }
        if let Some(prompts) = self.prompts {
            flags.push(Override::value("--prompts", "audit.prompts_per_template", &prompts.to_string()));
        }
        if let Some(seed) = self.seed {
            flags.push(Override::value("--seed", "audit.seed", &seed.to_string()));
        }
        if let Some(file) = &self.save_prompts {
            flags.push(path("--save-prompts", "audit.save_prompts", file)?);
        }
        if let Some(file) = &self.save_scores {
            flags.push(path("--save-scores", "audit.save_scores", file)?);
        }
        Ok(flags)
    }

    /// Settings of an audit of models: defaults, then the environment, flags, and `--set audit.*`.
    fn settings(&self) -> Result<AuditConfig, Failure> {
        let environment = Override::from_environment();
        let mut all: Vec<Override> =
            environment.into_iter().filter(|one| one.key().starts_with("audit.")).collect();
        all.extend(self.flags()?);
        all.extend(self.changes.keys()?);
        Ok(recipe::audit_settings(&all)?)
    }

    fn of_models(&self, teacher: &str, student: &str, desk: &Desk) -> Result<results::Audit, Failure> {
        // What is wrong with the settings is said before the models are read.
        let config = self.settings()?;
        if let Some(folder) = &self.changes.out {
            for (file, sign) in [(AUDIT, "\"ablation\""), (PAGE, "content=\"limbeck ")] {
                check_file_replaceable(&folder.join(file), sign).map_err(|error| stage(error.into()))?;
            }
        }
        let device = desk.open_device()?;
        let load = |locator: &str| {
            networks::load(locator, &device, &desk.progress).map_err(|error| stage(error.into()))
        };
        let teacher = load(teacher)?;
        let student = load(student)?;
        let baseline = self.baseline.as_deref().map(load).transpose()?;
        let networks = [Some(&teacher), Some(&student), baseline.as_ref()];
        let journal = match &self.changes.out {
            Some(folder) => Some(journal(folder, &config, &networks, desk)?),
            None => None,
        };
        let progress: &dyn Progress = match &journal {
            Some(journal) => journal,
            None => &desk.progress,
        };
        let pair = Pair { student: subject(&student), baseline: baseline.as_ref().map(subject) };
        let found = audited(subject(&teacher), &[pair], &config, progress).map_err(|error| {
            match &self.changes.out {
                // What was found lies in the folder, and the same command goes on with it.
                Some(folder) if matches!(error, AuditError::Cancelled) => {
                    PipelineError::Cancelled { stage: "audit".to_owned(), folder: folder.clone() }.into()
                }
                _ => stage(error.into()),
            }
        })?;
        found.record.save(&config, Path::new("")).map_err(|error| stage(error.into()))?;
        let found = found.audit;
        if let Some(folder) = &self.changes.out {
            let networks =
                [("teacher", Some(&teacher)), ("student", Some(&student)), ("baseline", baseline.as_ref())];
            let named = networks
                .into_iter()
                .filter_map(|(name, model)| Some((name.to_owned(), model?.origin.clone())));
            keep(folder, &found, &named.collect::<Vec<_>>(), config.seed).map_err(stage)?;
            journal.map_or(Ok(()), Journal::remove).map_err(|error| stage(error.into()))?;
        }
        Ok(found)
    }
}

/// Keeps in `folder` what is found of the audit of these networks with these settings, until it is finished.
fn journal<'a>(
    folder: &Path,
    config: &AuditConfig,
    networks: &[Option<&LoadedModel>],
    desk: &'a Desk,
) -> Result<Journal<'a>, Failure> {
    let hashes: Vec<&str> =
        networks.iter().map(|model| model.map_or("", |model| model.hash.as_str())).collect();
    let all = json!({ "limbeck": env!("CARGO_PKG_VERSION"), "config": config, "networks": hashes });
    let name = format!("audit-{}.parts", &hash_bytes(all.to_string().as_bytes())[..12]);
    Journal::open(&folder.join(name), &desk.progress).map_err(|error| stage(error.into()))
}

/// Writes `audit.json` and the page `audit.html`.
fn keep(
    folder: &Path,
    audit: &results::Audit,
    networks: &[(String, String)],
    seed: u64,
) -> Result<(), StageError> {
    write_json(&folder.join(AUDIT), audit)?;
    let page = render_audit(&AuditPage {
        limbeck_version: env!("CARGO_PKG_VERSION"),
        networks,
        seed,
        audit,
        answers: &answers(audit),
    });
    Ok(write_atomic(&folder.join(PAGE), visible(&page).as_bytes())?)
}

/// A task by its name, or a file of prompts.
fn task(text: &str) -> Result<TaskChoice, String> {
    text.parse().map_err(|error: EvalError| {
        let names = KnownTask::ALL.map(KnownTask::name);
        match recipe::nearest(text, names.into_iter()) {
            Some(meant) => format!("{error}; did you mean `{meant}`?"),
            None => error.to_string(),
        }
    })
}

/// The task as a recipe writes it.
fn toml_of(task: &TaskChoice) -> String {
    match task {
        TaskChoice::Known(task) => format!("\"{}\"", task.name()),
        TaskChoice::Own(OwnTask::Jsonl { path }) => {
            let path = toml::Value::from(path.display().to_string());
            format!("{{ kind = \"jsonl\", path = {path} }}")
        }
    }
}

fn stage(source: StageError) -> Failure {
    PipelineError::of_stage("audit", source).into()
}

fn subject(model: &LoadedModel) -> Subject<'_> {
    Subject { decoder: &model.decoder, tokenizer: &model.tokenizer }
}
