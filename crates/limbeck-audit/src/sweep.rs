//! Removes every head and every MLP in turn, and measures what that does to the logit difference.
//!
//! What comes before the touched layer is computed once per batch of prompts: the residual stream is
//! carried from block to block, and each ablation restarts from it. An ablated MLP restarts one block later still,
//! since its output is simply another summand. Prompts of unequal length share a batch, padded on the right, so that
//! small groups do not cost a pass each. Only the last position reaches the head, and there only the two
//! rows of the answers.

use burn::tensor::{Device, Int, Tensor, TensorData};
use limbeck_data::progress::Progress;
use limbeck_eval::numerals::{NumeralPrompt, NumeralTask};
use limbeck_model::{
    Action, Capture, Decoder, Intervention, Interventions, NoTap, Site, SiteKind, TokenBatch,
};

use crate::AuditError;

/// What a removed component leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ablation {
    /// Its mean over the corrupted prompts of the group, per position.
    Mean,
    /// Zero.
    Zero,
}

/// Logit differences of every prompt, whole and with each component removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Blocks.
    pub layers: usize,
    /// Query heads per block.
    pub heads: usize,
    /// `LD` of the whole network, one per prompt.
    pub full: Vec<f64>,
    /// Whether the whole network ranks the right answer first, one per prompt.
    pub correct: Vec<bool>,
    /// `LD` with a component removed, `[prompt, component]`; components by layer, heads before the MLP.
    pub ablated: Vec<f64>,
}

impl Sweep {
    /// Heads and MLPs.
    pub fn components(&self) -> usize {
        self.layers * (self.heads + 1)
    }

    /// Prompts measured.
    pub fn prompts(&self) -> usize {
        self.full.len()
    }

    /// Writes `100 * sum(LD_ablated) / sum(LD_full)` over the chosen prompts (repetitions count), in percent, for
    /// every component: the ratio of the means.
    pub(crate) fn scores(&self, chosen: &[usize], scores: &mut [f64]) {
        let components = self.components();
        scores.fill(0.0);
        let mut whole = 0.0;
        for &prompt in chosen {
            whole += self.full[prompt];
            let row = &self.ablated[prompt * components..(prompt + 1) * components];
            for (sum, value) in scores.iter_mut().zip(row) {
                *sum += value;
            }
        }
        for score in scores {
            *score *= 100.0 / whole;
        }
    }
}

/// Sweeps over all components of `decoder` on the prompts of `task`, in the order of [`NumeralTask::prompts`].
///
/// Heads are query heads, also where several share keys and values, ablated at `hook_z` one at a time; MLPs
/// at `hook_mlp_out`.
///
/// # Errors
/// [`AuditError::NoDifference`] when the whole network's mean logit difference is zero or not a number,
/// [`AuditError::Vocabulary`] and [`AuditError::Length`] for prompts that the network cannot read,
/// [`AuditError::Cancelled`] on request.
pub fn sweep(
    decoder: &Decoder,
    task: &NumeralTask,
    ablation: Ablation,
    batch_size: usize,
    label: &str,
    progress: &dyn Progress,
) -> Result<Sweep, AuditError> {
    let config = decoder.config();
    check_readable(decoder, task)?;
    let (layers, heads) = (config.n_layers, config.n_heads);
    let mut found = Sweep { layers, heads, full: vec![], correct: vec![], ablated: vec![] };
    let per_batch: usize = (0..layers).map(|layer| heads * (layers - layer) + (layers - layer - 1)).sum();
    let rows: Vec<Row> = (task.groups.iter().enumerate())
        .flat_map(|(group, prompts)| prompts.prompts.iter().map(move |prompt| Row { group, prompt }))
        .collect();
    let means = match ablation {
        Ablation::Mean => {
            let measured =
                task.groups.iter().map(|group| Means::measure(decoder, &group.corrupted, batch_size));
            Some(measured.collect::<Result<Vec<Means>, AuditError>>()?)
        }
        Ablation::Zero => None,
    };
    progress.start(label, (rows.len().div_ceil(batch_size) * per_batch) as u64, "blocks");
    let swept = rows
        .chunks(batch_size)
        .try_for_each(|rows| sweep_batch(decoder, rows, means.as_deref(), &mut found, progress));
    progress.finish();
    swept?;
    let value = found.full.iter().sum::<f64>() / found.prompts().max(1) as f64;
    if value == 0.0 || !value.is_finite() {
        return Err(AuditError::NoDifference { prompts: found.prompts(), value });
    }
    Ok(found)
}

/// Refuses prompts with unknown tokens or too many of them.
fn check_readable(decoder: &Decoder, task: &NumeralTask) -> Result<(), AuditError> {
    let (vocab, positions) = (decoder.config().vocab_size, decoder.config().max_positions);
    for prompt in task.prompts() {
        let answers = [prompt.right, prompt.wrong];
        let mut tokens = prompt.clean.iter().chain(&prompt.corrupted).chain(&answers);
        if let Some(&token) = tokens.find(|&&token| token as usize >= vocab) {
            return Err(AuditError::Vocabulary { token, vocab });
        }
        if prompt.clean.len() > positions {
            return Err(AuditError::Length { length: prompt.clean.len(), positions });
        }
    }
    Ok(())
}

/// A prompt and the group whose means belong to it.
struct Row<'a> {
    group: usize,
    prompt: &'a NumeralPrompt,
}

fn sweep_batch(
    decoder: &Decoder,
    rows: &[Row],
    means: Option<&[Means]>,
    found: &mut Sweep,
    progress: &dyn Progress,
) -> Result<(), AuditError> {
    let (layers, heads) = (found.layers, found.heads);
    let answers = Answers::new(decoder, rows);
    let mut columns: Vec<Vec<f64>> = Vec::with_capacity(found.components());
    let ids: Vec<&[u32]> = rows.iter().map(|row| row.prompt.clean.as_slice()).collect();
    let mut resid = decoder.embed(&TokenBatch::new(&ids, &decoder.device())?, &mut NoTap);
    let length = resid.dims()[1];
    for layer in 0..layers {
        let z = Site::block(layer, SiteKind::Z);
        let mean_z = means.map(|means| gather(rows, length, |row| means[row.group].z[layer].clone()));
        for head in 0..heads {
            stop_if_asked(progress)?;
            let action = match &mean_z {
                Some(mean) => Action::Replace(mean.clone().narrow(2, head, 1).squeeze_dim(2)),
                None => Action::Zero,
            };
            let mut tap = Interventions::new(vec![Intervention { site: z, head: Some(head), action }]);
            let end = decoder.run_blocks(layer..layers, resid.clone(), &mut tap);
            columns.push(answers.differences(decoder, end)?);
            progress.advance((layers - layer) as u64);
        }
        stop_if_asked(progress)?;
        let mid = Site::block(layer, SiteKind::ResidMid);
        let mut capture = Capture::new([mid]);
        let next = decoder.run_blocks(layer..layer + 1, resid, &mut capture);
        let mid = capture.get3(mid).ok_or_else(|| AuditError::Site { site: mid.to_string() })?;
        let without = match means {
            Some(means) => mid + gather(rows, length, |row| means[row.group].mlp[layer].clone()),
            None => mid,
        };
        let end = decoder.run_blocks(layer + 1..layers, without, &mut NoTap);
        columns.push(answers.differences(decoder, end)?);
        progress.advance((layers - layer - 1) as u64);
        resid = next;
    }
    found.full.extend(answers.differences(decoder, resid.clone())?);
    found.correct.extend(answers.correct(decoder, resid)?);
    for prompt in 0..rows.len() {
        found.ablated.extend(columns.iter().map(|column| column[prompt]));
    }
    Ok(())
}

/// The means of each row's group, `[1, seq, ..]`, one below the other, with zeros where a row is padding.
fn gather<const D: usize>(rows: &[Row], length: usize, mean: impl Fn(&Row) -> Tensor<D>) -> Tensor<D> {
    let padded = rows.iter().map(|row| {
        let mean = mean(row);
        let mut dims = mean.dims();
        if dims[1] == length {
            return mean;
        }
        dims[1] = length - dims[1];
        let rest = Tensor::zeros(dims, &mean.device());
        Tensor::cat(vec![mean, rest], 1)
    });
    Tensor::cat(padded.collect(), 0)
}

fn stop_if_asked(progress: &dyn Progress) -> Result<(), AuditError> {
    if progress.cancelled() { Err(AuditError::Cancelled) } else { Ok(()) }
}

/// The clean prompts as tokens; all of a group have one length.
pub(crate) fn clean_batch(decoder: &Decoder, prompts: &[NumeralPrompt]) -> Result<TokenBatch, AuditError> {
    let rows: Vec<&[u32]> = prompts.iter().map(|prompt| prompt.clean.as_slice()).collect();
    Ok(TokenBatch::new(&rows, &decoder.device())?)
}

/// Values of a tensor, row-major.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>, what: &'static str) -> Result<Vec<f32>, AuditError> {
    tensor
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| AuditError::Read { what, detail: format!("{error:?}") })
}

/// The last position of every row, and the rows of the head that the logit difference needs.
struct Answers {
    /// Place of each row's last token in the flattened `[batch * seq]`.
    last: Tensor<1, Int>,
    /// `head[right] - head[wrong]`, `[batch, d_model]`.
    contrast: Tensor<2>,
    right: Vec<u32>,
}

impl Answers {
    fn new(decoder: &Decoder, rows: &[Row]) -> Answers {
        let device = decoder.device();
        let right: Vec<u32> = rows.iter().map(|row| row.prompt.right).collect();
        let wrong: Vec<u32> = rows.iter().map(|row| row.prompt.wrong).collect();
        let longest = rows.iter().map(|row| row.prompt.clean.len()).max().unwrap_or(0);
        let ends =
            rows.iter().enumerate().map(|(at, row)| (at * longest + row.prompt.clean.len() - 1) as u32);
        let head = decoder.head();
        let tokens = |ids: &[u32]| head.clone().select(0, indices(ids, &device));
        Answers {
            last: indices(&ends.collect::<Vec<_>>(), &device),
            contrast: tokens(&right) - tokens(&wrong),
            right,
        }
    }

    /// Normalised residual stream at the last positions, `[batch, d_model]`.
    fn last(&self, decoder: &Decoder, resid: Tensor<3>) -> Tensor<2> {
        let [batch, length, width] = resid.dims();
        let last = resid.reshape([batch * length, width]).select(0, self.last.clone());
        decoder.finish(last.unsqueeze_dim(1), &mut NoTap).squeeze_dim(1)
    }

    /// `LD` of every prompt, from the residual stream after the last block.
    fn differences(&self, decoder: &Decoder, resid: Tensor<3>) -> Result<Vec<f64>, AuditError> {
        let product = self.last(decoder, resid) * self.contrast.clone();
        let values = read(product.sum_dim(1), "logit differences")?;
        Ok(values.into_iter().map(f64::from).collect())
    }

    /// Whether the right answer has the largest logit of all.
    fn correct(&self, decoder: &Decoder, resid: Tensor<3>) -> Result<Vec<bool>, AuditError> {
        let logits = self.last(decoder, resid).matmul(decoder.head().transpose());
        let vocab = logits.dims()[1];
        let values = read(logits, "logits")?;
        let rows = values.chunks_exact(vocab).zip(&self.right);
        Ok(rows.map(|(row, &right)| row.iter().all(|&logit| logit <= row[right as usize])).collect())
    }
}

fn indices(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let count = ids.len();
    Tensor::from_data(TensorData::new(ids, [count]), device)
}

/// Means over the corrupted prompts of a group, per position.
struct Means {
    /// By layer, `[1, seq, heads, d_head]`.
    z: Vec<Tensor<4>>,
    /// By layer, `[1, seq, d_model]`.
    mlp: Vec<Tensor<3>>,
}

impl Means {
    fn measure(decoder: &Decoder, corrupted: &[Vec<u32>], batch_size: usize) -> Result<Means, AuditError> {
        let layers = decoder.config().n_layers;
        let (mut z, mut mlp): (Vec<Tensor<4>>, Vec<Tensor<3>>) = (Vec::new(), Vec::new());
        let share = 1.0 / corrupted.len() as f64;
        for chunk in corrupted.chunks(batch_size) {
            let batch = TokenBatch::new(chunk, &decoder.device())?;
            let mut resid = decoder.embed(&batch, &mut NoTap);
            for layer in 0..layers {
                let (z_site, mlp_site) =
                    (Site::block(layer, SiteKind::Z), Site::block(layer, SiteKind::MlpOut));
                let mut capture = Capture::new([z_site, mlp_site]);
                resid = decoder.run_blocks(layer..layer + 1, resid, &mut capture);
                let missing = |site: Site| move || AuditError::Site { site: site.to_string() };
                let z_sum = capture.get4(z_site).ok_or_else(missing(z_site))?.sum_dim(0) * share;
                let mlp_sum = capture.get3(mlp_site).ok_or_else(missing(mlp_site))?.sum_dim(0) * share;
                if z.len() == layer {
                    z.push(z_sum);
                    mlp.push(mlp_sum);
                } else {
                    z[layer] = z[layer].clone() + z_sum;
                    mlp[layer] = mlp[layer].clone() + mlp_sum;
                }
            }
        }
        Ok(Means { z, mlp })
    }
}
