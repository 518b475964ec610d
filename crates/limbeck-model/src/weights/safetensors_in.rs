//! Reading safetensors, one file or several with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::error::WeightsError;
use super::float;
use super::mapped::{MappedFile, read_whole};
use super::safetensors_header::{self, Entry, Header};
use super::source::{HostTensor, WeightSource};

/// File name of an unsharded model.
pub(crate) const SINGLE_FILE: &str = "model.safetensors";
/// File name of the list of shards.
pub(crate) const INDEX_FILE: &str = "model.safetensors.index.json";

/// Bytes of the longest index; that of a model of a thousand layers has one megabyte.
const LONGEST_INDEX: u64 = 64 << 20;

/// The weights in one or several safetensors files, memory-mapped.
///
/// Names are the family's Hugging Face names; GPT-2's `transformer.` prefix is taken off, and buffers that are no weights (causal
/// masks, rotary frequencies) are not listed. A name that `save_model` left out, because another tensor shares its memory, is
/// listed when the file's `__metadata__` says which.
#[derive(Debug)]
pub struct SafetensorsSource {
    files: Vec<MappedFile>,
    tensors: BTreeMap<String, (usize, Entry)>,
}

impl SafetensorsSource {
    /// Opens a `.safetensors` file, or the `model.safetensors` or `model.safetensors.index.json` of a folder.
    ///
    /// # Errors
    /// [`WeightsError`] when nothing is there, a header is damaged, two shards hold the same tensor, or a shard lacks a tensor
    /// that the index places there.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        if !path.is_dir() {
            return Self::from_files(vec![MappedFile::open(path)?]);
        }
        let single = path.join(SINGLE_FILE);
        if single.is_file() {
            return Self::from_files(vec![MappedFile::open(&single)?]);
        }
        let index = path.join(INDEX_FILE);
        if !index.is_file() {
            return Err(WeightsError::NotAModel { path: path.to_path_buf(), missing: "model.safetensors" });
        }
        Self::open_sharded(path, &index)
    }

    /// Files already mapped; the first problem found is returned.
    ///
    /// # Errors
    /// [`WeightsError::Safetensors`] for a damaged header, [`WeightsError::DuplicateTensor`].
    pub fn from_files(files: Vec<MappedFile>) -> Result<Self, WeightsError> {
        let mut tensors: BTreeMap<String, (usize, Entry)> = BTreeMap::new();
        let mut shared = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let Header { entries, metadata } = safetensors_header::read(file)
                .map_err(|reason| WeightsError::Safetensors { path: file.path().to_path_buf(), reason })?;
            for (stored, entry) in entries {
                let Some(name) = canonical_name(&stored) else {
                    continue;
                };
                if let Some((first, _)) = tensors.get(name) {
                    return Err(WeightsError::DuplicateTensor {
                        tensor: name.to_owned(),
                        first: files.get(*first).map(|file| file.path().to_path_buf()).unwrap_or_default(),
                        second: file.path().to_path_buf(),
                    });
                }
                tensors.insert(name.to_owned(), (number, entry));
            }
            shared.extend(metadata);
        }
        for (left_out, kept) in shared {
            let names = canonical_name(&left_out).zip(canonical_name(&kept));
            let found = names.and_then(|(name, kept)| Some((name, tensors.get(kept)?.clone())));
            if let Some((name, place)) = found {
                tensors.entry(name.to_owned()).or_insert(place);
            }
        }
        Ok(Self { files, tensors })
    }

    fn open_sharded(folder: &Path, index: &Path) -> Result<Self, WeightsError> {
        let map = read_index(index)?;
        let shards: BTreeSet<&str> = map.values().map(String::as_str).collect();
        let mut files = Vec::with_capacity(shards.len());
        for shard in shards {
            // A shard name comes from a file: it must not lead out of the folder.
            let plain = Path::new(shard).components().all(|part| matches!(part, Component::Normal(_)));
            if !plain {
                return Err(WeightsError::JsonValue {
                    path: index.to_path_buf(),
                    key: format!("weight_map value {shard:?}"),
                    expected: "a file name in the same folder",
                });
            }
            files.push(MappedFile::open(&folder.join(shard))?);
        }
        let source = Self::from_files(files)?;
        for (stored, shard) in &map {
            let Some(name) = canonical_name(stored) else {
                continue;
            };
            let there = source.tensors.get(name).and_then(|(number, _)| source.files.get(*number));
            if there.is_none_or(|file| file.path() != folder.join(shard)) {
                return Err(WeightsError::MissingTensor {
                    tensor: stored.clone(),
                    origin: folder.join(shard).display().to_string(),
                });
            }
        }
        Ok(source)
    }

    /// The files the weights lie in.
    #[must_use]
    pub fn files(&self) -> &[MappedFile] {
        &self.files
    }

    fn find(&self, name: &str) -> Result<(&MappedFile, &Entry), WeightsError> {
        let found =
            self.tensors.get(name).and_then(|(number, entry)| Some((self.files.get(*number)?, entry)));
        found.ok_or_else(|| WeightsError::MissingTensor { tensor: name.to_owned(), origin: self.origin() })
    }
}

impl WeightSource for SafetensorsSource {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn shape(&mut self, name: &str) -> Result<Vec<usize>, WeightsError> {
        self.find(name).map(|(_, entry)| entry.shape.clone())
    }

    fn tensor(&mut self, name: &str) -> Result<HostTensor, WeightsError> {
        let (file, entry) = self.find(name)?;
        let bytes = file.get(entry.range.clone()).unwrap_or_default();
        let values = match entry.dtype.as_str() {
            "F32" => float::from_f32(bytes),
            "F16" => float::from_f16(bytes),
            "BF16" => float::from_bf16(bytes),
            "F64" => float::from_f64(bytes),
            other => {
                return Err(WeightsError::UnsupportedType {
                    path: file.path().to_path_buf(),
                    tensor: name.to_owned(),
                    found: other.to_owned(),
                });
            }
        };
        WeightsError::check_finite(file.path(), name, &values)?;
        HostTensor::new(name, entry.shape.clone(), values)
    }

    fn origin(&self) -> String {
        self.files.first().map(|file| file.path().display().to_string()).unwrap_or_default()
    }
}

/// The family's own name of a stored tensor, or `None` for buffers that are no weights.
fn canonical_name(stored: &str) -> Option<&str> {
    let name = stored.strip_prefix("transformer.").unwrap_or(stored);
    let mask =
        name.starts_with("h.") && (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
    (!mask && !name.ends_with("rotary_emb.inv_freq")).then_some(name)
}

/// The `weight_map` of an index: tensor name to file name.
fn read_index(path: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    let bytes = read_whole(path, LONGEST_INDEX)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|source| WeightsError::Json { path: PathBuf::from(path), source })?;
    let wrong = || WeightsError::JsonValue {
        path: path.to_path_buf(),
        key: "weight_map".to_owned(),
        expected: "an object from tensor names to file names",
    };
    let map = value.get("weight_map").and_then(serde_json::Value::as_object).ok_or_else(wrong)?;
    map.iter().map(|(name, file)| Ok((name.clone(), file.as_str().ok_or_else(wrong)?.to_owned()))).collect()
}
