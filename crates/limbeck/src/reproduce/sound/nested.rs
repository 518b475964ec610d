//! Intervals over seeds, and over prompts within a seed.

use limbeck_stats::Estimate;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Units of a seed: all of them as they are, or as many drawn with replacement.
pub(super) struct Draw<'a>(Option<&'a mut ChaCha8Rng>);

impl Draw<'_> {
    /// Indices of `count` units.
    pub(super) fn units(&mut self, count: usize) -> Vec<usize> {
        match &mut self.0 {
            Some(random) => (0..count).map(|_| random.random_range(0..count)).collect(),
            None => (0..count).collect(),
        }
    }
}

impl Draw<'_> {
    /// Two figures of the same units: the second sees the draws of the first again.
    pub(super) fn twice(
        &mut self,
        first: impl FnOnce(&mut Draw<'_>) -> f64,
        second: impl FnOnce(&mut Draw<'_>) -> f64,
    ) -> [f64; 2] {
        match &mut self.0 {
            None => [first(&mut Draw(None)), second(&mut Draw(None))],
            Some(random) => {
                let mut again = random.clone();
                [first(&mut Draw(Some(random))), second(&mut Draw(Some(&mut again)))]
            }
        }
    }
}

/// `combine` of the means over seeds of `per_seed`, with the 95% interval of the nested bootstrap: seeds drawn with
/// replacement, and within each seed its units through [`Draw`] (Davison & Hinkley 1997, section 3.8). An
/// interval over few seeds is too short: two seeds can hardly say how far a third would lie.
pub(super) fn nested<const N: usize>(
    seeds: usize,
    resamples: usize,
    per_seed: impl Fn(usize, &mut Draw<'_>) -> [f64; N],
    combine: impl Fn([f64; N]) -> f64,
) -> Estimate {
    let mean = |found: Vec<[f64; N]>| {
        let mut means = [0.0; N];
        for values in &found {
            means.iter_mut().zip(values).for_each(|(mean, value)| *mean += value / found.len() as f64);
        }
        means
    };
    let value = combine(mean((0..seeds).map(|seed| per_seed(seed, &mut Draw(None))).collect()));
    let mut found: Vec<f64> = (0..resamples as u64)
        .map(|resample| {
            let mut random = ChaCha8Rng::seed_from_u64(42);
            random.set_stream(resample);
            let drawn = (0..seeds).map(|_| {
                let seed = random.random_range(0..seeds);
                per_seed(seed, &mut Draw(Some(&mut random)))
            });
            combine(mean(drawn.collect()))
        })
        .filter(|value| !value.is_nan())
        .collect();
    found.sort_by(f64::total_cmp);
    let at = |share: f64| limbeck_stats::quantile(&found, share).unwrap_or(value);
    Estimate { value, low: at(0.025).min(value), high: at(0.975).max(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_what_varies_between_and_within_seeds() {
        // Seeds that differ by nothing: only their units vary. Units that do not vary: only the seeds.
        let within = nested(4, 500, |_, draw| [mean(&draw.units(100), |unit| (unit % 2) as f64)], |[m]| m);
        assert!((within.value - 0.5).abs() < 1e-12);
        assert!((0.03..0.07).contains(&(within.high - within.value)), "{within:?}");
        let between = nested(4, 500, |seed, _| [seed as f64], |[m]| m);
        assert_eq!((between.value, between.low >= 0.0, between.high <= 3.0), (1.5, true, true));
        assert!(between.high - between.low > 1.5, "{between:?}");
        let ratio = nested(3, 100, |seed, _| [2.0 * (seed + 1) as f64, (seed + 1) as f64], |[a, b]| a / b);
        assert!((ratio.low, ratio.high) == (2.0, 2.0), "pairs stay together: {ratio:?}");
    }

    fn mean(units: &[usize], value: impl Fn(usize) -> f64) -> f64 {
        units.iter().map(|&unit| value(unit)).sum::<f64>() / units.len() as f64
    }
}
