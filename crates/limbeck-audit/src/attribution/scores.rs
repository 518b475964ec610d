//! Scores of all edges by attribution: EAP, and EAP-IG over inputs or activations.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::Decoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gradients::{input_gradients, lifted};
use crate::AuditError;
use crate::answers::Answers;
use crate::circuit::{Edge, Graph, Place, Writer, Writings, embedded, spread};
use crate::kept::{keep, recalled};
use crate::rows::{Row, check_readable, read, rows, stop_if_asked};

/// What is interpolated between the corrupted and the clean prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The embeddings; all else follows.
    #[default]
    Inputs,
    /// What one part says (the embedding, a block's attention, an MLP), each in passes of its own.
    Activations,
}

/// Where gradients are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributionMethod {
    /// On the clean prompt (EAP).
    Clean,
    /// Mean over `steps` points `corrupted + k/steps (clean - corrupted)`, `k = 1..steps` (EAP-IG).
    Integrated {
        /// What is interpolated.
        over: Interpolation,
        /// Points, at least 1.
        steps: usize,
    },
}

/// Scores of all edges of a network.
///
/// `score(u, v) = mean over prompts of sum over positions of (u_corrupted - u_clean) . dLD / d(input of v)`, in
/// logits: the estimated change of `LD` if reader `v` heard the writer `u` of the corrupted prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeScores {
    /// The graph whose edges these are.
    pub graph: Graph,
    /// `[reader, writer]`; 0 where the writer does not come before the reader.
    values: Vec<f64>,
}

impl EdgeScores {
    /// The score of an edge, in logits.
    pub fn get(&self, edge: Edge) -> f64 {
        self.values
            [self.graph.reader_index(edge.to) * self.graph.writers() + self.graph.writer_index(edge.from)]
    }

    /// Node attribution: the sum over the edges that leave a writer, in logits. Where the gradient is that of one pass
    /// this is attribution patching of the node, `(corrupted - clean) . dLD / d(output)`.
    pub fn of_writer(&self, writer: Writer) -> f64 {
        let column = self.graph.writer_index(writer);
        self.values.iter().skip(column).step_by(self.graph.writers()).sum()
    }
}

/// Scores every edge of `decoder` on at most `prompts` prompts of `task`, spread evenly over them.
///
/// Passes with gradients take `batch_size` prompts at a time; this changes no result beyond rounding.
///
/// # Errors
/// [`AuditError::Vocabulary`] and [`AuditError::Length`] for prompts that the network cannot read,
/// [`AuditError::Config`] for no steps, [`AuditError::Cancelled`] on request.
pub fn edge_attribution(
    decoder: &Decoder,
    task: &ContrastTask,
    method: AttributionMethod,
    prompts: usize,
    batch_size: usize,
    label: &str,
    progress: &dyn Progress,
) -> Result<EdgeScores, AuditError> {
    check_readable(decoder, task)?;
    if let AttributionMethod::Integrated { steps: 0, .. } = method {
        return Err(AuditError::Config {
            key: "circuit.steps",
            found: "0".into(),
            expected: "it must be at least 1",
        });
    }
    let graph = Graph::of(decoder.config());
    let chosen = spread(rows(task), prompts);
    let mut scores = EdgeScores { graph, values: vec![0.0; graph.readers().len() * graph.writers()] };
    let passes = match method {
        AttributionMethod::Clean => 1,
        AttributionMethod::Integrated { over: Interpolation::Inputs, steps } => steps,
        AttributionMethod::Integrated { over: Interpolation::Activations, steps } => {
            (2 * graph.layers + 1) * steps
        }
    };
    let chunks = chosen.chunks(batch_size.max(1));
    progress.start(label, (chunks.len() * passes) as u64, "passes");
    let network = lifted(decoder);
    let scored = chosen.chunks(batch_size.max(1)).enumerate().try_for_each(|(number, rows)| {
        // What an interrupted process had summed up behind this batch.
        let part = format!("{label}, batch {}", number + 1);
        if let Some(found) = recalled(&part, scores.values.len(), progress) {
            progress.resume(passes as u64);
            scores.values = found;
            return Ok(());
        }
        let pass = Pass::new(decoder, &network, rows, 1.0 / chosen.len() as f64)?;
        pass.score(method, &mut scores, progress)?;
        keep(&part, &scores.values, progress);
        Ok(())
    });
    progress.finish();
    scored.map(|()| scores)
}

/// Some prompts, with what every component says on their clean and corrupted versions.
struct Pass<'a> {
    network: &'a Decoder,
    answers: Answers,
    clean: Writings,
    corrupted: Writings,
    /// `corrupted - clean` of all writers, `[writers, batch * seq * d_model]`.
    change: Tensor<2>,
    /// What a prompt counts.
    share: f64,
}

impl<'a> Pass<'a> {
    fn new(
        decoder: &Decoder,
        network: &'a Decoder,
        rows: &[Row],
        share: f64,
    ) -> Result<Pass<'a>, AuditError> {
        let clean = rows.iter().map(|row| row.prompt.clean.as_slice());
        let corrupted = rows.iter().map(|row| row.prompt.corrupted.as_slice());
        let clean = Writings::of(decoder, embedded(decoder, clean)?);
        let corrupted = Writings::of(decoder, embedded(decoder, corrupted)?);
        let size = clean.embed.dims().iter().product();
        let mut change = vec![(corrupted.embed.clone() - clean.embed.clone()).reshape([1, size])];
        for layer in 0..decoder.config().n_layers {
            let z = corrupted.z[layer].clone() - clean.z[layer].clone();
            let heads = decoder.head_outputs(layer, z).permute([2, 0, 1, 3]);
            change.push(heads.reshape([decoder.config().n_heads, size]));
            change.push((corrupted.mlp[layer].clone() - clean.mlp[layer].clone()).reshape([1, size]));
        }
        let change = Tensor::cat(change, 0);
        Ok(Pass { network, answers: Answers::new(network, rows), clean, corrupted, change, share })
    }

    fn score(
        &self,
        method: AttributionMethod,
        scores: &mut EdgeScores,
        progress: &dyn Progress,
    ) -> Result<(), AuditError> {
        let writers = scores.graph.writers();
        match method {
            AttributionMethod::Clean => {
                self.add(Place::Pre(0), self.clean.embed.clone(), 0..writers, 1.0, scores, progress)
            }
            AttributionMethod::Integrated { over: Interpolation::Inputs, steps } => {
                (1..=steps).try_for_each(|step| {
                    let embed = self.between(step, steps, |all| all.embed.clone());
                    self.add(Place::Pre(0), embed, 0..writers, 1.0 / steps as f64, scores, progress)
                })
            }
            AttributionMethod::Integrated { over: Interpolation::Activations, steps } => {
                (1..=steps).try_for_each(|step| self.score_activations(step, steps, scores, progress))
            }
        }
    }

    /// Each part in turn between corrupted and clean, what comes before it clean.
    fn score_activations(
        &self,
        step: usize,
        steps: usize,
        scores: &mut EdgeScores,
        progress: &dyn Progress,
    ) -> Result<(), AuditError> {
        let weight = 1.0 / steps as f64;
        let heads = scores.graph.heads;
        let embed = self.between(step, steps, |all| all.embed.clone());
        self.add(Place::Pre(0), embed, 0..1, weight, scores, progress)?;
        let mut resid = self.clean.embed.clone();
        for layer in 0..scores.graph.layers {
            let first = 1 + layer * (heads + 1);
            let attention = self.between(step, steps, |all| all.attention[layer].clone());
            let stream = resid.clone() + attention;
            self.add(Place::Mid(layer), stream, first..first + heads, weight, scores, progress)?;
            resid = resid + self.clean.attention[layer].clone();
            let stream = resid.clone() + self.between(step, steps, |all| all.mlp[layer].clone());
            let place = Place::Pre(layer + 1);
            self.add(place, stream, first + heads..first + heads + 1, weight, scores, progress)?;
            resid = resid + self.clean.mlp[layer].clone();
        }
        Ok(())
    }

    /// `corrupted + step/steps (clean - corrupted)`.
    fn between(&self, step: usize, steps: usize, part: impl Fn(&Writings) -> Tensor<3>) -> Tensor<3> {
        let corrupted = part(&self.corrupted);
        corrupted.clone() + (part(&self.clean) - corrupted) * (step as f64 / steps as f64)
    }

    /// Adds the scores of the edges from some writers, with gradients of the pass that goes on from `resid`.
    fn add(
        &self,
        place: Place,
        resid: Tensor<3>,
        writers: std::ops::Range<usize>,
        weight: f64,
        scores: &mut EdgeScores,
        progress: &dyn Progress,
    ) -> Result<(), AuditError> {
        stop_if_asked(progress)?;
        let (readers, gradients) = input_gradients(self.network, &self.answers, place, resid)?;
        let change = self.change.clone().narrow(0, writers.start, writers.len());
        let products = read(gradients.matmul(change.transpose()), "attributions")?;
        let (all, total) = (scores.graph.readers(), scores.graph.writers());
        for (row, reader) in products.chunks_exact(writers.len()).zip(readers) {
            let before = scores.graph.writers_before(all[reader]);
            for (value, writer) in row.iter().zip(writers.clone()).filter(|(_, writer)| *writer < before) {
                scores.values[reader * total + writer] += f64::from(*value) * weight * self.share;
            }
        }
        progress.advance(1);
        Ok(())
    }
}
