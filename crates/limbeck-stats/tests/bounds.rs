//! What must hold on any input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_stats::{
    Bootstrap, Cluster, Estimate, PERCENTILE_FROM, Reliability, SMALLEST_SAMPLE, clopper_pearson,
    clustered_difference, clustered_proportion, damage, expected_calibration_error, gini, mcnemar_exact,
    proportion, severity, sign_flip_test, spearman, tango, wilson, worst_fraction_mean,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn small() -> Bootstrap {
    Bootstrap::default().with_resamples(200)
}

/// An interval of some width that holds its value, or none.
fn ordered(estimate: Estimate) -> bool {
    let within = estimate.low <= estimate.value && estimate.value <= estimate.high;
    if estimate.has_interval() { within && estimate.low < estimate.high } else { true }
}

proptest! {
    #[test]
    fn gini_lies_in_its_bounds_and_knows_no_scale(values in vec(0.0..1e6, 1..80), scale in 1e-3..1e3) {
        let found = gini(&values).unwrap();
        let most = (values.len() - 1) as f64 / values.len() as f64;
        prop_assert!((0.0..=most + 1e-12).contains(&found));
        let scaled: Vec<f64> = values.iter().map(|v| v * scale).collect();
        prop_assert!((gini(&scaled).unwrap() - found).abs() < 1e-9);
    }

    #[test]
    fn severity_lies_in_0_1_and_falls_with_alpha(scores in vec(-400.0..400.0, 1..80), alpha in 0.1..4.0) {
        let damages: Vec<f64> = scores.into_iter().map(damage).collect();
        prop_assert!(damages.iter().all(|m| (0.0..=100.0).contains(m)));
        let found = severity(&damages, alpha).unwrap();
        prop_assert!((0.0..=1.0).contains(&found));
        prop_assert!(severity(&damages, alpha + 1.0).unwrap() <= found + 1e-12);
    }

    #[test]
    fn worst_fraction_lies_between_mean_and_largest(values in vec(-1e3..1e3, 1..80), fraction in 0.0..=1.0) {
        let found = worst_fraction_mean(&values, fraction).unwrap();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let largest = values.iter().copied().fold(f64::MIN, f64::max);
        prop_assert!(mean - 1e-9 <= found && found <= largest + 1e-9);
    }

    #[test]
    fn intervals_hold_their_estimate(values in vec(-1e3..1e3, 1..300)) {
        let found = small().mean(&values).unwrap();
        prop_assert!(ordered(found));
        prop_assert_eq!(found.has_interval(), values.len() >= SMALLEST_SAMPLE);
        if values.len() >= PERCENTILE_FROM {
            let least = values.iter().copied().fold(f64::MAX, f64::min);
            let largest = values.iter().copied().fold(f64::MIN, f64::max);
            prop_assert!(least - 1e-9 <= found.low && found.high <= largest + 1e-9);
        }
    }

    #[test]
    fn a_difference_with_itself_has_no_interval(values in vec(-1e3..1e3, 1..300)) {
        let found = small().difference(&values, &values).unwrap();
        prop_assert!(found.value == 0.0 && !found.has_interval());
    }

    #[test]
    fn no_proportion_has_an_interval_of_zero_width(
        n in 1u64..2000, part in 0.0..=1.0f64, confidence in 0.5..0.999f64,
    ) {
        let successes = (part * n as f64).round() as u64;
        for found in [wilson, clopper_pearson, proportion].map(|of| of(successes, n, confidence).unwrap()) {
            prop_assert!(ordered(found) && found.high > found.low && found.low >= 0.0 && found.high <= 1.0);
            prop_assert_eq!(found.value, successes as f64 / n as f64);
        }
        let mirrored = proportion(n - successes, n, confidence).unwrap();
        prop_assert!((mirrored.high - (1.0 - proportion(successes, n, confidence).unwrap().low)).abs() < 1e-9);
    }

    #[test]
    fn clusters_and_pairs_never_have_zero_width(
        units in vec((0u32..12, 0u32..12, 1u32..12), 1..60), same in any::<bool>(),
    ) {
        let of = |pick: fn(&(u32, u32, u32)) -> u32| -> Vec<Cluster> {
            units.iter().map(|u| Cluster::new(f64::from(pick(u).min(u.2)), f64::from(u.2))).collect()
        };
        let first = of(|u| u.0);
        let second = if same { first.clone() } else { of(|u| u.1) };
        let share = clustered_proportion(&first, 0.95).unwrap();
        prop_assert!(ordered(share) && share.low < share.high && share.low >= 0.0 && share.high <= 1.0);
        let there = clustered_difference(&first, &second, 0.95).unwrap();
        let back = clustered_difference(&second, &first, 0.95).unwrap();
        prop_assert!(ordered(there) && there.low < there.high && there.low >= -1.0 && there.high <= 1.0);
        prop_assert!((there.low + back.high).abs() < 1e-12);
    }

    #[test]
    fn paired_proportions_mirror(b in 0u64..30, c in 0u64..30, more in 0u64..300, confidence in 0.5..0.999f64) {
        let n = b + c + more;
        if n > 0 {
            let (there, back) = (tango(b, c, n, confidence).unwrap(), tango(c, b, n, confidence).unwrap());
            prop_assert!(ordered(there) && there.low < there.high && there.low >= -1.0 && there.high <= 1.0);
            prop_assert!((there.low + back.high).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_clusters_give_the_interval_of_the_mean(values in vec(-1e3..1e3, 1..60)) {
        let clusters: Vec<Cluster> = values.iter().map(|&v| Cluster::new(v, 1.0)).collect();
        let (one, other) = (small().ratio(&clusters).unwrap(), small().mean(&values).unwrap());
        prop_assert!((one.value - other.value).abs() < 1e-9);
        prop_assert_eq!(one.has_interval(), other.has_interval());
        if one.has_interval() {
            prop_assert!((one.low - other.low).abs() < 1e-9 && (one.high - other.high).abs() < 1e-9);
        }
    }

    #[test]
    fn calibration_error_is_a_share(predictions in vec((0.0..=1.0, any::<bool>(), 0usize..12), 1..120)) {
        let (confidences, correct): (Vec<f64>, Vec<bool>) =
            predictions.iter().map(|&(c, r, _)| (c, r)).unzip();
        let whole = expected_calibration_error(&confidences, &correct).unwrap();
        prop_assert!((0.0..=1.0).contains(&whole));

        // The same predictions spread over examples, some of them empty.
        let mut examples = vec![Reliability::new(); 12];
        for &(confidence, right, example) in &predictions {
            examples[example].add(confidence, right).unwrap();
        }
        let found = small().ece(&examples).unwrap();
        prop_assert!((found.value - whole).abs() < 1e-9);
        prop_assert!(ordered(found));
        prop_assert!(!found.has_interval() || (found.low >= 0.0 && found.high <= 1.0 + 1e-12));
        let nothing = small().ece_difference(&examples, &examples).unwrap();
        prop_assert!(nothing.value == 0.0 && !nothing.has_interval());
    }

    #[test]
    fn spearman_sees_order_only(values in vec(-50.0..50.0, 3..40), other in vec(-50.0..50.0, 40)) {
        let other = &other[..values.len()];
        if let Ok(found) = spearman(&values, other) {
            prop_assert!((-1.0..=1.0).contains(&found.rho) && (0.0..=1.0).contains(&found.p_value));
            let cubed: Vec<f64> = values.iter().map(|v| v * v * v).collect();
            let same = spearman(&cubed, other).unwrap();
            // Cubing may make tiny values tie at zero; not within this range.
            prop_assert!((same.rho - found.rho).abs() < 1e-9);
        }
    }

    #[test]
    fn p_values_are_shares(differences in vec(-5.0..5.0, 1..24), rights in vec(any::<(bool, bool)>(), 1..60)) {
        let flip = sign_flip_test(&differences, 99, 5).unwrap();
        prop_assert!(flip.p_value > 0.0 && flip.p_value <= 1.0);
        let (a, b): (Vec<bool>, Vec<bool>) = rights.into_iter().unzip();
        let (there, back) = (mcnemar_exact(&a, &b).unwrap(), mcnemar_exact(&b, &a).unwrap());
        prop_assert!(there.p_value > 0.0 && there.p_value <= 1.0);
        prop_assert_eq!(there.p_value, back.p_value);
    }
}
