//! One key head and the query heads that share it, a block of queries at a time.
//!
//! With `p = e^(s - l)`, `s = q k^T / sqrt(d)` and `l` the row's log-sum-exp:
//! `dv = p^T dz`, `dp = dz v^T`, `ds = p (dp - sum_j dz_j z_j) / sqrt(d)`, `dq = ds k`, `dk = ds^T q`.

use super::shape::Shape;
use crate::product::{View, multiply_alone};
use crate::vector::{Kernel, dispatch, dot, exp, largest, sum};

/// Queries per block.
const BLOCK: usize = 64;

/// One key head of one sequence.
pub(super) struct Head<'a> {
    pub(super) shape: Shape,
    pub(super) sequence: usize,
    pub(super) kv_head: usize,
    pub(super) pad: usize,
    /// The queries of all heads and sequences.
    pub(super) q: &'a [f32],
    /// The keys and values of this head, `[keys, d]`.
    pub(super) k: View<'a>,
    pub(super) v: View<'a>,
}

/// A block of queries of one head, and the keys that its last query sees.
struct Block {
    head: usize,
    first: usize,
    rows: usize,
    keys: usize,
    /// First row of it in `[group, seq]`.
    at: usize,
}

impl Head<'_> {
    fn blocks(&self) -> impl Iterator<Item = Block> {
        let Shape { seq, keys, .. } = self.shape;
        let group = self.shape.group();
        let first_head = self.kv_head * group;
        (0..group).flat_map(move |member| {
            (0..seq).step_by(BLOCK).map(move |first| {
                let rows = BLOCK.min(seq - first);
                let at = member * seq + first;
                Block { head: first_head + member, first, rows, keys: keys - seq + first + rows, at }
            })
        })
    }

    fn scale(&self) -> f32 {
        1.0 / (self.shape.d as f32).sqrt()
    }

    fn queries<'a>(&self, values: &'a [f32], block: &Block) -> View<'a> {
        self.shape.queries(values, self.sequence, block.head, block.first, block.rows)
    }
}

/// Writes `z [group, seq, d]` and the rows' log-sum-exps `[group, seq]`.
pub(super) fn forward(head: &Head<'_>, z: &mut [f32], normalisers: &mut [f32]) {
    let d = head.shape.d;
    let mut scores = vec![0.0; BLOCK.min(head.shape.seq) * head.shape.keys];
    for block in head.blocks() {
        let scores = &mut scores[..block.rows * block.keys];
        let keys = head.k.row_range(0, block.keys);
        multiply_alone(scores, block.keys, head.queries(head.q, &block), keys.transposed(), false);
        for (row, scores) in scores.chunks_exact_mut(block.keys).enumerate() {
            let visible = head.shape.visible(block.first + row, head.pad);
            scores[..visible.start].fill(0.0);
            scores[visible.end..].fill(0.0);
            normalisers[block.at + row] =
                dispatch(Softmax { scores: &mut scores[visible], scale: head.scale() });
        }
        let pattern = View::rows(scores, block.rows, block.keys, block.keys);
        let z = &mut z[block.at * d..(block.at + block.rows) * d];
        multiply_alone(z, d, pattern, head.v.row_range(0, block.keys), false);
    }
}

/// Adds to the zeroed `dq [group, seq, d]` and `dk`, `dv` `[keys, d]`.
pub(super) fn backward(
    head: &Head<'_>,
    z: &[f32],
    upstream: &[f32],
    normalisers: &[f32],
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let d = head.shape.d;
    let length = BLOCK.min(head.shape.seq) * head.shape.keys;
    let mut pattern = vec![0.0; length];
    let mut change = vec![0.0; length];
    let mut along = vec![0.0; BLOCK];
    for block in head.blocks() {
        let (rows, keys) = (block.rows, block.keys);
        let pattern = &mut pattern[..rows * keys];
        let change = &mut change[..rows * keys];
        let (q, dz) = (head.queries(head.q, &block), head.queries(upstream, &block));
        let (k, v) = (head.k.row_range(0, block.keys), head.v.row_range(0, block.keys));
        multiply_alone(pattern, keys, q, k.transposed(), false);
        multiply_alone(change, keys, dz, v.transposed(), false);
        let z = head.queries(z, &block);
        for (row, along) in along[..rows].iter_mut().enumerate() {
            *along = dispatch(Dot(z.row(row), dz.row(row)));
        }
        let lines = pattern.chunks_exact_mut(keys).zip(change.chunks_exact_mut(keys));
        for (row, (pattern, change)) in lines.enumerate() {
            let visible = head.shape.visible(block.first + row, head.pad);
            for line in [&mut *pattern, &mut *change] {
                line[..visible.start].fill(0.0);
                line[visible.end..].fill(0.0);
            }
            dispatch(Slope {
                pattern: &mut pattern[visible.clone()],
                change: &mut change[visible],
                scale: head.scale(),
                normaliser: normalisers[block.at + row],
                along: along[row],
            });
        }
        let pattern = View::rows(pattern, rows, keys, keys);
        let change = View::rows(change, rows, keys, keys);
        multiply_alone(&mut dv[..keys * d], d, pattern.transposed(), dz, true);
        multiply_alone(&mut dk[..keys * d], d, change.transposed(), q, true);
        multiply_alone(&mut dq[block.at * d..(block.at + rows) * d], d, change, k, false);
    }
}

/// Products of queries and keys become probabilities; returns the log-sum-exp.
pub(super) struct Softmax<'a> {
    pub(super) scores: &'a mut [f32],
    pub(super) scale: f32,
}

impl Kernel for Softmax<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f32 {
        if self.scores.is_empty() {
            return 0.0;
        }
        let top = largest(self.scores);
        for score in self.scores.iter_mut() {
            *score = exp::<FMA>((*score - top) * self.scale);
        }
        let total = sum(self.scores);
        let share = 1.0 / total;
        for score in self.scores.iter_mut() {
            *score *= share;
        }
        top * self.scale + total.ln()
    }
}

/// Products of queries and keys become probabilities again, and the probabilities' gradient that of the products.
struct Slope<'a> {
    pattern: &'a mut [f32],
    change: &'a mut [f32],
    scale: f32,
    normaliser: f32,
    along: f32,
}

impl Kernel for Slope<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (pattern, change) in self.pattern.iter_mut().zip(self.change.iter_mut()) {
            let probability = exp::<FMA>(*pattern * self.scale - self.normaliser);
            *pattern = probability;
            *change = probability * (*change - self.along) * self.scale;
        }
    }
}

struct Dot<'a>(&'a [f32], &'a [f32]);

impl Kernel for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f32 {
        dot::<FMA>(self.0, self.1)
    }
}
