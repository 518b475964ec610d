//! Forward passes of part of a network: everything outside the kept set says what removed components say.
//!
//! A block without a kept head has no attention to compute, one without its MLP no MLP; after the last kept head
//! only the last positions matter. A pass can start anywhere in the middle.

use burn::tensor::Tensor;
use limbeck_model::Decoder;

use super::NodeSet;
use super::setting::{Batch, Setting};
use crate::AuditError;

/// Where in the network a residual stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Entering a block.
    Pre(usize),
    /// Between its attention and its MLP.
    Mid(usize),
}

/// A residual stream entering a block, `[batch, seq, d_model]`, with what all heads make of it; `None` where none
/// is kept.
pub(crate) type Entry = (Tensor<3>, Option<Tensor<4>>);

impl Setting<'_> {
    /// `LD` of every prompt with only `kept` in place.
    pub(crate) fn differences(&self, kept: &NodeSet) -> Result<Vec<f64>, AuditError> {
        self.over_batches(|_, batch| batch.finish(self.decoder, kept, Place::Pre(0), batch.embed.clone()))
    }

    /// What `run` gives for each batch, one after the other.
    pub(crate) fn over_batches(
        &self,
        run: impl Fn(usize, &Batch) -> Result<Vec<f64>, AuditError>,
    ) -> Result<Vec<f64>, AuditError> {
        let mut all = Vec::new();
        for (index, batch) in self.batches.iter().enumerate() {
            all.extend(run(index, batch)?);
        }
        Ok(all)
    }
}

impl Batch {
    /// What the heads say, with those removed that are not kept.
    pub(crate) fn mixed(&self, layer: usize, z: Tensor<4>, kept: &NodeSet) -> Tensor<4> {
        if kept.heads_in(layer) == kept.heads() {
            return z;
        }
        let away = self.away.z[layer].clone();
        away.clone() + (z.clone() - away) * kept.mask(layer, &z.device())
    }

    /// Output of attention from what all heads would say.
    pub(crate) fn attention(
        &self,
        decoder: &Decoder,
        layer: usize,
        z: Option<Tensor<4>>,
        kept: &NodeSet,
    ) -> Tensor<3> {
        match z {
            Some(z) if kept.heads_in(layer) > 0 => decoder.attention_out(layer, self.mixed(layer, z, kept)),
            _ => self.away.attention[layer].clone(),
        }
    }

    /// A stream entering a block, with what the heads make of it.
    pub(crate) fn enter(&self, decoder: &Decoder, layer: usize, pre: Tensor<3>, kept: &NodeSet) -> Entry {
        let z = (kept.heads_in(layer) > 0).then(|| decoder.head_values(layer, pre.clone()));
        (pre, z)
    }

    /// The residual stream between attention and MLP.
    pub(crate) fn mid(&self, decoder: &Decoder, layer: usize, (pre, z): &Entry, kept: &NodeSet) -> Tensor<3> {
        pre.clone() + self.attention(decoder, layer, z.clone(), kept)
    }

    /// The residual stream leaving a block.
    pub(crate) fn post(&self, decoder: &Decoder, layer: usize, mid: Tensor<3>, kept: &NodeSet) -> Tensor<3> {
        match kept.contains(kept.mlp(layer)) {
            true => mid.clone() + decoder.mlp_out(layer, mid),
            false => mid + self.away.mlp[layer].clone(),
        }
    }

    /// `LD` of every row, from the residual stream at `place` on.
    pub(crate) fn finish(
        &self,
        decoder: &Decoder,
        kept: &NodeSet,
        place: Place,
        mut resid: Tensor<3>,
    ) -> Result<Vec<f64>, AuditError> {
        let layers = decoder.config().n_layers;
        let (first, mut attends) = match place {
            Place::Pre(layer) => (layer, true),
            Place::Mid(layer) => (layer, false),
        };
        let next_attention = if attends { first } else { first + 1 };
        let last_attention = (next_attention..layers).rev().find(|&layer| kept.heads_in(layer) > 0);
        let mut at_last = last_attention.is_none();
        if at_last {
            resid = self.answers.at_last(resid);
        }
        for layer in first..layers {
            if attends {
                resid = match at_last {
                    true => resid + self.attention_last[layer].clone(),
                    false => self.mid(decoder, layer, &self.enter(decoder, layer, resid, kept), kept),
                };
                if last_attention == Some(layer) {
                    resid = self.answers.at_last(resid);
                    at_last = true;
                }
            }
            attends = true;
            resid = match at_last && !kept.contains(kept.mlp(layer)) {
                true => resid + self.mlp_last[layer].clone(),
                false => self.post(decoder, layer, resid, kept),
            };
        }
        self.answers.differences_at_last(decoder, resid)
    }
}
