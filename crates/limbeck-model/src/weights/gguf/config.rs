//! The Hugging Face configuration of a model in a GGUF file.

use serde_json::{Map, Value as Json, json};

use super::error::GgufError;
use super::file::GgufFile;
use super::keys::Keys;
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
    let keys = Keys::of(file, architecture)?;
    if architecture == Architecture::Gpt2 {
        gpt2(&keys, &mut config)?;
    } else {
        llama_like(&keys, architecture, &mut config)?;
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

fn gpt2(keys: &Keys<'_>, config: &mut Map<String, Json>) -> Result<(), GgufError> {
    let (width, heads) = (keys.size("embedding_length")?, keys.size("attention.head_count")?);
    keys.must_be("attention.head_count_kv", heads, "the number of heads")?;
    for length in ["attention.key_length", "attention.value_length"] {
        keys.must_be(length, width / heads, "the width divided by the heads")?;
    }
    for key in [
        "attention.layer_norm_rms_epsilon",
        "rope.dimension_count",
        "rope.freq_base",
        "rope.scale_linear",
        "rope.scaling.factor",
        "rope.scaling.type",
    ] {
        keys.must_not_be(key, "absent: GPT-2 has learned positions and LayerNorm")?;
    }
    attention(keys, (width / heads) as f64)?;
    config.insert("vocab_size".into(), vocab_size(keys)?.into());
    config.insert("n_positions".into(), keys.size("context_length")?.into());
    config.insert("n_ctx".into(), keys.size("context_length")?.into());
    config.insert("n_embd".into(), width.into());
    config.insert("n_layer".into(), keys.size("block_count")?.into());
    config.insert("n_head".into(), heads.into());
    config.insert("n_inner".into(), keys.size("feed_forward_length")?.into());
    config.insert("activation_function".into(), "gelu_new".into());
    config.insert("layer_norm_epsilon".into(), keys.number("attention.layer_norm_epsilon")?.into());
    Ok(())
}

fn llama_like(
    keys: &Keys<'_>,
    architecture: Architecture,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    let (width, heads) = (keys.size("embedding_length")?, keys.size("attention.head_count")?);
    let d_head = keys.optional_size("attention.key_length")?.unwrap_or(width / heads);
    keys.must_be("attention.value_length", d_head, "the key length")?;
    let expected = "the head size (partial rotation is not supported)";
    keys.must_be("rope.dimension_count", d_head, expected)?;
    keys.must_not_be("attention.layer_norm_epsilon", "absent: this architecture has RMSNorm")?;
    attention(keys, d_head as f64)?;
    let theta = keys.optional_number("rope.freq_base")?.unwrap_or(10000.0);
    config.insert("vocab_size".into(), vocab_size(keys)?.into());
    config.insert("hidden_size".into(), width.into());
    config.insert("intermediate_size".into(), keys.size("feed_forward_length")?.into());
    config.insert("num_hidden_layers".into(), keys.size("block_count")?.into());
    config.insert("num_attention_heads".into(), heads.into());
    config.insert(
        "num_key_value_heads".into(),
        keys.optional_size("attention.head_count_kv")?.unwrap_or(heads).into(),
    );
    config.insert("head_dim".into(), d_head.into());
    config.insert("hidden_act".into(), "silu".into());
    config.insert("max_position_embeddings".into(), keys.size("context_length")?.into());
    config.insert("rms_norm_eps".into(), keys.number("attention.layer_norm_rms_epsilon")?.into());
    config.insert("rope_theta".into(), theta.into());
    if let Some(scaling) = rope_scaling(keys, theta, d_head)? {
        config.insert("rope_scaling".into(), scaling);
    }
    if architecture == Architecture::Llama {
        let has_bias = |name: &str| keys.file.tensors().contains_key(name);
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

/// Attention over the whole context, scaled by 1 / sqrt(d_head).
fn attention(keys: &Keys<'_>, d_head: f64) -> Result<(), GgufError> {
    let name = "attention.sliding_window";
    if let Some(window) = keys.any_number(name)?
        && window != 0.0
        && window < keys.size("context_length")? as f64
    {
        return Err(keys.wrong(name, "0 (every token attends to the whole context)", window));
    }
    let name = "attention.scale";
    match keys.any_number(name)? {
        Some(scale) if scale != 0.0 && (scale * d_head.sqrt() - 1.0).abs() > 1e-5 => {
            Err(keys.wrong(name, "1 / sqrt(head size)", scale))
        }
        _ => Ok(()),
    }
}

/// Scaled rotary positions: linear ones by their factor, Llama 3's by their tensor; every other way to scale them is refused by its
/// key, and so are both at once.
///
/// As llama.cpp reads the keys: an absent type is `linear`, `rope.scale_linear` is the older name of its factor and counts where the
/// newer is absent, a factor of 0 is none, and type `none` means that no factor is used.
fn rope_scaling(keys: &Keys<'_>, theta: f64, d_head: u64) -> Result<Option<Json>, GgufError> {
    let kind = keys.text("rope.scaling.type")?;
    match kind {
        None | Some("none" | "linear") => {}
        Some(other) => {
            return Err(keys.wrong(
                "rope.scaling.type",
                "linear or none (this scaling is not supported)",
                other,
            ));
        }
    }
    let linear = linear_factor(keys)?.filter(|_| kind != Some("none"));
    let factors = llama3(keys, theta, d_head)?;
    match (linear, factors) {
        (Some((name, factor)), Some(_)) => {
            let expected = "1 beside rope_freqs.weight, which scales the positions already";
            Err(keys.wrong(name, expected, factor))
        }
        (Some((_, factor)), None) => Ok(Some(json!({ "rope_type": "linear", "factor": factor }))),
        (None, factors) => Ok(factors),
    }
}

/// The key and value of the factor that positions are divided by, when it is another than 1.
fn linear_factor(keys: &Keys<'_>) -> Result<Option<(&'static str, f64)>, GgufError> {
    let mut found = None;
    for name in ["rope.scaling.factor", "rope.scale_linear"] {
        if let Some(factor) = keys.any_number(name)? {
            let single = factor as f32;
            if !single.is_finite() || single < 0.0 || (single == 0.0 && factor != 0.0) {
                return Err(keys.wrong(name, "a positive 32-bit number", factor));
            }
            found = found.or(Some((name, factor)));
        }
    }
    Ok(found.filter(|(_, factor)| *factor != 0.0 && *factor != 1.0))
}

/// Llama 3's scaling, from the factors that the file gives for each pair.
fn llama3(keys: &Keys<'_>, theta: f64, d_head: u64) -> Result<Option<Json>, GgufError> {
    let Some(info) = keys.file.tensors().get(ROPE_FREQS) else { return Ok(None) };
    if info.shape.iter().map(|size| *size as u64).product::<u64>() != d_head / 2 {
        return Err(GgufError::WrongShape {
            tensor: ROPE_FREQS.to_owned(),
            found: info.shape.clone(),
            expected: format!("[{}], half the head size", d_head / 2),
        });
    }
    let factors = keys.file.tensor(ROPE_FREQS)?.values;
    if factors.iter().all(|factor| *factor == 1.0) {
        return Ok(None);
    }
    let positive = factors.iter().all(|factor| factor.is_finite() && *factor > 0.0);
    let rope = positive.then(|| Llama3Rope::from_factors(&factors, theta)).flatten();
    let rope = rope.ok_or(GgufError::UnknownRopeFactors)?;
    Ok(Some(json!({
        "rope_type": "llama3",
        "factor": rope.factor,
        "low_freq_factor": rope.low,
        "high_freq_factor": rope.high,
        "original_max_position_embeddings": rope.original as u64,
    })))
}

/// The rows of the embedding, whatever `vocab_size` says: llama.cpp, too, goes by what is there.
fn vocab_size(keys: &Keys<'_>) -> Result<usize, GgufError> {
    let name = "token_embd.weight";
    let info =
        keys.file.tensors().get(name).ok_or_else(|| GgufError::MissingTensor { tensor: name.to_owned() })?;
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
