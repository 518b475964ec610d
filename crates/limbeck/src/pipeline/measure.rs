//! The measuring stages: evaluation and audit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use limbeck_audit::{AuditConfig, Subject, audited};
use limbeck_data::atomic::{read_json, write_json, write_json_lines};
use limbeck_data::hash::hash_file;
use limbeck_eval::{EvaluationOptions, Networks, Pair, ScoringOptions, evaluate, read_scores, write_scores};
use limbeck_model::LoadedModel;
use limbeck_results::{Audit, Evaluation, Input, ModelFacts};
use limbeck_teach::align;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::train::Learner;
use super::{Journal, Pipeline, PipelineError, StageError, divergence};
use crate::networks::load_as;

const EVALUATION: &str = "evaluation.json";
const AUDIT: &str = "audit.json";
/// Scores by example, from which the evaluation can be computed again.
const SCORES: &str = "scores.jsonl";
const MODELS: &str = "models.json";
/// Role of the file with the prompts of an audit.
const PROMPTS: &str = "audit prompts";

/// `models.json`: size and origin of the networks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) teacher: ModelFacts,
    pub(crate) student: ModelFacts,
}

/// The networks, loaded.
struct Loaded {
    teacher: Arc<LoadedModel>,
    /// Student and baseline of every seed.
    pairs: Vec<(LoadedModel, Option<LoadedModel>)>,
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
        let with_baseline = self.recipe.baseline.skip.is_none();
        let load = |learner: Learner, index| {
            let name = learner.name(index);
            load_as(&self.file(&name), &name, &self.device)
        };
        let pair = |index| -> Result<_, StageError> {
            let baseline = with_baseline.then(|| load(Learner::Baseline, index)).transpose()?;
            Ok((load(Learner::Student, index)?, baseline))
        };
        let pairs = (0..self.recipe.seeds).map(pair).collect::<Result<_, _>>()?;
        Ok(Loaded { teacher, pairs })
    }

    fn network_hashes(&mut self) -> Result<serde_json::Value, PipelineError> {
        let teacher = self.teacher_hash()?;
        let learners: BTreeMap<String, String> = self
            .learners()
            .into_iter()
            .map(|(learner, index)| (learner.name(index), self.output_hash(&learner.name(index))))
            .collect();
        Ok(json!({ "teacher": teacher, "learners": learners }))
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
            let student = &loaded.pairs[0].0;
            let examples = run.examples()?;
            let settings = &run.recipe.evaluation;
            let most = settings.max_examples.unwrap_or(usize::MAX).min(examples.held_out.len());
            let vocab_used = align(
                (&loaded.teacher.tokenizer, loaded.teacher.decoder.config().vocab_size),
                (&student.tokenizer, student.decoder.config().vocab_size),
            )?;
            let options = EvaluationOptions {
                scoring: ScoringOptions {
                    batch_size: settings.batch_size,
                    vocab_used: Some(vocab_used),
                    ..ScoringOptions::default()
                },
                resamples: settings.resamples,
                seed: run.recipe.seed,
                smallest: settings.smallest_effect,
            };
            let pairs: Vec<Pair<'_>> = loaded.pairs.iter().map(scored).collect();
            let networks = Networks { teacher: &loaded.teacher.decoder, pairs: &pairs };
            let held_out = &examples.held_out[..most];
            let (evaluation, scores) =
                evaluate(&networks, held_out, &examples.shifts, &options, run.progress)?;
            divergence::check(&evaluation)?;
            for remark in divergence::of_scores(&evaluation, student.decoder.config().vocab_size) {
                run.remark(remark);
            }
            write_json(&run.file(EVALUATION), &evaluation)?;
            write_json_lines(&run.file(SCORES), &scores)?;
            let models = Facts { teacher: facts(&loaded.teacher), student: facts(student) };
            write_json(&run.file(MODELS), &models)?;
            Ok(vec![EVALUATION.to_owned(), SCORES.to_owned(), MODELS.to_owned()])
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
            let pairs: Vec<limbeck_audit::Pair<'_>> = loaded.pairs.iter().map(audit_pair).collect();
            let found = audited(subject(&loaded.teacher), &pairs, &settings, &journal)?;
            let saved = found.record.save(&settings, run.root())?;
            write_json(&run.file(AUDIT), &found.audit)?;
            let saved = saved.iter().map(|file| file.display().to_string());
            Ok(std::iter::once(AUDIT.to_owned()).chain(saved).collect())
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
    pub(super) fn figures(&self) -> Result<BTreeMap<String, f64>, StageError> {
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

    /// Writes every network's scores on every example of the evaluation made in this folder, as [`write_scores`] does.
    ///
    /// # Errors
    /// When there is no evaluation, the file cannot be written, or ends neither in `.jsonl` nor in `.parquet`.
    pub fn save_scores(&self, file: &Path) -> Result<(), PipelineError> {
        Ok(write_scores(file, &read_scores(&self.file(SCORES))?)?)
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

/// Student and baseline of one seed, as they are scored.
fn scored((student, baseline): &(LoadedModel, Option<LoadedModel>)) -> Pair<'_> {
    Pair { student: &student.decoder, baseline: baseline.as_ref().map(|model| &model.decoder) }
}

fn audit_pair((student, baseline): &(LoadedModel, Option<LoadedModel>)) -> limbeck_audit::Pair<'_> {
    limbeck_audit::Pair { student: subject(student), baseline: baseline.as_ref().map(subject) }
}

fn subject(model: &LoadedModel) -> Subject<'_> {
    Subject { decoder: &model.decoder, tokenizer: &model.tokenizer }
}
