//! `DecoderConfig` from and to Hugging Face's `config.json`.

use serde_json::{Value, json};

use super::keys::Keys;
use super::rope::{rope_scaling, rotary};
use super::{Activation, DecoderConfig, Family, Norm, Position};
use crate::error::ConfigError;

impl DecoderConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// A missing or ill-typed key, an unknown `model_type`, and every setting this decoder does not
    /// compute (sliding windows, unknown rope types, ...) are refused by name.
    pub fn from_hf_json(config: &Value) -> Result<Self, ConfigError> {
        let keys = Keys::of(config)?;
        refuse_foreign(&keys)?;
        let parsed = match keys.text("model_type")? {
            "gpt2" => gpt2(&keys)?,
            "llama" => llama_like(&keys, Family::Llama)?,
            "qwen2" => llama_like(&keys, Family::Qwen2)?,
            "qwen3" => llama_like(&keys, Family::Qwen3)?,
            _ => return Err(keys.wrong("model_type", "one of gpt2, llama, qwen2, qwen3")),
        };
        parsed.check()?;
        Ok(parsed)
    }

    /// Writes a `config.json` that transformers reads back as the same network.
    pub fn to_hf_json(&self) -> Value {
        match self.family {
            Family::Gpt2 => self.gpt2_json(),
            _ => self.llama_json(),
        }
    }

    /// Refuses sizes that cannot be a network.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("n_kv_heads", self.n_kv_heads),
            ("d_head", self.d_head),
            ("d_mlp", self.d_mlp),
            ("max_positions", self.max_positions),
        ] {
            if value == 0 {
                return Err(ConfigError::value(key, "0", "at least 1"));
            }
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Err(ConfigError::value(
                "num_key_value_heads",
                &self.n_kv_heads.to_string(),
                &format!("a divisor of the {} query heads", self.n_heads),
            ));
        }
        if matches!(self.position, Position::Rotary { .. }) && !self.d_head.is_multiple_of(2) {
            return Err(ConfigError::value(
                "head_dim",
                &self.d_head.to_string(),
                "an even width, as rotary positions turn pairs",
            ));
        }
        Ok(())
    }

    fn gpt2_json(&self) -> Value {
        json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": self.vocab_size,
            "n_embd": self.d_model,
            "n_layer": self.n_layers,
            "n_head": self.n_heads,
            "n_inner": self.d_mlp,
            "n_positions": self.max_positions,
            "n_ctx": self.max_positions,
            "layer_norm_epsilon": self.norm_eps(),
            "activation_function": activation_name(self.activation),
            "tie_word_embeddings": self.tied,
            "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
            "dtype": "float32",
        })
    }

    fn llama_json(&self) -> Value {
        let architecture = match self.family {
            Family::Qwen2 => "Qwen2ForCausalLM",
            Family::Qwen3 => "Qwen3ForCausalLM",
            _ => "LlamaForCausalLM",
        };
        let mut out = json!({
            "architectures": [architecture],
            "model_type": self.family.model_type(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.d_model,
            "intermediate_size": self.d_mlp,
            "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.n_heads,
            "num_key_value_heads": self.n_kv_heads,
            "head_dim": self.d_head,
            "max_position_embeddings": self.max_positions,
            "rms_norm_eps": self.norm_eps(),
            "hidden_act": activation_name(self.activation),
            "tie_word_embeddings": self.tied,
            "dtype": "float32",
        });
        if self.family != Family::Qwen2 {
            out["attention_bias"] = json!(self.qkv_bias);
        }
        if self.family == Family::Llama {
            out["mlp_bias"] = json!(self.mlp_bias);
        } else {
            out["use_sliding_window"] = json!(false);
        }
        if let Position::Rotary { theta, scaling } = self.position {
            out["rope_theta"] = json!(theta);
            if let Some(scaling) = scaling {
                out["rope_scaling"] = rope_scaling(scaling);
            }
        }
        out
    }

    /// The norm's epsilon, whichever norm it is.
    pub fn norm_eps(&self) -> f64 {
        match self.norm {
            Norm::Layer { eps } | Norm::Rms { eps } => eps,
        }
    }
}

fn gpt2(keys: &Keys<'_>) -> Result<DecoderConfig, ConfigError> {
    keys.refuse("scale_attn_by_inverse_layer_idx", true)?;
    keys.refuse("add_cross_attention", true)?;
    keys.refuse("scale_attn_weights", false)?;
    // transformers takes these for other names of its own keys.
    for (other, key) in [
        ("hidden_size", "n_embd"),
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("max_position_embeddings", "n_positions"),
    ] {
        if keys.present(other) && keys.size(other)? != keys.size(key)? {
            return Err(keys.wrong(other, &format!("the same as {key} = {}", keys.found(key))));
        }
    }
    let d_model = keys.size("n_embd")?;
    let n_heads = keys.size("n_head")?;
    divides(n_heads, d_model, "n_head", "n_embd")?;
    Ok(DecoderConfig {
        family: Family::Gpt2,
        vocab_size: keys.size("vocab_size")?,
        d_model,
        n_layers: keys.size("n_layer")?,
        n_heads,
        n_kv_heads: n_heads,
        d_head: d_model / n_heads,
        d_mlp: keys.size_or("n_inner", 4 * d_model)?,
        max_positions: keys.size("n_positions")?,
        norm: Norm::Layer { eps: keys.number_or("layer_norm_epsilon", 1e-5)? },
        position: Position::Learned,
        activation: activation(keys, "activation_function", "gelu_new")?,
        gated: false,
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        qk_norm: false,
        tied: keys.flag_or("tie_word_embeddings", true)?,
    })
}

fn llama_like(keys: &Keys<'_>, family: Family) -> Result<DecoderConfig, ConfigError> {
    let n_layers = keys.size("num_hidden_layers")?;
    refuse_windows(keys, n_layers)?;
    if family != Family::Llama {
        keys.refuse("mlp_bias", true)?;
    }
    let d_model = keys.size("hidden_size")?;
    let n_heads = keys.size("num_attention_heads")?;
    let d_head = match keys.present("head_dim") {
        true => keys.size("head_dim")?,
        // Qwen3 fixes 128 where the file is silent; the others divide the width.
        false if family == Family::Qwen3 => 128,
        false => {
            divides(n_heads, d_model, "num_attention_heads", "hidden_size")?;
            d_model / n_heads
        }
    };
    let attention_bias = match family {
        Family::Qwen2 => true,
        _ => keys.flag_or("attention_bias", false)?,
    };
    Ok(DecoderConfig {
        family,
        vocab_size: keys.size("vocab_size")?,
        d_model,
        n_layers,
        n_heads,
        n_kv_heads: keys.size_or("num_key_value_heads", n_heads)?,
        d_head,
        d_mlp: keys.size("intermediate_size")?,
        max_positions: keys.size("max_position_embeddings")?,
        norm: Norm::Rms { eps: keys.number_or("rms_norm_eps", 1e-6)? },
        position: rotary(keys)?,
        activation: activation(keys, "hidden_act", "silu")?,
        gated: true,
        qkv_bias: attention_bias,
        out_bias: attention_bias && family != Family::Qwen2,
        mlp_bias: family == Family::Llama && keys.flag_or("mlp_bias", false)?,
        qk_norm: family == Family::Qwen3,
        tied: keys.flag_or("tie_word_embeddings", false)?,
    })
}

/// Settings that decoders of other families obey. In a file of these families they say that the network is something else than
/// its `model_type`, and passing over them would compute another network in silence.
fn refuse_foreign(keys: &Keys<'_>) -> Result<(), ConfigError> {
    const FACTORS: [&str; 7] = [
        "logits_scaling",
        "logit_scale",
        "lm_head_multiplier",
        "embedding_multiplier",
        "residual_multiplier",
        "scale_emb",
        "rope_ratio",
    ];
    const SWITCHES: [&str; 19] = [
        "alibi",
        "use_alibi",
        "attention_chunk_size",
        "attention_multiplier",
        "attn_logit_softcapping",
        "clip_qkv",
        "final_logit_softcapping",
        "n_routed_experts",
        "no_rope_layer_interval",
        "no_rope_layers",
        "num_experts",
        "num_local_experts",
        "parallel_attn",
        "qk_layernorm",
        "query_pre_attn_scalar",
        "rope_interleaved",
        "rotary_dim",
        "use_parallel_residual",
        "use_qk_norm",
    ];
    for key in FACTORS {
        keys.must_be(key, 1.0, "1 (this decoder scales nothing)")?;
    }
    SWITCHES.into_iter().try_for_each(|key| keys.must_be_off(key))
}

/// Refuses configurations of which a layer attends to a window only. A window that no layer uses is none.
fn refuse_windows(keys: &Keys<'_>, n_layers: usize) -> Result<(), ConfigError> {
    let kinds = keys.texts("layer_types")?;
    if kinds.iter().any(|kind| *kind != "full_attention") {
        return Err(keys.wrong("layer_types", "full_attention in every layer"));
    }
    // Absent: transformers' default, by which the layers from there on slide.
    let first = if keys.present("max_window_layers") { keys.count("max_window_layers")? } else { 28 };
    let slides = keys.flag_or("use_sliding_window", false)? && kinds.is_empty() && first < n_layers as u64;
    if slides {
        return Err(keys.wrong("use_sliding_window", "false (every layer attends to the whole context)"));
    }
    Ok(())
}

fn divides(part: usize, whole: usize, part_key: &str, whole_key: &str) -> Result<(), ConfigError> {
    if whole.is_multiple_of(part) {
        return Ok(());
    }
    Err(ConfigError::value(part_key, &part.to_string(), &format!("a divisor of {whole_key} = {whole}")))
}

fn activation(keys: &Keys<'_>, key: &str, default: &str) -> Result<Activation, ConfigError> {
    Ok(match keys.text_or(key, default)? {
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
        "gelu" => Activation::Gelu,
        "silu" | "swish" => Activation::Silu,
        "relu" => Activation::Relu,
        _ => return Err(keys.wrong(key, "gelu_new, gelu, silu or relu")),
    })
}

pub(crate) fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::GeluTanh => "gelu_new",
        Activation::Gelu => "gelu",
        Activation::Silu => "silu",
        Activation::Relu => "relu",
    }
}
