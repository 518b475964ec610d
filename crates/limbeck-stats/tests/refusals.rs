//! Bad input is a typed error, never a panic or a made-up number; and the draws are reproducible.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_stats::{
    Bootstrap, Cluster, Reliability, StatsError, expected_calibration_error, gini, mcnemar_exact, mean,
    quantile, severity, sign_flip_test, spearman, worst_fraction_mean,
};

fn empty<T: std::fmt::Debug>(found: Result<T, StatsError>) {
    assert!(matches!(found, Err(StatsError::Empty { .. })), "{found:?}");
}

fn not_finite<T: std::fmt::Debug>(found: Result<T, StatsError>) {
    assert!(matches!(found, Err(StatsError::NotFinite { index: 1, .. })), "{found:?}");
}

fn mismatched<T: std::fmt::Debug>(found: Result<T, StatsError>) {
    assert!(matches!(found, Err(StatsError::Mismatched { first: 1, second: 2, .. })), "{found:?}");
}

fn out_of_range<T: std::fmt::Debug>(found: Result<T, StatsError>) {
    assert!(matches!(found, Err(StatsError::OutOfRange { .. })), "{found:?}");
}

fn undefined<T: std::fmt::Debug>(found: Result<T, StatsError>) {
    assert!(matches!(found, Err(StatsError::Undefined { .. })), "{found:?}");
}

#[test]
fn empty_input_is_refused() {
    let bootstrap = Bootstrap::default();
    empty(bootstrap.mean(&[]));
    empty(bootstrap.difference(&[], &[]));
    empty(bootstrap.ratio(&[]));
    empty(bootstrap.ratio(&[Cluster::new(0.0, 0.0)]));
    empty(bootstrap.ratio_difference(&[Cluster::default()], &[Cluster::default()]));
    empty(bootstrap.ratio_of_means(&[], &[]));
    empty(bootstrap.ece(&[]));
    empty(bootstrap.ece(&[Reliability::new()]));
    empty(bootstrap.statistic(0, |_| 1.0));
    empty(bootstrap.with_resamples(0).mean(&[1.0]));
    empty(Reliability::new().ece());
    empty(gini(&[]));
    empty(severity(&[], 1.0));
    empty(worst_fraction_mean(&[], 0.05));
    empty(mean(&[]));
    empty(quantile(&[], 0.5));
    empty(expected_calibration_error(&[], &[]));
    empty(spearman(&[], &[]));
    empty(sign_flip_test(&[], 10, 0));
    empty(sign_flip_test(&[1.0; 17], 0, 0));
    empty(mcnemar_exact(&[], &[]));
}

#[test]
fn nan_and_infinities_are_refused_with_their_place() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let values = [1.0, bad, 2.0];
        let fine = [1.0, 2.0, 3.0];
        let bootstrap = Bootstrap::default();
        not_finite(bootstrap.mean(&values));
        not_finite(bootstrap.difference(&values, &fine));
        not_finite(bootstrap.ratio_of_means(&fine, &values));
        not_finite(bootstrap.ratio(&[Cluster::new(1.0, 1.0), Cluster::new(bad, 1.0)]));
        not_finite(gini(&values));
        not_finite(severity(&values, 1.0));
        not_finite(worst_fraction_mean(&values, 0.5));
        not_finite(mean(&values));
        not_finite(quantile(&values, 0.5));
        not_finite(expected_calibration_error(&values, &[true; 3]));
        not_finite(spearman(&fine, &values));
        not_finite(sign_flip_test(&values, 10, 0));
        out_of_range(Reliability::new().add(bad, true));
        out_of_range(bootstrap.ratio(&[Cluster::new(1.0, bad)]));
    }
}

#[test]
fn pairs_of_different_length_are_refused() {
    let (one, two) = ([1.0], [1.0, 2.0]);
    let bootstrap = Bootstrap::default();
    mismatched(bootstrap.difference(&one, &two));
    mismatched(bootstrap.ratio_of_means(&one, &two));
    mismatched(bootstrap.ratio_difference(&[Cluster::default()], &[Cluster::default(); 2]));
    mismatched(bootstrap.ece_difference(&[Reliability::new()], &[Reliability::new(); 2]));
    mismatched(expected_calibration_error(&one, &[true, false]));
    mismatched(spearman(&one, &two));
    mismatched(mcnemar_exact(&[true], &[true, false]));
}

#[test]
fn arguments_outside_their_range_are_refused() {
    out_of_range(gini(&[-1.0, 2.0]));
    out_of_range(severity(&[1.0], 0.0));
    out_of_range(severity(&[1.0], f64::NAN));
    out_of_range(worst_fraction_mean(&[1.0], 1.5));
    out_of_range(quantile(&[1.0], -0.1));
    out_of_range(expected_calibration_error(&[1.1], &[true]));
    out_of_range(Bootstrap { confidence: 95.0, ..Bootstrap::default() }.mean(&[1.0]));
    out_of_range(Bootstrap::default().ratio(&[Cluster::new(1.0, -1.0)]));
}

#[test]
fn what_has_no_value_is_said_to_have_none() {
    undefined(spearman(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]));
    undefined(spearman(&[1.0, 2.0], &[1.0, 2.0]));
    let (some, none) = ([Cluster::new(1.0, 1.0)], [Cluster::default()]);
    undefined(Bootstrap::default().ratio_difference(&some, &none));
    let found = Bootstrap::default().ratio_of_means(&[1.0, 1.0], &[0.0, 1.0]);
    assert!(matches!(found, Err(StatsError::UndefinedResample { .. })), "{found:?}");
    not_finite(Bootstrap::default().statistics(3, 2, |_, out| out[1] = f64::NAN));
}

#[test]
fn known_small_cases() {
    assert_eq!(gini(&[0.0; 4]).unwrap(), 0.0);
    assert_eq!(gini(&[3.0; 4]).unwrap(), 0.0);
    assert!((gini(&[0.0, 0.0, 0.0, 8.0]).unwrap() - 0.75).abs() < 1e-15);
    assert!(gini(&[f64::MAX, f64::MAX]).unwrap().abs() < 1e-15);
    assert_eq!(severity(&[20.0, 100.0], 1.0).unwrap(), 0.5);
    assert_eq!(worst_fraction_mean(&[1.0, 5.0, 3.0], 0.0).unwrap(), 5.0);
    assert_eq!(worst_fraction_mean(&(1..=60).map(f64::from).collect::<Vec<_>>(), 0.05).unwrap(), 59.0);
    assert_eq!(spearman(&[1.0, 2.0, 3.0, 9.0], &[4.0, 3.0, 2.0, 1.0]).unwrap().rho, -1.0);
    assert_eq!(mcnemar_exact(&[true; 3], &[true; 3]).unwrap().p_value, 1.0);
    assert!((mcnemar_exact(&[true; 3], &[false; 3]).unwrap().p_value - 0.25).abs() < 1e-12);
    // All five differences positive: two of the 32 assignments are as extreme.
    assert_eq!(sign_flip_test(&[0.1, 0.2, 0.3, 0.1, 0.1], 0, 0).unwrap().p_value, 2.0 / 32.0);
    // A confidence on an edge belongs to the bin it closes; one of 0 to the first.
    assert_eq!(expected_calibration_error(&[1.0, 0.0], &[true, false]).unwrap(), 0.0);
}

#[test]
fn draws_depend_on_the_seed_and_on_nothing_else() {
    let values: Vec<f64> = (0..200).map(|i| f64::from(i * i % 97)).collect();
    let once = Bootstrap::default().mean(&values).unwrap();
    assert_eq!(once, Bootstrap::default().mean(&values).unwrap());
    assert_ne!(once, Bootstrap::with_seed(43).mean(&values).unwrap());
    // A statistic among others sees the same resamples as alone.
    let both = Bootstrap::default().statistics(values.len(), 2, |units, out| {
        out[0] = units[0] as f64;
        out[1] = units.iter().map(|&u| values[u]).sum::<f64>() / units.len() as f64;
    });
    assert_eq!(both.unwrap()[1], once);
}

#[test]
fn a_biased_statistic_keeps_its_estimate_in_the_interval() {
    // Perfectly calibrated on the sample: every resample errs more than the estimate.
    let examples: Vec<Reliability> = (0..40)
        .map(|i| {
            let mut one = Reliability::new();
            one.add(0.5, i % 2 == 0).unwrap();
            one
        })
        .collect();
    let found = Bootstrap::default().ece(&examples).unwrap();
    assert_eq!((found.value, found.low), (0.0, 0.0));
    assert!(found.high > 0.05);
}
