//! Who teaches: a model that exists, or one trained here first.

use std::path::PathBuf;

use limbeck_distill::TrainingConfig;
use limbeck_model::{ConfigError, DecoderConfig};
use limbeck_teach::Combination;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Who teaches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TeacherConfig {
    /// A model that exists.
    Model {
        /// Where it is: a path, `hf:org/name@rev`, `pypi:name==version` or `npm:name@version`.
        source: String,
        /// Captured signals of this very teacher to learn from instead of running it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signals: Option<PathBuf>,
    },
    /// Several models that exist and read the same tokens, answering as one. Scores and audit under "teacher" are of the
    /// first.
    Ensemble {
        /// The models.
        members: Vec<EnsembleMember>,
        /// How their distributions become one.
        #[serde(default)]
        combination: Combination,
    },
    /// A model trained from scratch on the recipe's data before it teaches.
    Trained {
        /// Its shape.
        architecture: Architecture,
        /// How it is trained.
        #[serde(default)]
        training: Box<TrainingConfig>,
        /// Locator of a model whose tokenizer it uses; the closed vocabulary of the task unless said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokenizer: Option<String>,
    },
}

impl TeacherConfig {
    /// The locator of the teacher, or of an ensemble's first member; none for one trained here.
    pub fn first_source(&self) -> Option<&str> {
        match self {
            Self::Model { source, .. } => Some(source),
            Self::Ensemble { members, .. } => members.first().map(|member| member.source.as_str()),
            Self::Trained { .. } => None,
        }
    }
}

/// A model of an ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnsembleMember {
    /// Where it is: a path, `hf:org/name@rev`, `pypi:name==version` or `npm:name@version`. A student of an earlier run is
    /// a model like any other.
    pub source: String,
    /// Its weight, in proportion to the others'.
    #[serde(default = "equal_weight")]
    pub weight: f64,
}

fn equal_weight() -> f64 {
    1.0
}

/// Families a model can be built in from scratch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScratchFamily {
    /// Learned positions, LayerNorm, GELU.
    #[default]
    Gpt2,
    /// Rotary positions, RMSNorm, SwiGLU.
    Llama,
}

/// The shape of a model built from scratch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// The family.
    #[serde(default)]
    pub family: ScratchFamily,
    /// Blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads per block.
    pub n_heads: usize,
    /// Width of the MLP; 4 `d_model` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_mlp: Option<usize>,
    /// Longest sequence.
    #[serde(default = "max_positions")]
    pub max_positions: usize,
}

fn max_positions() -> usize {
    128
}

impl Architecture {
    /// The configuration of a decoder of this shape over `vocab_size` tokens.
    ///
    /// # Errors
    /// When the shape cannot be, such as a width the heads do not divide.
    pub fn decoder(&self, vocab_size: usize) -> Result<DecoderConfig, ConfigError> {
        let d_mlp = self.d_mlp.unwrap_or_else(|| self.d_model.saturating_mul(4));
        let config = match self.family {
            ScratchFamily::Gpt2 => json!({
                "model_type": "gpt2",
                "architectures": ["GPT2LMHeadModel"],
                "vocab_size": vocab_size,
                "n_embd": self.d_model,
                "n_layer": self.n_layers,
                "n_head": self.n_heads,
                "n_inner": d_mlp,
                "n_positions": self.max_positions,
                "activation_function": "gelu_new",
                "layer_norm_epsilon": 1e-5,
                "tie_word_embeddings": true,
            }),
            ScratchFamily::Llama => json!({
                "model_type": "llama",
                "architectures": ["LlamaForCausalLM"],
                "vocab_size": vocab_size,
                "hidden_size": self.d_model,
                "num_hidden_layers": self.n_layers,
                "num_attention_heads": self.n_heads,
                "num_key_value_heads": self.n_heads,
                "intermediate_size": d_mlp,
                "max_position_embeddings": self.max_positions,
                "hidden_act": "silu",
                "rms_norm_eps": 1e-5,
                "rope_theta": 10000.0,
                "tie_word_embeddings": true,
            }),
        };
        DecoderConfig::from_hf_json(&config)
    }
}
