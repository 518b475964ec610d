//! The graph of a network: who writes into the residual stream, who reads from it, and the edges between them.
//!
//! Writers are the embedding, every head and every MLP; readers are the queries of every head, the keys and values
//! of every key and value head (which the query heads of a group share), every MLP, and the logits. There is an edge
//! from each writer to each reader that comes after it. Heads do not read their own block's attention; its MLP does.

use limbeck_model::DecoderConfig;
use limbeck_results::HeadInput;

use super::NodeSet;

/// Who writes into the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Writer {
    /// The embedding, of tokens and (where learned) positions.
    Embed,
    /// A head or MLP, by its number in a [`NodeSet`].
    Component(usize),
}

/// Who reads from the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// One input of a head: a query head, or a key and value head.
    Head {
        /// Block, from 0.
        layer: usize,
        /// Which input.
        input: HeadInput,
        /// Query head for queries, else key and value head.
        head: usize,
    },
    /// An MLP.
    Mlp {
        /// Block, from 0.
        layer: usize,
    },
    /// The final norm and the head product.
    Logits,
}

/// What one writer writes, as one reader reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Who writes.
    pub from: Writer,
    /// Who reads.
    pub to: Reader,
}

/// Numbers of writers and readers of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graph {
    /// Blocks.
    pub layers: usize,
    /// Query heads per block.
    pub heads: usize,
    /// Key and value heads per block.
    pub kv_heads: usize,
}

impl Graph {
    /// The graph of a decoder.
    pub fn of(config: &DecoderConfig) -> Graph {
        Graph { layers: config.n_layers, heads: config.n_heads, kv_heads: config.n_kv_heads }
    }

    /// How many writers there are.
    pub fn writers(&self) -> usize {
        1 + self.layers * (self.heads + 1)
    }

    /// Number of a writer: 0 for the embedding, then the components.
    pub fn writer_index(&self, writer: Writer) -> usize {
        match writer {
            Writer::Embed => 0,
            Writer::Component(component) => 1 + component,
        }
    }

    /// The writer of that number.
    pub fn writer(&self, index: usize) -> Writer {
        index.checked_sub(1).map_or(Writer::Embed, Writer::Component)
    }

    /// Readers of one block: queries, keys, values, MLP.
    pub fn readers_in_block(&self) -> usize {
        self.heads + 2 * self.kv_heads + 1
    }

    /// All readers, in the order of a forward pass; their place in it is their number.
    pub fn readers(&self) -> Vec<Reader> {
        let inputs = [
            (HeadInput::Query, self.heads),
            (HeadInput::Key, self.kv_heads),
            (HeadInput::Value, self.kv_heads),
        ];
        let mut all = Vec::with_capacity(self.layers * self.readers_in_block() + 1);
        for layer in 0..self.layers {
            for (input, heads) in inputs {
                all.extend((0..heads).map(|head| Reader::Head { layer, input, head }));
            }
            all.push(Reader::Mlp { layer });
        }
        all.push(Reader::Logits);
        all
    }

    /// Number of a reader.
    pub fn reader_index(&self, reader: Reader) -> usize {
        match reader {
            Reader::Head { layer, input, head } => {
                let before = match input {
                    HeadInput::Query => 0,
                    HeadInput::Key => self.heads,
                    HeadInput::Value => self.heads + self.kv_heads,
                };
                layer * self.readers_in_block() + before + head
            }
            Reader::Mlp { layer } => (layer + 1) * self.readers_in_block() - 1,
            Reader::Logits => self.layers * self.readers_in_block(),
        }
    }

    /// How many writers come before a reader: those with smaller numbers.
    pub fn writers_before(&self, reader: Reader) -> usize {
        match reader {
            Reader::Head { layer, .. } => 1 + layer * (self.heads + 1),
            Reader::Mlp { layer } => 1 + layer * (self.heads + 1) + self.heads,
            Reader::Logits => self.writers(),
        }
    }

    /// The components that read through a reader: one head or MLP, all heads that share keys and values, none for
    /// the logits.
    pub fn components(&self, reader: Reader) -> Vec<usize> {
        let group = self.heads / self.kv_heads;
        match reader {
            Reader::Head { layer, input: HeadInput::Query, head } => vec![layer * (self.heads + 1) + head],
            Reader::Head { layer, head, .. } => {
                (head * group..(head + 1) * group).map(|head| layer * (self.heads + 1) + head).collect()
            }
            Reader::Mlp { layer } => vec![layer * (self.heads + 1) + self.heads],
            Reader::Logits => vec![],
        }
    }

    /// Whether a reader is in a circuit: the logits always are.
    pub fn reads(&self, reader: Reader, kept: &NodeSet) -> bool {
        reader == Reader::Logits || self.components(reader).into_iter().any(|node| kept.contains(node))
    }

    /// All edges between kept components, the embedding and the logits, by reader.
    pub fn edges(&self, kept: &NodeSet) -> Vec<Edge> {
        let mut all = vec![];
        for to in self.readers().into_iter().filter(|&reader| self.reads(reader, kept)) {
            let writers = (0..self.writers_before(to)).map(|index| self.writer(index));
            let writes = |writer: &Writer| match writer {
                Writer::Embed => true,
                Writer::Component(node) => kept.contains(*node),
            };
            all.extend(writers.filter(writes).map(|from| Edge { from, to }));
        }
        all
    }
}

/// Which edges of a graph are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSet {
    graph: Graph,
    /// `[reader, writer]`.
    present: Vec<bool>,
}

impl EdgeSet {
    /// No edges at all.
    pub fn empty(graph: Graph) -> EdgeSet {
        EdgeSet {
            graph,
            present: vec![false; (graph.layers * graph.readers_in_block() + 1) * graph.writers()],
        }
    }

    /// All edges.
    pub fn whole(graph: Graph) -> EdgeSet {
        let mut all = EdgeSet::empty(graph);
        all.present.fill(true);
        all
    }

    /// The given edges.
    pub fn new(graph: Graph, edges: impl IntoIterator<Item = Edge>) -> EdgeSet {
        let mut some = EdgeSet::empty(graph);
        edges.into_iter().for_each(|edge| some.set(edge, true));
        some
    }

    /// Puts an edge in or takes it out.
    pub fn set(&mut self, edge: Edge, present: bool) {
        let at = self.at(edge);
        self.present[at] = present;
    }

    /// Whether an edge is there.
    pub fn contains(&self, edge: Edge) -> bool {
        self.present[self.at(edge)]
    }

    fn at(&self, edge: Edge) -> usize {
        self.graph.reader_index(edge.to) * self.graph.writers() + self.graph.writer_index(edge.from)
    }
}
