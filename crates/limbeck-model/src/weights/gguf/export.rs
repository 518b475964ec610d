//! A model as a GGUF file that llama.cpp loads.

use std::collections::BTreeMap;
use std::path::Path;

use limbeck_data::atomic;
use serde_json::Value as Json;

use super::blocks::TensorType;
use super::config::ROPE_FREQS;
use super::error::GgufError;
use super::names::{Architecture, Layout};
use super::quantise::quantise_q8_0;
use super::rope::{Llama3Rope, halves_to_pairs};
use super::value::Value;
use super::writer::{GgufWriter, StoredTensor};
use crate::tokenizer::Tokenizer;
use crate::weights::error::WeightsError;
use crate::weights::float::FloatFormat;
use crate::weights::source::{HostTensor, WeightSource};

/// The storage type of an exported model's matrices. Vectors are always F32, as in llama.cpp's own converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GgufDtype {
    /// 32 bits.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// Blocks of 32 signed bytes with one half-precision scale; matrices whose rows are not whole blocks become F16.
    Q8_0,
}

impl GgufDtype {
    /// The stored type of a tensor.
    fn stored_type(self, shape: &[usize]) -> TensorType {
        let row = shape.last().copied().unwrap_or(0);
        match self {
            _ if shape.len() < 2 => TensorType::F32,
            Self::F32 => TensorType::F32,
            Self::Q8_0 if row % 32 == 0 => TensorType::Q8_0,
            Self::F16 | Self::Q8_0 => TensorType::F16,
        }
    }

    /// llama.cpp's number for "mostly this type".
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
        }
    }
}

/// Writes a model of one of the four families as GGUF version 3. The file appears complete or not at all.
///
/// `config` is the Hugging Face configuration, `weights` give Hugging Face names and layouts. The vocabulary is padded with unused
/// tokens to the rows of the embedding.
///
/// # Errors
/// [`WeightsError::Config`] for a missing key, [`WeightsError::NotExportable`] for a model or tokenizer without a GGUF form, and
/// what reading the weights or writing the file reports.
pub fn save_gguf_pieces(
    path: &Path,
    config: &Json,
    weights: &mut dyn WeightSource,
    tokenizer: &Tokenizer,
    dtype: GgufDtype,
) -> Result<(), WeightsError> {
    let settings = Settings { config };
    let architecture = Architecture::parse(settings.text("model_type")?).map_err(WeightsError::gguf(path))?;
    let mut metadata = settings.metadata(architecture)?;
    metadata.insert("general.file_type".into(), Value::U32(dtype.file_type()));
    metadata.insert("general.quantization_version".into(), Value::U32(2));
    let vocab = usize::try_from(settings.count("vocab_size")?).unwrap_or(usize::MAX);
    metadata.extend(tokenizer.gguf_metadata(vocab)?);

    let tied = settings
        .config
        .get("tie_word_embeddings")
        .and_then(Json::as_bool)
        .unwrap_or(architecture == Architecture::Gpt2);
    let mut tensors = Vec::new();
    let mut sources = BTreeMap::new();
    for name in weights.names().into_iter().filter(|name| !(tied && name == "lm_head.weight")) {
        let stored = architecture.to_gguf(&name).ok_or_else(|| {
            let error = GgufError::UnknownTensor {
                tensor: name.clone(),
                architecture: architecture.name().to_owned(),
            };
            WeightsError::gguf(path)(error)
        })?;
        let mut shape = weights.shape(&name)?;
        if architecture.layout(&name) == Layout::Transposed {
            shape.reverse();
        }
        // llama.cpp looks positions up in F32 only.
        let kind = if stored == "position_embd.weight" { TensorType::F32 } else { dtype.stored_type(&shape) };
        tensors.push(StoredTensor { name: stored.clone(), kind, shape });
        sources.insert(stored, name);
    }
    let factors = settings.rope_factors()?;
    if let Some(factors) = &factors {
        tensors.push(StoredTensor {
            name: ROPE_FREQS.to_owned(),
            kind: TensorType::F32,
            shape: vec![factors.len()],
        });
    }
    let heads = settings.heads(architecture)?;
    let writer = GgufWriter { metadata, tensors };
    atomic::write_atomic_with(path, |out| {
        writer.write(out, &mut |stored| {
            let values = match sources.get(&stored.name) {
                None => factors.clone().unwrap_or_default(),
                Some(name) => {
                    let tensor = weights.tensor(name).map_err(std::io::Error::other)?;
                    to_gguf_layout(tensor, architecture.layout(name), heads).values
                }
            };
            Ok(encode(stored.kind, &values))
        })
    })?;
    Ok(())
}

fn to_gguf_layout(tensor: HostTensor, layout: Layout, (heads, key_heads): (usize, usize)) -> HostTensor {
    match layout {
        Layout::Same => tensor,
        Layout::Transposed => tensor.transposed(),
        Layout::RotaryQuery => halves_to_pairs(tensor, heads),
        Layout::RotaryKey => halves_to_pairs(tensor, key_heads),
    }
}

fn encode(kind: TensorType, values: &[f32]) -> Vec<u8> {
    match kind {
        TensorType::Q8_0 => quantise_q8_0(values),
        TensorType::F16 => FloatFormat::F16.encode(values),
        _ => FloatFormat::F32.encode(values),
    }
}

/// A Hugging Face configuration, read for export.
struct Settings<'a> {
    config: &'a Json,
}

impl Settings<'_> {
    fn text(&self, key: &str) -> Result<&str, WeightsError> {
        self.config.get(key).and_then(Json::as_str).ok_or_else(|| wrong(key, "a string"))
    }

    fn count(&self, key: &str) -> Result<u64, WeightsError> {
        self.config
            .get(key)
            .and_then(Json::as_u64)
            .ok_or_else(|| wrong(key, "an integer that is not negative"))
    }

    fn count_or(&self, key: &str, default: u64) -> Result<u64, WeightsError> {
        if self.config.get(key).is_none_or(Json::is_null) { Ok(default) } else { self.count(key) }
    }

    fn number(&self, key: &str) -> Result<f64, WeightsError> {
        self.config.get(key).and_then(Json::as_f64).ok_or_else(|| wrong(key, "a number"))
    }

    /// The rotary settings: `rope_parameters` of transformers 5, or the older `rope_scaling`.
    fn rope(&self) -> Option<&Json> {
        ["rope_parameters", "rope_scaling"]
            .into_iter()
            .filter_map(|key| self.config.get(key))
            .find(|value| value.is_object())
    }

    fn theta(&self) -> f64 {
        let nested = self.rope().and_then(|rope| rope.get("rope_theta"));
        nested.or_else(|| self.config.get("rope_theta")).and_then(Json::as_f64).unwrap_or(10000.0)
    }

    fn d_head(&self) -> Result<u64, WeightsError> {
        let heads = self.count("num_attention_heads")?.max(1);
        self.count_or("head_dim", self.count("hidden_size")? / heads)
    }

    fn heads(&self, architecture: Architecture) -> Result<(usize, usize), WeightsError> {
        if architecture == Architecture::Gpt2 {
            let heads = self.count("n_head")? as usize;
            return Ok((heads, heads));
        }
        let heads = self.count("num_attention_heads")?;
        Ok((heads as usize, self.count_or("num_key_value_heads", heads)? as usize))
    }

    fn rope_factors(&self) -> Result<Option<Vec<f32>>, WeightsError> {
        let Some(rope) = self.rope() else { return Ok(None) };
        let kind =
            rope.get("rope_type").or_else(|| rope.get("type")).and_then(Json::as_str).unwrap_or("default");
        match kind {
            "default" => Ok(None),
            "llama3" => {
                let number =
                    |key: &str| rope.get(key).and_then(Json::as_f64).ok_or_else(|| wrong(key, "a number"));
                let llama3 = Llama3Rope {
                    factor: number("factor")?,
                    low: number("low_freq_factor")?,
                    high: number("high_freq_factor")?,
                    original: number("original_max_position_embeddings")?,
                };
                Ok(Some(llama3.factors(self.theta(), self.d_head()? as usize)))
            }
            other => Err(WeightsError::NotExportable {
                format: "GGUF",
                reason: format!("rotary scaling {other:?} is not supported"),
            }),
        }
    }

    fn metadata(&self, architecture: Architecture) -> Result<BTreeMap<String, Value>, WeightsError> {
        let mut metadata = BTreeMap::new();
        let name = architecture.name();
        metadata.insert("general.architecture".into(), Value::String(name.to_owned()));
        metadata.insert("general.type".into(), Value::String("model".to_owned()));
        metadata.insert("general.name".into(), Value::String("limbeck student".to_owned()));
        let mut put = |key: &str, value: Value| metadata.insert(format!("{name}.{key}"), value);
        let count = |key: &str| -> Result<Value, WeightsError> {
            let value = self.count(key)?;
            u32::try_from(value).map(Value::U32).map_err(|_| wrong(key, "a 32-bit integer"))
        };
        if architecture == Architecture::Gpt2 {
            put("context_length", count("n_positions")?);
            put("embedding_length", count("n_embd")?);
            put("block_count", count("n_layer")?);
            put("attention.head_count", count("n_head")?);
            put(
                "feed_forward_length",
                Value::U32(self.count_or("n_inner", 4 * self.count("n_embd")?)? as u32),
            );
            put("attention.layer_norm_epsilon", Value::F32(self.number("layer_norm_epsilon")? as f32));
            return Ok(metadata);
        }
        let d_head = self.d_head()? as u32;
        put("context_length", count("max_position_embeddings")?);
        put("embedding_length", count("hidden_size")?);
        put("block_count", count("num_hidden_layers")?);
        put("feed_forward_length", count("intermediate_size")?);
        put("attention.head_count", count("num_attention_heads")?);
        put("attention.head_count_kv", Value::U32(self.heads(architecture)?.1 as u32));
        put("attention.key_length", Value::U32(d_head));
        put("attention.value_length", Value::U32(d_head));
        put("attention.layer_norm_rms_epsilon", Value::F32(self.number("rms_norm_eps")? as f32));
        put("rope.dimension_count", Value::U32(d_head));
        put("rope.freq_base", Value::F32(self.theta() as f32));
        put("vocab_size", count("vocab_size")?);
        Ok(metadata)
    }
}

fn wrong(key: &str, expected: &'static str) -> WeightsError {
    WeightsError::Config { key: key.to_owned(), expected }
}
