//! Models on disk: opening a Hugging Face folder or a GGUF file, writing a folder with its lineage.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use limbeck_data::atomic::{self, AtomicFolder};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::tokenizer::Tokenizer;
use crate::weights::gguf::{GgufFile, GgufSource, hf_config};
use crate::weights::{
    FloatFormat, SafetensorsSource, WeightSource, WeightsError, read_whole, write_safetensors,
};

/// Bytes of the longest configuration.
const LONGEST_CONFIG: u64 = 16 << 20;

/// A model's files, opened and checked, before a decoder is made of them.
pub struct ModelFiles {
    /// The Hugging Face configuration.
    pub config: Json,
    /// The file it was read from.
    pub config_path: PathBuf,
    /// The tensors under Hugging Face names.
    pub weights: Box<dyn WeightSource>,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// BLAKE3 (hex) of configuration and weights; of the whole file for GGUF.
    pub hash: String,
    /// The path it was opened from.
    pub origin: String,
}

/// Opens a Hugging Face folder (config.json, safetensors, tokenizer.json) or a `.gguf` file.
///
/// # Errors
/// [`WeightsError`] with the file and what is wrong in it.
pub fn open_model(path: &Path) -> Result<ModelFiles, WeightsError> {
    let origin = path.display().to_string();
    if path.is_dir() {
        let config_path = path.join("config.json");
        let bytes = read_whole(&config_path, LONGEST_CONFIG).map_err(|error| match error {
            WeightsError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                WeightsError::NotAModel { path: path.to_path_buf(), missing: "config.json" }
            }
            other => other,
        })?;
        let config = serde_json::from_slice(&bytes)
            .map_err(|source| WeightsError::Json { path: config_path.clone(), source })?;
        let weights = SafetensorsSource::open(path)?;
        let tokenizer = Tokenizer::from_folder(path)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        for file in weights.files() {
            hasher.update(&(file.len() as u64).to_le_bytes()).update(file);
        }
        let hash = hasher.finalize().to_hex().to_string();
        return Ok(ModelFiles { config, config_path, weights: Box::new(weights), tokenizer, hash, origin });
    }
    let file = GgufFile::open(path)?;
    let config = hf_config(&file).map_err(WeightsError::gguf(path))?;
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let hash = file.hash();
    let config_path = path.to_path_buf();
    Ok(ModelFiles { config, config_path, weights: Box::new(GgufSource::new(file)?), tokenizer, hash, origin })
}

/// Something a model was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredient {
    /// Path or locator.
    pub name: String,
    /// Content hash.
    pub hash: String,
}

/// Where a model comes from: the content of its model card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// The model's name.
    pub name: String,
    /// The teacher it was distilled from.
    pub teacher: Option<Ingredient>,
    /// What it was initialised from, when that is not the teacher.
    pub base: Option<Ingredient>,
    /// The data it was trained on.
    pub data: Vec<Ingredient>,
    /// The text of the resolved recipe (TOML).
    pub recipe: Option<String>,
    /// Measured values by name.
    pub metrics: BTreeMap<String, f64>,
    /// Further sentences.
    pub notes: Vec<String>,
}

impl Lineage {
    /// The model card in Markdown, with the front matter the Hugging Face hub reads.
    #[must_use]
    pub fn card(&self) -> String {
        let mut card = String::from(
            "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- distillation\n- limbeck\n",
        );
        if let Some(teacher) = &self.teacher {
            let _ = writeln!(card, "base_model:\n- {}", Json::from(teacher.name.as_str()));
        }
        let _ = writeln!(card, "---\n\n# {}\n\nMade by Limbeck {}.\n", self.name, env!("CARGO_PKG_VERSION"));
        let _ = writeln!(card, "## Lineage\n\n| part | name | content hash |\n|---|---|---|");
        let parts = self
            .teacher
            .iter()
            .map(|item| ("teacher", item))
            .chain(self.base.iter().map(|item| ("start", item)));
        for (part, item) in parts.chain(self.data.iter().map(|item| ("data", item))) {
            let _ = writeln!(card, "| {part} | {} | `{}` |", cell(&item.name), cell(&item.hash));
        }
        if !self.metrics.is_empty() {
            let _ = writeln!(card, "\n## Measured\n\n| metric | value |\n|---|---|");
            for (name, value) in &self.metrics {
                let _ = writeln!(card, "| {} | {value:.6} |", cell(name));
            }
        }
        for note in &self.notes {
            let _ = writeln!(card, "\n{note}");
        }
        if let Some(recipe) = &self.recipe {
            // A fence longer than any run of backticks in the recipe.
            let longest = recipe.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
            let fence = "`".repeat(longest.max(2) + 1);
            let _ = writeln!(card, "\n## Recipe\n\n{fence}toml\n{}\n{fence}", recipe.trim_end());
        }
        card
    }
}

/// Text that cannot end a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Writes a folder that transformers loads: config.json, generation_config.json, model.safetensors, tokenizer.json,
/// tokenizer_config.json, README.md with the lineage, lineage.json with the same facts. The folder appears complete or not at all;
/// what stood there is replaced.
///
/// # Errors
/// What reading the weights or writing the files reports.
pub fn save_folder_pieces(
    folder: &Path,
    config: &Json,
    weights: &mut dyn WeightSource,
    tokenizer: &Tokenizer,
    lineage: &Lineage,
    format: FloatFormat,
) -> Result<(), WeightsError> {
    let out = AtomicFolder::create(folder)?;
    let gpt2 = config.get("model_type").and_then(Json::as_str) == Some("gpt2");
    let rename = |name: &str| {
        if gpt2 && name != "lm_head.weight" { format!("transformer.{name}") } else { name.to_owned() }
    };
    write_safetensors(&out.path().join("model.safetensors"), weights, format, &rename)?;

    let mut config = config.clone();
    tokenizer.put_ids(&mut config);
    let dtype = match format {
        FloatFormat::F32 => "float32",
        FloatFormat::F16 => "float16",
        FloatFormat::Bf16 => "bfloat16",
    };
    // The newer and the older name of the key.
    config["dtype"] = dtype.into();
    config["torch_dtype"] = dtype.into();
    let length = ["max_position_embeddings", "n_positions"]
        .into_iter()
        .find_map(|key| config.get(key))
        .and_then(Json::as_u64);
    atomic::write_json(&out.path().join("config.json"), &config)?;
    atomic::write_json(&out.path().join("generation_config.json"), &tokenizer.to_generation_config())?;
    atomic::write_atomic(&out.path().join("tokenizer.json"), tokenizer.to_tokenizer_json()?.as_bytes())?;
    atomic::write_json(&out.path().join("tokenizer_config.json"), &tokenizer.to_tokenizer_config(length))?;
    atomic::write_json(&out.path().join("lineage.json"), lineage)?;
    atomic::write_atomic(&out.path().join("README.md"), lineage.card().as_bytes())?;
    out.commit()?;
    Ok(())
}
