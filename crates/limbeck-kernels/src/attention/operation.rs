//! The fused attention as an operation of the graph: one task per sequence and key head.

use std::sync::Arc;

use rayon::prelude::*;

use super::block::{Head, backward, forward};
use super::cached::Buffers;
use super::row::Row;
use super::shape::Shape;
use crate::buffer::{build, piece_rows};
use crate::flex::{floats, from_floats};
use crate::operation::{Operation, Values};
use crate::product::View;
use crate::vector::dispatch;

/// Multiplications of scores below which waking another thread costs more than it saves.
const SMALL: usize = 256 * 1024;

/// `q`, `k`, `v`.
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) shape: Shape,
    /// Empty when there is no padding.
    pub(super) left_pads: Arc<[usize]>,
}

/// The operands, the result, and the logarithm of every row's normaliser, `[batch, heads, seq]`.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    q: Values,
    k: Values,
    v: Values,
    z: Values,
    normalisers: Arc<[f32]>,
}

impl Operation<3> for Attention {
    type Saved = Saved;

    fn forward(&self, [q, k, v]: [Values; 3], _: [bool; 3]) -> (Values, Saved) {
        let shape = self.shape;
        let per_task = shape.group() * shape.seq;
        let mut normalisers = vec![0.0; shape.batch * shape.heads * shape.seq];
        let mut z = vec![0.0; q.layout().num_elements()];
        let tasks =
            z.par_chunks_mut((per_task * shape.d).max(1)).zip(normalisers.par_chunks_mut(per_task.max(1)));
        tasks.enumerate().for_each(|(task, (z, normalisers))| {
            forward(&self.head(task, [&q, &k, &v]), z, normalisers);
        });
        let z = from_floats(
            tokens_first(&z, shape.batch, shape.heads, shape.seq, shape.d),
            q.layout().shape().clone(),
        );
        let saved = Saved { q, k, v, z: z.clone(), normalisers: normalisers.into() };
        (z, saved)
    }

    fn backward(&self, saved: Saved, upstream: Values, _: [bool; 3]) -> [Option<Values>; 3] {
        let shape = self.shape;
        let Saved { q, k, v, z, normalisers } = saved;
        let per_task = shape.group() * shape.seq;
        let mut dq = vec![0.0; q.layout().num_elements()];
        let mut dk = vec![0.0; k.layout().num_elements()];
        let mut dv = vec![0.0; v.layout().num_elements()];
        let per_head = (shape.keys * shape.d).max(1);
        let results = dq
            .par_chunks_mut((per_task * shape.d).max(1))
            .zip(dk.par_chunks_mut(per_head))
            .zip(dv.par_chunks_mut(per_head));
        let (z, upstream) = (floats(&z), floats(&upstream));
        results.zip(normalisers.par_chunks(per_task.max(1))).enumerate().for_each(
            |(task, (((dq, dk), dv), normalisers))| {
                backward(&self.head(task, [&q, &k, &v]), z, upstream, normalisers, [dq, dk, dv]);
            },
        );
        let query_like = |values: &[f32]| {
            let turned = tokens_first(values, shape.batch, shape.heads, shape.seq, shape.d);
            from_floats(turned, q.layout().shape().clone())
        };
        let key_like = |values: &[f32]| {
            let turned = tokens_first(values, shape.batch, shape.kv_heads, shape.keys, shape.d);
            from_floats(turned, k.layout().shape().clone())
        };
        [Some(query_like(&dq)), Some(key_like(&dk)), Some(key_like(&dv))]
    }
}

impl Attention {
    fn head<'a>(&self, task: usize, [q, k, v]: [&'a Values; 3]) -> Head<'a> {
        let sequence = task / self.shape.kv_heads;
        Head {
            shape: self.shape,
            sequence,
            kv_head: task % self.shape.kv_heads,
            pad: self.left_pads.get(sequence).copied().unwrap_or(0),
            q: floats(q),
            k: self.shape.key_rows(floats(k), sequence, task % self.shape.kv_heads),
            v: self.shape.key_rows(floats(v), sequence, task % self.shape.kv_heads),
        }
    }
}

/// The result of attention to keys and values in buffers.
pub(super) fn attend_to(shape: Shape, q: &Values, seen: &Buffers, left_pads: &[usize]) -> Values {
    let Shape { batch, seq, heads, kv_heads, keys, d } = shape;
    let queries = floats(q);
    let mut z = vec![0.0; queries.len()];
    let attend = |(task, z): (usize, &mut [f32])| {
        let (sequence, kv_head) = (task / kv_heads, task % kv_heads);
        let pad = left_pads.get(sequence).copied().unwrap_or(0);
        let [k, v] = [&seen.keys, &seen.values].map(|buffer| seen.head(buffer, sequence, kv_head));
        if seq == 1 {
            let visible = shape.visible(0, pad);
            let [k, v] = [k, v].map(|rows| &rows[visible.start * d..visible.end * d]);
            let mut scores = vec![0.0; shape.group() * visible.len()];
            let q = &queries[task * z.len()..(task + 1) * z.len()];
            dispatch(Row { q, k, v, d, scores: &mut scores, z });
        } else {
            let [k, v] = [k, v].map(|rows| View::rows(rows, keys, d, d));
            let head = Head { shape, sequence, kv_head, pad, q: queries, k, v };
            forward(&head, z, &mut vec![0.0; shape.group() * seq]);
        }
    };
    let width = (shape.group() * seq * d).max(1);
    if batch * heads * seq * keys * d < SMALL {
        z.chunks_mut(width).enumerate().for_each(attend);
    } else {
        z.par_chunks_mut(width).enumerate().for_each(attend);
    }
    let z = if seq == 1 { z } else { tokens_first(&z, batch, heads, seq, d) };
    from_floats(z, q.layout().shape().clone())
}

/// `[batch, heads, rows, d] -> [batch, rows, heads, d]`.
fn tokens_first(values: &[f32], batch: usize, heads: usize, rows: usize, d: usize) -> Vec<f32> {
    let width = (heads * d).max(1);
    let piece = piece_rows(width);
    build(batch * rows * heads * d, |out| {
        out.par_chunks_mut(piece * width).enumerate().for_each(|(index, out)| {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let token = index * piece + row;
                for (head, out) in out.chunks_exact_mut(d).enumerate() {
                    let from = ((token / rows * heads + head) * rows + token % rows) * d;
                    out.write_copy_of_slice(&values[from..from + d]);
                }
            }
        });
    })
}
