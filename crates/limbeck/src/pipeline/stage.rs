//! One stage: skipped when nothing it depends on changed, done and noted otherwise.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use limbeck_data::DataError;
use limbeck_data::hash::{hash_bytes, hash_path};
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
            return Ok(());
        }
        self.keep_finished(stage, &fingerprint)?;
        if self.progress.cancelled() {
            return Err(PipelineError::Cancelled {
                stage: stage.to_owned(),
                folder: self.folder.root().to_owned(),
            });
        }
        self.worked = true;
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
        self.manifest.stages.insert(stage.to_owned(), StageRecord { fingerprint, outputs, seconds, remarks });
        self.manifest.write(self.folder.root())
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
