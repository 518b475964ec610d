//! The sizes of an attention and where its heads lie.

use crate::product::View;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) batch: usize,
    pub(super) seq: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) d: usize,
}

impl Shape {
    pub(super) fn new(q: [usize; 4], k: [usize; 4], v: [usize; 4]) -> Self {
        let [batch, seq, heads, d] = q;
        let [k_batch, keys, kv_heads, k_d] = k;
        assert_eq!([k_batch, k_d], [batch, d], "attention: queries and keys agree in batch and head width");
        assert_eq!(v, k, "attention: as many values as keys");
        assert!(seq <= keys, "attention: every query has a key of its own position");
        assert!(
            kv_heads > 0 && heads.is_multiple_of(kv_heads),
            "attention: key heads divide the query heads"
        );
        Self { batch, seq, keys, heads, kv_heads, d }
    }

    pub(super) fn check_pads(&self, left_pads: &[usize]) {
        let fit = left_pads.is_empty() || left_pads.len() == self.batch;
        assert!(fit, "attention: one padding per sequence");
    }

    /// Query heads per key head.
    pub(super) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Rows `first..first + rows` of one query head, in `[batch, seq, heads, d]`.
    pub(super) fn queries<'a>(
        &self,
        values: &'a [f32],
        sequence: usize,
        head: usize,
        first: usize,
        rows: usize,
    ) -> View<'a> {
        let start = ((sequence * self.seq + first) * self.heads + head) * self.d;
        View::rows(&values[start..], rows, self.d, self.heads * self.d)
    }

    /// The rows of one key head, in `[batch, keys, kv_heads, d]`.
    pub(super) fn key_rows<'a>(&self, values: &'a [f32], sequence: usize, head: usize) -> View<'a> {
        let start = (sequence * self.keys * self.kv_heads + head) * self.d;
        View::rows(&values[start..], self.keys, self.d, self.kv_heads * self.d)
    }

    /// The keys that a query sees.
    pub(super) fn visible(&self, query: usize, pad: usize) -> std::ops::Range<usize> {
        let end = self.keys - self.seq + query + 1;
        pad.min(end)..end
    }
}
