//! Gradients of the logit difference at the input of every reader of the residual stream.

use burn::tensor::Tensor;
use limbeck_model::{Decoder, HeadInputs, Parameter};
use limbeck_results::HeadInput;

use crate::AuditError;
use crate::answers::Answers;
use crate::circuit::{Graph, Place, Reader};

/// The decoder inside the gradient graph, its weights constants there.
pub(crate) fn lifted(decoder: &Decoder) -> Decoder {
    decoder.clone().map(&mut |_, parameter| match parameter {
        Parameter::Vector(values) => Parameter::Vector(values.autodiff()),
        Parameter::Matrix(values) => Parameter::Matrix(values.autodiff()),
    })
}

/// Readers and what is added to their streams: zeros whose gradient is that of the stream.
struct Leaves(Vec<(Vec<Reader>, Tensor<4>)>);

impl Leaves {
    /// `stream` as so many readers see it, `[batch, seq, readers, d_model]`.
    fn grow(&mut self, stream: &Tensor<3>, readers: Vec<Reader>) -> Tensor<4> {
        let [batch, seq, width] = stream.dims();
        let shape = [batch, seq, readers.len(), width];
        let leaf = Tensor::<4>::zeros(shape, &stream.device()).inner().autodiff().require_grad();
        self.0.push((readers, leaf.clone()));
        stream.clone().unsqueeze_dim::<4>(2).expand(shape) + leaf
    }
}

/// The gradient of the sum of `LD` over the rows at the input of every reader from `place` on, where the residual
/// stream is `resid`: their numbers in the graph, and `[readers, batch * seq * d_model]`.
///
/// `decoder` and `answers` are [`lifted`].
pub(crate) fn input_gradients(
    decoder: &Decoder,
    answers: &Answers,
    place: Place,
    resid: Tensor<3>,
) -> Result<(Vec<usize>, Tensor<2>), AuditError> {
    let graph = Graph::of(decoder.config());
    let (first, mut attends) = match place {
        Place::Pre(layer) => (layer, true),
        Place::Mid(layer) => (layer, false),
    };
    let mut resid = resid.autodiff();
    let mut leaves = Leaves(vec![]);
    for layer in first..graph.layers {
        if attends {
            let mut stream = |input, heads: usize| {
                let readers = (0..heads).map(|head| Reader::Head { layer, input, head });
                leaves.grow(&resid, readers.collect())
            };
            let q = stream(HeadInput::Query, graph.heads);
            let k = stream(HeadInput::Key, graph.kv_heads);
            let v = stream(HeadInput::Value, graph.kv_heads);
            let z = decoder.head_values_of(layer, HeadInputs { q, k, v });
            resid = resid + decoder.attention_out(layer, z);
        }
        attends = true;
        let mid = leaves.grow(&resid, vec![Reader::Mlp { layer }]).squeeze_dim::<3>(2);
        resid = resid + decoder.mlp_out(layer, mid);
    }
    let end = leaves.grow(&resid, vec![Reader::Logits]).squeeze_dim::<3>(2);
    let gradients = answers.total_at_last(decoder, answers.at_last(end)).backward();
    let (mut numbers, mut rows) = (vec![], vec![]);
    for (readers, leaf) in leaves.0 {
        let gradient = leaf.grad(&gradients);
        let gradient =
            gradient.ok_or_else(|| AuditError::NoGradient { reader: format!("{:?}", readers.first()) })?;
        let [batch, seq, count, width] = gradient.dims();
        rows.push(gradient.permute([2, 0, 1, 3]).reshape([count, batch * seq * width]));
        numbers.extend(readers.into_iter().map(|reader| graph.reader_index(reader)));
    }
    Ok((numbers, Tensor::cat(rows, 0)))
}
