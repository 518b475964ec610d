//! Logit differences of prompts with one thing changed at a time.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Capture, Decoder, NoTap, Site, SiteKind, TokenBatch};

use super::replacement::{Replacement, Source};
use super::restart::{Restarts, Start};
use super::{Ablation, Base, Target};
use crate::AuditError;
use crate::answers::Answers;
use crate::rows::{Row, check_readable, rows, stop_if_asked};
use crate::values::captured;

/// What is changed, how, and on which prompts.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// What is changed, one at a time.
    pub targets: &'a [Target],
    /// What is put in its place; every target with every one of these.
    pub ablations: &'a [Ablation],
    /// The prompts that are run.
    pub base: Base,
    /// Prompts per forward pass. Changes no result beyond rounding.
    pub batch_size: usize,
}

/// Logit differences of every prompt, untouched and with each target changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// What was changed.
    pub targets: Vec<Target>,
    /// `LD` of the untouched network, one per prompt.
    pub full: Vec<f64>,
    /// Whether the untouched network ranks a right answer first, one per prompt.
    pub correct: Vec<bool>,
    /// `LD` with one target changed, `[prompt, target]`.
    pub changed: Vec<f64>,
}

impl Effects {
    /// `LD` of every prompt with target `index` changed.
    pub fn column(&self, index: usize) -> impl Iterator<Item = f64> {
        self.changed.iter().skip(index).step_by(self.targets.len().max(1)).copied()
    }
}

/// Changes the targets of a plan one at a time, and measures the logit difference of each prompt of `task`, in the order of
/// [`ContrastTask::prompts`]: one result per ablation of the plan.
///
/// All ablations share one pass over the untouched network, from which every change restarts where it happens: a
/// head's behind attention of its block, with `(z' - z) W_O^h` added; an MLP's and a neuron's behind the block. Several
/// restarts go side by side, and the last block is computed at the last positions only.
///
/// # Errors
/// [`AuditError::Target`] for what the network does not have, [`AuditError::FewCorrupted`] where there is nothing to
/// draw from, [`AuditError::Vocabulary`] and [`AuditError::Length`] for prompts that the network cannot read,
/// [`AuditError::Cancelled`] on request.
pub fn effects(
    decoder: &Decoder,
    task: &ContrastTask,
    plan: &Plan,
    label: &str,
    progress: &dyn Progress,
) -> Result<Vec<Effects>, AuditError> {
    check_readable(decoder, task)?;
    plan.targets.iter().try_for_each(|target| target.check(decoder.config()))?;
    let layers = decoder.config().n_layers;
    let mut kinds: Vec<SiteKind> = plan.targets.iter().map(|target| target.site()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let source =
        |ablation: &Ablation| Source::new(decoder, task, *ablation, plan.base, &kinds, plan.batch_size);
    let sources = plan.ablations.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let mut by_layer = vec![vec![]; layers];
    for (index, target) in plan.targets.iter().enumerate() {
        by_layer[target.layer()].push((index, *target));
    }
    let blank = Effects { targets: plan.targets.to_vec(), full: vec![], correct: vec![], changed: vec![] };
    let mut found = vec![blank; sources.len()];
    let rows = rows(task);
    let blocks: u64 = plan.targets.iter().map(|target| target.blocks(layers)).sum();
    let batches = rows.len().div_ceil(plan.batch_size) as u64;
    progress.start(label, batches * blocks * sources.len() as u64, "blocks");
    let batch = Batch { decoder, base: plan.base, kinds: &kinds, by_layer: &by_layer, progress };
    let mut chunks = rows.chunks(plan.batch_size).enumerate();
    let measured = chunks.try_for_each(|(number, rows)| {
        let first = number * plan.batch_size;
        let replacements = sources.iter().map(|source| source.batch(decoder, first, rows));
        let part = format!("{label}, batch {}", number + 1);
        batch.measure(rows, part, &mut replacements.collect::<Result<Vec<_>, _>>()?, &mut found)
    });
    progress.finish();
    measured.map(|()| found)
}

/// What all batches of an experiment share.
struct Batch<'a> {
    decoder: &'a Decoder,
    base: Base,
    kinds: &'a [SiteKind],
    /// Places in the plan and targets of each layer.
    by_layer: &'a [Vec<(usize, Target)>],
    progress: &'a dyn Progress,
}

impl Batch<'_> {
    fn measure(
        &self,
        rows: &[Row],
        part: String,
        replacements: &mut [Replacement],
        found: &mut [Effects],
    ) -> Result<(), AuditError> {
        let decoder = self.decoder;
        let tokens = |row: &Row| match self.base {
            Base::Clean => row.prompt.clean.clone(),
            Base::Corrupted => row.prompt.corrupted.clone(),
        };
        let batch = TokenBatch::new(&rows.iter().map(tokens).collect::<Vec<_>>(), &decoder.device())?;
        let answers = Answers::new(decoder, rows);
        let targets: usize = self.by_layer.iter().map(Vec::len).sum();
        let count = replacements.len() * targets;
        let mut restarts = Restarts::new(decoder, &answers, &batch.lengths, count, part, self.progress);
        let mut resid = decoder.embed(&batch, &mut NoTap);
        for (layer, here) in self.by_layer.iter().enumerate() {
            stop_if_asked(self.progress)?;
            let wanted = self.kinds.iter().copied().chain([SiteKind::ResidMid]);
            let mut seen = Capture::new(wanted.map(|kind| Site::block(layer, kind)));
            let next = decoder.run_blocks(layer..layer + 1, resid, &mut seen);
            for (number, replacement) in replacements.iter_mut().enumerate() {
                replacement.enter(decoder, layer, self.kinds);
                let change = Change { decoder, layer, seen: &seen, next: &next, replacement };
                let mut known = vec![];
                for &(index, target) in here {
                    let (start, stream) = change.stream(target, &mut known)?;
                    restarts.add(layer, start, number * targets + index, stream)?;
                }
            }
            restarts.run(layer)?;
            resid = next;
        }
        let columns = restarts.columns();
        let (full, correct) =
            (answers.differences(decoder, resid.clone())?, answers.correct(decoder, resid)?);
        for (number, found) in found.iter_mut().enumerate() {
            let columns = &columns[number * targets..(number + 1) * targets];
            found.full.extend(&full);
            found.correct.extend(&correct);
            for prompt in 0..rows.len() {
                found.changed.extend(columns.iter().map(|column| column[prompt]));
            }
        }
        Ok(())
    }
}

/// One ablation at one block of one batch.
struct Change<'a> {
    decoder: &'a Decoder,
    layer: usize,
    seen: &'a Capture,
    /// The residual stream behind the block.
    next: &'a Tensor<3>,
    replacement: &'a Replacement<'a>,
}

/// A site's values as they are and as they become.
type Known = Vec<(SiteKind, Tensor<3>, Tensor<3>)>;

impl Change<'_> {
    /// The residual stream with one target changed, and where in the block it is.
    fn stream(&self, target: Target, known: &mut Known) -> Result<(Start, Tensor<3>), AuditError> {
        let config = self.decoder.config();
        let (was, becomes) = self.values(target.site(), known)?;
        Ok(match target {
            Target::Head { .. } | Target::Group { .. } => {
                let heads = target.heads(config);
                let (first, width) = (heads.start * config.d_head, heads.len() * config.d_head);
                let change = becomes.narrow(2, first, width) - was.narrow(2, first, width);
                let added = self.decoder.project_heads(self.layer, heads, change);
                (Start::Mid, self.mid()? + added)
            }
            Target::Mlp { .. } => (Start::Post, self.mid()? + becomes),
            Target::Neuron { neuron, .. } => {
                let change = becomes.narrow(2, neuron, 1) - was.narrow(2, neuron, 1);
                let added = self.decoder.project_neurons(self.layer, neuron..neuron + 1, change);
                (Start::Post, self.next.clone() + added)
            }
            Target::Residual { .. } => (Start::Pre, becomes),
            Target::Position { position, .. } => (Start::Pre, at_position(was, becomes, position)),
        })
    }

    fn mid(&self) -> Result<Tensor<3>, AuditError> {
        captured(self.seen, Site::block(self.layer, SiteKind::ResidMid))
    }

    fn values(&self, kind: SiteKind, known: &mut Known) -> Result<(Tensor<3>, Tensor<3>), AuditError> {
        if let Some((_, was, becomes)) = known.iter().find(|(other, ..)| *other == kind) {
            return Ok((was.clone(), becomes.clone()));
        }
        let was = captured(self.seen, Site::block(self.layer, kind))?;
        let becomes = self.replacement.instead(self.layer, kind, was.clone())?;
        known.push((kind, was.clone(), becomes.clone()));
        Ok((was, becomes))
    }
}

/// `was` with one position of `becomes`; unchanged where no prompt is so long.
fn at_position(was: Tensor<3>, becomes: Tensor<3>, position: usize) -> Tensor<3> {
    let [batch, seq, width] = was.dims();
    if position >= seq {
        return was;
    }
    was.slice_assign([0..batch, position..position + 1, 0..width], becomes.narrow(1, position, 1))
}
