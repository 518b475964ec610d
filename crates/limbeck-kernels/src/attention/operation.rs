//! The fused attention as an operation of the graph: one task per sequence and key head.

use std::sync::Arc;

use rayon::prelude::*;

use super::block::{Head, backward, forward};
use super::shape::Shape;
use crate::buffer::{build, piece_rows};
use crate::flex::{floats, from_floats};
use crate::operation::{Operation, Values};

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
            k: floats(k),
            v: floats(v),
        }
    }
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
