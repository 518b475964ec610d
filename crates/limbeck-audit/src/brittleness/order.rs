//! In which order components are removed.

use limbeck_results::component_label;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::Sweep;
use crate::influence::component;

/// Components by the drop of each alone, largest first; of equal ones the earlier first.
pub(crate) fn worst_first(sweep: &Sweep) -> Vec<usize> {
    let everyone: Vec<usize> = (0..sweep.prompts()).collect();
    let mut scores = vec![0.0; sweep.components()];
    sweep.scores(&everyone, &mut scores);
    let mut order: Vec<usize> = (0..sweep.components()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    order
}

/// Label of the component that costs most when it is ablated; empty of a network without any.
pub(crate) fn worst_component(sweep: &Sweep) -> String {
    let worst = worst_first(sweep).first().map(|&index| component(index, sweep.heads));
    worst.map_or_else(String::new, |(_, layer, head)| component_label(layer, head))
}

/// A random order, the same for the same seed and draw.
pub(crate) fn random(components: usize, seed: u64, draw: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Away from the streams of the bootstrap, which count from 0.
    rng.set_stream(u64::MAX - draw);
    let mut order: Vec<usize> = (0..components).collect();
    order.shuffle(&mut rng);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_drop_comes_first() {
        let sweep = Sweep {
            layers: 1,
            heads: 3,
            full: vec![2.0, 2.0],
            correct: vec![true, true],
            ablated: vec![2.0, -1.0, 1.0, 2.5, 2.0, 0.0, 1.0, 2.5],
        };
        assert_eq!(worst_first(&sweep), [1, 2, 0, 3]);
    }

    #[test]
    fn random_orders_hold_every_component_and_differ() {
        let (one, other) = (random(50, 1, 0), random(50, 1, 1));
        assert_eq!(one, random(50, 1, 0));
        assert_ne!(one, other);
        let mut sorted = other;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
