//! The training stages: the student with its teacher, and the same student without.

use std::path::Path;
use std::sync::Arc;

use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::hash::{hash_file, hash_path};
use limbeck_distill::{FreshStudent, ObjectiveConfig, StudentConfig, TrainingJob, TrainingOutcome, train};
use limbeck_model::{
    Decoder, DecoderConfig, Ingredient, Lineage, LoadedModel, ModelError, Tokenizer, save_hf_folder,
};
use limbeck_results::{CurvePoint, Input, TrainingRun};
use limbeck_teach::{ReplayTeacher, Teacher, align};
use serde_json::json;

use super::{Pipeline, PipelineError, StageError, capture, divergence};
use crate::memory::{check_network, check_step};
use crate::networks::load_as;
use crate::recipe::{TeacherConfig, published, published_name};

/// The baseline's only objective, and a teacher's from scratch.
pub(crate) fn cross_entropy() -> ObjectiveConfig {
    ObjectiveConfig::CrossEntropy(limbeck_distill::objective::CrossEntropy::default())
}

/// `training/NETWORK.json`: how a network was trained.
pub(crate) struct Trained;

impl Trained {
    fn file(network: &str) -> String {
        format!("training/{network}.json")
    }

    /// Writes the summary of a training; its path is one of the stage's outputs.
    pub(crate) fn write(
        run: &Pipeline<'_>,
        network: &str,
        steps: u64,
        tokens: u64,
        curve: Vec<CurvePoint>,
    ) -> Result<String, StageError> {
        let file = Self::file(network);
        write_json(&run.file(&file), &TrainingRun { network: network.to_owned(), steps, tokens, curve })?;
        Ok(file)
    }

    /// The summary of a network's training, when it was trained in this folder.
    pub(crate) fn read(run: &Pipeline<'_>, network: &str) -> Result<Option<TrainingRun>, PipelineError> {
        if run.manifest.stages.contains_key(network) {
            Ok(Some(read_json(&run.file(&Self::file(network)))?))
        } else {
            Ok(None)
        }
    }
}

impl Pipeline<'_> {
    /// Trains the student.
    pub(super) fn make_student(&mut self) -> Result<(), PipelineError> {
        let signals = match &self.recipe.teacher {
            TeacherConfig::Model { signals: Some(folder), .. } => Some(hash_path(folder)?),
            _ => self.recipe.capture.as_ref().map(|_| self.output_hash("capture")),
        };
        let inputs = json!({
            "student": self.recipe.student,
            "begins": self.student_source_hash()?,
            "objectives": self.recipe.objectives,
            "training": self.recipe.training.hash(),
            "seed": self.recipe.seed,
            "teacher": self.teacher_hash()?,
            "signals": signals,
            "data": self.output_hash("data"),
        });
        self.stage("student", &inputs, |run, fingerprint| {
            let objectives = run.recipe.objectives.clone();
            let teacher = run.signalling_teacher()?;
            run.train_network("student", fingerprint, objectives, Some(teacher))
        })?;
        self.folder.clear_checkpoints("student");
        Ok(())
    }

    /// Trains the baseline, unless the recipe says why not.
    pub(super) fn make_baseline(&mut self) -> Result<(), PipelineError> {
        if self.recipe.baseline.skip.is_some() {
            return self.drop_stage("baseline");
        }
        let inputs = json!({
            "student": self.recipe.student,
            "begins": self.student_source_hash()?,
            "training": self.recipe.training.hash(),
            "seed": self.recipe.seed,
            "teacher": self.teacher_hash()?,
            "data": self.output_hash("data"),
        });
        self.stage("baseline", &inputs, |run, fingerprint| {
            run.train_network("baseline", fingerprint, vec![cross_entropy()], None)
        })?;
        self.folder.clear_checkpoints("baseline");
        Ok(())
    }

    /// Trains one of the two students and saves it as a Hugging Face folder.
    fn train_network(
        &mut self,
        network: &'static str,
        fingerprint: &str,
        objectives: Vec<ObjectiveConfig>,
        teacher: Option<Box<dyn Teacher>>,
    ) -> Result<Vec<String>, StageError> {
        let (student, tokenizer) = self.untrained_student()?;
        let of_teacher = self.teacher()?;
        let columns = match &teacher {
            Some(teacher) => teacher.identity().vocab_size,
            None => self.answering_teacher(self.recipe.training.precision)?.identity().vocab_size,
        };
        let examples = self.examples()?;
        let longest = examples.training.iter().map(|example| example.ids.len()).max().unwrap_or(0);
        check_step(network, student.config(), &self.recipe.training, longest)?;
        let vocab_used = align((&of_teacher.tokenizer, columns), (&tokenizer, student.config().vocab_size))?;
        let outcome = train(
            TrainingJob {
                network: network.to_owned(),
                student,
                teacher,
                vocab_used: Some(vocab_used),
                examples: Arc::clone(&self.examples()?.training),
                objectives,
                config: self.recipe.training.clone(),
                checkpoint_dir: self.folder.checkpoints(network, fingerprint)?,
                metrics_path: self.file("metrics.jsonl"),
            },
            self.progress,
        )?;
        let TrainingOutcome { decoder, steps, tokens, curve, .. } = outcome;
        if let Some(remark) = divergence::of_curve(network, &curve) {
            self.remark(remark);
        }
        let lineage = self.lineage(network, &of_teacher);
        save_hf_folder(&self.file(network), &decoder, &tokenizer, &lineage)?;
        let summary = Trained::write(self, network, steps, tokens, curve)?;
        // The model card is left out: the export stage adds the figures of the evaluation to it.
        let files = ["config.json", "model.safetensors", "tokenizer.json"];
        let mut outputs: Vec<String> = files.iter().map(|file| format!("{network}/{file}")).collect();
        outputs.push(summary);
        Ok(outputs)
    }

    /// Whom the student asks: the teacher itself, or what was captured of it.
    fn signalling_teacher(&mut self) -> Result<Box<dyn Teacher>, StageError> {
        let teacher = self.answering_teacher(self.recipe.training.precision)?;
        let folder = match &self.recipe.teacher {
            TeacherConfig::Model { signals: Some(folder), .. } => folder.clone(),
            _ if self.recipe.capture.is_some() => self.file(capture::FOLDER),
            _ => return Ok(teacher),
        };
        Ok(Box::new(ReplayTeacher::open(&folder, Some(teacher.identity()))?))
    }

    /// The student before its training; the same for student and baseline.
    fn untrained_student(&mut self) -> Result<(Decoder, Tokenizer), StageError> {
        let teacher = self.teacher()?;
        let decoder = match self.recipe.student.clone() {
            StudentConfig::Layers(layers) => layers.build(&teacher.decoder)?,
            StudentConfig::Fresh(shape) => {
                let base = match &shape.config {
                    Some(file) => {
                        DecoderConfig::from_hf_json(&read_json(Path::new(file))?).map_err(ModelError::from)?
                    }
                    None => teacher.decoder.config().clone(),
                };
                check_network("student", &shape.resolve(&base)?)?;
                shape.build(&base, self.recipe.seed, &self.device)?
            }
            StudentConfig::Model(model) => {
                let located = self.locate(&model.source)?;
                let loaded = load_as(&located.path, &model.source, &self.device)?;
                self.note_model("student", &loaded);
                return Ok((loaded.decoder, loaded.tokenizer));
            }
        };
        Ok((decoder, teacher.tokenizer.clone()))
    }

    /// Hash of the model the student begins as, when it is another than the teacher.
    fn student_source_hash(&mut self) -> Result<Option<String>, PipelineError> {
        let locator = match &self.recipe.student {
            StudentConfig::Model(model) => model.source.clone(),
            StudentConfig::Fresh(FreshStudent { config: Some(file), .. }) => {
                return Ok(Some(hash_file(Path::new(file))?));
            }
            StudentConfig::Fresh(_) | StudentConfig::Layers(_) => return Ok(None),
        };
        let located = self.locate(&locator).map_err(|error| self.fail("student", error))?;
        self.manifest.note_input(Input { role: "student".into(), locator, hash: located.hash.clone() });
        Ok(Some(located.hash))
    }

    /// Where a network comes from, for its model card.
    pub(super) fn lineage(&self, network: &str, teacher: &LoadedModel) -> Lineage {
        let data = self.manifest.inputs.iter().filter(|input| input.role == "data");
        Lineage {
            name: format!("{} {network}", self.recipe.name),
            teacher: (network == "student")
                .then(|| Ingredient { name: published_name(&teacher.origin), hash: teacher.hash.clone() }),
            data: data
                .map(|input| Ingredient { name: published_name(&input.locator), hash: input.hash.clone() })
                .collect(),
            recipe: Some(published(&self.resolved)),
            ..Lineage::default()
        }
    }
}
