//! Decoders from fresh or given weights.

use burn::tensor::{Device, Tensor};
use limbeck_kernels::Precision;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use super::Decoder;
use super::block::{AttentionWeights, Block, Linear, MlpWeights, NormWeights};
use super::rotary::RotaryTable;
use crate::config::{DecoderConfig, Norm, Position};
use crate::error::ModelError;
use crate::parameter::Parameter;

/// Standard deviation of fresh weights (Radford et al. 2019).
const INIT_STD: f32 = 0.02;

/// Gives the values of a parameter by canonical name and shape, row-major.
pub type ParameterSource<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError> + 'a;

impl Decoder {
    /// A decoder with fresh weights, as GPT-2 initialises them: normal with standard deviation 0.02, the
    /// two projections into the residual stream divided by `sqrt(2 * n_layers)`, biases 0, scales 1.
    ///
    /// Each parameter draws from a stream of its own, keyed by `seed` and its name, so that the weights
    /// depend on nothing else.
    pub fn init(config: &DecoderConfig, seed: u64, device: &Device) -> Result<Self, ModelError> {
        let residual_scale = (2.0 * config.n_layers as f32).sqrt().recip();
        Self::from_parameters(
            config,
            &mut |name, shape| {
                let count = shape.iter().product();
                if shape.len() == 1 {
                    let value = if name.ends_with("bias") { 0.0 } else { 1.0 };
                    return Ok(vec![value; count]);
                }
                let into_residual = name.ends_with("attn.o.weight") || name.ends_with("mlp.down.weight");
                let std = if into_residual { INIT_STD * residual_scale } else { INIT_STD };
                Ok(normal(seed, name, count, std))
            },
            device,
        )
    }

    /// A decoder from parameters given by canonical name (see [`Decoder::visit`]).
    ///
    /// # Errors
    /// A configuration that is no network or more than the memory at hand; whatever `source` reports; values of a wrong count.
    pub fn from_parameters(
        config: &DecoderConfig,
        source: &mut ParameterSource<'_>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        config.check()?;
        config.check_memory()?;
        let mut parts = Parts { config, source, device };
        let (vocab, width) = (config.vocab_size, config.d_model);
        let embed = parts.matrix("embed.weight", [vocab, width])?;
        let pos_embed = match config.position {
            Position::Learned => Some(parts.matrix("pos_embed.weight", [config.max_positions, width])?),
            Position::Rotary { .. } => None,
        };
        let blocks = (0..config.n_layers)
            .map(|index| parts.block(&format!("blocks.{index}")))
            .collect::<Result<_, _>>()?;
        let ln_final = parts.norm("ln_final", width, config.norm)?;
        let unembed = match config.tied {
            true => None,
            false => Some(parts.matrix("unembed.weight", [vocab, width])?),
        };
        let rotary = match config.position {
            Position::Learned => None,
            Position::Rotary { theta, scaling } => {
                Some(RotaryTable::new(config.max_positions, config.d_head, theta, scaling, device))
            }
        };
        Ok(Self {
            config: config.clone(),
            embed,
            pos_embed,
            blocks,
            ln_final,
            unembed,
            rotary,
            precision: Precision::F32,
            frozen_head: None,
        })
    }
}

/// Takes a decoder's parts out of a source, one by one.
struct Parts<'a, 'b> {
    config: &'a DecoderConfig,
    source: &'a mut ParameterSource<'b>,
    device: &'a Device,
}

impl Parts<'_, '_> {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Parameter, ModelError> {
        let values = (self.source)(name, shape)?;
        if values.len() != shape.iter().product::<usize>() {
            return Err(ModelError::Shape {
                name: name.to_owned(),
                found: vec![values.len()],
                expected: shape.to_vec(),
            });
        }
        Ok(Parameter::from_vec(shape, values, self.device))
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, ModelError> {
        match self.take(name, &shape)? {
            Parameter::Matrix(t) => Ok(t),
            Parameter::Vector(t) => Ok(t.reshape(shape)),
        }
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Tensor<1>, ModelError> {
        match self.take(name, &[length])? {
            Parameter::Vector(t) => Ok(t),
            Parameter::Matrix(t) => Ok(t.reshape([length])),
        }
    }

    fn linear(&mut self, name: &str, out: usize, input: usize, bias: bool) -> Result<Linear, ModelError> {
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"), [out, input])?,
            bias: match bias {
                true => Some(self.vector(&format!("{name}.bias"), out)?),
                false => None,
            },
            precision: Precision::F32,
            frozen: None,
        })
    }

    fn norm(&mut self, name: &str, width: usize, norm: Norm) -> Result<NormWeights, ModelError> {
        Ok(NormWeights {
            weight: self.vector(&format!("{name}.weight"), width)?,
            bias: match norm {
                Norm::Layer { .. } => Some(self.vector(&format!("{name}.bias"), width)?),
                Norm::Rms { .. } => None,
            },
        })
    }

    fn block(&mut self, name: &str) -> Result<Block, ModelError> {
        let c = self.config;
        let width = c.d_model;
        let (q_width, kv_width) = (c.n_heads * c.d_head, c.n_kv_heads * c.d_head);
        let head_norm = Norm::Rms { eps: c.norm_eps() };
        let ln1 = self.norm(&format!("{name}.ln1"), width, c.norm)?;
        let attention = AttentionWeights {
            q: self.linear(&format!("{name}.attn.q"), q_width, width, c.qkv_bias)?,
            k: self.linear(&format!("{name}.attn.k"), kv_width, width, c.qkv_bias)?,
            v: self.linear(&format!("{name}.attn.v"), kv_width, width, c.qkv_bias)?,
            o: self.linear(&format!("{name}.attn.o"), width, q_width, c.out_bias)?,
            q_norm: match c.qk_norm {
                true => Some(self.norm(&format!("{name}.attn.q_norm"), c.d_head, head_norm)?),
                false => None,
            },
            k_norm: match c.qk_norm {
                true => Some(self.norm(&format!("{name}.attn.k_norm"), c.d_head, head_norm)?),
                false => None,
            },
        };
        let ln2 = self.norm(&format!("{name}.ln2"), width, c.norm)?;
        let mlp = MlpWeights {
            gate: match c.gated {
                true => Some(self.linear(&format!("{name}.mlp.gate"), c.d_mlp, width, c.mlp_bias)?),
                false => None,
            },
            up: self.linear(&format!("{name}.mlp.up"), c.d_mlp, width, c.mlp_bias)?,
            down: self.linear(&format!("{name}.mlp.down"), width, c.d_mlp, c.mlp_bias)?,
        };
        Ok(Block { ln1, attention, ln2, mlp })
    }
}

/// `count` normal values from the stream of `(seed, name)`.
pub(crate) fn normal(seed: u64, name: &str, count: usize, std: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // FNV-1a: a stable stream number per name.
    rng.set_stream(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }));
    match Normal::new(0.0f32, std) {
        Ok(normal) => (0..count).map(|_| normal.sample(&mut rng)).collect(),
        Err(_) => vec![0.0; count],
    }
}
