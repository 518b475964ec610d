//! The shape of a decoder, as read from and written to a Hugging Face `config.json`.

mod hf;
mod keys;
mod parameters;
mod rope;

pub(crate) use hf::activation_name;
use serde::{Deserialize, Serialize};

/// Which family's names and conventions a decoder follows on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// GPT-2 and DistilGPT-2: LayerNorm, learned positions, GELU, biases everywhere.
    Gpt2,
    /// Llama 1 to 3, SmolLM2: RMSNorm, rotary positions, SwiGLU, grouped heads.
    Llama,
    /// Qwen2 and Qwen2.5: Llama with biases on q, k and v.
    Qwen2,
    /// Qwen3: Llama with normalised queries and keys and a head width of its own.
    Qwen3,
}

impl Family {
    /// The `model_type` of `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Family::Gpt2 => "gpt2",
            Family::Llama => "llama",
            Family::Qwen2 => "qwen2",
            Family::Qwen3 => "qwen3",
        }
    }
}

/// Normalisation before attention, before the MLP and before the head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Norm {
    /// LayerNorm with weight and bias.
    Layer {
        /// Added to the variance.
        eps: f64,
    },
    /// RMSNorm with weight.
    Rms {
        /// Added to the mean square.
        eps: f64,
    },
}

/// How a decoder knows the order of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Position {
    /// A learned vector per position, added to the embedding.
    Learned,
    /// Rotary embedding of queries and keys, half-split ("rotate half") layout.
    Rotary {
        /// Base of the geometric progression of frequencies.
        theta: f64,
        /// How the frequencies are changed for longer contexts than those of the pretraining.
        scaling: Option<RopeScaling>,
    },
}

/// How rotary frequencies are changed for longer contexts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RopeScaling {
    /// Positions divided by a factor (`rope_type = "linear"`; Chen et al. 2023, position interpolation).
    Linear {
        /// Divides all frequencies.
        factor: f64,
    },
    /// Llama 3's stretching of low frequencies.
    Llama3(Llama3Scaling),
}

/// Llama 3's frequency scaling (`rope_type = "llama3"`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Llama3Scaling {
    /// Divides the frequencies below the low cut.
    pub factor: f64,
    /// Wavelengths above `original_max_positions / low_freq_factor` are scaled whole.
    pub low_freq_factor: f64,
    /// Wavelengths below `original_max_positions / high_freq_factor` are left alone.
    pub high_freq_factor: f64,
    /// Context length of the pretraining.
    pub original_max_positions: usize,
}

/// Nonlinearity of the MLP. SiLU is that of a gated one: `down(silu(gate(x)) * up(x))`.
pub use limbeck_kernels::Activation;

/// The shape of a decoder: everything `Decoder` needs besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Family whose names and file conventions it follows.
    pub family: Family,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Blocks.
    pub n_layers: usize,
    /// Query heads per block.
    pub n_heads: usize,
    /// Key and value heads per block; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Inner width of the MLP.
    pub d_mlp: usize,
    /// Longest sequence.
    pub max_positions: usize,
    /// Normalisation.
    pub norm: Norm,
    /// Positions.
    pub position: Position,
    /// Nonlinearity of the MLP.
    pub activation: Activation,
    /// Whether the MLP is gated.
    pub gated: bool,
    /// Biases on q, k and v.
    pub qkv_bias: bool,
    /// Bias on the attention output.
    pub out_bias: bool,
    /// Biases in the MLP.
    pub mlp_bias: bool,
    /// RMSNorm on each head's queries and keys.
    pub qk_norm: bool,
    /// Whether the head is the embedding's transpose.
    pub tied: bool,
}

/// The sizes from which [`DecoderConfig::gpt2`] and [`DecoderConfig::llama`] make a small decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Blocks.
    pub n_layers: usize,
    /// Query heads per block.
    pub n_heads: usize,
    /// Key and value heads per block (GPT-2 ignores it).
    pub n_kv_heads: usize,
    /// Inner width of the MLP.
    pub d_mlp: usize,
    /// Longest sequence.
    pub max_positions: usize,
}

impl DecoderConfig {
    /// A GPT-2 of the given sizes, with tied head.
    pub fn gpt2(sizes: Sizes) -> Self {
        Self {
            family: Family::Gpt2,
            vocab_size: sizes.vocab_size,
            d_model: sizes.d_model,
            n_layers: sizes.n_layers,
            n_heads: sizes.n_heads,
            n_kv_heads: sizes.n_heads,
            d_head: sizes.d_model / sizes.n_heads.max(1),
            d_mlp: sizes.d_mlp,
            max_positions: sizes.max_positions,
            norm: Norm::Layer { eps: 1e-5 },
            position: Position::Learned,
            activation: Activation::GeluTanh,
            gated: false,
            qkv_bias: true,
            out_bias: true,
            mlp_bias: true,
            qk_norm: false,
            tied: true,
        }
    }

    /// A Llama of the given sizes, with tied head.
    pub fn llama(sizes: Sizes) -> Self {
        Self {
            family: Family::Llama,
            n_kv_heads: sizes.n_kv_heads,
            norm: Norm::Rms { eps: 1e-5 },
            position: Position::Rotary { theta: 10_000.0, scaling: None },
            activation: Activation::Silu,
            gated: true,
            qkv_bias: false,
            out_bias: false,
            mlp_bias: false,
            ..Self::gpt2(sizes)
        }
    }
}
