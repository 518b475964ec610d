//! Where the tokens of a forward pass stand: positions, padding, cached keys and values.

use limbeck_kernels::KeyValues;

/// Keys and values of the tokens already seen, one store per block.
#[derive(Debug, Default)]
pub(crate) struct KeyValueCache {
    pub(crate) layers: Vec<KeyValues>,
}

impl KeyValueCache {
    /// An empty one, with room for `tokens` of each sequence.
    pub(crate) fn new(n_layers: usize, tokens: usize) -> Self {
        Self { layers: vec![KeyValues::with_room(tokens); n_layers] }
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
}
