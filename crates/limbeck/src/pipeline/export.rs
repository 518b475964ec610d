//! The export stage: what is written for others to use.

use limbeck_data::atomic::{write_atomic, write_json};
use limbeck_model::weights::gguf::GgufDtype;
use limbeck_model::{LoadedModel, save_gguf};
use serde_json::json;

use super::{Pipeline, PipelineError, StageError};
use crate::networks::load_as;
use crate::recipe::GgufFormat;

const STAGE: &str = "export";

impl Pipeline<'_> {
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
