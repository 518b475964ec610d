//! The export stage: what is written for others to use, looked at before the first training.

use std::path::Path;

use limbeck_data::atomic::{read_json, write_atomic, write_json};
use limbeck_distill::StudentConfig;
use limbeck_model::weights::gguf::{GgufDtype, check_gguf};
use limbeck_model::{DecoderConfig, LoadedModel, ModelError, Tokenizer, open_model, save_gguf};
use serde_json::json;

use super::{Pipeline, PipelineError, StageError};
use crate::networks::load_as;
use crate::recipe::{GgufFormat, TeacherConfig};

const STAGE: &str = "export";

impl Pipeline<'_> {
    /// Refuses, before anything is trained, an export that could not succeed afterwards: a student or a tokenizer that the format
    /// cannot hold.
    pub(super) fn foresee_exports(&mut self) -> Result<(), PipelineError> {
        if self.recipe.export.gguf.is_empty() {
            return Ok(());
        }
        let fits = self.student_to_be().and_then(|(config, tokenizer)| {
            check_gguf(&config, &tokenizer).map_err(|error| ModelError::from(error).into())
        });
        fits.map_err(|error| self.fail(STAGE, error))
    }

    /// The configuration and the tokenizer that the student will have.
    fn student_to_be(&mut self) -> Result<(DecoderConfig, Tokenizer), StageError> {
        if let StudentConfig::Model(model) = &self.recipe.student {
            let source = model.source.clone();
            let files = open_model(&self.locate(&source)?.path).map_err(ModelError::from)?;
            let config = DecoderConfig::from_hf_json(&files.config).map_err(ModelError::from)?;
            return Ok((config, files.tokenizer));
        }
        let (teacher, tokenizer) = match self.recipe.teacher.clone() {
            TeacherConfig::Trained { architecture, .. } => {
                let tokenizer = self.tokenizer()?;
                let config = architecture.decoder(tokenizer.vocab_size()).map_err(ModelError::from)?;
                (config, tokenizer)
            }
            TeacherConfig::Model { .. } | TeacherConfig::Ensemble { .. } => {
                let teacher = self.teacher()?;
                (teacher.decoder.config().clone(), teacher.tokenizer.clone())
            }
        };
        let config = match &self.recipe.student {
            StudentConfig::Layers(layers) => layers.config(&teacher)?,
            StudentConfig::Fresh(shape) => match &shape.config {
                Some(file) => {
                    let base = DecoderConfig::from_hf_json(&read_json(Path::new(file))?);
                    shape.resolve(&base.map_err(ModelError::from)?)?
                }
                None => shape.resolve(&teacher)?,
            },
            StudentConfig::Model(_) => teacher,
        };
        Ok((config, tokenizer))
    }

    /// Writes GGUF files and the model card with its figures. A file that cannot be written costs that file: it is noted, the run
    /// goes on to its report, and the stage counts as not done.
    pub(super) fn make_exports(&mut self) -> Result<(), PipelineError> {
        let inputs = json!({
            "export": self.recipe.export,
            "student": self.output_hash("student"),
            "evaluation": self.output_hash("evaluate"),
        });
        let mut failures = Vec::new();
        let done = self.stage(STAGE, &inputs, |run, _| {
            let mut outputs = Vec::new();
            let settings = run.recipe.export.clone();
            if settings.gguf.is_empty() && !settings.hf {
                return Ok(outputs);
            }
            let student = load_as(&run.file("student"), "student", &run.device)?;
            let teacher = run.teacher()?;
            // The same tokenizer, but with what the teacher's own files say of it beyond tokenizer.json.
            let same = teacher.tokenizer.hash() == student.tokenizer.hash();
            let tokenizer = if same { &teacher.tokenizer } else { &student.tokenizer };
            for format in settings.gguf {
                let file = format!("student-{}.gguf", format.name());
                match save_gguf(&run.file(&file), &student.decoder, tokenizer, format.dtype()) {
                    Ok(()) => outputs.push(file),
                    Err(error) => {
                        // One of an earlier training would pass for this one's.
                        let _ = std::fs::remove_file(run.file(&file));
                        failures.push(format!("The export {file} failed: {error}."));
                    }
                }
            }
            if settings.hf {
                match run.write_card(&teacher) {
                    Ok(files) => outputs.extend(files),
                    Err(error) => failures.push(format!("The student's model card failed: {error}.")),
                }
            }
            Ok(outputs)
        });
        match done {
            Ok(()) => {}
            Err(PipelineError::Stage { source, .. }) => {
                failures.push(format!("The exports failed: {source}."));
            }
            Err(other) => return Err(other),
        }
        if !failures.is_empty() {
            self.manifest.stages.remove(STAGE);
            self.manifest.write(self.folder.root())?;
            failures.iter().for_each(|failure| self.progress.note(failure));
            self.failures.extend(failures);
        }
        Ok(())
    }

    /// The student's model card with the figures of the evaluation.
    fn write_card(&self, teacher: &LoadedModel) -> Result<[String; 2], StageError> {
        let mut lineage = self.lineage("student", teacher);
        lineage.metrics = self.figures()?;
        write_atomic(&self.file("student/README.md"), lineage.card().as_bytes())?;
        write_json(&self.file("student/lineage.json"), &lineage)?;
        Ok(["student/README.md", "student/lineage.json"].map(str::to_owned))
    }
}

impl GgufFormat {
    /// The same for the writer.
    pub fn dtype(self) -> GgufDtype {
        match self {
            Self::F32 => GgufDtype::F32,
            Self::F16 => GgufDtype::F16,
            Self::Q8_0 => GgufDtype::Q8_0,
        }
    }
}
