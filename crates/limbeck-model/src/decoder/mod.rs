//! One decoder for many families: GPT-2, Llama, SmolLM2, Qwen2, Qwen3.
//!
//! The families differ in norm, positions, activation, biases, head grouping and tying; [`Decoder`] reads
//! those from its [`DecoderConfig`], so that a site, a kernel or an audit is written once.

mod attention;
mod bare;
mod batch;
mod block;
mod build;
mod check;
mod forward;
mod layout;
mod names;
mod partial;
mod parts;
mod rotary;

pub use batch::TokenBatch;
pub use build::ParameterSource;
pub(crate) use build::normal;
pub(crate) use layout::{KeyValueCache, Layout};
pub use parts::HeadInputs;

use burn::tensor::{Device, Tensor};
use limbeck_kernels::{FrozenWeight, Precision};

use crate::config::DecoderConfig;
use crate::parameter::Parameter;
use block::Block;
use rotary::RotaryTable;

/// A decoder-only transformer.
#[derive(Debug, Clone)]
pub struct Decoder {
    config: DecoderConfig,
    embed: Tensor<2>,
    pos_embed: Option<Tensor<2>>,
    blocks: Vec<Block>,
    ln_final: block::NormWeights,
    unembed: Option<Tensor<2>>,
    rotary: Option<RotaryTable>,
    precision: Precision,
    frozen_head: Option<FrozenWeight>,
}

impl Decoder {
    /// Its shape.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The device its weights live on.
    pub fn device(&self) -> Device {
        self.embed.device()
    }

    /// The arithmetic of its matrix products; 32-bit unless told otherwise.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same decoder with matrix products of another precision. Weights stay 32-bit.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self.frozen_head = None;
        for linear in self.blocks.iter_mut().flat_map(Block::linears_mut) {
            linear.precision = precision;
            linear.frozen = None;
        }
        self
    }

    /// The same decoder for many passes over few tokens with the weights it has: in bfloat16 they are rounded and laid out
    /// now instead of in every pass, half a weight's memory more. Changing the weights ([`Decoder::map`]) undoes it; in 32 bits,
    /// under autodiff and on processors without bfloat16 products nothing is done.
    #[must_use]
    pub fn ready(mut self) -> Self {
        if self.precision == Precision::Bf16 {
            self.frozen_head = FrozenWeight::new(&self.head());
            for linear in self.blocks.iter_mut().flat_map(Block::linears_mut) {
                linear.frozen = FrozenWeight::new(&linear.weight);
            }
        }
        self
    }

    /// Number of parameters; a tied head counts once.
    pub fn parameter_count(&self) -> u64 {
        let mut count = 0;
        self.visit(&mut |_, parameter| count += parameter.len() as u64);
        count
    }

    /// The unembedding, `[vocab, d_model]`: the embedding itself when tied.
    pub fn head(&self) -> Tensor<2> {
        self.unembed.clone().unwrap_or_else(|| self.embed.clone())
    }

    /// The same decoder as gradient leaves: every parameter keeps its gradient.
    pub fn trainable(self) -> Self {
        self.map(&mut |_, parameter| parameter.require_grad())
    }

    /// The same decoder outside any gradient graph.
    pub fn frozen(self) -> Self {
        self.map(&mut |_, parameter| parameter.inner())
    }

    /// Shows every parameter with its canonical name, in a fixed order.
    pub fn visit(&self, see: &mut dyn FnMut(&str, &Parameter)) {
        // Handles are reference counted, so that the clone moves no weights.
        let _ = self.clone().map(&mut |name, parameter| {
            see(name, &parameter);
            parameter
        });
    }

    /// Replaces every parameter, in the order of [`Decoder::visit`]. `change` must keep the shape.
    pub fn map(mut self, change: &mut dyn FnMut(&str, Parameter) -> Parameter) -> Self {
        self.frozen_head = None;
        self.embed = matrix(change, "embed.weight", self.embed);
        self.pos_embed = self.pos_embed.map(|table| matrix(change, "pos_embed.weight", table));
        self.blocks = self
            .blocks
            .into_iter()
            .enumerate()
            .map(|(index, block)| block.map(&format!("blocks.{index}"), change))
            .collect();
        self.ln_final = self.ln_final.map("ln_final", change);
        self.unembed = self.unembed.map(|head| matrix(change, "unembed.weight", head));
        self
    }
}

/// Applies `change` to a matrix. No second handle is kept, so that the change can happen in place.
fn matrix(change: &mut dyn FnMut(&str, Parameter) -> Parameter, name: &str, value: Tensor<2>) -> Tensor<2> {
    let shape = value.dims();
    match change(name, Parameter::Matrix(value)) {
        Parameter::Matrix(changed) => changed,
        Parameter::Vector(flat) => flat.reshape(shape),
    }
}

/// Applies `change` to a vector.
fn vector(change: &mut dyn FnMut(&str, Parameter) -> Parameter, name: &str, value: Tensor<1>) -> Tensor<1> {
    let shape = value.dims();
    match change(name, Parameter::Vector(value)) {
        Parameter::Vector(changed) => changed,
        Parameter::Matrix(table) => table.reshape(shape),
    }
}
