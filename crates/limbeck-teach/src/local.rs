//! A teacher whose weights are on this machine.

use burn::tensor::{Int, Tensor, TensorData};
use limbeck_kernels::{Precision, TeacherLogits};
use limbeck_model::{Both, Capture, Decoder, Fill, Gates, LoadedModel, Margin, NoTap, Site, Tap, TokenBatch};

use crate::{
    Capabilities, Distribution, HiddenShape, Signal, SiteValue, TeachError, Teacher, TeacherIdentity,
    TeacherQuery,
};

/// A decoder that answers with its hidden states and its head; it is never part of a gradient graph.
///
/// Logits are not formed here: the fused loss multiplies by the head in pieces, so that [n, vocab] values never
/// stand in memory.
#[derive(Debug, Clone)]
pub struct LocalTeacher {
    decoder: Decoder,
    identity: TeacherIdentity,
}

impl LocalTeacher {
    /// A teacher of these weights.
    pub fn new(decoder: Decoder, identity: TeacherIdentity) -> Self {
        Self { decoder: decoder.frozen(), identity }
    }

    /// A teacher from a loaded model, named by the model's hash and tokenizer.
    pub fn from_model(model: &LoadedModel) -> Self {
        let identity = TeacherIdentity {
            hash: model.hash.clone(),
            tokenizer_hash: model.tokenizer.hash(),
            vocab_size: model.decoder.config().vocab_size,
            origin: model.origin.clone(),
        };
        Self::new(model.decoder.clone(), identity)
    }

    /// The same teacher with matrix products of another precision.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { decoder: self.decoder.with_precision(precision), ..self }
    }

    /// Its weights.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

impl Teacher for LocalTeacher {
    fn identity(&self) -> &TeacherIdentity {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::local()
    }

    fn hidden_shape(&self) -> Option<HiddenShape> {
        let config = self.decoder.config();
        Some(HiddenShape {
            layers: config.n_layers,
            width: config.d_model,
            heads: config.n_heads,
            head_width: config.d_head,
        })
    }

    fn signal(&self, query: &TeacherQuery<'_>) -> Result<Signal, TeachError> {
        let device = self.decoder.device();
        let ids: Vec<&[u32]> = query.rows.iter().map(|row| row.ids.as_slice()).collect();
        let batch = TokenBatch::new(&ids, &device)?;
        let [_, seq] = batch.ids.dims();
        let places: Vec<i64> = query.positions.iter().map(|at| (at.row * seq + at.position) as i64).collect();
        let places: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(places, [query.positions.len()]), &device);
        let gather = |hidden: Tensor<3>| {
            let [batch, seq, width] = hidden.dims();
            hidden.reshape([batch * seq, width]).select(0, places.clone())
        };

        let mut capture = Capture::new(query.sites.iter().chain(query.whole).copied());
        let mut gates = query.without.map(|(removed, fill)| Gates::removing(removed, fill, &batch, &device));
        let mut nothing = NoTap;
        let removal: &mut dyn Tap = match &mut gates {
            Some(gates) => gates,
            None => &mut nothing,
        };
        let last = self.decoder.hidden(&batch, &mut Both(&mut capture, removal));
        let mut signal = Signal::default();
        if !query.temperatures.is_empty() {
            let logits = TeacherLogits::Head { hidden: gather(last), head: self.decoder.head() };
            signal.distributions.push(Distribution { temperature: None, logits });
        }
        let missing = |site: &Site, rank: &str| TeachError::Beyond {
            asked: format!("the values at {site}"),
            gives: format!("sites of {} blocks{rank}", self.decoder.config().n_layers),
        };
        for site in query.sites {
            let value = capture.get3(*site).ok_or_else(|| missing(site, " with values of rank 3"))?;
            signal.hidden.push(gather(value));
        }
        for site in query.whole {
            let value = match capture.get3(*site) {
                Some(value) => SiteValue::Rank3(value),
                None => SiteValue::Rank4(capture.get4(*site).ok_or_else(|| missing(site, ""))?),
            };
            signal.whole.push(value);
        }
        if let Some(columns) = query.influence {
            let targets: Vec<i64> = query.positions.iter().map(|at| i64::from(at.target)).collect();
            let targets =
                Tensor::<1, Int>::from_data(TensorData::new(targets, [query.positions.len()]), &device);
            let margin = Margin { tokens: &batch, places: &places, targets: &targets, columns };
            signal.influence = Some(margin.influence(&self.decoder, Fill::Mean)?);
        }
        Ok(signal)
    }
}
