//! What is found inside one network by itself: influence, groups of heads, circuit, where its answer comes from.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_results::{Attribution, GroupEffect, NetworkAudit, Patching, Solves};
use limbeck_stats::Bootstrap;

use crate::circuit::circuit;
use crate::influence::{groups, network_audit};
use crate::sweep::{Base, Plan, Target, effects};
use crate::{AuditConfig, AuditError, DirectLogits, Lens, Patcher, Subject, Sweep};

/// Measures a network; `sweep` is its sweep over `task` by the configured ablation.
pub(crate) fn inside(
    name: &str,
    subject: Subject,
    task: &ContrastTask,
    sweep: &Sweep,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<NetworkAudit, AuditError> {
    let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(config.resamples);
    let decoder = subject.decoder;
    let attribution = Attribution {
        prompts: task.len(),
        direct: DirectLogits::measure(decoder, task, config.batch_size, progress)?.estimate(&bootstrap)?,
        lens: Lens::measure(decoder, task, config.batch_size, progress)?.estimate(&bootstrap)?,
        patching: patching(name, subject, task, config, progress)?,
    };
    let found = network_audit(sweep, task, &bootstrap)?;
    let solves = found.solves();
    let circuit = match (config.circuit.enabled, solves) {
        (false, _) => None,
        (true, Solves::No) => {
            progress.note(&format!("{name}: no circuit sought, as it does not solve the {} task", task.name));
            None
        }
        (true, Solves::Yes | Solves::CannotTell) => {
            circuit(decoder, task, &config.circuit, &bootstrap, config.batch_size, name, progress)?
        }
    };
    Ok(NetworkAudit {
        circuit,
        groups: shared(name, subject, task, config, progress)?,
        attribution: Some(attribution),
        ..found
    })
}

/// The effects of removing heads that share keys and values together; none where every head has its own.
fn shared(
    name: &str,
    Subject { decoder, .. }: Subject,
    task: &ContrastTask,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<Vec<GroupEffect>, AuditError> {
    if !config.groups || decoder.config().n_kv_heads == decoder.config().n_heads {
        return Ok(vec![]);
    }
    let plan = Plan {
        targets: &Target::groups(decoder.config()),
        ablations: &[config.ablation()],
        base: Base::Clean,
        batch_size: config.batch_size,
    };
    let label = format!("{name}: groups of heads");
    let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(config.resamples);
    let found = effects(decoder, task, &plan, &label, progress)?;
    let found = found.iter().map(|found| groups(found, decoder.config(), &bootstrap));
    Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Patching where it is asked for, the network is not too large, and there is something to restore.
fn patching(
    name: &str,
    Subject { decoder, tokenizer }: Subject,
    task: &ContrastTask,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<Option<Patching>, AuditError> {
    let settings = &config.patching;
    if !(settings.components || settings.residual) || decoder.parameter_count() > settings.up_to_parameters {
        return Ok(None);
    }
    let (batch_size, seed) = (config.batch_size, config.seed);
    let patcher = Patcher { decoder, tokenizer, config: settings, batch_size, seed };
    match patcher.patch(name, task, progress) {
        Ok(found) => Ok(Some(found)),
        Err(error @ (AuditError::NoDifference { .. } | AuditError::Stats(_))) => {
            progress.note(&format!("{name}: patching left out: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
