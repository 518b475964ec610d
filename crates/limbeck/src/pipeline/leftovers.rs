//! What a recipe no longer makes goes from its run folder, as long as it is what the manifest says we wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use limbeck_data::atomic::remove_folder;
use limbeck_data::hash::hash_path;
use limbeck_distill::forget_metrics;

use super::{Pipeline, PipelineError};

/// Stages that measure or convert what another stage makes: theirs is worth nothing once that has changed.
const DEPENDENTS: [(&str, &[&str]); 4] = [
    ("data", &["evaluate"]),
    ("teacher", &["evaluate", "audit"]),
    ("student", &["evaluate", "audit", "export"]),
    ("baseline", &["evaluate", "audit"]),
];

impl Pipeline<'_> {
    /// Forgets a stage that the recipe does not ask for, with what it wrote.
    pub(super) fn drop_stage(&mut self, stage: &str) -> Result<(), PipelineError> {
        let Some(record) = self.manifest.stages.remove(stage) else { return Ok(()) };
        self.remove_outputs(stage, &record.outputs)?;
        if ["teacher", "baseline"].iter().any(|network| stage.starts_with(network)) {
            forget_metrics(&self.file("metrics.jsonl"), stage)
                .map_err(|error| self.fail_of(stage, error.into()))?;
        }
        self.manifest.write(self.folder.root())
    }

    /// Forgets the stages that measured what `stage` had made before.
    pub(super) fn drop_dependents(&mut self, stage: &str) -> Result<(), PipelineError> {
        let of = DEPENDENTS.iter().filter(|(name, _)| stage.starts_with(name));
        for dependent in of.flat_map(|(_, dependents)| *dependents) {
            self.drop_stage(dependent)?;
        }
        Ok(())
    }

    /// Removes files that a stage wrote and that are still as it wrote them, and folders of ours that are empty then.
    pub(super) fn remove_outputs(
        &self,
        stage: &str,
        outputs: &BTreeMap<String, String>,
    ) -> Result<(), PipelineError> {
        for (output, hash) in outputs {
            let path = self.file(output);
            if !hash_path(&path).is_ok_and(|found| found == *hash) {
                continue;
            }
            if path.is_dir() {
                remove_folder(&path)?;
            } else {
                fs::remove_file(&path).map_err(|source| PipelineError::Folder {
                    action: "remove",
                    path: path.clone(),
                    source,
                })?;
            }
        }
        // A network's model card and marker stand beside its weights.
        let folder = self.file(stage);
        if outputs.keys().any(|output| Path::new(output).starts_with(stage)) && folder.is_dir() {
            remove_folder(&folder)?;
        }
        Ok(())
    }
}
