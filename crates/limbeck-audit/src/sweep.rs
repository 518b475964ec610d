//! Removes every head and every MLP in turn, and measures what that does to the logit difference.
//!
//! What comes before the touched layer is computed once per batch of prompts: the residual stream is
//! carried from block to block, and each ablation restarts from it. An ablated MLP restarts one block later still,
//! since its output is simply another summand. Prompts of unequal length share a batch, padded on the right, so that
//! small groups do not cost a pass each. Only the last position reaches the head, and there only the two
//! rows of the answers.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{
    Action, Capture, Decoder, Intervention, Interventions, NoTap, Site, SiteKind, TokenBatch,
};

use crate::AuditError;
use crate::answers::Answers;
use crate::means::{Means, gather};
use crate::rows::{Row, check_readable, rows, stop_if_asked};

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
    /// Whether the whole network ranks a right answer first, one per prompt.
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

/// Sweeps over all components of `decoder` on the prompts of `task`, in the order of [`ContrastTask::prompts`].
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
    task: &ContrastTask,
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
    let rows = rows(task);
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
