//! `manifest.json`: what a run read, and what each stage made of it.

use std::collections::BTreeMap;
use std::path::Path;

use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::hash::hash_path;
use limbeck_results::Input;
use serde::{Deserialize, Serialize};

use super::error::PipelineError;

/// The file.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The account of a run folder.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of Limbeck that wrote last.
    pub limbeck_version: String,
    /// Name of the run.
    pub name: String,
    /// Seed of the run.
    pub seed: u64,
    /// What was read, with content hashes.
    pub inputs: Vec<Input>,
    /// What was left out of the inputs or decided where they contradict themselves, in sentences, by the input's role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, Vec<String>>,
    /// What each stage did.
    pub stages: BTreeMap<String, StageRecord>,
}

/// A stage that was completed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Hash of everything the stage depends on: its section of the recipe, the hashes of what it reads
    /// and the version of Limbeck.
    pub fingerprint: String,
    /// What it wrote, relative to the run folder, with content hashes.
    pub outputs: BTreeMap<String, String>,
    /// Wall-clock seconds it took; of an interrupted stage those of its last part.
    pub seconds: f64,
    /// Vector instructions of the kernels that finished it (`portable`, `avx2`, `avx512`, `amx`): its bits are of these.
    #[serde(default)]
    pub instructions: String,
    /// Whether it was begun again since, from something else, and not finished: what is noted here is of before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// What a reader of its figures must know; printed in the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl StageRecord {
    /// One hash of all outputs.
    pub fn output_hash(&self) -> String {
        let lines: String = self.outputs.iter().map(|(path, hash)| format!("{path}\t{hash}\n")).collect();
        limbeck_data::hash::hash_bytes(lines.as_bytes())
    }
}

impl Manifest {
    /// Reads the folder's manifest; an absent or unreadable one counts as none, and everything is made anew.
    pub(crate) fn read(root: &Path) -> Self {
        Self::find(root).unwrap_or_default()
    }

    /// The folder's manifest, when it has one that can be read.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        read_json(&root.join(MANIFEST)).ok()
    }

    /// Writes it, atomically.
    pub(crate) fn write(&self, root: &Path) -> Result<(), PipelineError> {
        Ok(write_json(&root.join(MANIFEST), self)?)
    }

    /// Keeps what is to be said of an input, in place of what was said before.
    pub(crate) fn note(&mut self, role: &str, sentences: Vec<String>) {
        self.notes.remove(role);
        if !sentences.is_empty() {
            self.notes.insert(role.to_owned(), sentences);
        }
    }

    /// Forgets the input of a role.
    pub(crate) fn forget_input(&mut self, role: &str) {
        self.inputs.retain(|one| one.role != role);
    }

    /// Whether the stage was done from these very inputs and its outputs are still what it wrote.
    pub(crate) fn holds(&self, stage: &str, fingerprint: &str, root: &Path) -> bool {
        self.stages.get(stage).is_some_and(|record| {
            record.fingerprint == fingerprint
                && record
                    .outputs
                    .iter()
                    .all(|(path, hash)| hash_path(&root.join(path)).is_ok_and(|found| found == *hash))
        })
    }

    /// Notes an input, replacing what stood there for its role.
    pub(crate) fn note_input(&mut self, input: Input) {
        self.forget_input(&input.role);
        self.inputs.push(input);
        self.inputs.sort_by(|a, b| a.role.cmp(&b.role));
    }
}
