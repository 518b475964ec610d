//! Keys and values of positions seen before, and attention of new positions to them.

use burn::backend::Flex;
use burn::tensor::Tensor;

use super::attention;
use super::operation::attend_to;
use super::shape::Shape;
use crate::flex::{contiguous, floats, from_floats};
use crate::plain::plain;

/// The keys and values of some sequences' positions so far, for [`attention_cached`].
///
/// On the flex backend they lie in two buffers with room for more, where those of new positions are written beside the
/// old ones; elsewhere they are tensors, and new ones are concatenated.
#[derive(Debug, Clone, Default)]
pub struct KeyValues {
    /// Positions that the first buffers have room for.
    room: usize,
    seen: Option<Seen>,
}

#[derive(Debug, Clone)]
enum Seen {
    Buffers(Buffers),
    /// Each `[batch, seen, kv_heads, d]`.
    Tensors(Box<[Tensor<4>; 2]>),
}

/// Keys and values, each `[batch, kv_heads, capacity, d]`, the first `seen` positions of them written.
#[derive(Debug, Clone)]
pub(super) struct Buffers {
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    pub(super) batch: usize,
    pub(super) kv_heads: usize,
    pub(super) d: usize,
    pub(super) capacity: usize,
    pub(super) seen: usize,
}

impl KeyValues {
    /// Nothing yet. The first keys and values bring memory for `positions`, or as many as they are; whenever it is
    /// full, it is doubled.
    pub fn with_room(positions: usize) -> Self {
        Self { room: positions, seen: None }
    }

    /// Positions seen.
    pub fn len(&self) -> usize {
        match &self.seen {
            None => 0,
            Some(Seen::Buffers(buffers)) => buffers.seen,
            Some(Seen::Tensors(tensors)) => tensors[0].dims()[1],
        }
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the keys and values of new positions, each `[batch, new, kv_heads, d]`.
    ///
    /// # Panics
    /// If the shapes do not fit each other or those seen before.
    pub fn extend(&mut self, k: Tensor<4>, v: Tensor<4>) {
        let [batch, new, kv_heads, d] = k.dims();
        assert_eq!(v.dims(), k.dims(), "cached attention: as many values as keys");
        if let (false, Some(keys), Some(values)) = (plain(), contiguous(k.clone()), contiguous(v.clone()))
            && !matches!(self.seen, Some(Seen::Tensors(..)))
        {
            let empty = Seen::Buffers(Buffers::new(batch, kv_heads, d));
            if let Seen::Buffers(buffers) = self.seen.get_or_insert(empty) {
                assert_eq!(
                    [buffers.batch, buffers.kv_heads, buffers.d],
                    [batch, kv_heads, d],
                    "cached attention: new keys are shaped like those seen before"
                );
                buffers.extend([floats(&keys), floats(&values)], new, self.room);
            }
            return;
        }
        let (k, v) = match self.tensors() {
            Some((seen_k, seen_v)) => (Tensor::cat(vec![seen_k, k], 1), Tensor::cat(vec![seen_v, v], 1)),
            None => (k, v),
        };
        self.seen = Some(Seen::Tensors(Box::new([k, v])));
    }

    /// All keys and values, each `[batch, seen, kv_heads, d]`, copied where they lie in buffers; `None` before the
    /// first.
    pub fn tensors(&self) -> Option<(Tensor<4>, Tensor<4>)> {
        match self.seen.as_ref()? {
            Seen::Buffers(buffers) => Some((buffers.tensor(&buffers.keys), buffers.tensor(&buffers.values))),
            Seen::Tensors(tensors) => {
                let [k, v] = tensors.as_ref().clone();
                Some((k, v))
            }
        }
    }
}

impl Buffers {
    fn new(batch: usize, kv_heads: usize, d: usize) -> Self {
        Self { keys: Vec::new(), values: Vec::new(), batch, kv_heads, d, capacity: 0, seen: 0 }
    }

    /// Writes `new` positions of `[batch, new, kv_heads, d]`.
    fn extend(&mut self, added: [&[f32]; 2], new: usize, room: usize) {
        let needed = self.seen + new;
        if needed > self.capacity {
            self.grow(needed.max(room).max(2 * self.capacity));
        }
        let (d, heads, capacity, seen) = (self.d, self.kv_heads, self.capacity, self.seen);
        for (buffer, added) in [&mut self.keys, &mut self.values].into_iter().zip(added) {
            for (row, from) in added.chunks_exact(d.max(1)).enumerate() {
                let (token, head) = (row / heads, row % heads);
                let (sequence, position) = (token / new, seen + token % new);
                let at = ((sequence * heads + head) * capacity + position) * d;
                buffer[at..at + d].copy_from_slice(from);
            }
        }
        self.seen = needed;
    }

    /// Moves everything to larger buffers.
    fn grow(&mut self, capacity: usize) {
        let (old, new) = (self.capacity * self.d, capacity * self.d);
        let used = self.seen * self.d;
        for buffer in [&mut self.keys, &mut self.values] {
            let mut larger = vec![0.0; self.batch * self.kv_heads * new];
            if used > 0 {
                for (to, from) in larger.chunks_exact_mut(new).zip(buffer.chunks_exact(old)) {
                    to[..used].copy_from_slice(&from[..used]);
                }
            }
            *buffer = larger;
        }
        self.capacity = capacity;
    }

    /// A head's positions seen, `[seen, d]`.
    pub(super) fn head<'a>(&self, buffer: &'a [f32], sequence: usize, head: usize) -> &'a [f32] {
        let at = (sequence * self.kv_heads + head) * self.capacity * self.d;
        &buffer[at..at + self.seen * self.d]
    }

    fn tensor(&self, buffer: &[f32]) -> Tensor<4> {
        let heads = (0..self.batch * self.kv_heads)
            .flat_map(|at| self.head(buffer, at / self.kv_heads, at % self.kv_heads));
        let shape = [self.batch, self.kv_heads, self.seen, self.d];
        let values = from_floats(heads.copied().collect(), shape.into());
        Tensor::from_primitive::<Flex>(values).swap_dims(1, 2)
    }
}

/// [`attention`] of the newest positions to all that `seen` holds, those positions included, read where they lie.
///
/// `q`: `[batch, new, heads, d]`, queries of the last `new` positions of `seen`; `left_pads` as in [`attention`].
/// Nothing is differentiated through buffers: under autodiff `seen` holds tensors.
///
/// # Panics
/// If the shapes do not fit, or nothing was seen.
pub fn attention_cached(q: Tensor<4>, seen: &KeyValues, left_pads: &[usize]) -> Tensor<4> {
    assert!(!seen.is_empty(), "cached attention: the keys of the queries' own positions are added first");
    if let (false, Some(Seen::Buffers(buffers)), Some(values)) = (plain(), &seen.seen, contiguous(q.clone()))
    {
        let keys = [buffers.batch, buffers.seen, buffers.kv_heads, buffers.d];
        let shape = Shape::new(q.dims(), keys, keys);
        shape.check_pads(left_pads);
        return Tensor::from_primitive::<Flex>(attend_to(shape, &values, buffers, left_pads));
    }
    attention_cached_composed(q, seen, left_pads)
}

/// [`attention_cached`] by way of tensors, for every backend.
///
/// # Panics
/// As [`attention_cached`].
pub fn attention_cached_composed(q: Tensor<4>, seen: &KeyValues, left_pads: &[usize]) -> Tensor<4> {
    let tensors = seen.tensors();
    assert!(tensors.is_some(), "cached attention: the keys of the queries' own positions are added first");
    match tensors {
        Some((k, v)) => attention(q, k, v, left_pads),
        None => q,
    }
}
