//! Causal self-attention with grouped heads.

use burn::tensor::{Bool, Tensor, activation};

use super::block::AttentionWeights;
use super::rotary::Rotation;
use crate::config::DecoderConfig;
use crate::site::{Site, SiteKind};
use crate::tap::Tap;

/// What one block's attention shares with the rest of the forward pass.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a DecoderConfig,
    pub(crate) block: usize,
    pub(crate) rotation: Option<&'a Rotation>,
    /// What a query may not see.
    pub(crate) mask: Option<&'a Tensor<4, Bool>>,
    /// Keys and values seen before; replaced by those seen now.
    pub(crate) cache: Option<&'a mut Option<(Tensor<4>, Tensor<4>)>>,
}

impl AttentionWeights {
    /// `[batch, seq, d_model] -> [batch, seq, d_model]`.
    pub(crate) fn apply(&self, x: Tensor<3>, context: Context<'_>, tap: &mut dyn Tap) -> Tensor<3> {
        let config = context.config;
        let [batch, seq, _] = x.dims();
        let (heads, kv_heads, d_head) = (config.n_heads, config.n_kv_heads, config.d_head);
        let touch = |tap: &mut dyn Tap, kind: SiteKind, value: Tensor<4>| {
            let site = Site::block(context.block, kind);
            if tap.wants(site) { tap.touch4(site, value) } else { value }
        };

        let mut q = self.q.apply(x.clone()).reshape([batch, seq, heads, d_head]);
        let mut k = self.k.apply(x.clone()).reshape([batch, seq, kv_heads, d_head]);
        let v = self.v.apply(x).reshape([batch, seq, kv_heads, d_head]);
        if let Some(norm) = &self.q_norm {
            q = norm.apply(q, config.norm);
        }
        if let Some(norm) = &self.k_norm {
            k = norm.apply(k, config.norm);
        }
        q = touch(tap, SiteKind::Q, q);
        k = touch(tap, SiteKind::K, k);
        let v = touch(tap, SiteKind::V, v);
        if let Some(rotation) = context.rotation {
            q = rotation.apply(q);
            k = rotation.apply(k);
        }

        let q = q.swap_dims(1, 2);
        let mut k = k.swap_dims(1, 2);
        let mut v = v.swap_dims(1, 2);
        if let Some(cache) = context.cache {
            if let Some((seen_k, seen_v)) = cache.take() {
                k = Tensor::cat(vec![seen_k, k], 2);
                v = Tensor::cat(vec![seen_v, v], 2);
            }
            *cache = Some((k.clone(), v.clone()));
        }

        // The query heads of a group share keys: fold them into the rows of one product.
        let group = heads / kv_heads;
        let keys = k.dims()[2];
        let scale = 1.0 / (d_head as f64).sqrt();
        let scores = (q * scale)
            .reshape([batch, kv_heads, group * seq, d_head])
            .matmul(k.swap_dims(2, 3))
            .reshape([batch, heads, seq, keys]);
        let scores = match context.mask {
            // Finite, so that a row of padding that sees nothing stays free of NaN.
            Some(mask) => scores.mask_fill(mask.clone().expand([batch, heads, seq, keys]), -1e30),
            None => scores,
        };
        let pattern = touch(tap, SiteKind::Pattern, activation::softmax(scores, 3));
        let z = pattern
            .reshape([batch, kv_heads, group * seq, keys])
            .matmul(v)
            .reshape([batch, heads, seq, d_head])
            .swap_dims(1, 2);
        let z = touch(tap, SiteKind::Z, z);
        self.o.apply(z.reshape([batch, seq, heads * d_head]))
    }
}
