//! Parts of a forward pass for those who take one up in the middle or take its sums apart.

use burn::tensor::{Int, Tensor, TensorData};
use limbeck_kernels::attention;

use super::Decoder;
use crate::config::Norm;
use crate::tap::NoTap;

impl Decoder {
    /// The second half of a block: MLP and its summand, from the residual stream between attention and MLP
    /// (`hook_resid_mid`), `[batch, seq, d_model] -> [batch, seq, d_model]`.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn run_from_mid(&self, block: usize, mid: Tensor<3>) -> Tensor<3> {
        let weights = &self.blocks[block];
        let normed = weights.ln2.apply(mid.clone(), self.config.norm);
        mid + weights.mlp.apply(normed, self.config.activation, block, &mut NoTap)
    }

    /// Blocks `first..` from the residual stream entering the first of them, `[batch, seq, d_model]`, read at the
    /// last position of each row only: `[batch, 1, d_model]`, before the final norm.
    ///
    /// Rows are padded on the right to `seq`; `lengths` are theirs without padding. Equals [`Decoder::run_blocks`]
    /// followed by a choice of positions, but the last block computes queries, output and MLP at these positions
    /// only: what the others would say, nobody hears.
    pub fn run_to_last(&self, first: usize, resid: Tensor<3>, lengths: &[usize]) -> Tensor<3> {
        let Some(last) = self.blocks.len().checked_sub(1).filter(|last| *last >= first) else {
            return at_last(resid, lengths);
        };
        let resid = self.run_blocks(first..last, resid, &mut NoTap);
        let [batch, seq, _] = resid.dims();
        let (heads, kv_heads, d_head) = (self.config.n_heads, self.config.n_kv_heads, self.config.d_head);
        let weights = &self.blocks[last].attention;
        let normed = self.blocks[last].ln1.apply(resid.clone(), self.config.norm);
        let asking = at_last(normed.clone(), lengths);
        let mut q = weights.q.apply(asking).reshape([batch, 1, heads, d_head]);
        let mut k = weights.k.apply(normed.clone()).reshape([batch, seq, kv_heads, d_head]);
        let mut v = weights.v.apply(normed).reshape([batch, seq, kv_heads, d_head]);
        if let Some(norm) = &weights.q_norm {
            q = norm.apply(q, self.config.norm);
        }
        if let Some(norm) = &weights.k_norm {
            k = norm.apply(k, self.config.norm);
        }
        if let Some(table) = &self.rotary {
            let positions: Vec<usize> = lengths.iter().map(|length| length - 1).collect();
            q = table.at(&positions, batch).apply(q);
            k = table.span(0, seq).apply(k);
        }
        // A query stands at the last of the keys: rows shorter than the batch are pushed to the right.
        let left_pads: Vec<usize> = lengths.iter().map(|length| seq - length).collect();
        let z = if left_pads.iter().all(|pad| *pad == 0) {
            attention(q, k, v, &[])
        } else {
            k = pushed_right(k, &left_pads);
            v = pushed_right(v, &left_pads);
            attention(q, k, v, &left_pads)
        };
        let attended = weights.o.apply(z.reshape([batch, 1, heads * d_head]));
        self.run_from_mid(last, at_last(resid, lengths) + attended)
    }

    /// What attention adds to the residual stream for part of its heads' values: `z_h W_O^h` summed over
    /// `heads`, without the output bias. `z` is `[batch, seq, heads.len() * d_head]`, the values of these heads one
    /// beside the other.
    ///
    /// # Panics
    /// If there is no such block or the width of `z` is another.
    pub fn project_heads(&self, block: usize, heads: std::ops::Range<usize>, z: Tensor<3>) -> Tensor<3> {
        let d_head = self.config.d_head;
        let output = &self.blocks[block].attention.o;
        let columns = output.weight.clone().narrow(1, heads.start * d_head, heads.len() * d_head);
        limbeck_kernels::linear(z, columns, None, output.precision)
    }

    /// What the MLP adds to the residual stream for part of its neurons (`mlp.hook_post`, `[batch, seq, neurons.len()]`),
    /// without the output bias.
    ///
    /// # Panics
    /// If there is no such block or the width of `post` is another.
    pub fn project_neurons(
        &self,
        block: usize,
        neurons: std::ops::Range<usize>,
        post: Tensor<3>,
    ) -> Tensor<3> {
        let down = &self.blocks[block].mlp.down;
        let columns = down.weight.clone().narrow(1, neurons.start, neurons.len());
        limbeck_kernels::linear(post, columns, None, down.precision)
    }

    /// The output bias `b_O` of attention, `[d_model]`; `None` where there is none.
    pub fn attention_bias(&self, block: usize) -> Option<Tensor<1>> {
        self.blocks[block].attention.o.bias.clone()
    }

    /// The final norm of a summand of the residual stream, with the scale that the whole stream has, and without
    /// the norm's bias: over summands that make up `whole` these add up to [`Decoder::finish`] of it, the bias
    /// ([`Decoder::final_bias`]) apart. `part` is `[.., d_model]` like `whole`, or broadcasts to it.
    pub fn finish_part(&self, part: Tensor<3>, whole: Tensor<3>) -> Tensor<3> {
        let weight = self.ln_final.weight.clone().unsqueeze::<3>();
        let (part, spread, eps) = match self.config.norm {
            Norm::Layer { eps } => {
                let centred = whole.clone() - whole.mean_dim(2);
                (part.clone() - part.mean_dim(2), centred.square().mean_dim(2), eps)
            }
            Norm::Rms { eps } => (part, whole.square().mean_dim(2), eps),
        };
        part * weight / (spread + eps).sqrt()
    }

    /// The bias of the final norm, `[d_model]`; `None` where it has none.
    pub fn final_bias(&self) -> Option<Tensor<1>> {
        self.ln_final.bias.clone()
    }
}

/// The last position of each row, `[batch, seq, d_model] -> [batch, 1, d_model]`.
fn at_last(x: Tensor<3>, lengths: &[usize]) -> Tensor<3> {
    let [batch, seq, width] = x.dims();
    if lengths.iter().all(|length| *length == seq) {
        return x.narrow(1, seq - 1, 1);
    }
    let places = lengths.iter().enumerate().map(|(row, length)| row * seq + length - 1);
    let places = index(places.collect(), &x);
    x.reshape([batch * seq, width]).select(0, places).reshape([batch, 1, width])
}

/// Each row of `[batch, seq, ..]` moved right by its padding; what comes in on the left is never read.
fn pushed_right(x: Tensor<4>, left_pads: &[usize]) -> Tensor<4> {
    let [batch, seq, heads, width] = x.dims();
    let rows = left_pads.iter().enumerate();
    let places = rows.flat_map(|(row, pad)| (0..seq).map(move |at| row * seq + at.saturating_sub(*pad)));
    let places = index(places.collect(), &x);
    x.reshape([batch * seq, heads * width]).select(0, places).reshape([batch, seq, heads, width])
}

fn index<const D: usize>(places: Vec<usize>, beside: &Tensor<D>) -> Tensor<1, Int> {
    let places: Vec<i64> = places.into_iter().map(|place| place as i64).collect();
    let count = places.len();
    Tensor::from_data(TensorData::new(places, [count]), &beside.device())
}
