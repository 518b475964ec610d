//! The Hugging Face configuration of a model in a GGUF file.

use serde_json::{Map, Value as Json, json};

use super::error::GgufError;
use super::file::GgufFile;
use super::names::Architecture;
use super::rope::Llama3Rope;
use super::value::Value;

/// Name of the tensor of rotary frequency factors.
pub(super) const ROPE_FREQS: &str = "rope_freqs.weight";

/// A configuration as `config.json` would hold it, for architectures llama, qwen2, qwen3 and gpt2.
///
/// The vocabulary size is that of the embedding. The head is tied when `output.weight` is absent or, byte for byte, the embedding.
/// Rotary scaling is given in the keys `rope_theta` and `rope_scaling` that every version of transformers reads.
///
/// # Errors
/// [`GgufError`] naming the key or tensor that is missing, of another type or not supported.
pub fn hf_config(file: &GgufFile) -> Result<Json, GgufError> {
    let architecture = Architecture::parse(file.architecture()?)?;
    let mut config = Map::new();
    config.insert("architectures".into(), json!([architecture.class()]));
    config.insert("model_type".into(), architecture.name().into());
    if architecture == Architecture::Gpt2 {
        gpt2(file, &mut config)?;
    } else {
        llama_like(file, architecture, &mut config)?;
    }
    config.insert("tie_word_embeddings".into(), head_is_tied(file)?.into());
    for (key, hf) in [
        ("tokenizer.ggml.bos_token_id", "bos_token_id"),
        ("tokenizer.ggml.eos_token_id", "eos_token_id"),
        ("tokenizer.ggml.padding_token_id", "pad_token_id"),
    ] {
        if let Some(id) = file.optional(key, "a token id", Value::as_u64)? {
            config.insert(hf.into(), id.into());
        }
    }
    config.insert("torch_dtype".into(), "float32".into());
    Ok(Json::Object(config))
}

/// Reads `{architecture}.{name}`.
struct Keys<'a> {
    file: &'a GgufFile,
    prefix: &'static str,
}

impl Keys<'_> {
    fn count(&self, name: &str) -> Result<u64, GgufError> {
        self.file.required(
            &format!("{}.{name}", self.prefix),
            "an integer that is not negative",
            Value::as_u64,
        )
    }

    fn optional_count(&self, name: &str) -> Result<Option<u64>, GgufError> {
        self.file.optional(
            &format!("{}.{name}", self.prefix),
            "an integer that is not negative",
            Value::as_u64,
        )
    }

    fn number(&self, name: &str) -> Result<f64, GgufError> {
        self.file.required(&format!("{}.{name}", self.prefix), "a number", Value::as_f64)
    }

    fn wrong(&self, name: &str, expected: &'static str, found: impl ToString) -> GgufError {
        GgufError::WrongValue { key: format!("{}.{name}", self.prefix), expected, found: found.to_string() }
    }
}

fn gpt2(file: &GgufFile, config: &mut Map<String, Json>) -> Result<(), GgufError> {
    let keys = Keys { file, prefix: "gpt2" };
    config.insert("vocab_size".into(), vocab_size(file)?.into());
    config.insert("n_positions".into(), keys.count("context_length")?.into());
    config.insert("n_ctx".into(), keys.count("context_length")?.into());
    config.insert("n_embd".into(), keys.count("embedding_length")?.into());
    config.insert("n_layer".into(), keys.count("block_count")?.into());
    config.insert("n_head".into(), keys.count("attention.head_count")?.into());
    config.insert("n_inner".into(), keys.count("feed_forward_length")?.into());
    config.insert("activation_function".into(), "gelu_new".into());
    config.insert("layer_norm_epsilon".into(), keys.number("attention.layer_norm_epsilon")?.into());
    Ok(())
}

fn llama_like(
    file: &GgufFile,
    architecture: Architecture,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    let keys = Keys { file, prefix: architecture.name() };
    let (width, heads) = (keys.count("embedding_length")?, keys.count("attention.head_count")?);
    if heads == 0 {
        return Err(keys.wrong("attention.head_count", "at least 1", heads));
    }
    let d_head = keys.optional_count("attention.key_length")?.unwrap_or(width / heads);
    if let Some(value) = keys.optional_count("attention.value_length")?
        && value != d_head
    {
        return Err(keys.wrong("attention.value_length", "the key length", value));
    }
    if let Some(rotated) = keys.optional_count("rope.dimension_count")?
        && rotated != d_head
    {
        return Err(keys.wrong(
            "rope.dimension_count",
            "the head size (partial rotation is not supported)",
            rotated,
        ));
    }
    if let Some(experts) = keys.optional_count("expert_count")?
        && experts != 0
    {
        return Err(keys.wrong("expert_count", "0 (mixtures of experts are not supported)", experts));
    }
    let freq_base = format!("{}.rope.freq_base", keys.prefix);
    let theta = file.optional(&freq_base, "a number", Value::as_f64)?.unwrap_or(10000.0);
    config.insert("vocab_size".into(), vocab_size(file)?.into());
    config.insert("hidden_size".into(), width.into());
    config.insert("intermediate_size".into(), keys.count("feed_forward_length")?.into());
    config.insert("num_hidden_layers".into(), keys.count("block_count")?.into());
    config.insert("num_attention_heads".into(), heads.into());
    config.insert(
        "num_key_value_heads".into(),
        keys.optional_count("attention.head_count_kv")?.unwrap_or(heads).into(),
    );
    config.insert("head_dim".into(), d_head.into());
    config.insert("hidden_act".into(), "silu".into());
    config.insert("max_position_embeddings".into(), keys.count("context_length")?.into());
    config.insert("rms_norm_eps".into(), keys.number("attention.layer_norm_rms_epsilon")?.into());
    config.insert("rope_theta".into(), theta.into());
    if let Some(scaling) = rope_scaling(&keys, theta)? {
        config.insert("rope_scaling".into(), scaling);
    }
    if architecture == Architecture::Llama {
        let has_bias = |name: &str| file.tensors().contains_key(name);
        config.insert("attention_bias".into(), has_bias("blk.0.attn_output.bias").into());
        config.insert("mlp_bias".into(), has_bias("blk.0.ffn_down.bias").into());
    } else {
        config.insert("use_sliding_window".into(), false.into());
    }
    if architecture == Architecture::Qwen3 {
        config.insert("attention_bias".into(), false.into());
    }
    Ok(())
}

fn rope_scaling(keys: &Keys<'_>, theta: f64) -> Result<Option<Json>, GgufError> {
    let kind = format!("{}.rope.scaling.type", keys.prefix);
    if let Some(kind @ ("linear" | "yarn")) = keys.file.optional(&kind, "a string", Value::as_str)? {
        return Ok(Some(json!({ "rope_type": kind, "factor": keys.number("rope.scaling.factor")? })));
    }
    if !keys.file.tensors().contains_key(ROPE_FREQS) {
        return Ok(None);
    }
    let factors = keys.file.tensor(ROPE_FREQS)?.values;
    let rope = Llama3Rope::from_factors(&factors, theta).ok_or(GgufError::UnknownRopeFactors)?;
    Ok(Some(json!({
        "rope_type": "llama3",
        "factor": rope.factor,
        "low_freq_factor": rope.low,
        "high_freq_factor": rope.high,
        "original_max_position_embeddings": rope.original as u64,
    })))
}

fn vocab_size(file: &GgufFile) -> Result<usize, GgufError> {
    let name = "token_embd.weight";
    let info =
        file.tensors().get(name).ok_or_else(|| GgufError::MissingTensor { tensor: name.to_owned() })?;
    match info.shape.as_slice() {
        &[vocab, _] => Ok(vocab),
        found => Err(GgufError::WrongShape {
            tensor: name.to_owned(),
            found: found.to_vec(),
            expected: "[vocabulary, width]".to_owned(),
        }),
    }
}

/// Whether the unembedding is the embedding: absent, or a copy (older converters of GPT-2 wrote one).
pub(super) fn head_is_tied(file: &GgufFile) -> Result<bool, GgufError> {
    let (Some(head), Some(embedding)) =
        (file.tensors().get("output.weight"), file.tensors().get("token_embd.weight"))
    else {
        return Ok(true);
    };
    let same_form = head.kind == embedding.kind && head.shape == embedding.shape;
    Ok(same_form && file.raw("output.weight")? == file.raw("token_embd.weight")?)
}
