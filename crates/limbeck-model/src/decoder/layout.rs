//! Where the tokens of a forward pass stand: positions, causal mask, cached keys and values.

use burn::tensor::{Bool, Device, Tensor, TensorData};

/// Keys and values of the tokens already seen, one pair per block, each `[batch, kv_heads, seen, d_head]`.
#[derive(Debug, Default)]
pub(crate) struct KeyValueCache {
    pub(crate) layers: Vec<Option<(Tensor<4>, Tensor<4>)>>,
}

impl KeyValueCache {
    pub(crate) fn new(n_layers: usize) -> Self {
        Self { layers: vec![None; n_layers] }
    }
}

/// The places of a forward pass's tokens.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Tokens already in the cache.
    pub(crate) offset: usize,
    /// Tokens of this pass.
    pub(crate) length: usize,
    /// Padding on the left of each row; empty when there is none anywhere.
    pub(crate) left_pads: Vec<usize>,
}

impl Layout {
    /// A pass over whole sequences, padded on the right or not at all.
    pub(crate) fn whole(length: usize) -> Self {
        Self { offset: 0, length, left_pads: Vec::new() }
    }

    /// Position of every token, `[batch * seq]`, when rows differ; at most `most - 1`, as rows of a batch
    /// that have ended are carried along past the last position, unread.
    pub(crate) fn positions(&self, most: usize) -> Option<Vec<usize>> {
        if self.left_pads.is_empty() {
            return None;
        }
        let places = self.offset..self.offset + self.length;
        let rows = self.left_pads.iter();
        Some(
            rows.flat_map(|pad| places.clone().map(move |at| at.saturating_sub(*pad).min(most - 1)))
                .collect(),
        )
    }

    /// What a query may not see, `[batch or 1, 1, query, key]`; `None` when it may see every key.
    pub(crate) fn mask(&self, device: &Device) -> Option<Tensor<4, Bool>> {
        if self.length == 1 && self.left_pads.is_empty() {
            return None;
        }
        let keys = self.offset + self.length;
        let no_pads = [0];
        let pads: &[usize] = match self.left_pads.is_empty() {
            true => &no_pads,
            false => &self.left_pads,
        };
        let mut hidden = Vec::with_capacity(pads.len() * self.length * keys);
        for pad in pads {
            for query in self.offset..keys {
                hidden.extend((0..keys).map(|key| key > query || key < *pad));
            }
        }
        let data = TensorData::new(hidden, [pads.len(), 1, self.length, keys]);
        Some(Tensor::from_data(data, device))
    }
}
