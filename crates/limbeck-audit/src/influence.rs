//! Influence of every head and MLP: how much of the logit difference goes when it is removed.

use limbeck_eval::contrast::ContrastTask;
use limbeck_model::DecoderConfig;
use limbeck_results::{Component, ComponentKind, GroupEffect, NetworkAudit};
use limbeck_stats::Bootstrap;

use crate::intervals;
use crate::spread::spread;
use crate::sweep::scores_of;
use crate::{AuditError, Effects, Sweep, Target};

/// Kind, layer and head of component `index` of a network with `heads` query heads per block.
pub(crate) fn component(index: usize, heads: usize) -> (ComponentKind, usize, Option<usize>) {
    let (layer, within) = (index / (heads + 1), index % (heads + 1));
    if within == heads {
        (ComponentKind::Mlp, layer, None)
    } else {
        (ComponentKind::Head, layer, Some(within))
    }
}

/// Score and drop of every component.
///
/// The score is `100 * mean(LD_ablated) / mean(LD_full)`, in percent; the drop is `100 - score`, in percentage
/// points, with a 95% bootstrap interval that resamples prompts.
///
/// # Errors
/// [`AuditError::Stats`] when a resample has no logit difference to lose a share of.
pub fn components(sweep: &Sweep, bootstrap: &Bootstrap) -> Result<Vec<Component>, AuditError> {
    let drops = bootstrap.statistics(sweep.prompts(), sweep.components(), |chosen, drops| {
        sweep.scores(chosen, drops);
        for drop in drops {
            *drop = 100.0 - *drop;
        }
    })?;
    let described = drops.into_iter().enumerate().map(|(index, drop)| {
        let (kind, layer, head) = component(index, sweep.heads);
        Component { kind, layer, head, score: 100.0 - drop.value, drop }
    });
    Ok(described.collect())
}

/// Score and drop of groups of query heads that share keys and values, from the effects of [`Target::groups`]; as
/// [`components`].
///
/// # Errors
/// [`AuditError::Stats`] when a resample has no logit difference to lose a share of.
pub fn groups(
    effects: &Effects,
    config: &DecoderConfig,
    bootstrap: &Bootstrap,
) -> Result<Vec<GroupEffect>, AuditError> {
    let drops = bootstrap.statistics(effects.full.len(), effects.targets.len(), |chosen, drops| {
        scores_of(&effects.full, &effects.changed, chosen, drops);
        drops.iter_mut().for_each(|drop| *drop = 100.0 - *drop);
    })?;
    let described = drops.into_iter().zip(&effects.targets).filter_map(|(drop, target)| match *target {
        Target::Group { layer, group } => {
            let heads = target.heads(config).collect();
            Some(GroupEffect { layer, group, heads, score: 100.0 - drop.value, drop })
        }
        _ => None,
    });
    Ok(described.collect())
}

/// The whole network's figures and those of its components.
///
/// # Errors
/// As [`components`], and [`AuditError::Mismatch`] when the sweep is not of this task's prompts.
pub fn network_audit(
    sweep: &Sweep,
    task: &ContrastTask,
    bootstrap: &Bootstrap,
) -> Result<NetworkAudit, AuditError> {
    if sweep.prompts() != task.len() {
        return Err(AuditError::Mismatch { what: "prompts", first: sweep.prompts(), second: task.len() });
    }
    Ok(NetworkAudit {
        layers: sweep.layers,
        heads: sweep.heads,
        accuracy: intervals::share_of(bootstrap, sweep.correct.iter().copied())?,
        chance: task.chance(),
        logit_difference: bootstrap.mean(&sweep.full)?,
        logit_difference_spread: spread(&sweep.full, bootstrap)?,
        preference: intervals::share_of(bootstrap, sweep.full.iter().map(|&difference| difference > 0.0))?,
        components: components(sweep, bootstrap)?,
        head_descriptions: None,
        groups: Vec::new(),
        attribution: None,
        circuit: None,
        attention: None,
    })
}
