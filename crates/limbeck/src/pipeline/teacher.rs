//! The teacher stage: a model fetched, or one trained from scratch on the run's own data.

use std::sync::Arc;

use limbeck_data::hash::hash_bytes;
use limbeck_distill::{TrainingJob, train};
use limbeck_kernels::Precision;
use limbeck_model::{Decoder, Lineage, LoadedModel, ModelError, save_hf_folder};
use limbeck_results::Input;
use limbeck_teach::{EnsembleTeacher, LocalTeacher, Teacher, Weights};
use serde_json::json;

use super::train::{Trained, cross_entropy};
use super::{Pipeline, PipelineError, StageError, divergence};
use crate::memory::{check_network, check_step};
use crate::networks::load_as;
use crate::recipe::{Architecture, TeacherConfig, published};

const STAGE: &str = "teacher";
const FOLDER: &str = "teacher";

impl Pipeline<'_> {
    /// Fetches the teacher, or trains it.
    pub(super) fn make_teacher(&mut self) -> Result<(), PipelineError> {
        let TeacherConfig::Trained { architecture, training, tokenizer } = self.recipe.teacher.clone() else {
            return self.drop_stage(STAGE);
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
            let examples = Arc::clone(&run.examples()?.training);
            let longest = examples.iter().map(|example| example.ids.len()).max().unwrap_or(0);
            check_step("teacher", student.config(), &training, longest)?;
            let outcome = train(
                TrainingJob {
                    network: "teacher".into(),
                    student,
                    teacher: None,
                    vocab_used: None,
                    examples,
                    objectives: vec![cross_entropy()],
                    config: *training,
                    checkpoint_dir: run.folder.checkpoints("teacher", fingerprint)?,
                    metrics_path: run.file("metrics.jsonl"),
                },
                run.progress,
            )?;
            let lineage = Lineage {
                name: format!("{} teacher", run.recipe.name),
                recipe: Some(published(&run.resolved)),
                ..Lineage::default()
            };
            if let Some(remark) = divergence::of_curve("teacher", &outcome.curve) {
                run.remark(remark);
            }
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
        check_network("teacher", &config)?;
        let decoder = Decoder::init(&config, self.recipe.seed, &self.device)?;
        Ok((tokenizer, decoder))
    }

    /// Hash of the teacher's weights and tokenizer, without loading them.
    pub(super) fn teacher_hash(&mut self) -> Result<String, PipelineError> {
        match self.recipe.teacher.clone() {
            TeacherConfig::Trained { .. } => Ok(self.output_hash(STAGE)),
            TeacherConfig::Model { source, .. } => self.source_hash("teacher", &source),
            TeacherConfig::Ensemble { members, combination } => {
                let mut facts = format!("{combination:?}");
                for (index, member) in members.iter().enumerate() {
                    let hash = self.source_hash(&format!("teacher {}", index + 1), &member.source)?;
                    facts.push_str(&format!("\n{hash} {:?}", member.weight));
                }
                Ok(hash_bytes(facts.as_bytes()))
            }
        }
    }

    /// Hash of a model that exists, noted among the inputs.
    fn source_hash(&mut self, role: &str, source: &str) -> Result<String, PipelineError> {
        let located = self.locate(source).map_err(|error| self.fail(STAGE, error))?;
        let (locator, hash) = (source.to_owned(), located.hash);
        self.manifest.note_input(Input { role: role.to_owned(), locator, hash: hash.clone() });
        Ok(hash)
    }

    /// Who answers: the teacher's own weights, or all members of an ensemble.
    pub(super) fn answering_teacher(&mut self, precision: Precision) -> Result<Box<dyn Teacher>, StageError> {
        let TeacherConfig::Ensemble { members, combination } = self.recipe.teacher.clone() else {
            let model = self.teacher()?;
            return Ok(Box::new(LocalTeacher::from_model(&model).with_precision(precision)));
        };
        let weights: Vec<f64> = members.iter().map(|member| member.weight).collect();
        let weights = Weights::new(&weights, members.len())?;
        let mut teachers: Vec<Box<dyn Teacher>> = Vec::with_capacity(members.len());
        for member in &members {
            let located = self.locate(&member.source)?;
            let model = load_as(&located.path, &member.source, &self.device)?;
            teachers.push(Box::new(LocalTeacher::from_model(&model).with_precision(precision)));
        }
        Ok(Box::new(EnsembleTeacher::new(teachers, weights, combination)?))
    }

    /// Says what of a model's files was left out or decided, on the terminal and in the manifest.
    pub(super) fn note_model(&mut self, role: &str, model: &LoadedModel) {
        model.notes.iter().for_each(|sentence| self.progress.note(sentence));
        self.manifest.note(role, model.notes.clone());
    }

    /// The teacher, loaded once; of an ensemble the first member.
    pub(super) fn teacher(&mut self) -> Result<Arc<LoadedModel>, StageError> {
        if let Some(teacher) = &self.teacher {
            return Ok(Arc::clone(teacher));
        }
        let model = match self.recipe.teacher.first_source().map(str::to_owned) {
            Some(source) => {
                let located = self.locate(&source)?;
                load_as(&located.path, &source, &self.device)?
            }
            None => load_as(&self.file(FOLDER), "trained in this run", &self.device)?,
        };
        self.note_model("teacher", &model);
        let model = Arc::new(model);
        self.teacher = Some(Arc::clone(&model));
        Ok(model)
    }
}
