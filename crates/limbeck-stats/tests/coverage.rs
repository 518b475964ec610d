//! How often intervals at 95% hold the truth: by enumeration where outcomes are few, else by simulation with fixed seeds.
//!
//! Discrete outcomes make the coverage of one fixed truth jump, whatever the interval; the mean over a range of truths is
//! what should be near 95%, and the least coverage not far below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_stats::{
    Bootstrap, Cluster, Estimate, bounded_mean, clustered_difference, clustered_proportion, crossed,
    crossed_bounded, crossed_from_resamples, fieller, proportion, student_t, tango,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The binomial law of `n`, all of its outcomes.
fn binomial(n: u64, p: f64) -> Vec<f64> {
    let mut law = Vec::with_capacity(n as usize + 1);
    let mut choose: f64 = 0.0;
    for k in 0..=n {
        law.push((choose + k as f64 * p.ln() + (n - k) as f64 * (1.0 - p).ln()).exp());
        choose += ((n - k) as f64).ln() - ((k + 1) as f64).ln();
    }
    law
}

#[track_caller]
fn near_nominal(what: &str, coverage: f64) {
    assert!((0.93..=0.97).contains(&coverage), "{what}: {coverage:.4}");
}

#[track_caller]
fn at_least(what: &str, coverage: f64, least: f64) {
    assert!(coverage >= least, "{what}: {coverage:.4} is below {least}");
}

/// The share of `trials` simulations whose interval holds the truth.
fn simulated(trials: u64, seed: u64, mut one: impl FnMut(&mut ChaCha8Rng) -> (Estimate, f64)) -> f64 {
    let mut held = 0u64;
    for trial in 0..trials {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(trial);
        let (found, truth) = one(&mut rng);
        held += u64::from(found.holds(truth));
    }
    held as f64 / trials as f64
}

fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[test]
fn a_proportion_over_all_truths_and_over_rare_ones() {
    for n in [10u64, 20, 50, 100, 512] {
        let intervals: Vec<Estimate> = (0..=n).map(|k| proportion(k, n, 0.95).unwrap()).collect();
        let coverage = |p: f64| -> f64 {
            binomial(n, p)
                .iter()
                .zip(&intervals)
                .filter(|(_, found)| found.holds(p))
                .map(|(chance, _)| chance)
                .sum()
        };
        let over = |low: f64, high: f64, least: f64| -> f64 {
            let found: Vec<f64> =
                (0..80).map(|step| coverage(low + (high - low) * (f64::from(step) + 0.5) / 80.0)).collect();
            for &one in &found {
                at_least(&format!("{n} units"), one, least);
            }
            found.iter().sum::<f64>() / 80.0
        };
        near_nominal(&format!("{n} units, all truths"), over(0.0, 1.0, 0.91));
        let extreme = over(0.0, (6.0 / n as f64).min(0.5), 0.91);
        assert!((0.94..=0.98).contains(&extreme), "{n} units, rare: {extreme}");
    }
}

#[test]
fn nine_hundred_and_ninety_eight_of_a_thousand_right_in_512() {
    // A percentile bootstrap covers 64% here.
    let held = |k: usize| proportion(k as u64, 512, 0.95).unwrap().holds(0.998);
    let law = binomial(512, 0.998);
    let coverage: f64 = (400..=512).filter(|&k| held(k)).map(|k| law[k]).sum();
    at_least("p = .998, n = 512", coverage, 0.93);
}

#[test]
fn paired_proportions_by_enumeration() {
    for (n, only_first, only_second) in [
        (20u64, 0.1, 0.1),
        (20, 0.3, 0.1),
        (40, 0.05, 0.05),
        (40, 0.2, 0.02),
        (80, 0.03, 0.03),
        (80, 0.15, 0.1),
    ] {
        // A multinomial as two binomials.
        let mut coverage = 0.0;
        for (b, first) in (0..=n).zip(binomial(n, only_first)) {
            for (c, second) in (0..=n - b).zip(binomial(n - b, only_second / (1.0 - only_first))) {
                let chance = first * second;
                if chance > 1e-9 && tango(b, c, n, 0.95).unwrap().holds(only_first - only_second) {
                    coverage += chance;
                }
            }
        }
        assert!((0.925..=0.97).contains(&coverage), "{n}, {only_first}, {only_second}: {coverage:.4}");
    }
}

/// Tokens of an example share its difficulty: right with the example's own chance, from a beta law cut into its two extremes.
fn tokens(rng: &mut ChaCha8Rng, share: f64, alike: f64) -> Cluster {
    let count = rng.random_range(4..=20u32);
    let own =
        if rng.random::<f64>() < alike { f64::from(u8::from(rng.random::<f64>() < share)) } else { share };
    let right = (0..count).filter(|_| rng.random::<f64>() < own).count();
    Cluster::new(right as f64, f64::from(count))
}

#[test]
fn a_clustered_proportion() {
    for (clusters, share, alike) in
        [(20usize, 0.7, 0.1), (20, 0.8, 0.3), (60, 0.8, 0.4), (200, 0.9, 0.2), (200, 0.5, 1.0)]
    {
        let coverage = simulated(3000, 1, |rng| {
            let drawn: Vec<Cluster> = (0..clusters).map(|_| tokens(rng, share, alike)).collect();
            (clustered_proportion(&drawn, 0.95).unwrap(), share)
        });
        assert!((0.93..=0.98).contains(&coverage), "{clusters} clusters, {share}, {alike}: {coverage:.4}");
    }
    // Some two examples in two hundred are wrong altogether, which a sample may not show.
    let hardest = simulated(2000, 13, |rng| {
        let drawn: Vec<Cluster> = (0..200).map(|_| tokens(rng, 0.97, 0.3)).collect();
        (clustered_proportion(&drawn, 0.95).unwrap(), 0.97)
    });
    at_least("few wrong altogether", hardest, 0.87);
    // So rare that most samples hold no wrong item: nothing is below the nominal.
    for alike in [0.0, 0.5] {
        let coverage = simulated(2000, 2, |rng| {
            let drawn: Vec<Cluster> = (0..100).map(|_| tokens(rng, 0.998, alike)).collect();
            (clustered_proportion(&drawn, 0.95).unwrap(), 0.998)
        });
        at_least(&format!("rare, {alike}"), coverage, 0.93);
    }
}

#[test]
fn a_clustered_difference() {
    // (clusters, share of examples that differ at all, chance of a token of those to be won or lost)
    for (clusters, differing, won, lost) in
        [(20usize, 0.8, 0.3, 0.2), (60, 0.5, 0.3, 0.3), (200, 0.2, 0.3, 0.1), (200, 1.0, 0.1, 0.1)]
    {
        let truth = differing * (won - lost);
        let coverage = simulated(3000, 3, |rng| {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for _ in 0..clusters {
                let count = rng.random_range(4..=20u32);
                let differs = rng.random::<f64>() < differing;
                let (mut a, mut b) = (0.0, 0.0);
                for _ in 0..count {
                    let u: f64 = rng.random();
                    let side = if differs { u } else { 1.0 };
                    a += f64::from(u8::from(side < won));
                    b += f64::from(u8::from((won..won + lost).contains(&side)));
                }
                first.push(Cluster::new(a, f64::from(count)));
                second.push(Cluster::new(b, f64::from(count)));
            }
            (clustered_difference(&first, &second, 0.95).unwrap(), truth)
        });
        near_nominal(&format!("{clusters} clusters, {differing}, {won}, {lost}"), coverage);
    }
}

#[test]
fn means_of_few_and_of_skewed_units() {
    let bootstrap = Bootstrap::default().with_resamples(700);
    for (units, trials) in [(8usize, 1200), (15, 800), (30, 600)] {
        let normal = simulated(trials, 4, |rng| {
            let drawn: Vec<f64> = (0..units).map(|_| gaussian(rng)).collect();
            (bootstrap.mean(&drawn).unwrap(), 0.0)
        });
        near_nominal(&format!("{units} normal"), normal);
        let skewed = simulated(trials, 5, |rng| {
            let drawn: Vec<f64> = (0..units).map(|_| -(1.0 - rng.random::<f64>()).ln()).collect();
            (bootstrap.mean(&drawn).unwrap(), 1.0)
        });
        near_nominal(&format!("{units} exponential"), skewed);
    }
}

#[test]
fn bounded_means_and_ratios() {
    for units in [8usize, 30] {
        let coverage = simulated(3000, 6, |rng| {
            let drawn: Vec<f64> = (0..units).map(|_| rng.random::<f64>().powi(2)).collect();
            (bounded_mean(&drawn, 0.95).unwrap(), 1.0 / 3.0)
        });
        assert!((0.93..=0.975).contains(&coverage), "{units} bounded: {coverage:.4}");
    }
    for seeds in [3usize, 8] {
        let coverage = simulated(4000, 7, |rng| {
            let pairs: Vec<(f64, f64)> = (0..seeds)
                .map(|_| {
                    let below = 1.0 + 0.1 * gaussian(rng);
                    (0.3 * below + 0.05 * gaussian(rng), below)
                })
                .collect();
            let (above, below): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            (fieller(&above, &below, 0.95).unwrap(), 0.3)
        });
        near_nominal(&format!("{seeds} ratios"), coverage);
        let mean = simulated(4000, 8, |rng| {
            let drawn: Vec<f64> = (0..seeds).map(|_| gaussian(rng)).collect();
            (student_t(&drawn, 0.95).unwrap(), 0.0)
        });
        near_nominal(&format!("{seeds} seeds"), mean);
    }
}

/// `values[seed][item]` with the given standard deviations of seed, item and rest.
fn layout(rng: &mut ChaCha8Rng, seeds: usize, items: usize, spread: (f64, f64, f64)) -> Vec<Vec<f64>> {
    let of_item: Vec<f64> = (0..items).map(|_| spread.1 * gaussian(rng)).collect();
    (0..seeds)
        .map(|_| {
            let seed = spread.0 * gaussian(rng);
            of_item.iter().map(|item| seed + item + spread.2 * gaussian(rng)).collect()
        })
        .collect()
}

fn crossed_covers(seeds: usize, trials: u64) {
    for spread in [(0.5, 1.0, 1.0), (0.2, 1.0, 1.0), (0.0, 1.0, 0.5), (0.3, 0.0, 1.0), (1.0, 0.1, 0.2)] {
        let coverage = simulated(trials, 9, |rng| {
            (crossed(&layout(rng, seeds, 40, spread), 0.95).unwrap().estimate, 0.0)
        });
        assert!((0.925..=0.975).contains(&coverage), "{seeds} seeds, {spread:?}: {coverage:.4}");
    }
}

#[test]
fn three_seeds_crossed_with_items() {
    crossed_covers(3, 2000);
}

#[test]
fn five_seeds_crossed_with_items() {
    crossed_covers(5, 1500);
}

#[test]
fn ten_seeds_crossed_with_items() {
    crossed_covers(10, 1000);
}

#[test]
fn seeds_crossed_with_resampled_items() {
    for (seeds, spread) in [(3usize, (0.5, 1.0, 1.0)), (5, (0.2, 1.0, 1.0)), (10, (0.0, 1.0, 1.0))] {
        let coverage = simulated(500, 10, |rng| {
            let values = layout(rng, seeds, 40, spread);
            let points: Vec<f64> = values.iter().map(|row| row.iter().sum::<f64>() / 40.0).collect();
            let resamples: Vec<Vec<f64>> = Bootstrap::with_seed(rng.random())
                .with_resamples(150)
                .draws(40)
                .unwrap()
                .map(|chosen| {
                    values
                        .iter()
                        .map(|row| chosen.iter().map(|&item| row[item]).sum::<f64>() / 40.0)
                        .collect()
                })
                .collect();
            (crossed_from_resamples(&points, &resamples, 40, 0.95).unwrap().estimate, 0.0)
        });
        assert!((0.93..=0.98).contains(&coverage), "{seeds} seeds, {spread:?}: {coverage:.4}");
    }
}

#[test]
fn accuracies_of_seeds_crossed_with_items() {
    // Differences of right and wrong, -1 to 1, rare and less rare: an item is won by all seeds or by each on its own.
    for (seeds, rare, least) in [(3usize, 0.02, 0.93), (5, 0.2, 0.93)] {
        let coverage = simulated(1500, 11, |rng| {
            let mut values = vec![vec![0.0; 100]; seeds];
            for item in 0..100 {
                let own: f64 = rng.random();
                for row in &mut values {
                    let u = if rng.random::<bool>() { own } else { rng.random() };
                    row[item] = if u < rare {
                        1.0
                    } else if u > 1.0 - rare / 2.0 {
                        -1.0
                    } else {
                        0.0
                    };
                }
            }
            (crossed_bounded(&values, (-1.0, 1.0), 0.95).unwrap().estimate, rare / 2.0)
        });
        at_least(&format!("{seeds} seeds, {rare}"), coverage, least);
    }
}

#[test]
fn the_crossed_bootstrap_agrees_with_many_seeds() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let values = layout(&mut rng, 40, 80, (0.5, 1.0, 0.2));
    let exact = crossed(&values, 0.95).unwrap().estimate;
    let bootstrap = Bootstrap::default().with_resamples(1000);
    let found = bootstrap
        .crossed(40, 80, |seeds, items| {
            let total: f64 = seeds.iter().map(|&s| items.iter().map(|&i| values[s][i]).sum::<f64>()).sum();
            total / (seeds.len() * items.len()) as f64
        })
        .unwrap();
    let (one, other) = (exact.high - exact.low, found.high - found.low);
    assert!((one / other - 1.0).abs() < 0.12, "{one} and {other}");
}
