//! Brittleness on shifted prompts.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ShiftedTask;
use limbeck_model::Decoder;
use limbeck_results::{ShiftedBrittleness, ShiftedFigures, component_label};
use limbeck_stats::Bootstrap;

use super::figures::{brittleness, severity_difference};
use super::order::worst_first;
use crate::influence::component;
use crate::sweep::{Ablation, sweep};
use crate::{AuditConfig, AuditError, Sweep};

/// The networks of an audit.
#[derive(Clone, Copy)]
pub(crate) struct Decoders<'a> {
    pub(crate) teacher: &'a Decoder,
    pub(crate) student: &'a Decoder,
    pub(crate) baseline: Option<&'a Decoder>,
}

/// Removes every component of every network in turn (mean ablation) on the prompts of `shifted`.
pub(crate) fn shifted_brittleness(
    networks: Decoders,
    shifted: &ShiftedTask,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<ShiftedBrittleness, AuditError> {
    let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(config.resamples);
    let alpha = config.brittleness.alpha;
    let run = |name: &str, decoder: &Decoder| {
        let label = format!("{name}: {}", shifted.name.replace('_', " "));
        sweep(decoder, &shifted.task, Ablation::Mean, config.batch_size, &label, progress)
    };
    let teacher = run("teacher", networks.teacher)?;
    let student = run("student", networks.student)?;
    let baseline = networks.baseline.map(|decoder| run("baseline", decoder)).transpose()?;
    let against = |other: &Sweep| severity_difference(&student, other, alpha, &bootstrap);
    Ok(ShiftedBrittleness {
        name: shifted.name.clone(),
        description: shifted.description.clone(),
        prompts: shifted.task.len(),
        teacher: figures(&teacher, alpha, &bootstrap)?,
        student: figures(&student, alpha, &bootstrap)?,
        baseline: baseline.as_ref().map(|found| figures(found, alpha, &bootstrap)).transpose()?,
        severity_student_minus_teacher: against(&teacher)?,
        severity_student_minus_baseline: baseline.as_ref().map(against).transpose()?,
    })
}

fn figures(sweep: &Sweep, alpha: f64, bootstrap: &Bootstrap) -> Result<ShiftedFigures, AuditError> {
    let found = brittleness(sweep, alpha, bootstrap)?;
    let correct: Vec<f64> = sweep.correct.iter().map(|&correct| f64::from(u8::from(correct))).collect();
    let worst = worst_first(sweep).first().map(|&index| component(index, sweep.heads));
    Ok(ShiftedFigures {
        accuracy: bootstrap.mean(&correct)?,
        logit_difference: bootstrap.mean(&sweep.full)?,
        severity: found.severity,
        worst: found.worst,
        worst_component: worst.map_or_else(String::new, |(_, layer, head)| component_label(layer, head)),
    })
}
