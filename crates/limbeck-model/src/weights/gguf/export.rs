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
use crate::config::{Activation, DecoderConfig, Family, Norm, Position, RopeScaling, activation_name};
use crate::tokenizer::Tokenizer;
use crate::weights::error::WeightsError;
use crate::weights::fit::check_held;
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

/// Refuses what a GGUF file cannot say: settings of a network that its architecture has no key for, so that every reader would
/// compute another network, and tokenizers without a form in the format. What passes can be written, save for values that the number
/// format cannot hold.
///
/// # Errors
/// [`WeightsError::NotExportable`] naming the setting and what would work; what the tokenizer reports.
pub fn check_gguf(config: &DecoderConfig, tokenizer: &Tokenizer) -> Result<(), WeightsError> {
    refuse_unsaid(config)?;
    metadata(config)?;
    tokenizer.gguf_metadata(config.vocab_size)?;
    Ok(())
}

/// Writes a model of one of the four families as GGUF version 3. The file appears complete or not at all.
///
/// `config` is the Hugging Face configuration, `weights` give Hugging Face names and layouts. The vocabulary is padded with unused
/// tokens to the rows of the embedding.
///
/// # Errors
/// [`WeightsError::Config`] for a configuration that is no decoder's, [`WeightsError::NotExportable`] for a model or tokenizer without
/// a GGUF form, [`WeightsError::NotHeld`] for values that the number format cannot hold, and what reading the weights or writing the
/// file reports.
pub fn save_gguf_pieces(
    path: &Path,
    config: &Json,
    weights: &mut dyn WeightSource,
    tokenizer: &Tokenizer,
    dtype: GgufDtype,
) -> Result<(), WeightsError> {
    let config = DecoderConfig::from_hf_json(config)?;
    refuse_unsaid(&config)?;
    let architecture = Architecture::of(config.family);
    let mut metadata = metadata(&config)?;
    metadata.insert("general.file_type".into(), Value::U32(dtype.file_type()));
    metadata.insert("general.quantization_version".into(), Value::U32(2));
    metadata.extend(tokenizer.gguf_metadata(config.vocab_size)?);

    let mut tensors = Vec::new();
    let mut sources = BTreeMap::new();
    for name in weights.names().into_iter().filter(|name| !(config.tied && name == "lm_head.weight")) {
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
    let factors = rope_factors(&config);
    if let Some(factors) = &factors {
        tensors.push(StoredTensor {
            name: ROPE_FREQS.to_owned(),
            kind: TensorType::F32,
            shape: vec![factors.len()],
        });
    }
    let heads = (config.n_heads, config.n_kv_heads);
    let writer = GgufWriter { metadata, tensors };
    let mut refused = None;
    let written = atomic::write_atomic_with(path, |out| {
        writer.write(out, &mut |stored| {
            let Some(name) = sources.get(&stored.name) else {
                return Ok(FloatFormat::F32.encode(factors.as_deref().unwrap_or_default()));
            };
            let bytes = weights.tensor(name).and_then(|tensor| {
                let tensor = to_gguf_layout(tensor, architecture.layout(name), heads);
                let bytes = encode(stored.kind, &tensor.values);
                let format = format!("{:?}", stored.kind).to_lowercase();
                check_held(&stored.name, &tensor, &stored.kind.dequantise(&bytes), &format)?;
                Ok(bytes)
            });
            bytes.map_err(|error| {
                let message = error.to_string();
                refused = Some(error);
                std::io::Error::other(message)
            })
        })
    });
    // What stopped the writing is the reason, not the writing.
    match refused {
        Some(error) => Err(error),
        None => Ok(written?),
    }
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

/// What no key of the architecture says: every reader takes the family's own.
fn refuse_unsaid(config: &DecoderConfig) -> Result<(), WeightsError> {
    let architecture = Architecture::of(config.family).name();
    let family = config.family;
    let refuse = |setting: String, instead: &str| {
        Err(WeightsError::NotExportable {
            format: "GGUF",
            reason: format!(
                "{setting}, and architecture {architecture} has no key for it: every reader would take {instead}; a Hugging Face \
                 folder keeps it"
            ),
        })
    };
    let (key, own, own_name) = match family {
        Family::Gpt2 => ("activation_function", Activation::GeluTanh, "gelu_new"),
        _ => ("hidden_act", Activation::Silu, "silu"),
    };
    if config.activation != own {
        let name = activation_name(config.activation);
        return refuse(format!("{key} is {name}"), own_name);
    }
    let biases = [config.qkv_bias, config.out_bias, config.mlp_bias];
    // llama.cpp's Llama takes all biases that are there; those of q, k and v come together with that of the output.
    let fits = match family {
        Family::Gpt2 => biases == [true; 3],
        Family::Llama => config.qkv_bias == config.out_bias,
        Family::Qwen2 => biases == [true, false, false],
        Family::Qwen3 => biases == [false; 3],
    };
    if !fits {
        let [qkv, out, mlp] = biases;
        let key = if mlp && family != Family::Gpt2 { "mlp_bias" } else { "attention_bias" };
        return refuse(
            format!("{key}: biases are {qkv} on q, k and v, {out} on the output, {mlp} in the MLP"),
            "its own",
        );
    }
    if config.gated == (family == Family::Gpt2) {
        return refuse(format!("the gate of the MLP is {}", config.gated), "its own form");
    }
    if config.qk_norm != (family == Family::Qwen3) {
        return refuse(format!("the norm of queries and keys is {}", config.qk_norm), "its own form");
    }
    if matches!(config.norm, Norm::Layer { .. }) != (family == Family::Gpt2) {
        return refuse("the kind of norm is another".to_owned(), "its own");
    }
    match config.position {
        Position::Learned if family != Family::Gpt2 => {
            refuse("positions are learned".to_owned(), "rotary ones")
        }
        Position::Rotary { .. } if family == Family::Gpt2 => {
            refuse("positions are rotary".to_owned(), "learned ones")
        }
        Position::Rotary { scaling: Some(RopeScaling::Llama3(_)), .. } if family != Family::Llama => refuse(
            "rope_parameters.rope_type is llama3 (factors that only architecture llama stores)".to_owned(),
            "unscaled positions, or refuse the file",
        ),
        _ if family == Family::Gpt2
            && (config.n_kv_heads != config.n_heads || config.n_heads * config.d_head != config.d_model) =>
        {
            refuse("heads do not share the width evenly".to_owned(), "its own form")
        }
        _ => Ok(()),
    }
}

/// The factors of Llama 3's scaling, by pair.
fn rope_factors(config: &DecoderConfig) -> Option<Vec<f32>> {
    let Position::Rotary { theta, scaling: Some(RopeScaling::Llama3(scaling)) } = config.position else {
        return None;
    };
    let rope = Llama3Rope {
        factor: scaling.factor,
        low: scaling.low_freq_factor,
        high: scaling.high_freq_factor,
        original: scaling.original_max_positions as f64,
    };
    Some(rope.factors(theta, config.d_head))
}

/// The keys of a network.
fn metadata(config: &DecoderConfig) -> Result<BTreeMap<String, Value>, WeightsError> {
    let name = Architecture::of(config.family).name();
    let mut metadata: BTreeMap<String, Value> =
        [("general.architecture", name), ("general.type", "model"), ("general.name", "limbeck student")]
            .map(|(key, text)| (key.to_owned(), Value::String(text.to_owned())))
            .into();
    let mut put = |key: &str, value: Value| metadata.insert(format!("{name}.{key}"), value);
    let single = |key: &str, value: f64| {
        let number = value as f32;
        match number.is_finite() && number > 0.0 {
            true => Ok(Value::F32(number)),
            false => Err(WeightsError::NotExportable {
                format: "GGUF",
                reason: format!("{key} is {value}, which a 32-bit number does not hold"),
            }),
        }
    };
    let norm = match config.norm {
        Norm::Layer { .. } => "attention.layer_norm_epsilon",
        Norm::Rms { .. } => "attention.layer_norm_rms_epsilon",
    };
    put(norm, single(norm, config.norm_eps())?);
    let sizes = [
        ("context_length", config.max_positions),
        ("embedding_length", config.d_model),
        ("block_count", config.n_layers),
        ("feed_forward_length", config.d_mlp),
        ("attention.head_count", config.n_heads),
    ];
    let of_rotary = [
        ("attention.head_count_kv", config.n_kv_heads),
        ("attention.key_length", config.d_head),
        ("attention.value_length", config.d_head),
        ("rope.dimension_count", config.d_head),
        ("vocab_size", config.vocab_size),
    ];
    let rotary = match config.position {
        Position::Learned => &[][..],
        Position::Rotary { theta, scaling } => {
            put("rope.freq_base", single("rope.freq_base", theta)?);
            if let Some(RopeScaling::Linear { factor }) = scaling {
                put("rope.scaling.type", Value::String("linear".to_owned()));
                put("rope.scaling.factor", single("rope.scaling.factor", factor)?);
            }
            &of_rotary
        }
    };
    for (key, size) in sizes.iter().chain(rotary) {
        let size = u32::try_from(*size).map_err(|_| WeightsError::NotExportable {
            format: "GGUF",
            reason: format!("{key} is {size}, which a 32-bit number does not hold"),
        })?;
        put(key, Value::U32(size));
    }
    Ok(metadata)
}
