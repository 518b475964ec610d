//! Random circuits of equal size: what a circuit's scores are held against.

use limbeck_data::progress::Progress;
use limbeck_results::{CircuitScores, Estimate, RandomCircuits};
use limbeck_stats::quantile;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::NodeSet;
use super::setting::Setting;
use crate::AuditError;
use crate::kept::kept_part;

/// A circuit of so many heads and MLPs of a network, drawn uniformly.
pub(crate) fn draw(like: &NodeSet, rng: &mut ChaCha8Rng) -> NodeSet {
    let (heads, mlps) = like.counts();
    let layers = 0..like.layers();
    let mut drawn = NodeSet::empty(like.layers(), like.heads());
    let mut all_heads: Vec<usize> =
        layers.clone().flat_map(|layer| (0..like.heads()).map(move |head| like.head(layer, head))).collect();
    let mut all_mlps: Vec<usize> = layers.map(|layer| like.mlp(layer)).collect();
    all_heads.shuffle(rng);
    all_mlps.shuffle(rng);
    all_heads.iter().take(heads).chain(all_mlps.iter().take(mlps)).for_each(|&node| drawn.insert(node));
    drawn
}

/// Scores of `draws` random circuits of the size of `kept`; `None` for no draws or an empty circuit.
///
/// Draw `i` takes stream `i` of the seeded generator.
pub(crate) fn random_circuits(
    setting: &Setting,
    kept: &NodeSet,
    scores: &CircuitScores,
    draws: usize,
    seed: u64,
    label: &str,
    progress: &dyn Progress,
) -> Result<Option<RandomCircuits>, AuditError> {
    let Some(minimality) = scores.minimality.filter(|_| draws > 0) else {
        return Ok(None);
    };
    progress.start(label, draws as u64, "circuits");
    let drawn: Result<Vec<Vec<f64>>, AuditError> = (0..draws)
        .map(|index| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index as u64);
            let circuit = draw(kept, &mut rng);
            let members: Vec<usize> = circuit.iter().collect();
            let member = members[rng.random_range(0..members.len())];
            kept_part(&format!("{label}, draw {index}"), 1, progress, || {
                let alone = setting.score(&setting.differences(&circuit)?);
                let without = setting.score(&setting.differences(&circuit.complement())?);
                let drop = alone - setting.score(&setting.differences(&circuit.without(member))?);
                Ok(vec![alone, without, drop])
            })
        })
        .collect();
    progress.finish();
    let drawn = drawn?;
    let share = |at_least: &dyn Fn(&[f64]) -> bool| {
        (1 + drawn.iter().filter(|scores| at_least(scores)).count()) as f64 / (1 + draws) as f64
    };
    let range = |which: usize| -> Result<Estimate, AuditError> {
        let mut values: Vec<f64> = drawn.iter().map(|scores| scores[which]).collect();
        values.sort_unstable_by(f64::total_cmp);
        let value = values.iter().sum::<f64>() / draws as f64;
        Ok(Estimate { value, low: quantile(&values, 0.025)?, high: quantile(&values, 0.975)? })
    };
    Ok(Some(RandomCircuits {
        draws,
        circuit: range(0)?,
        without: range(1)?,
        minimality: range(2)?,
        circuit_p: share(&|drawn| drawn[0] >= scores.circuit.value),
        without_p: share(&|drawn| drawn[1] <= scores.without.value),
        minimality_p: share(&|drawn| drawn[2] >= minimality.value),
    }))
}
