//! Forward passes in which every reader has a residual stream of its own: parts of a network given by edges.
//!
//! A reader's stream is the sum of what every writer before it says: what it really says where the edge is there, and
//! what removed components say where it is not. With all edges this is the network itself.

use burn::tensor::{Tensor, TensorData};
use limbeck_model::{Decoder, HeadInputs};
use limbeck_results::HeadInput;

use super::NodeSet;
use super::graph::{Edge, EdgeSet, Graph, Reader};
use super::setting::{Batch, Setting};
use crate::AuditError;

impl Setting<'_> {
    /// `LD` of every prompt with only `kept` in place and only these edges between them.
    pub(crate) fn differences_of_edges(
        &self,
        kept: &NodeSet,
        edges: &EdgeSet,
    ) -> Result<Vec<f64>, AuditError> {
        self.over_batches(|_, batch| Streams::new(self.decoder, batch, kept, edges).differences())
    }
}

/// A forward pass under way.
struct Streams<'a> {
    decoder: &'a Decoder,
    batch: &'a Batch,
    kept: &'a NodeSet,
    edges: &'a EdgeSet,
    graph: Graph,
    /// What all writers so far would say if removed, `[batch, seq, d_model]`.
    base: Tensor<3>,
    /// Numbers of writers, and what each says beyond that, `[writers, batch * seq * d_model]`.
    beyond: Vec<(Vec<usize>, Tensor<2>)>,
}

impl<'a> Streams<'a> {
    fn new(decoder: &'a Decoder, batch: &'a Batch, kept: &'a NodeSet, edges: &'a EdgeSet) -> Streams<'a> {
        let base = batch.away.embed.clone();
        let graph = Graph::of(decoder.config());
        let mut streams = Streams { decoder, batch, kept, edges, graph, base, beyond: vec![] };
        streams.write(vec![0], (batch.embed.clone() - batch.away.embed.clone()).unsqueeze_dim(0));
        streams
    }

    /// Notes what writers say beyond what removed ones would, `[writers, batch, seq, d_model]`.
    fn write(&mut self, writers: Vec<usize>, beyond: Tensor<4>) {
        let [count, batch, seq, width] = beyond.dims();
        self.beyond.push((writers, beyond.reshape([count, batch * seq * width])));
    }

    fn differences(mut self) -> Result<Vec<f64>, AuditError> {
        for layer in 0..self.graph.layers {
            if self.kept.heads_in(layer) > 0 {
                self.attend(layer);
            }
            self.base = self.base.clone() + self.batch.away.attention[layer].clone();
            let mlp = self.kept.mlp(layer);
            if self.kept.contains(mlp) {
                let mid = self.read(&[Reader::Mlp { layer }]).squeeze_dim::<3>(0);
                let out = self.decoder.mlp_out(layer, mid) - self.batch.away.mlp[layer].clone();
                self.write(vec![1 + mlp], out.unsqueeze_dim(0));
            }
            self.base = self.base.clone() + self.batch.away.mlp[layer].clone();
        }
        let end = self.read(&[Reader::Logits]).squeeze_dim::<3>(0);
        self.batch.answers.differences_at_last(self.decoder, self.batch.answers.at_last(end))
    }

    fn attend(&mut self, layer: usize) {
        let readers = |input, heads: usize| -> Vec<Reader> {
            (0..heads).map(|head| Reader::Head { layer, input, head }).collect()
        };
        let each = |input, heads| self.read(&readers(input, heads)).permute([1, 2, 0, 3]);
        let inputs = HeadInputs {
            q: each(HeadInput::Query, self.graph.heads),
            k: each(HeadInput::Key, self.graph.kv_heads),
            v: each(HeadInput::Value, self.graph.kv_heads),
        };
        let z = self.decoder.head_values_of(layer, inputs) - self.batch.away.z[layer].clone();
        let outputs = self.decoder.head_outputs(layer, z).permute([2, 0, 1, 3]);
        let kept: Vec<usize> =
            (0..self.graph.heads).filter(|&head| self.kept.contains(self.kept.head(layer, head))).collect();
        let outputs = kept.iter().map(|&head| outputs.clone().narrow(0, head, 1)).collect();
        let writers = kept.iter().map(|&head| 1 + self.kept.head(layer, head)).collect();
        self.write(writers, Tensor::cat(outputs, 0));
    }

    /// The residual streams of some readers, `[readers, batch, seq, d_model]`.
    fn read(&self, readers: &[Reader]) -> Tensor<4> {
        let dims = self.base.dims();
        let mut sum = self.base.clone().reshape([1, dims.iter().product()]).repeat_dim(0, readers.len());
        for (writers, beyond) in &self.beyond {
            let heard = readers.iter().flat_map(|&to| {
                let edge = move |&writer: &usize| Edge { from: self.graph.writer(writer), to };
                writers.iter().map(move |writer| f32::from(u8::from(self.edges.contains(edge(writer)))))
            });
            let heard = TensorData::new(heard.collect::<Vec<f32>>(), [readers.len(), writers.len()]);
            sum = sum + Tensor::<2>::from_data(heard, &beyond.device()).matmul(beyond.clone());
        }
        sum.reshape([readers.len(), dims[0], dims[1], dims[2]])
    }
}
