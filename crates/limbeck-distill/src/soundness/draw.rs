//! Which components are removed in which sequence of a step.

use limbeck_model::{Components, Removed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Keeps these draws apart from those of the data's order, which come from the same seed.
const PURPOSE: u64 = 0x5f73_6f75_6e64;

/// When in a training something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// The optimizer step, from 1.
    pub step: u64,
    /// The micro-batch of the step, from 0.
    pub part: usize,
}

/// A draw: everything it depends on, so that a training that goes on draws as one that never stopped.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// Seed of the training.
    pub seed: u64,
    /// When.
    pub moment: Moment,
    /// What for: 0 for dropout, 1 + its index for an objective.
    pub purpose: u8,
}

impl Draw {
    /// Every head with probability `heads` and every MLP with probability `mlps`, each by itself, anew for every sequence
    /// and for all its positions. `None`: nothing was removed.
    pub fn removed(&self, components: Components, rows: usize, heads: f64, mlps: f64) -> Option<Removed> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ PURPOSE);
        let stream =
            (self.moment.step << 24) | (self.moment.part as u64 & 0xffff) << 8 | u64::from(self.purpose);
        random.set_stream(stream);
        let mut mask = Vec::with_capacity(rows * components.count());
        for _ in 0..rows * components.layers {
            mask.extend((0..components.heads).map(|_| random.random::<f64>() < heads));
            mask.push(random.random::<f64>() < mlps);
        }
        mask.contains(&true).then_some(Removed { components, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENTS: Components = Components { layers: 3, heads: 4 };

    fn draw(step: u64, part: usize, purpose: u8) -> Option<Removed> {
        let moment = Moment { step, part };
        Draw { seed: 7, moment, purpose }.removed(COMPONENTS, 8, 0.3, 0.3)
    }

    #[test]
    fn a_draw_is_a_function_of_seed_step_part_and_purpose() {
        assert_eq!(draw(5, 1, 0), draw(5, 1, 0));
        for other in [draw(6, 1, 0), draw(5, 2, 0), draw(5, 1, 1)] {
            assert_ne!(draw(5, 1, 0), other);
        }
    }

    #[test]
    fn heads_and_mlps_go_at_their_own_rates() {
        let (mut heads, mut mlps) = (0, 0);
        let steps = 400;
        for step in 1..=steps {
            let draw = Draw { seed: 1, moment: Moment { step, part: 0 }, purpose: 0 };
            let Some(removed) = draw.removed(COMPONENTS, 4, 0.1, 0.25) else { continue };
            for layer in removed.mask.chunks(5) {
                heads += layer[..4].iter().filter(|&&gone| gone).count();
                mlps += usize::from(layer[4]);
            }
        }
        let layers = (steps * 4 * 3) as f64;
        assert!((heads as f64 / (4.0 * layers) - 0.1).abs() < 0.01, "{heads}");
        assert!((mlps as f64 / layers - 0.25).abs() < 0.02, "{mlps}");
        let moment = Moment { step: 1, part: 0 };
        assert!(Draw { seed: 1, moment, purpose: 0 }.removed(COMPONENTS, 4, 0.0, 0.0).is_none());
    }
}
