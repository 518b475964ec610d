//! Direct logit attribution: the logit difference taken apart into what each component added to the residual stream.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Capture, Decoder, Site, SiteKind};
use limbeck_results::{DirectAttribution, DirectEffect};
use limbeck_stats::{Bootstrap, Estimate};

use super::{at_last, tokens};
use crate::AuditError;
use crate::answers::Answers;
use crate::influence::component;
use crate::rows::{Row, check_readable, rows, stop_if_asked};
use crate::values::captured;

/// The logit difference of every prompt as a sum (nostalgebraist 2020; Elhage et al. 2021; Wang et al. 2022).
///
/// The residual stream at the last position is the sum of embeddings, heads' outputs `z_h W_O^h`, output biases and MLPs'
/// outputs. The final norm divides it by one scale; with that held, the norm and `LD = norm(resid) . (mean W_U[right] -
/// mean W_U[wrong])` are linear (LayerNorm's centring included), and each summand has a share of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectLogits {
    /// Blocks.
    pub layers: usize,
    /// Query heads per block.
    pub heads: usize,
    /// `LD`, one per prompt.
    pub full: Vec<f64>,
    /// Share of the token embeddings, one per prompt.
    pub embedding: Vec<f64>,
    /// Share of learned position embeddings, one per prompt; `None` where positions are rotary.
    pub positions: Option<Vec<f64>>,
    /// Share of every component, `[component][prompt]`; by layer, heads before the MLP.
    pub components: Vec<Vec<f64>>,
    /// Share of all attention output biases together, one per prompt; `None` where there are none.
    pub attention_biases: Option<Vec<f64>>,
    /// Share of the final norm's bias, one per prompt; `None` where it has none.
    pub final_norm_bias: Option<Vec<f64>>,
}

impl DirectLogits {
    /// Takes the logit differences of all clean prompts apart, in one pass.
    ///
    /// # Errors
    /// [`AuditError::Vocabulary`] and [`AuditError::Length`] for prompts that the network cannot read,
    /// [`AuditError::Cancelled`] on request.
    pub fn measure(
        decoder: &Decoder,
        task: &ContrastTask,
        batch_size: usize,
        progress: &dyn Progress,
    ) -> Result<DirectLogits, AuditError> {
        check_readable(decoder, task)?;
        let (layers, heads) = (decoder.config().n_layers, decoder.config().n_heads);
        let mut found = DirectLogits {
            layers,
            heads,
            full: vec![],
            embedding: vec![],
            positions: None,
            components: vec![vec![]; layers * (heads + 1)],
            attention_biases: None,
            final_norm_bias: None,
        };
        for rows in rows(task).chunks(batch_size) {
            stop_if_asked(progress)?;
            found.add(decoder, rows)?;
        }
        Ok(found)
    }

    fn add(&mut self, decoder: &Decoder, rows: &[Row]) -> Result<(), AuditError> {
        let config = decoder.config();
        let (heads, d_head) = (config.n_heads, config.d_head);
        let batch = tokens(decoder, rows)?;
        let last = |value: Tensor<3>| at_last(decoder, value, &batch.lengths);
        let [embed, places] = [SiteKind::Embed, SiteKind::PosEmbed].map(Site::outer);
        let mut seen = Capture::new([embed, places]);
        let mut resid = decoder.embed(&batch, &mut seen);
        let embedding = last(captured(&seen, embed)?);
        let places = seen.get3(places).map(last);
        let mut parts = vec![];
        let mut biases: Option<Tensor<3>> = None;
        for layer in 0..config.n_layers {
            let [z, mlp] = [SiteKind::Z, SiteKind::MlpOut].map(|kind| Site::block(layer, kind));
            let mut seen = Capture::new([z, mlp]);
            resid = decoder.run_blocks(layer..layer + 1, resid, &mut seen);
            let z = last(captured(&seen, z)?);
            parts.extend((0..heads).map(|head| {
                decoder.project_heads(layer, head..head + 1, z.clone().narrow(2, head * d_head, d_head))
            }));
            parts.push(last(captured(&seen, mlp)?));
            if let Some(bias) = decoder.attention_bias(layer) {
                let bias = bias.unsqueeze::<3>().expand(embedding.dims());
                biases = Some(biases.map_or(bias.clone(), |sum| sum + bias));
            }
        }
        let whole = last(resid.clone());
        let answers = Answers::new(decoder, rows);
        let share = |part: Tensor<3>| answers.of_normed(decoder.finish_part(part, whole.clone()));
        self.full.extend(answers.differences(decoder, resid)?);
        self.embedding.extend(share(embedding.clone())?);
        extend(&mut self.positions, places.map(&share).transpose()?);
        for (component, part) in self.components.iter_mut().zip(parts) {
            component.extend(share(part)?);
        }
        extend(&mut self.attention_biases, biases.map(&share).transpose()?);
        let bias = decoder.final_bias().map(|bias| bias.unsqueeze::<3>().expand(embedding.dims()));
        extend(&mut self.final_norm_bias, bias.map(|bias| answers.of_normed(bias)).transpose()?);
        Ok(())
    }

    /// Means over prompts with their bootstrap intervals.
    ///
    /// # Errors
    /// [`AuditError::Stats`] for values that are not finite.
    pub fn estimate(&self, bootstrap: &Bootstrap) -> Result<DirectAttribution, AuditError> {
        let others = [&self.positions, &self.attention_biases, &self.final_norm_bias];
        let mut lists = vec![&self.full, &self.embedding];
        lists.extend(&self.components);
        lists.extend(others.into_iter().flatten());
        let means = bootstrap.statistics(self.full.len(), lists.len(), |chosen, means| {
            for (mean, list) in means.iter_mut().zip(&lists) {
                *mean = chosen.iter().map(|&prompt| list[prompt]).sum::<f64>() / chosen.len() as f64;
            }
        })?;
        let described = means[2..].iter().zip(&self.components).enumerate().map(|(index, (effect, _))| {
            let (kind, layer, head) = component(index, self.heads);
            DirectEffect { kind, layer, head, effect: *effect }
        });
        let mut rest = means[2 + self.components.len()..].iter().copied();
        let mut next =
            |list: &Option<Vec<f64>>| -> Option<Estimate> { list.as_ref().and_then(|_| rest.next()) };
        Ok(DirectAttribution {
            logit_difference: means[0],
            embedding: means[1],
            components: described.collect(),
            positions: next(&self.positions),
            attention_biases: next(&self.attention_biases),
            final_norm_bias: next(&self.final_norm_bias),
        })
    }
}

fn extend(list: &mut Option<Vec<f64>>, more: Option<Vec<f64>>) {
    if let Some(more) = more {
        list.get_or_insert_default().extend(more);
    }
}
