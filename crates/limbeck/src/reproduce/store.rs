//! Trained networks on disk, in folders named by the hash of all that decides their weights.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use limbeck_data::atomic::{AtomicFolder, read_json, write_json};
use limbeck_data::hash::hash_bytes;
use limbeck_distill::classifier::{EpochRecord, TrainedClassifier};
use limbeck_model::{Mlp, load_classifier, save_classifier};
use serde::{Deserialize, Serialize};

use super::ReproduceError;

const WEIGHTS: &str = "classifier.safetensors";
const RECORD: &str = "training.json";

/// A trained network with its record.
#[derive(Debug, Clone)]
pub struct StoredNetwork {
    /// The network.
    pub network: Mlp,
    /// The name of its folder.
    pub key: String,
    /// How it was trained.
    pub record: TrainingRecord,
}

/// `training.json`: how a network was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecord {
    /// All that decides the weights.
    pub identity: serde_json::Value,
    /// The epoch whose weights were kept.
    pub epoch: u64,
    /// Wall-clock seconds of training.
    pub seconds: f64,
    /// One record an epoch.
    pub curve: Vec<EpochRecord>,
}

/// The folder of networks.
#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The name of the folder of the network with this identity.
    pub(super) fn key(identity: &serde_json::Value) -> String {
        hash_bytes(identity.to_string().as_bytes())[..24].to_owned()
    }

    fn folder(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// The network, when it is there. A folder takes its name once it is whole, so a damaged one is an error.
    pub(super) fn read(&self, key: &str) -> Result<Option<StoredNetwork>, ReproduceError> {
        let folder = self.folder(key);
        if !folder.is_dir() {
            return Ok(None);
        }
        let record: TrainingRecord = read_json(&folder.join(RECORD))?;
        let network = load_classifier(&folder.join(WEIGHTS), &Device::default())?;
        Ok(Some(StoredNetwork { network, key: key.to_owned(), record }))
    }

    /// Keeps a network.
    pub(super) fn write(
        &self,
        key: &str,
        identity: serde_json::Value,
        trained: TrainedClassifier,
    ) -> Result<StoredNetwork, ReproduceError> {
        let TrainedClassifier { network, curve, epoch, seconds } = trained;
        let record = TrainingRecord { identity, epoch, seconds, curve };
        let building = AtomicFolder::create(&self.folder(key))?;
        save_classifier(&building.path().join(WEIGHTS), &network)?;
        write_json(&building.path().join(RECORD), &record)?;
        building.commit()?;
        Ok(StoredNetwork { network, key: key.to_owned(), record })
    }
}

/// BLAKE3 of a list of row numbers.
pub(super) fn hash_rows(rows: &[usize]) -> String {
    hash_bytes(&rows.iter().flat_map(|row| (*row as u64).to_le_bytes()).collect::<Vec<u8>>())
}

/// BLAKE3 of a list of floats.
pub(super) fn hash_floats(values: &[f32]) -> String {
    hash_bytes(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// BLAKE3 of a list of classes.
pub(super) fn hash_classes(values: &[u32]) -> String {
    hash_bytes(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// BLAKE3 of a network's weights.
pub(super) fn hash_network(network: &Mlp) -> String {
    let parts: Vec<String> = network
        .layers()
        .iter()
        .map(|layer| format!("{} {}", hash_floats(&layer.weight), hash_floats(&layer.bias)))
        .collect();
    hash_bytes(parts.join("\n").as_bytes())
}

/// Where a program keeps its networks below the folder of an experiment.
pub(super) fn networks(out: &Path) -> PathBuf {
    out.join("networks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_network_is_found_again_by_its_identity() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(networks(place.path()));
        let identity = json!({ "seed": 1, "rows": hash_rows(&[1, 2]) });
        let key = Store::key(&identity);
        assert!(store.read(&key).unwrap().is_none());
        let network = Mlp::init(&[3, 2], 1, &Device::default()).unwrap();
        let trained =
            TrainedClassifier { network: network.clone(), curve: Vec::new(), epoch: 4, seconds: 1.5 };
        store.write(&key, identity.clone(), trained).unwrap();
        let again = store.read(&key).unwrap().unwrap();
        assert_eq!(hash_network(&again.network), hash_network(&network));
        assert_eq!((again.record.epoch, &again.record.identity), (4, &identity));
        assert_ne!(Store::key(&json!({ "seed": 2 })), key);
        assert_ne!(hash_rows(&[1, 2]), hash_rows(&[2, 1]));
        assert_ne!(hash_classes(&[1]), hash_floats(&[1.0]));
    }
}
