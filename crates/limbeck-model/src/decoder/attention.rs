//! Causal self-attention with grouped heads.

use burn::tensor::Tensor;
use limbeck_kernels::{KeyValues, attend, attention, attention_cached, attention_pattern};

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
    /// Padding on the left of each row; empty when there is none.
    pub(crate) left_pads: &'a [usize],
    /// Keys and values seen before; those seen now are added.
    pub(crate) cache: Option<&'a mut KeyValues>,
}

impl AttentionWeights {
    /// `[batch, seq, d_model] -> [batch, seq, d_model]`.
    pub(crate) fn apply(&self, x: Tensor<3>, context: Context<'_>, tap: &mut dyn Tap) -> Tensor<3> {
        let config = context.config;
        let [batch, seq, _] = x.dims();
        let (heads, kv_heads, d_head) = (config.n_heads, config.n_kv_heads, config.d_head);
        let q = self.q.apply(x.clone()).reshape([batch, seq, heads, d_head]);
        let k = self.k.apply(x.clone()).reshape([batch, seq, kv_heads, d_head]);
        let v = self.v.apply(x).reshape([batch, seq, kv_heads, d_head]);
        let z = self.attend(q, k, v, context, tap);
        self.o.apply(z.reshape([batch, seq, heads * d_head]))
    }

    /// Each head's weighted values, `[batch, seq, heads, d_head]`, from what was projected.
    pub(crate) fn attend(
        &self,
        mut q: Tensor<4>,
        mut k: Tensor<4>,
        v: Tensor<4>,
        context: Context<'_>,
        tap: &mut dyn Tap,
    ) -> Tensor<4> {
        let config = context.config;
        let touch = |tap: &mut dyn Tap, kind: SiteKind, value: Tensor<4>| {
            let site = Site::block(context.block, kind);
            if tap.wants(site) { tap.touch4(site, value) } else { value }
        };
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

        // The pattern exists only where someone looks at it.
        let looked_at = tap.wants(Site::block(context.block, SiteKind::Pattern));
        let z = match (context.cache, looked_at) {
            (Some(seen), false) => {
                seen.extend(k, v);
                attention_cached(q, seen, context.left_pads)
            }
            (None, false) => attention(q, k, v, context.left_pads),
            (seen, true) => {
                let (k, v) = match seen {
                    Some(seen) => extended(seen, k, v),
                    None => (k, v),
                };
                let pattern = attention_pattern(q, k, context.left_pads);
                attend(touch(tap, SiteKind::Pattern, pattern), v)
            }
        };
        touch(tap, SiteKind::Z, z)
    }
}

/// Adds keys and values to those seen; returns all.
fn extended(seen: &mut KeyValues, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    seen.extend(k.clone(), v.clone());
    seen.tensors().unwrap_or((k, v))
}
