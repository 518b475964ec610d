//! A student with fresh weights.

use burn::tensor::Device;
use limbeck_model::{Decoder, DecoderConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DistillError;

/// Sizes of a student with fresh weights. What is absent is taken from the configuration it starts from: the
/// file `config` names, otherwise the teacher's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FreshStudent {
    /// Where a Hugging Face `config.json` lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_layers: Option<usize>,
    /// Width of the residual stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_model: Option<usize>,
    /// Query heads per block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_heads: Option<usize>,
    /// Key and value heads per block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_kv_heads: Option<usize>,
    /// Inner width of the MLP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_mlp: Option<usize>,
    /// Longest sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_positions: Option<usize>,
    /// Whether the head is the embedding's transpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tied: Option<bool>,
}

impl FreshStudent {
    /// The student's configuration: `base` with these sizes. The width of a head follows from `d_model` and
    /// `n_heads` when one of them is given.
    ///
    /// # Errors
    /// [`DistillError::Student`] when the sizes do not fit each other.
    pub fn resolve(&self, base: &DecoderConfig) -> Result<DecoderConfig, DistillError> {
        let mut config = base.clone();
        config.n_layers = self.n_layers.unwrap_or(base.n_layers);
        config.d_model = self.d_model.unwrap_or(base.d_model);
        config.n_heads = self.n_heads.unwrap_or(base.n_heads);
        // Ungrouped heads stay ungrouped.
        let grouped = base.n_kv_heads != base.n_heads;
        config.n_kv_heads = self.n_kv_heads.unwrap_or(if grouped { base.n_kv_heads } else { config.n_heads });
        config.d_mlp = self.d_mlp.unwrap_or(base.d_mlp);
        config.max_positions = self.max_positions.unwrap_or(base.max_positions);
        config.tied = self.tied.unwrap_or(base.tied);
        let refuse = |reason: String| Err(DistillError::Student { reason });
        if self.d_model.is_some() || self.n_heads.is_some() {
            if config.n_heads == 0 || !config.d_model.is_multiple_of(config.n_heads) {
                let (width, heads) = (config.d_model, config.n_heads);
                return refuse(format!("d_model = {width} cannot be divided among n_heads = {heads}"));
            }
            config.d_head = config.d_model / config.n_heads;
        }
        match config.check() {
            Err(error) => refuse(error.to_string()),
            Ok(()) => Ok(config),
        }
    }

    /// A decoder of these sizes with fresh weights drawn from `seed`.
    ///
    /// # Errors
    /// As [`FreshStudent::resolve`].
    pub fn build(&self, base: &DecoderConfig, seed: u64, device: &Device) -> Result<Decoder, DistillError> {
        Ok(Decoder::init(&self.resolve(base)?, seed, device)?)
    }
}
