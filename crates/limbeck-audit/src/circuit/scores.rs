//! How well a circuit does: faithfulness, completeness, minimality, with intervals over prompts.

use limbeck_results::{CircuitNode, CircuitScores};
use limbeck_stats::{Bootstrap, Estimate, StatsError};

use super::NodeSet;
use super::setting::Setting;
use crate::AuditError;
use crate::influence::component;

/// Scores of the circuit `kept`, and its nodes with what the circuit loses without each.
///
/// `without` is `LD` per prompt of the circuit without each node, in the order of [`NodeSet::iter`].
pub(crate) fn scores(
    setting: &Setting,
    kept: &NodeSet,
    without: &[Vec<f64>],
    bootstrap: &Bootstrap,
) -> Result<(CircuitScores, Vec<CircuitNode>), AuditError> {
    let full = &setting.full;
    let circuit = setting.differences(kept)?;
    let rest = setting.differences(&kept.complement())?;
    let nothing = setting.differences(&NodeSet::empty(kept.layers(), kept.heads()))?;
    // 100 * (sum(a) - sum(b)) / (sum(full) - sum(c)).
    let share = |a: &[f64], b: Option<&[f64]>, c: Option<&[f64]>| {
        let sum = |values: &[f64], chosen: &[usize]| chosen.iter().map(|&at| values[at]).sum::<f64>();
        let less =
            |values: Option<&[f64]>, chosen: &[usize]| values.map_or(0.0, |values| sum(values, chosen));
        bootstrap.statistic(full.len(), |chosen| {
            100.0 * (sum(a, chosen) - less(b, chosen)) / (sum(full, chosen) - less(c, chosen))
        })
    };
    let mut nodes = Vec::with_capacity(without.len());
    for (node, without) in kept.iter().zip(without) {
        let (kind, layer, head) = component(node, kept.heads());
        nodes.push(CircuitNode { kind, layer, head, drop: share(&circuit, Some(without), None)? });
    }
    let mean_without: Vec<f64> = (0..full.len())
        .map(|at| without.iter().map(|without| without[at]).sum::<f64>() / without.len().max(1) as f64)
        .collect();
    let scores = CircuitScores {
        circuit: share(&circuit, None, None)?,
        without: share(&rest, None, None)?,
        nothing: share(&nothing, None, None)?,
        faithfulness_normalised: above_nothing(full, &circuit, &nothing, bootstrap)?,
        completeness: defined(share(full, Some(&rest), Some(&nothing)))?,
        minimality: match nodes.is_empty() {
            true => None,
            false => Some(share(&circuit, Some(&mean_without), None)?),
        },
    };
    Ok((scores, nodes))
}

/// `100 * (LD_circuit - LD_nothing) / (LD_full - LD_nothing)` with means over prompts, in percent; `None` where a resample
/// has nothing to keep.
pub(crate) fn above_nothing(
    full: &[f64],
    circuit: &[f64],
    nothing: &[f64],
    bootstrap: &Bootstrap,
) -> Result<Option<Estimate>, StatsError> {
    let sum = |values: &[f64], chosen: &[usize]| chosen.iter().map(|&at| values[at]).sum::<f64>();
    defined(bootstrap.statistic(full.len(), |chosen| {
        let base = sum(nothing, chosen);
        100.0 * (sum(circuit, chosen) - base) / (sum(full, chosen) - base)
    }))
}

/// `None` for a share of nothing.
fn defined(estimate: Result<Estimate, StatsError>) -> Result<Option<Estimate>, StatsError> {
    match estimate {
        Ok(estimate) => Ok(Some(estimate)),
        Err(StatsError::NotFinite { .. } | StatsError::UndefinedResample { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
