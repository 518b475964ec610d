//! Decoders small enough that a test can train them.

use burn::tensor::Device;
use limbeck_model::{Decoder, DecoderConfig, config::Sizes};

/// Vocabulary of the tiny decoders: small, and no multiple of a vector register.
pub const TINY_VOCAB: usize = 23;

const SIZES: Sizes = Sizes {
    vocab_size: TINY_VOCAB,
    d_model: 16,
    n_layers: 2,
    n_heads: 4,
    n_kv_heads: 2,
    d_mlp: 24,
    max_positions: 32,
};

/// The configuration of a two-layer GPT-2 of width 16.
pub fn tiny_gpt2() -> DecoderConfig {
    DecoderConfig::gpt2(SIZES)
}

/// The configuration of a two-layer Llama of width 16 with grouped heads.
pub fn tiny_llama() -> DecoderConfig {
    DecoderConfig::llama(SIZES)
}

/// A decoder of this configuration but another depth, with fresh weights.
pub fn deeper(config: &DecoderConfig, n_layers: usize, seed: u64) -> Decoder {
    match Decoder::init(&DecoderConfig { n_layers, ..config.clone() }, seed, &Device::flex()) {
        Ok(decoder) => decoder,
        Err(error) => unreachable!("a tiny configuration is a right one: {error}"),
    }
}
