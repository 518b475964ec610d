//! Causal attention with grouped heads, block by block of queries, forward and backward.

mod block;
mod cached;
mod operation;
mod row;
mod shape;

pub use cached::{KeyValues, attention_cached, attention_cached_composed};

use std::sync::Arc;

use burn::tensor::{Bool, Tensor, TensorData, activation};

use crate::operation::run;
use operation::Attention;
use shape::Shape;

/// `softmax(q k^T / sqrt(d) + mask) v` for every head (Vaswani et al. 2017, equation 1; query heads in groups that
/// share keys and values: Ainslie et al. 2023).
///
/// * `q`: `[batch, seq, heads, d]`, the queries of the last `seq` of the `keys` positions;
/// * `k`, `v`: `[batch, keys, kv_heads, d]`, `heads` a multiple of `kv_heads`; query head `h` uses key head
///   `h / (heads / kv_heads)`;
/// * `left_pads`: for each sequence how many keys at its beginning are padding; empty when there is none.
///
/// A query sees the keys up to its own position that are not padding; one that sees none gives zeros. Returns
/// `[batch, seq, heads, d]`. The scores of one block of queries of one head exist at a time, never
/// `[seq, keys]` of all heads; the way back computes them anew from the rows' normalisers (Dao et al. 2022).
///
/// # Panics
/// If the shapes do not fit.
pub fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, left_pads: &[usize]) -> Tensor<4> {
    let shape = Shape::new(q.dims(), k.dims(), v.dims());
    shape.check_pads(left_pads);
    let operation = Attention { shape, left_pads: Arc::from(left_pads) };
    run(operation, [q.clone().into(), k.clone().into(), v.clone().into()])
        .unwrap_or_else(|| attention_composed(q, k, v, left_pads))
}

/// [`attention`] in plain tensor operations, for every backend.
pub fn attention_composed(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, left_pads: &[usize]) -> Tensor<4> {
    let pattern = attention_pattern(q, k, left_pads);
    attend(pattern, v)
}

/// The pattern `softmax(q k^T / sqrt(d) + mask)`, `[batch, heads, seq, keys]`, of the operands of [`attention`], in
/// plain tensor operations. Rows that see no key are zero.
pub fn attention_pattern(q: Tensor<4>, k: Tensor<4>, left_pads: &[usize]) -> Tensor<4> {
    let shape = Shape::new(q.dims(), k.dims(), k.dims());
    let Shape { batch, seq, keys, heads, kv_heads, d } = shape;
    let scale = 1.0 / (d as f64).sqrt();
    // The query heads of a group share keys: they are the rows of one product.
    let scores = (q.swap_dims(1, 2) * scale)
        .reshape([batch, kv_heads, shape.group() * seq, d])
        .matmul(k.swap_dims(1, 2).swap_dims(2, 3))
        .reshape([batch, heads, seq, keys]);
    if seq == 1 && left_pads.is_empty() {
        return activation::softmax(scores, 3);
    }
    let pads: &[usize] = if left_pads.is_empty() { &[0] } else { left_pads };
    let mut hidden = Vec::with_capacity(pads.len() * seq * keys);
    for &pad in pads {
        hidden
            .extend((keys - seq..keys).flat_map(|query| (0..keys).map(move |key| key > query || key < pad)));
    }
    let mask = TensorData::new(hidden, [pads.len(), 1, seq, keys]);
    let mask = Tensor::<4, Bool>::from_data(mask, &scores.device()).expand([batch, heads, seq, keys]);
    // Finite, so that a row that sees nothing stays free of NaN; then away with what it got.
    activation::softmax(scores.mask_fill(mask.clone(), -1e30), 3).mask_fill(mask, 0.0)
}

/// `pattern v`: `[batch, heads, seq, keys]` and `[batch, keys, kv_heads, d]` give `[batch, seq, heads, d]`.
pub fn attend(pattern: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [batch, heads, seq, keys] = pattern.dims();
    let [_, _, kv_heads, d] = v.dims();
    pattern
        .reshape([batch, kv_heads, heads / kv_heads * seq, keys])
        .matmul(v.swap_dims(1, 2))
        .reshape([batch, heads, seq, d])
        .swap_dims(1, 2)
}
