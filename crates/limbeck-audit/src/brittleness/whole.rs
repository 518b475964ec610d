//! Brittleness of all networks of an audit.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::Decoder;
use limbeck_results::{Brittleness, BrittlenessOf, ShiftedBrittleness};
use limbeck_stats::Bootstrap;

use super::curves::{DisturbedNetwork, disturb, kept_difference};
use super::figures::{brittleness, mean_difference, severity_difference, slope};
use super::seeds::{SeedSweeps, across_seeds};
use super::spare::spare_capacity;
use crate::sweep::Ablation;
use crate::{AuditConfig, AuditError, Sweep};

/// What was measured of one network, with what paired differences need.
pub(crate) struct Brittle {
    figures: Brittleness,
    disturbed: Option<DisturbedNetwork>,
    sweep: Sweep,
    parameters: u64,
}

impl Brittle {
    /// Measures `decoder`; `sweep` is its sweep over `task` by the configured ablation.
    pub(crate) fn measure(
        name: &str,
        decoder: &Decoder,
        task: &ContrastTask,
        sweep: Sweep,
        config: &AuditConfig,
        progress: &dyn Progress,
    ) -> Result<Brittle, AuditError> {
        let bootstrap = resampling(config);
        let settings = &config.brittleness;
        let mut figures = brittleness(&sweep, settings.alpha, &bootstrap)?;
        let mut disturbed = None;
        if settings.curves {
            let label = format!("{name}: noise and removal");
            let found =
                disturb(decoder, task, &sweep, settings, config.seed, config.batch_size, &label, progress)?;
            figures.under_disturbance = Some(found.curves(&bootstrap)?);
            disturbed = Some(found);
        }
        // Direct and total effect can be compared where both leave the mean behind.
        if settings.spare_capacity && config.ablation() == Ablation::Mean {
            figures.spare_capacity =
                Some(spare_capacity(decoder, task, &sweep, config.batch_size, &bootstrap, progress)?);
        }
        Ok(Brittle { figures, disturbed, sweep, parameters: decoder.parameter_count() })
    }

    /// The sweep by the configured ablation.
    pub(crate) fn sweep(&self) -> &Sweep {
        &self.sweep
    }
}

fn resampling(config: &AuditConfig) -> Bootstrap {
    Bootstrap::with_seed(config.seed).with_resamples(config.resamples)
}

/// The networks side by side; `others` are the sweeps of further trainings, `chance` the accuracy that reading no prompt
/// reaches, `shifts` the figures on shifted prompts.
pub(crate) fn compare(
    teacher: &Brittle,
    student: &Brittle,
    baseline: Option<&Brittle>,
    others: &[(Sweep, Option<Sweep>)],
    chance: f64,
    shifts: Vec<ShiftedBrittleness>,
    config: &AuditConfig,
) -> Result<BrittlenessOf, AuditError> {
    let bootstrap = resampling(config);
    let alpha = config.brittleness.alpha;
    let severity = |other: &Brittle| severity_difference(&student.sweep, &other.sweep, alpha, &bootstrap);
    let kept = |other: &Brittle| match (&student.disturbed, &other.disturbed) {
        (Some(ours), Some(theirs)) => kept_difference(ours, theirs, &bootstrap).map(Some),
        _ => Ok(None),
    };
    let mut seeds = vec![SeedSweeps { student: &student.sweep, baseline: baseline.map(|one| &one.sweep) }];
    seeds
        .extend(others.iter().map(|(student, baseline)| SeedSweeps { student, baseline: baseline.as_ref() }));
    let mean = |other: &Brittle| mean_difference(&student.sweep, &other.sweep, &bootstrap);
    let parameters = (teacher.parameters, student.parameters);
    Ok(BrittlenessOf {
        teacher: teacher.figures.clone(),
        student: student.figures.clone(),
        baseline: baseline.map(|other| other.figures.clone()),
        alpha,
        severity_student_minus_teacher: severity(teacher)?,
        severity_student_minus_baseline: baseline.map(severity).transpose()?,
        mean_student_minus_teacher: Some(mean(teacher)?),
        mean_student_minus_baseline: baseline.map(mean).transpose()?,
        across_seeds: across_seeds(&teacher.sweep, &seeds, alpha, chance, &bootstrap)?,
        slope: slope(&teacher.sweep, &student.sweep, parameters, &bootstrap)?,
        kept_student_minus_teacher: kept(teacher)?,
        kept_student_minus_baseline: baseline.map(kept).transpose()?.flatten(),
        shifts,
    })
}
