//! Activation patching: which values carry the answer from the clean run into the corrupted one.

mod config;

pub use config::PatchingConfig;

use limbeck_data::progress::Progress;
use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::Decoder;
use limbeck_results::{PatchedComponent, PatchedResidual, Patching};
use limbeck_stats::{Bootstrap, Estimate};

use crate::AuditError;
use crate::influence::component;
use crate::sweep::{Ablation, Base, Effects, Plan, Target, effects};

/// A network whose values are patched, and how.
#[derive(Clone, Copy)]
pub struct Patcher<'a> {
    /// The network.
    pub decoder: &'a Decoder,
    /// What reads its tokens, for the names of positions.
    pub tokenizer: &'a dyn Encode,
    /// What is patched.
    pub config: &'a PatchingConfig,
    /// Pairs of prompts per forward pass.
    pub batch_size: usize,
    /// Seed of the intervals.
    pub seed: u64,
}

/// Both ways of patching the same targets.
struct BothWays {
    /// Clean values in the corrupted run.
    denoising: Effects,
    /// Corrupted values in the clean run.
    noising: Effects,
}

impl Patcher<'_> {
    /// Patches both ways: clean values into the corrupted run (denoising: what restores the answer) and corrupted
    /// values into the clean run (noising: what spoils it). Meng et al. 2022; Heimersheim & Nanda 2024.
    ///
    /// # Errors
    /// [`AuditError::NoDifference`] when clean and corrupted prompts have the same mean logit difference, so that
    /// there is nothing to restore, and what [`effects`] says.
    pub fn patch(
        &self,
        name: &str,
        task: &ContrastTask,
        progress: &dyn Progress,
    ) -> Result<Patching, AuditError> {
        let few = fewer(task, self.config.prompts_per_group);
        let config = self.decoder.config();
        let bootstrap = self.bootstrap();
        let components = match self.config.components {
            true => Target::components(config.n_layers, config.n_heads),
            false => vec![],
        };
        let both = self.both_ways(&few, &components, &format!("{name}: patching of components"), progress)?;
        both.check()?;
        let estimates = both.estimates(&bootstrap)?;
        let components = estimates.into_iter().enumerate().map(|(index, (denoising, noising))| {
            let (kind, layer, head) = component(index, config.n_heads);
            PatchedComponent { kind, layer, head, denoising, noising }
        });
        let mut residual = vec![];
        if self.config.residual {
            for group in &few.groups {
                let label = format!("{name}: patching of the residual stream, {}", group.name);
                residual.extend(self.grid(group, &label, progress)?);
            }
        }
        Ok(Patching {
            prompts: few.len(),
            clean: bootstrap.mean(&both.noising.full)?,
            corrupted: bootstrap.mean(&both.denoising.full)?,
            components: components.collect(),
            residual,
        })
    }

    /// The residual stream of one group; nothing where its prompts have nothing to restore.
    fn grid(
        &self,
        group: &ContrastGroup,
        label: &str,
        progress: &dyn Progress,
    ) -> Result<Option<PatchedResidual>, AuditError> {
        let alone = ContrastTask { name: group.name.clone(), groups: vec![group.clone()], left_out: vec![] };
        let targets: Vec<Target> = (0..self.decoder.config().n_layers)
            .flat_map(|layer| (0..group.length).map(move |position| Target::Position { layer, position }))
            .collect();
        let both = self.both_ways(&alone, &targets, label, progress)?;
        if both.check().is_err() {
            progress.note(&format!("{label}: left out, as clean and corrupted prompts score alike"));
            return Ok(None);
        }
        let estimates = both.estimates(&self.bootstrap())?;
        let layers = |way: fn(&(Estimate, Estimate)) -> Estimate| {
            estimates.chunks(group.length).map(|layer| layer.iter().map(way).collect()).collect()
        };
        let text = |prompt: &ContrastPrompt| {
            prompt.clean.iter().map(|token| self.tokenizer.decode_ids(&[*token])).collect::<Result<_, _>>()
        };
        Ok(Some(PatchedResidual {
            group: group.name.clone(),
            prompts: group.prompts.len(),
            tokens: group.prompts.first().map(text).transpose()?.unwrap_or_default(),
            denoising: layers(|both| both.0),
            noising: layers(|both| both.1),
        }))
    }

    fn both_ways(
        &self,
        task: &ContrastTask,
        targets: &[Target],
        label: &str,
        progress: &dyn Progress,
    ) -> Result<BothWays, AuditError> {
        let run = |base| -> Result<Effects, AuditError> {
            let batch_size = self.batch_size;
            let plan = Plan { targets, ablations: &[Ablation::Partner], base, batch_size };
            let found = effects(self.decoder, task, &plan, label, progress)?;
            found.into_iter().next().ok_or(AuditError::Mismatch { what: "effects", first: 1, second: 0 })
        };
        Ok(BothWays { denoising: run(Base::Corrupted)?, noising: run(Base::Clean)? })
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap::with_seed(self.seed).with_resamples(self.config.resamples)
    }
}

impl BothWays {
    /// Refuses prompts whose corruption changes nothing.
    fn check(&self) -> Result<(), AuditError> {
        let prompts = self.noising.full.len();
        let differences = self.noising.full.iter().zip(&self.denoising.full).map(|(a, b)| a - b);
        let value = differences.sum::<f64>() / prompts.max(1) as f64;
        if value == 0.0 || !value.is_finite() {
            return Err(AuditError::NoDifference { prompts, value });
        }
        Ok(())
    }

    /// `(LD_patched - LD_corrupted) / (LD_clean - LD_corrupted)` with means over prompts, denoising and noising of each
    /// target.
    fn estimates(&self, bootstrap: &Bootstrap) -> Result<Vec<(Estimate, Estimate)>, AuditError> {
        let (clean, corrupted) = (&self.noising.full, &self.denoising.full);
        let targets = self.noising.targets.len();
        let ways = [&self.denoising, &self.noising];
        let found = bootstrap.statistics(clean.len(), 2 * targets, |chosen, out| {
            out.fill(0.0);
            let (mut from, mut to) = (0.0, 0.0);
            for &prompt in chosen {
                from += corrupted[prompt];
                to += clean[prompt];
                for (way, out) in ways.iter().zip(out.chunks_mut(targets.max(1))) {
                    let row = &way.changed[prompt * targets..(prompt + 1) * targets];
                    out.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
            }
            out.iter_mut().for_each(|sum| *sum = (*sum - from) / (to - from));
        })?;
        let (denoising, noising) = found.split_at(targets);
        Ok(denoising.iter().copied().zip(noising.iter().copied()).collect())
    }
}

/// The task with fewer prompts per group.
fn fewer(task: &ContrastTask, prompts: usize) -> ContrastTask {
    let mut few = task.clone();
    few.groups.iter_mut().for_each(|group| group.prompts.truncate(prompts));
    few
}
