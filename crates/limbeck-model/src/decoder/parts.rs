//! The parts of a block by themselves: attention from given residual streams, heads, MLP.
//!
//! A block is `mid = pre + attention_out(head_values(pre))`, `post = mid + mlp_out(mid)`. Taken apart, every reader of
//! the residual stream (the queries, keys and values of each head, the MLP) can be given a stream of its own, as path
//! patching and edge attribution need it, and what is not wanted costs nothing.

use burn::tensor::Tensor;

use super::attention::Context;
use super::block::Linear;
use super::{Decoder, Layout};
use crate::tap::NoTap;

/// Residual streams before normalisation as each head's queries, keys and values read them (TransformerLens's
/// `hook_q_input`, `hook_k_input`, `hook_v_input`). One stream, `[batch, seq, 1, d_model]`, stands for the same stream
/// for all heads.
#[derive(Debug, Clone)]
pub struct HeadInputs {
    /// `[batch, seq, heads, d_model]`.
    pub q: Tensor<4>,
    /// `[batch, seq, kv_heads, d_model]`.
    pub k: Tensor<4>,
    /// `[batch, seq, kv_heads, d_model]`.
    pub v: Tensor<4>,
}

impl Decoder {
    /// Each head's weighted values (`hook_z`) in block `layer`, `[batch, seq, heads, d_head]`, from the residual
    /// stream entering the block, `[batch, seq, d_model]`.
    pub fn head_values(&self, layer: usize, resid: Tensor<3>) -> Tensor<4> {
        let (attention, config) = (&self.blocks[layer].attention, &self.config);
        let [batch, seq, _] = resid.dims();
        let x = self.blocks[layer].ln1.apply(resid, config.norm);
        let project = |map: &Linear, heads| map.apply(x.clone()).reshape([batch, seq, heads, config.d_head]);
        let q = project(&attention.q, config.n_heads);
        let k = project(&attention.k, config.n_kv_heads);
        let v = project(&attention.v, config.n_kv_heads);
        self.attend_in(layer, q, k, v)
    }

    /// The same from a residual stream for every head's queries, keys and values.
    pub fn head_values_of(&self, layer: usize, inputs: HeadInputs) -> Tensor<4> {
        let (block, config) = (&self.blocks[layer], &self.config);
        let project = |map: &Linear, heads: usize, streams: Tensor<4>| {
            let [batch, seq, count, _] = streams.dims();
            if count == 1 {
                let x = block.ln1.apply(streams.squeeze_dim::<3>(2), config.norm);
                return map.apply(x).reshape([batch, seq, heads, config.d_head]);
            }
            project_each(map, block.ln1.apply(streams, config.norm))
        };
        let q = project(&block.attention.q, config.n_heads, inputs.q);
        let k = project(&block.attention.k, config.n_kv_heads, inputs.k);
        let v = project(&block.attention.v, config.n_kv_heads, inputs.v);
        self.attend_in(layer, q, k, v)
    }

    /// Output of attention (`hook_attn_out`), `[batch, seq, d_model]`, from the heads' weighted values.
    pub fn attention_out(&self, layer: usize, z: Tensor<4>) -> Tensor<3> {
        let [batch, seq, heads, d_head] = z.dims();
        self.blocks[layer].attention.o.apply(z.reshape([batch, seq, heads * d_head]))
    }

    /// What each head adds to the residual stream, `[batch, seq, heads, d_model]`: `attention_out` is their sum and
    /// the output's bias.
    pub fn head_outputs(&self, layer: usize, z: Tensor<4>) -> Tensor<4> {
        let [batch, seq, heads, d_head] = z.dims();
        let weight = self.blocks[layer].attention.o.weight.clone();
        let width = weight.dims()[0];
        // [heads, d_head, d_model]
        let weight = weight.reshape([width, heads, d_head]).permute([1, 2, 0]);
        let z = z.permute([2, 0, 1, 3]).reshape([heads, batch * seq, d_head]);
        z.matmul(weight).reshape([heads, batch, seq, width]).permute([1, 2, 0, 3])
    }

    /// Output of the MLP of block `layer` (`hook_mlp_out`), `[batch, seq, d_model]`, from the residual stream
    /// between attention and MLP.
    pub fn mlp_out(&self, layer: usize, mid: Tensor<3>) -> Tensor<3> {
        let block = &self.blocks[layer];
        let normed = block.ln2.apply(mid, self.config.norm);
        block.mlp.apply(normed, self.config.activation, layer, &mut NoTap)
    }

    fn attend_in(&self, layer: usize, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
        let layout = Layout::whole(q.dims()[1]);
        let rotation = self.rotary.as_ref().map(|table| table.span(layout.offset, layout.length));
        let context = Context {
            config: &self.config,
            block: layer,
            rotation: rotation.as_ref(),
            left_pads: &layout.left_pads,
            cache: None,
        };
        self.blocks[layer].attention.attend(q, k, v, context, &mut NoTap)
    }
}

/// Applies to each head's stream that head's rows of the map: `[batch, seq, heads, d_model]` to
/// `[batch, seq, heads, d_head]`.
fn project_each(map: &Linear, streams: Tensor<4>) -> Tensor<4> {
    let [batch, seq, heads, width] = streams.dims();
    let x = streams.permute([2, 0, 1, 3]).reshape([heads, batch * seq, width]);
    let d_head = map.weight.dims()[0] / heads;
    let weight = map.weight.clone().reshape([heads, d_head, width]).swap_dims(1, 2);
    let y = x.matmul(weight).reshape([heads, batch, seq, d_head]).permute([1, 2, 0, 3]);
    match &map.bias {
        Some(bias) => y + bias.clone().reshape([1, 1, heads, d_head]),
        None => y,
    }
}
