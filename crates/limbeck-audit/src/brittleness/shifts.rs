//! Brittleness on shifted prompts.

use limbeck_eval::contrast::ShiftedTask;
use limbeck_results::{ShiftedBrittleness, ShiftedFigures};
use limbeck_stats::Bootstrap;

use super::figures::{brittleness, severity_difference};
use super::order::worst_component;
use super::seeds::{SeedSweeps, across_seeds};
use crate::intervals;
use crate::{AuditConfig, AuditError, Sweep};

/// Sweeps of all networks over the prompts of one shifted task, by the audit's own ablation.
pub(crate) struct ShiftedSweeps {
    pub(crate) teacher: Sweep,
    /// Student and baseline of every training, the first the one that is audited in full.
    pub(crate) pairs: Vec<(Sweep, Option<Sweep>)>,
}

/// The figures of the networks of the first training, and what holds over all trainings.
pub(crate) fn shifted_brittleness(
    shifted: &ShiftedTask,
    sweeps: &ShiftedSweeps,
    config: &AuditConfig,
) -> Result<ShiftedBrittleness, AuditError> {
    let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(config.resamples);
    let (alpha, chance) = (config.brittleness.alpha, shifted.task.chance());
    let Some((student, baseline)) = sweeps.pairs.first() else {
        return Err(AuditError::NoStudent);
    };
    let seeds: Vec<SeedSweeps> = (sweeps.pairs.iter())
        .map(|(student, baseline)| SeedSweeps { student, baseline: baseline.as_ref() })
        .collect();
    let against = |other: &Sweep| severity_difference(student, other, alpha, &bootstrap);
    let figures = |sweep: &Sweep| figures(sweep, alpha, chance, &bootstrap);
    Ok(ShiftedBrittleness {
        name: shifted.name.clone(),
        description: shifted.description.clone(),
        prompts: shifted.task.len(),
        teacher: figures(&sweeps.teacher)?,
        student: figures(student)?,
        baseline: baseline.as_ref().map(figures).transpose()?,
        severity_student_minus_teacher: against(&sweeps.teacher)?,
        severity_student_minus_baseline: baseline.as_ref().map(against).transpose()?,
        across_seeds: across_seeds(&sweeps.teacher, &seeds, alpha, chance, &bootstrap)?,
    })
}

fn figures(
    sweep: &Sweep,
    alpha: f64,
    chance: f64,
    bootstrap: &Bootstrap,
) -> Result<ShiftedFigures, AuditError> {
    let found = brittleness(sweep, alpha, bootstrap)?;
    Ok(ShiftedFigures {
        accuracy: intervals::share_of(bootstrap, sweep.correct.iter().copied())?,
        chance,
        logit_difference: bootstrap.mean(&sweep.full)?,
        mean: Some(found.mean),
        severity: found.severity,
        worst: found.worst,
        worst_component: worst_component(sweep),
    })
}
