//! The teacher stage: a model fetched, or one trained from scratch on the run's own data.

use std::sync::Arc;

use limbeck_distill::{TrainingJob, train};
use limbeck_model::{Decoder, Lineage, LoadedModel, ModelError, save_hf_folder};
use limbeck_results::Input;
use serde_json::json;

use super::train::{Trained, cross_entropy};
use super::{Pipeline, PipelineError, StageError};
use crate::networks::load_as;
use crate::recipe::{Architecture, TeacherConfig};

const STAGE: &str = "teacher";
const FOLDER: &str = "teacher";

impl Pipeline<'_> {
    /// Fetches the teacher, or trains it.
    pub(super) fn make_teacher(&mut self) -> Result<(), PipelineError> {
        let TeacherConfig::Trained { architecture, training, tokenizer } = self.recipe.teacher.clone() else {
            self.manifest.stages.remove(STAGE);
            return Ok(());
        };
        let inputs = json!({
            "architecture": architecture,
            "training": training.hash(),
            "tokenizer": tokenizer,
            "seed": self.recipe.seed,
            "data": self.output_hash("data"),
        });
        self.stage(STAGE, &inputs, |run, fingerprint| {
            let (tokenizer, student) = run.fresh_teacher(&architecture)?;
            let outcome = train(
                TrainingJob {
                    network: "teacher".into(),
                    student,
                    teacher: None,
                    vocab_used: None,
                    examples: Arc::clone(&run.examples()?.training),
                    objectives: vec![cross_entropy()],
                    config: training,
                    checkpoint_dir: run.folder.checkpoints("teacher", fingerprint)?,
                    metrics_path: run.file("metrics.jsonl"),
                },
                run.progress,
            )?;
            let lineage = Lineage {
                name: format!("{} teacher", run.recipe.name),
                recipe: Some(run.resolved.clone()),
                ..Lineage::default()
            };
            save_hf_folder(&run.file(FOLDER), &outcome.decoder, &tokenizer, &lineage)?;
            let summary = Trained::write(run, "teacher", outcome.steps, outcome.tokens, outcome.curve)?;
            Ok(vec![FOLDER.to_owned(), summary])
        })?;
        self.folder.clear_checkpoints("teacher");
        Ok(())
    }

    fn fresh_teacher(
        &mut self,
        architecture: &Architecture,
    ) -> Result<(limbeck_model::Tokenizer, Decoder), StageError> {
        let tokenizer = self.tokenizer()?;
        let config = architecture.decoder(tokenizer.vocab_size()).map_err(ModelError::from)?;
        let decoder = Decoder::init(&config, self.recipe.seed, &self.device)?;
        Ok((tokenizer, decoder))
    }

    /// Hash of the teacher's weights and tokenizer, without loading them.
    pub(super) fn teacher_hash(&mut self) -> Result<String, PipelineError> {
        match self.recipe.teacher.clone() {
            TeacherConfig::Trained { .. } => Ok(self.output_hash(STAGE)),
            TeacherConfig::Model { source, .. } => {
                let located = self.locate(&source).map_err(|error| self.fail(STAGE, error))?;
                self.manifest.note_input(Input {
                    role: "teacher".into(),
                    locator: source,
                    hash: located.hash.clone(),
                });
                Ok(located.hash)
            }
        }
    }

    /// The teacher, loaded once.
    pub(super) fn teacher(&mut self) -> Result<Arc<LoadedModel>, StageError> {
        if let Some(teacher) = &self.teacher {
            return Ok(Arc::clone(teacher));
        }
        let model = match self.recipe.teacher.clone() {
            TeacherConfig::Model { source, .. } => {
                let located = self.locate(&source)?;
                load_as(&located.path, &source, &self.device)?
            }
            TeacherConfig::Trained { .. } => {
                load_as(&self.file(FOLDER), "trained in this run", &self.device)?
            }
        };
        let model = Arc::new(model);
        self.teacher = Some(Arc::clone(&model));
        Ok(model)
    }
}
