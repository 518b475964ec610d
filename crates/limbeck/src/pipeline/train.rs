//! The training stages: the student with its teacher, and the same student without.

use std::path::Path;
use std::sync::Arc;

use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::hash::{hash_file, hash_path};
use limbeck_distill::{
    FreshStudent, ObjectiveConfig, StudentConfig, TrainingConfig, TrainingJob, TrainingOutcome, train,
};
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

/// Which of the two students: the one with a teacher, or the one without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learner {
    /// Learns from the teacher.
    Student,
    /// The same network trained without the teacher.
    Baseline,
}

impl Learner {
    /// The name of its training at the recipe's seed number `index`, from 0: of its stage, its folder and its metrics.
    pub(crate) fn name(self, index: usize) -> String {
        let own = match self {
            Self::Student => "student",
            Self::Baseline => "baseline",
        };
        if index == 0 { own.to_owned() } else { format!("{own}-{}", index + 1) }
    }
}

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
    /// Trains the student and, unless the recipe says why not, the baseline, once for every seed; what another recipe
    /// trained in this folder beyond that is forgotten.
    pub(super) fn make_students(&mut self) -> Result<(), PipelineError> {
        let wanted = self.learners();
        for learner in [Learner::Student, Learner::Baseline] {
            let surplus = |index: &usize| self.manifest.stages.contains_key(&learner.name(*index));
            let known: Vec<usize> = (0..).take_while(surplus).collect();
            for index in known.into_iter().filter(|&index| !wanted.contains(&(learner, index))) {
                self.drop_stage(&learner.name(index))?;
            }
        }
        for (learner, index) in wanted {
            self.make_learner(learner, index)?;
        }
        Ok(())
    }

    /// Everyone who learns, in the order of training.
    pub(super) fn learners(&self) -> Vec<(Learner, usize)> {
        let with_baseline = self.recipe.baseline.skip.is_none();
        (0..self.recipe.seeds)
            .flat_map(|index| [(Learner::Student, index), (Learner::Baseline, index)])
            .filter(|(learner, _)| with_baseline || *learner == Learner::Student)
            .collect()
    }

    fn make_learner(&mut self, learner: Learner, index: usize) -> Result<(), PipelineError> {
        let name = learner.name(index);
        let mut inputs = json!({
            "student": self.recipe.student,
            "begins": self.student_source_hash()?,
            "training": self.training_of(learner, index).hash(),
            "seed": self.seed_of(index),
            "teacher": self.teacher_hash()?,
            "data": self.output_hash("data"),
        });
        if learner == Learner::Student {
            let signals = match &self.recipe.teacher {
                TeacherConfig::Model { signals: Some(folder), .. } => Some(hash_path(folder)?),
                _ => self.recipe.capture.as_ref().map(|_| self.output_hash("capture")),
            };
            inputs["objectives"] = json!(self.recipe.objectives);
            inputs["signals"] = json!(signals);
        }
        self.stage(&name, &inputs, |run, fingerprint| match learner {
            Learner::Student => {
                let objectives = run.recipe.objectives.clone();
                let teacher = run.signalling_teacher()?;
                run.train_network((learner, index), fingerprint, objectives, Some(teacher))
            }
            Learner::Baseline => {
                run.train_network((learner, index), fingerprint, vec![cross_entropy()], None)
            }
        })?;
        self.folder.clear_checkpoints(&name);
        Ok(())
    }

    /// The recipe's seed number `index`.
    fn seed_of(&self, index: usize) -> u64 {
        self.recipe.seed.wrapping_add(index as u64)
    }

    /// How a student or a baseline is trained at seed number `index`.
    fn training_of(&self, learner: Learner, index: usize) -> TrainingConfig {
        let training = &self.recipe.training;
        let max_examples = match learner {
            Learner::Student => training.max_examples,
            Learner::Baseline => self.recipe.baseline.labelled.or(training.max_examples),
        };
        let seed = training.seed.wrapping_add(index as u64);
        TrainingConfig { seed, max_examples, ..training.clone() }
    }

    /// Trains one of the two students and saves it as a Hugging Face folder.
    fn train_network(
        &mut self,
        (learner, index): (Learner, usize),
        fingerprint: &str,
        objectives: Vec<ObjectiveConfig>,
        teacher: Option<Box<dyn Teacher>>,
    ) -> Result<Vec<String>, StageError> {
        let network = &learner.name(index);
        let (student, tokenizer) = self.untrained_student(index)?;
        let of_teacher = self.teacher()?;
        let columns = match &teacher {
            Some(teacher) => teacher.identity().vocab_size,
            None => self.answering_teacher(self.recipe.training.precision)?.identity().vocab_size,
        };
        let examples = self.examples()?;
        let longest = examples.training.iter().map(|example| example.ids.len()).max().unwrap_or(0);
        check_step(network, student.config(), &self.recipe.training, longest)?;
        let rows = student.config().vocab_size;
        let leaves = tokenizer.taught_by(&of_teacher.tokenizer, rows).map_err(ModelError::from)?;
        let vocab_used = align((&of_teacher.tokenizer, columns), (&tokenizer, rows))?;
        let outcome = train(
            TrainingJob {
                network: network.to_owned(),
                student,
                teacher,
                vocab_used: Some(vocab_used),
                examples: Arc::clone(&self.examples()?.training),
                objectives,
                config: self.training_of(learner, index),
                checkpoint_dir: self.folder.checkpoints(network, fingerprint)?,
                metrics_path: self.file("metrics.jsonl"),
            },
            self.progress,
        )?;
        let TrainingOutcome { decoder, steps, tokens, curve, .. } = outcome;
        if let Some(remark) = divergence::of_curve(network, &curve) {
            self.remark(remark);
        }
        let mut lineage = self.lineage(network, &of_teacher);
        if let Some(sentence) = other_end(&tokenizer, &leaves) {
            let said = format!("{network}: {sentence}");
            self.progress.note(&said);
            self.manifest.note(&format!("the end of the {network}"), vec![said]);
            lineage.notes.push(sentence);
        }
        save_hf_folder(&self.file(network), &decoder, &leaves, &lineage)?;
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

    /// The student before its training at seed number `index`; the same for student and baseline.
    fn untrained_student(&mut self, index: usize) -> Result<(Decoder, Tokenizer), StageError> {
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
                shape.build(&base, self.seed_of(index), &self.device)?
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
        let data = self.manifest.inputs.iter().filter(|input| input.role.split(' ').next() == Some("data"));
        Lineage {
            name: format!("{} {network}", self.recipe.name),
            teacher: network
                .starts_with("student")
                .then(|| Ingredient { name: published_name(&teacher.origin), hash: teacher.hash.clone() }),
            data: data
                .map(|input| Ingredient { name: published_name(&input.locator), hash: input.hash.clone() })
                .collect(),
            recipe: Some(published(&self.resolved)),
            ..Lineage::default()
        }
    }
}

/// A sentence for the model card of a student whose texts end with another token than those of the model it began as.
fn other_end(began: &Tokenizer, leaves: &Tokenizer) -> Option<String> {
    let name = |tokenizer: &Tokenizer| {
        let token = tokenizer.eos().and_then(|id| Some((id, tokenizer.id_to_token(id)?)));
        token.map_or("no end token".to_owned(), |(id, token)| format!("{token:?} (id {id})"))
    };
    (began.eos() != leaves.eos()).then(|| {
        let (learned, own) = (name(leaves), name(began));
        format!("Its texts end with {learned}, as those it was trained on; the model it began as ends them with {own}.")
    })
}
