//! What must hold on any input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_stats::{
    Bootstrap, Cluster, Estimate, Reliability, damage, expected_calibration_error, gini, mcnemar_exact,
    severity, sign_flip_test, spearman, worst_fraction_mean,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn small() -> Bootstrap {
    Bootstrap::default().with_resamples(200)
}

fn ordered(estimate: Estimate) -> bool {
    estimate.low <= estimate.value && estimate.value <= estimate.high
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
    fn intervals_hold_their_estimate_and_stay_within_the_data(values in vec(-1e3..1e3, 1..60)) {
        let found = small().mean(&values).unwrap();
        prop_assert!(ordered(found));
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        let largest = values.iter().copied().fold(f64::MIN, f64::max);
        prop_assert!(least - 1e-9 <= found.low && found.high <= largest + 1e-9);
    }

    #[test]
    fn a_difference_with_itself_is_nothing(values in vec(-1e3..1e3, 1..60)) {
        prop_assert_eq!(small().difference(&values, &values).unwrap(), Estimate::point(0.0));
    }

    #[test]
    fn equal_clusters_give_the_interval_of_the_mean(values in vec(-1e3..1e3, 1..60)) {
        let clusters: Vec<Cluster> = values.iter().map(|&v| Cluster::new(v, 1.0)).collect();
        let (one, other) = (small().ratio(&clusters).unwrap(), small().mean(&values).unwrap());
        for (a, b) in [(one.value, other.value), (one.low, other.low), (one.high, other.high)] {
            prop_assert!((a - b).abs() < 1e-9);
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
        prop_assert!(ordered(found) && found.low >= 0.0 && found.high <= 1.0 + 1e-12);
        let nothing = small().ece_difference(&examples, &examples).unwrap();
        prop_assert_eq!(nothing, Estimate::point(0.0));
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
