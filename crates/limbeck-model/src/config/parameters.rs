//! How large a decoder is, before one is made.

use super::{DecoderConfig, Norm, Position};
use crate::error::ConfigError;

impl DecoderConfig {
    /// Parameters of a decoder of this shape; a tied head counts once. No size overflows it.
    pub fn parameter_count(&self) -> u128 {
        let [vocab, width, layers, heads, kv_heads, d_head, mlp, positions] = [
            self.vocab_size,
            self.d_model,
            self.n_layers,
            self.n_heads,
            self.n_kv_heads,
            self.d_head,
            self.d_mlp,
            self.max_positions,
        ]
        .map(|size| size as u128);
        let product = |a: u128, b: u128| a.saturating_mul(b);
        let sum = |parts: &[u128]| parts.iter().fold(0u128, |sum, part| sum.saturating_add(*part));
        let norm = match self.norm {
            Norm::Layer { .. } => 2 * width,
            Norm::Rms { .. } => width,
        };
        let (q, kv) = (product(heads, d_head), product(kv_heads, d_head));
        let linear = |rows: u128, columns: u128, bias: bool| {
            product(rows, columns).saturating_add(if bias { rows } else { 0 })
        };
        let block = sum(&[
            2 * norm,
            linear(q, width, self.qkv_bias),
            product(2, linear(kv, width, self.qkv_bias)),
            linear(width, q, self.out_bias),
            if self.qk_norm { 2 * d_head } else { 0 },
            product(if self.gated { 2 } else { 1 }, linear(mlp, width, self.mlp_bias)),
            linear(width, mlp, self.mlp_bias),
        ]);
        let learned = match self.position {
            Position::Learned => product(positions, width),
            Position::Rotary { .. } => 0,
        };
        let heads = if self.tied { 1 } else { 2 };
        sum(&[product(heads, product(vocab, width)), learned, product(layers, block), norm])
    }

    /// Refuses a decoder whose weights alone are more than the memory at hand.
    ///
    /// # Errors
    /// [`ConfigError::TooLarge`] with both figures.
    pub fn check_memory(&self) -> Result<(), ConfigError> {
        let Some(available) = limbeck_data::memory::available() else { return Ok(()) };
        let parameters = self.parameter_count();
        let bytes = parameters.saturating_mul(size_of::<f32>() as u128);
        match bytes > u128::from(available) {
            true => Err(ConfigError::TooLarge { parameters, bytes, available }),
            false => Ok(()),
        }
    }
}
