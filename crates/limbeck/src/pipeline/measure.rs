//! The measuring stages: evaluation and audit.

use std::path::Path;
use std::sync::Arc;

use limbeck_audit::{AuditConfig, Subject, audit};
use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::hash::hash_file;
use limbeck_eval::{EvaluationOptions, Networks, ScoringOptions, evaluate};
use limbeck_model::LoadedModel;
use limbeck_results::{Audit, Evaluation, Input, ModelFacts};
use limbeck_teach::align;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Journal, Pipeline, PipelineError, StageError, divergence};
use crate::networks::load_as;

const EVALUATION: &str = "evaluation.json";
const AUDIT: &str = "audit.json";
const MODELS: &str = "models.json";
/// Role of the file with the prompts of an audit.
const PROMPTS: &str = "audit prompts";

/// `models.json`: size and origin of the networks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) teacher: ModelFacts,
    pub(crate) student: ModelFacts,
}

/// The three networks, loaded.
struct Loaded {
    teacher: Arc<LoadedModel>,
    student: LoadedModel,
    baseline: Option<LoadedModel>,
}

/// Size and origin of a network.
pub fn facts(model: &LoadedModel) -> ModelFacts {
    let config = model.decoder.config();
    ModelFacts {
        origin: model.origin.clone(),
        family: config.family.model_type().to_owned(),
        parameters: model.decoder.parameter_count(),
        layers: config.n_layers,
        d_model: config.d_model,
        heads: config.n_heads,
        vocab_size: config.vocab_size,
    }
}

impl Pipeline<'_> {
    fn networks(&mut self) -> Result<Loaded, StageError> {
        let teacher = self.teacher()?;
        let student = load_as(&self.file("student"), "student", &self.device)?;
        let trained = self.recipe.baseline.skip.is_none();
        let baseline =
            trained.then(|| load_as(&self.file("baseline"), "baseline", &self.device)).transpose()?;
        Ok(Loaded { teacher, student, baseline })
    }

    fn network_hashes(&mut self) -> Result<serde_json::Value, PipelineError> {
        Ok(json!({
            "teacher": self.teacher_hash()?,
            "student": self.output_hash("student"),
            "baseline": self.output_hash("baseline"),
        }))
    }

    /// Scores the networks on the held-out and the shifted examples.
    pub(super) fn make_evaluation(&mut self) -> Result<(), PipelineError> {
        let inputs = json!({
            "evaluation": self.recipe.evaluation,
            "seed": self.recipe.seed,
            "networks": self.network_hashes()?,
            "data": self.output_hash("data"),
        });
        self.stage("evaluate", &inputs, |run, _| {
            let loaded = run.networks()?;
            let examples = run.examples()?;
            let settings = &run.recipe.evaluation;
            let most = settings.max_examples.unwrap_or(usize::MAX).min(examples.held_out.len());
            let vocab_used = align(
                (&loaded.teacher.tokenizer, loaded.teacher.decoder.config().vocab_size),
                (&loaded.student.tokenizer, loaded.student.decoder.config().vocab_size),
            )?;
            let options = EvaluationOptions {
                scoring: ScoringOptions {
                    batch_size: settings.batch_size,
                    vocab_used: Some(vocab_used),
                    ..ScoringOptions::default()
                },
                resamples: settings.resamples,
                seed: run.recipe.seed,
            };
            let networks = Networks {
                teacher: &loaded.teacher.decoder,
                student: &loaded.student.decoder,
                baseline: loaded.baseline.as_ref().map(|model| &model.decoder),
            };
            let evaluation =
                evaluate(&networks, &examples.held_out[..most], &examples.shifts, &options, run.progress)?;
            divergence::check(&evaluation)?;
            for remark in divergence::of_scores(&evaluation, loaded.student.decoder.config().vocab_size) {
                run.remark(remark);
            }
            write_json(&run.file(EVALUATION), &evaluation)?;
            let models = Facts { teacher: facts(&loaded.teacher), student: facts(&loaded.student) };
            write_json(&run.file(MODELS), &models)?;
            Ok(vec![EVALUATION.to_owned(), MODELS.to_owned()])
        })
    }

    /// Looks inside the networks, unless the recipe says `audit = false`.
    pub(super) fn make_audit(&mut self) -> Result<(), PipelineError> {
        let Some(settings) = self.recipe.audit.settings() else {
            return self.drop_stage("audit");
        };
        let inputs = self.audit_inputs(&settings)?;
        self.stage("audit", &inputs, |run, fingerprint| {
            let loaded = run.networks()?;
            let parts = run.folder.checkpoints("audit", fingerprint)?.join("parts");
            let journal = Journal::open(&parts, run.progress)?;
            let found = audit(
                subject(&loaded.teacher),
                subject(&loaded.student),
                loaded.baseline.as_ref().map(subject),
                &settings,
                &journal,
            )?;
            write_json(&run.file(AUDIT), &found)?;
            Ok(vec![AUDIT.to_owned()])
        })?;
        self.folder.clear_checkpoints("audit");
        Ok(())
    }

    /// All that an audit depends on.
    pub(super) fn audit_inputs(
        &mut self,
        settings: &AuditConfig,
    ) -> Result<serde_json::Value, PipelineError> {
        let prompts = self.prompts_hash(settings.task.path()).map_err(|error| self.fail("audit", error))?;
        Ok(json!({ "audit": settings, "prompts": prompts, "networks": self.network_hashes()? }))
    }

    /// The hash of a file of prompts, noted as an input; none for a task built in.
    fn prompts_hash(&mut self, path: Option<&Path>) -> Result<Option<String>, StageError> {
        self.manifest.forget_input(PROMPTS);
        let Some(path) = path else { return Ok(None) };
        let hash = hash_file(path)?;
        self.manifest.note_input(Input {
            role: PROMPTS.into(),
            locator: path.display().to_string(),
            hash: hash.clone(),
        });
        Ok(Some(hash))
    }

    /// The evaluation's figures for the student's model card.
    pub(super) fn figures(&self) -> Result<std::collections::BTreeMap<String, f64>, StageError> {
        let scores: Evaluation = read_json(&self.file(EVALUATION))?;
        let student = scores.student;
        Ok([
            ("accuracy", student.accuracy),
            ("loss", student.loss),
            ("perplexity", student.perplexity),
            ("agreement with the teacher", student.agreement),
            ("KL from the teacher", student.kl),
        ]
        .map(|(name, estimate)| (name.to_owned(), estimate.value))
        .into())
    }

    /// The evaluation made in this folder.
    pub fn evaluation(&self) -> Result<Evaluation, PipelineError> {
        Ok(read_json(&self.file(EVALUATION))?)
    }

    /// The audit made in this folder, unless the recipe asks for none.
    pub fn audited(&self) -> Result<Option<Audit>, PipelineError> {
        let failed = !self.manifest.stages.contains_key("audit");
        if self.recipe.audit.settings().is_none() || failed {
            return Ok(None);
        }
        Ok(Some(read_json(&self.file(AUDIT))?))
    }

    pub(super) fn facts(&self) -> Result<Facts, PipelineError> {
        Ok(read_json(&self.file(MODELS))?)
    }
}

fn subject(model: &LoadedModel) -> Subject<'_> {
    Subject { decoder: &model.decoder, tokenizer: &model.tokenizer }
}
