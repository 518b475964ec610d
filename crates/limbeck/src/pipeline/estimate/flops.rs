//! Floating-point operations of decoders, counted from the shape alone.
//!
//! A multiply-add is two operations; only matrix products are counted. A decoder with L layers, width d, h heads of
//! width e on g key-value heads, MLP width m (times 2 or, gated, 3 matrices) and vocabulary V does, forward over B
//! sequences of T tokens of which P positions predict something,
//!
//! ```text
//! F = 2 B [ L (T (2 d h e + 2 d g e + (2 or 3) d m) + 2 h e T (T + 1) / 2) + P d V ]
//! ```
//!
//! where the second term is attention: scores and weighted values over the T (T + 1) / 2 pairs that a causal mask
//! leaves. A backward pass costs two forward ones (gradients of inputs and of weights).

use limbeck_model::DecoderConfig;

/// Parameters, as a factor of seconds and bytes.
pub(super) fn parameters(config: &DecoderConfig) -> f64 {
    config.parameter_count() as f64
}

/// F of the module's documentation for `rows` sequences of `length` tokens, the last of which predicts nothing.
pub fn forward(config: &DecoderConfig, rows: f64, length: f64) -> f64 {
    rows * (blocks(config, length) + head(config, (length - 1.0).max(0.0)))
}

/// The part of F that the blocks do, of one sequence.
pub(super) fn blocks(config: &DecoderConfig, length: f64) -> f64 {
    let heads = (config.n_heads * config.d_head) as f64;
    let attention = heads * length * (length + 1.0);
    2.0 * config.n_layers as f64 * (length * block_weights(config) + attention)
}

/// The part of F that the head does at `positions` positions.
pub(super) fn head(config: &DecoderConfig, positions: f64) -> f64 {
    2.0 * positions * config.d_model as f64 * config.vocab_size as f64
}

/// Weights of the matrices of one block.
fn block_weights(config: &DecoderConfig) -> f64 {
    let [width, heads, groups] =
        [config.d_model, config.n_heads * config.d_head, config.n_kv_heads * config.d_head].map(|n| n as f64);
    let matrices = if config.gated { 3.0 } else { 2.0 };
    2.0 * width * heads + 2.0 * width * groups + matrices * width * config.d_mlp as f64
}

#[cfg(test)]
mod tests {
    use limbeck_model::Sizes;

    use super::*;

    fn shape() -> DecoderConfig {
        DecoderConfig::gpt2(Sizes {
            vocab_size: 10,
            d_model: 4,
            n_layers: 1,
            n_heads: 2,
            n_kv_heads: 2,
            d_mlp: 16,
            max_positions: 3,
        })
    }

    /// Counted by hand: one layer, every product written out.
    #[test]
    fn operations_of_a_small_decoder() {
        let projections = 3 * (4 * 4 * 4);
        let mlp = 3 * 2 * (4 * 16);
        // Pairs (query, key): 1 + 2 + 3; two heads of width 2; scores and values.
        let attention = 6 * 2 * 2 * 2;
        let head = 2 * 4 * 10;
        assert_eq!(forward(&shape(), 1.0, 3.0), 2.0 * f64::from(projections + mlp + attention + head));
    }
}
