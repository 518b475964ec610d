//! The capture stage: the teacher's signals on disk.

use limbeck_data::atomic::AtomicFolder;
use limbeck_kernels::Precision;
use limbeck_teach::capture;
use serde_json::json;

use super::{Goal, Pipeline, PipelineError};

const STAGE: &str = "capture";

/// Folder of the signals within the run folder.
pub(crate) const FOLDER: &str = "signals";

impl Pipeline<'_> {
    /// Captures the teacher's signals when the recipe or the goal asks for it.
    pub(super) fn make_signals(&mut self, goal: Goal) -> Result<(), PipelineError> {
        let config = match (&self.recipe.capture, goal) {
            (Some(config), _) => config.clone(),
            (None, Goal::Capture) => crate::recipe::default_capture(&self.recipe),
            // What `limbeck capture` wrote stays: it was asked for by itself.
            (None, _) => return Ok(()),
        };
        let inputs = json!({
            "capture": config,
            "teacher": self.teacher_hash()?,
            "data": self.output_hash("data"),
        });
        self.stage(STAGE, &inputs, |run, fingerprint| {
            let teacher = run.answering_teacher(Precision::F32)?;
            let examples = run.examples()?;
            // Beside the signals that may stand there, of another teacher or with other settings, until it is complete.
            let growing = run.folder.checkpoints(STAGE, fingerprint)?;
            capture(teacher.as_ref(), &examples.training, &config, &growing, run.progress)?;
            AtomicFolder::of(growing, &run.file(FOLDER)).commit()?;
            Ok(vec![FOLDER.to_owned()])
        })?;
        self.folder.clear_checkpoints(STAGE);
        Ok(())
    }
}
