//! One stage: skipped when nothing it depends on changed, done and noted otherwise.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use limbeck_data::DataError;
use limbeck_data::hash::{hash_bytes, hash_path};
use limbeck_kernels::Instructions;
use serde::Serialize;
use serde_json::json;

use super::Pipeline;
use super::error::{PipelineError, StageError};
use super::manifest::StageRecord;

/// Raised when a stage's work changes its meaning without its inputs changing.
const STAGE_VERSION: u32 = 1;

/// What a stage hands back: the paths it wrote, relative to the run folder.
pub(crate) type Outputs = Vec<String>;

impl Pipeline<'_> {
    /// The hash of everything a stage depends on.
    pub(crate) fn fingerprint(&self, stage: &str, inputs: &impl Serialize) -> Result<String, PipelineError> {
        let all = json!({
            "stage": stage,
            "version": STAGE_VERSION,
            "limbeck": env!("CARGO_PKG_VERSION"),
            "inputs": serde_json::to_value(inputs).map_err(|error| self.fail(stage, error.into()))?,
        });
        Ok(hash_bytes(all.to_string().as_bytes()))
    }

    /// Does a stage's work unless its fingerprint and its outputs are those noted.
    pub(crate) fn stage(
        &mut self,
        stage: &str,
        inputs: &impl Serialize,
        work: impl FnOnce(&mut Self, &str) -> Result<Outputs, StageError>,
    ) -> Result<(), PipelineError> {
        let fingerprint = self.fingerprint(stage, inputs)?;
        if self.manifest.holds(stage, &fingerprint, self.folder.root()) {
            self.progress.note(&format!("{stage}: unchanged, skipped"));
            // Begun from something else in between, and never finished.
            return self.mark(stage, false);
        }
        self.keep_finished(stage, &fingerprint)?;
        if self.progress.cancelled() {
            return Err(PipelineError::Cancelled {
                stage: stage.to_owned(),
                folder: self.folder.root().to_owned(),
            });
        }
        self.folder.check_place_of(stage)?;
        self.worked = true;
        self.mark(stage, true)?;
        self.remarks.clear();
        let began = Instant::now();
        let written = work(self, &fingerprint).map_err(|error| self.fail(stage, error))?;
        let mut outputs = BTreeMap::new();
        for path in written {
            let hash = hash_path(&self.folder.at(&path))?;
            outputs.insert(path, hash);
        }
        let seconds = began.elapsed().as_secs_f64();
        let remarks = std::mem::take(&mut self.remarks);
        let record = StageRecord {
            fingerprint,
            outputs,
            seconds,
            instructions: Instructions::used().name().to_owned(),
            unfinished: false,
            remarks,
        };
        let hash = record.output_hash();
        let kept: Vec<String> = record.outputs.keys().cloned().collect();
        let before = self.manifest.stages.insert(stage.to_owned(), record);
        self.manifest.write(self.folder.root())?;
        let Some(mut before) = before else { return Ok(()) };
        if before.output_hash() != hash {
            self.drop_dependents(stage)?;
        }
        before.outputs.retain(|path, _| !kept.contains(path));
        for (path, hash) in before.outputs {
            self.remove_outputs("", &BTreeMap::from([(path, hash)]))?;
        }
        Ok(())
    }

    /// Notes whether a stage that was done before is being done again.
    fn mark(&mut self, stage: &str, unfinished: bool) -> Result<(), PipelineError> {
        match self.manifest.stages.get_mut(stage) {
            Some(record) if record.unfinished != unfinished => {
                record.unfinished = unfinished;
                self.manifest.write(self.folder.root())
            }
            _ => Ok(()),
        }
    }

    /// Says something in the terminal that a reader of the results must know too: it is kept in the manifest, with the stage
    /// at work, and printed in the report.
    pub(crate) fn remark(&mut self, text: String) {
        self.progress.note(&text);
        self.remarks.push(text);
    }

    /// The error of a stage; a wish to stop is told apart.
    pub(crate) fn fail(&self, stage: &str, source: StageError) -> PipelineError {
        // Ctrl-C reaches the program that downloads for us too, which then fails.
        let cut_off =
            matches!(source, StageError::Data(DataError::Download { .. })) && self.progress.cancelled();
        if source.is_cancelled() || cut_off {
            PipelineError::Cancelled { stage: stage.to_owned(), folder: self.folder.root().to_owned() }
        } else {
            PipelineError::Stage { stage: stage.to_owned(), source }
        }
    }

    /// As [`Pipeline::fail`], for a stage whose name is known by now only.
    pub(super) fn fail_of(&self, stage: &str, source: StageError) -> PipelineError {
        let known = ["teacher", "student", "baseline"].into_iter().find(|name| stage.starts_with(name));
        self.fail(known.unwrap_or("run folder"), source)
    }

    /// The hash of what a stage wrote; empty when it was not needed.
    pub(crate) fn output_hash(&self, stage: &str) -> String {
        self.manifest.stages.get(stage).map(StageRecord::output_hash).unwrap_or_default()
    }

    /// Where a file of the run folder is.
    pub(crate) fn file(&self, relative: &str) -> std::path::PathBuf {
        self.folder.at(relative)
    }

    /// The run folder's root.
    pub(crate) fn root(&self) -> &Path {
        self.folder.root()
    }
}
