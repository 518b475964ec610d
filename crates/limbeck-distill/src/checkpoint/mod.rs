//! Checkpoints: everything a killed training needs to go on to the same bits.
//!
//! A checkpoint is a folder `step-NNNNNNNN` of two files, written beside its place and renamed into it: `tensors.safetensors`
//! (what is trained, and AdamW's two moments of each) and `state.json` ([`State`]). The order of the data is a pure
//! function of seed and step, so there is no other random state to keep.

mod fingerprint;
mod tensors;

use std::path::{Path, PathBuf};

use limbeck_data::atomic::{AtomicFolder, read_json, write_json};
use limbeck_data::hash::{hash_bytes, hash_file};
use limbeck_data::progress::Progress;
use serde::{Deserialize, Serialize};

pub use fingerprint::Fingerprint;

use crate::DistillError;
use crate::optimizer::Moments;
use crate::trainer::Network;

const STATE: &str = "state.json";
const TENSORS: &str = "tensors.safetensors";
/// Checkpoints that are kept: the newest, and the one before in case the newest is damaged.
const KEPT: usize = 2;
/// Version of this layout.
const VERSION: u32 = 2;

/// What a checkpoint says beside its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Version of the layout.
    pub version: u32,
    /// The network in training.
    pub network: String,
    /// Optimizer steps done.
    pub step: u64,
    /// Predictions trained on.
    pub tokens: u64,
    /// Wall-clock seconds of training, over all resumptions.
    pub seconds: f64,
    /// Which training it is.
    pub fingerprint: Fingerprint,
    /// BLAKE3 of the tensors' file, hex.
    pub tensors: String,
    /// BLAKE3 of all of the above, hex: figures that change by a flipped bit would be believed otherwise.
    pub hash: String,
}

impl State {
    /// The hash that belongs to the other fields.
    fn own_hash(&self) -> String {
        let fields = Self { hash: String::new(), ..self.clone() };
        hash_bytes(format!("{fields:?}").as_bytes())
    }
}

/// The figures a training carries from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Done {
    /// Optimizer steps done.
    pub step: u64,
    /// Predictions trained on.
    pub tokens: u64,
    /// Wall-clock seconds of training, over all resumptions.
    pub seconds: f64,
}

/// The checkpoints of one training.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    dir: PathBuf,
    network: String,
    fingerprint: Fingerprint,
}

impl Checkpoints {
    /// The checkpoints of `network` below `dir`, which need not exist yet.
    pub fn new(dir: &Path, network: &str, fingerprint: Fingerprint) -> Self {
        Self { dir: dir.to_path_buf(), network: network.to_string(), fingerprint }
    }

    /// Writes a checkpoint and removes all but the newest two.
    ///
    /// # Errors
    /// When the disk says no. The checkpoints that stood before stay.
    pub fn write(&self, done: Done, network: &Network, moments: &Moments) -> Result<(), DistillError> {
        let place = self.dir.join(format!("step-{:08}", done.step));
        let folder = AtomicFolder::create(&place)?;
        let tensors = folder.path().join(TENSORS);
        tensors::write(&tensors, network, moments)?;
        let mut state = State {
            version: VERSION,
            network: self.network.clone(),
            step: done.step,
            tokens: done.tokens,
            seconds: done.seconds,
            fingerprint: self.fingerprint.clone(),
            tensors: hash_file(&tensors)?,
            hash: String::new(),
        };
        state.hash = state.own_hash();
        write_json(&folder.path().join(STATE), &state)?;
        folder.commit_owned()?;
        for (_, old) in self.list()?.into_iter().skip(KEPT) {
            std::fs::remove_dir_all(&old).map_err(DistillError::io("remove", old))?;
        }
        Ok(())
    }

    /// Goes on from the newest whole checkpoint, if there is one; damaged ones are passed over with a note.
    ///
    /// # Errors
    /// [`DistillError::CheckpointMismatch`] when a whole checkpoint belongs to another training.
    pub fn resume(
        &self,
        mut network: Network,
        moments: &mut Moments,
        progress: &dyn Progress,
    ) -> Result<(Network, Done), DistillError> {
        self.sweep()?;
        for (_, place) in self.list()? {
            let state = match self.whole(&place) {
                Ok(state) => state,
                Err(DistillError::CheckpointDamaged { path, reason }) => {
                    progress.note(&format!("passing over the checkpoint {}: {reason}", path.display()));
                    continue;
                }
                Err(other) => return Err(other),
            };
            self.fingerprint.compare(&place, &state.fingerprint)?;
            network = tensors::read(&place.join(TENSORS), network, moments)?;
            return Ok((network, Done { step: state.step, tokens: state.tokens, seconds: state.seconds }));
        }
        Ok((network, Done::default()))
    }

    /// Reads a checkpoint's state and checks that its tensors are those it was written with.
    fn whole(&self, place: &Path) -> Result<State, DistillError> {
        let damaged = |reason: String| DistillError::CheckpointDamaged { path: place.to_path_buf(), reason };
        let state: State = read_json(&place.join(STATE)).map_err(|error| damaged(error.to_string()))?;
        if state.version != VERSION {
            return Err(damaged(format!(
                "its layout is version {}, this program reads {VERSION}",
                state.version
            )));
        }
        if state.own_hash() != state.hash {
            return Err(damaged(format!("{STATE} is not as it was written")));
        }
        if state.network != self.network {
            return Err(DistillError::CheckpointMismatch {
                path: place.to_path_buf(),
                what: "network",
                found: state.network,
                expected: self.network.clone(),
            });
        }
        let found = hash_file(&place.join(TENSORS)).map_err(|error| damaged(error.to_string()))?;
        match found == state.tensors {
            true => Ok(state),
            false => Err(damaged(format!("{TENSORS} hashes to {found}, state.json says {}", state.tensors))),
        }
    }

    /// The checkpoints, newest first.
    fn list(&self) -> Result<Vec<(u64, PathBuf)>, DistillError> {
        let mut found = Vec::new();
        for (name, path) in entries(&self.dir)? {
            if let Some(step) = name.strip_prefix("step-").and_then(|digits| digits.parse().ok()) {
                found.push((step, path));
            }
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// Removes what a kill left half-written.
    fn sweep(&self) -> Result<(), DistillError> {
        for (name, path) in entries(&self.dir)? {
            if name.starts_with('.') && name.ends_with(".tmp") && path.is_dir() {
                std::fs::remove_dir_all(&path).map_err(DistillError::io("remove", path))?;
            }
        }
        Ok(())
    }
}

/// Removes all checkpoints of a training whose weights have found their final place.
///
/// # Errors
/// When the folder cannot be removed; a missing one is fine.
pub fn forget(dir: &Path) -> Result<(), DistillError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DistillError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Names and paths in a folder; none when it does not exist.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, DistillError> {
    let listing = match std::fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DistillError::io("list", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(DistillError::io("list", dir))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}
