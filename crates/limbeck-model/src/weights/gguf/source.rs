//! The weights of a GGUF file under Hugging Face names and in Hugging Face's layout.

use std::collections::BTreeMap;

use super::config::{ROPE_FREQS, head_is_tied};
use super::error::GgufError;
use super::file::GgufFile;
use super::names::{Architecture, Layout};
use super::rope::pairs_to_halves;
use super::value::Value;
use crate::weights::error::WeightsError;
use crate::weights::source::{HostTensor, WeightSource};

/// A [`WeightSource`] over a GGUF file; tensors are dequantised when asked for.
#[derive(Debug)]
pub struct GgufSource {
    file: GgufFile,
    architecture: Architecture,
    heads: usize,
    key_heads: usize,
    /// Hugging Face name to GGUF name.
    names: BTreeMap<String, String>,
}

impl GgufSource {
    /// The weights of `file`.
    ///
    /// # Errors
    /// [`WeightsError::Gguf`] when the architecture is not supported, head counts are missing or a tensor has no place in it.
    pub fn new(file: GgufFile) -> Result<Self, WeightsError> {
        let path = file.path().to_path_buf();
        Self::build(file).map_err(WeightsError::gguf(&path))
    }

    fn build(file: GgufFile) -> Result<Self, GgufError> {
        let architecture = Architecture::parse(file.architecture()?)?;
        let heads_key = format!("{}.attention.head_count", architecture.name());
        let key_heads_key = format!("{heads_key}_kv");
        let count = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok());
        let heads = file.required(&heads_key, "an integer that is not negative", count)?;
        let key_heads =
            file.optional(&key_heads_key, "an integer that is not negative", count)?.unwrap_or(heads);
        let tied = head_is_tied(&file)?;
        let mut names = BTreeMap::new();
        for name in file.tensors().keys() {
            // The factors are part of the configuration; a copied head is the embedding.
            if name == ROPE_FREQS || (tied && name == "output.weight") {
                continue;
            }
            let hf = architecture.to_hf(name).ok_or_else(|| GgufError::UnknownTensor {
                tensor: name.clone(),
                architecture: architecture.name().to_owned(),
            })?;
            names.insert(hf, name.clone());
        }
        Ok(Self { file, architecture, heads, key_heads, names })
    }

    /// The file behind the weights.
    #[must_use]
    pub fn file(&self) -> &GgufFile {
        &self.file
    }

    fn stored(&self, name: &str) -> Result<&str, WeightsError> {
        self.names.get(name).map(String::as_str).ok_or_else(|| WeightsError::MissingTensor {
            tensor: name.to_owned(),
            origin: self.file.path().display().to_string(),
        })
    }
}

impl WeightSource for GgufSource {
    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn shape(&mut self, name: &str) -> Result<Vec<usize>, WeightsError> {
        let mut shape =
            self.file.tensors().get(self.stored(name)?).map(|info| info.shape.clone()).unwrap_or_default();
        if self.architecture.layout(name) == Layout::Transposed {
            shape.reverse();
        }
        Ok(shape)
    }

    fn tensor(&mut self, name: &str) -> Result<HostTensor, WeightsError> {
        let stored = self.stored(name)?;
        let path = self.file.path_of(stored);
        let tensor = self.file.tensor(stored).map_err(WeightsError::gguf(path))?;
        WeightsError::check_finite(path, stored, &tensor.values)?;
        Ok(match self.architecture.layout(name) {
            Layout::Same => tensor,
            Layout::Transposed => tensor.transposed(),
            Layout::RotaryQuery => pairs_to_halves(tensor, self.heads),
            Layout::RotaryKey => pairs_to_halves(tensor, self.key_heads),
        })
    }
    fn stored_name(&self, name: &str) -> String {
        self.names.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn origin(&self) -> String {
        self.file.path().display().to_string()
    }
}
