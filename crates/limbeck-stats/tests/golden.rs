//! Against numpy and scipy: `golden/statistics.json`, made by the script beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_stats::{
    Bootstrap, Cluster, Estimate, expected_calibration_error, gini, mcnemar_exact, mean, quantile, severity,
    sign_flip_test, spearman, worst_fraction_mean,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/statistics.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn bools(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect()
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

/// Both ends within `share` of the interval's width: two Monte Carlo quantiles of the same law.
#[track_caller]
fn interval_close(found: Estimate, expected: &Value, share: f64) {
    let (low, high) = (number(&expected["low"]), number(&expected["high"]));
    close(found.low, low, share * (high - low));
    close(found.high, high, share * (high - low));
}

#[test]
fn concentration_equals_its_definition() {
    let golden = golden();
    let damages = numbers(&golden["damages"]);
    close(gini(&damages).unwrap(), number(&golden["gini"]), 1e-12);
    close(severity(&damages, 1.0).unwrap(), number(&golden["severity_1"]), 1e-12);
    close(severity(&damages, 2.0).unwrap(), number(&golden["severity_2"]), 1e-12);
    let worst = worst_fraction_mean(&damages, 0.05).unwrap();
    close(worst, number(&golden["worst_5_percent"]), 1e-12);
}

#[test]
fn mean_and_quantiles_equal_numpy() {
    let golden = golden();
    let mut damages = numbers(&golden["damages"]);
    close(mean(&damages).unwrap(), number(&golden["mean"]), 1e-12);
    damages.sort_by(f64::total_cmp);
    for pair in golden["quantiles"].as_array().unwrap() {
        close(quantile(&damages, number(&pair[0])).unwrap(), number(&pair[1]), 1e-12);
    }
}

#[test]
fn calibration_error_equals_the_reference_code() {
    let golden = golden();
    let found = expected_calibration_error(&numbers(&golden["confidences"]), &bools(&golden["correct"]));
    close(found.unwrap(), number(&golden["ece"]), 1e-12);
}

#[test]
fn spearman_equals_scipy_with_and_without_ties() {
    let golden = golden();
    for (key, x, y) in [("spearman", "first", "second"), ("spearman_tied", "tied", "tied_with")] {
        let found = spearman(&numbers(&golden[x]), &numbers(&golden[y])).unwrap();
        close(found.rho, number(&golden[key]["rho"]), 1e-12);
        close(found.p_value, number(&golden[key]["p_value"]), 1e-9);
    }
}

#[test]
fn exact_tests_equal_scipy() {
    let golden = golden();
    let flip = sign_flip_test(&numbers(&golden["few"]), 0, 0).unwrap();
    assert!(flip.exact);
    close(flip.p_value, number(&golden["sign_flip"]), 1e-12);
    let found = mcnemar_exact(&bools(&golden["right_a"]), &bools(&golden["right_b"])).unwrap();
    let expected = &golden["mcnemar"];
    assert_eq!(found.only_first, expected["only_first"].as_u64().unwrap());
    assert_eq!(found.only_second, expected["only_second"].as_u64().unwrap());
    close(found.p_value, number(&expected["p_value"]), 1e-12);
}

#[test]
fn bootstrap_intervals_agree_with_scipy() {
    let golden = golden();
    let bootstrap = Bootstrap::default();
    let (first, second) = (numbers(&golden["first"]), numbers(&golden["second"]));
    interval_close(bootstrap.mean(&first).unwrap(), &golden["bootstrap_mean"], 0.03);
    let difference = bootstrap.difference(&first, &second).unwrap();
    interval_close(difference, &golden["bootstrap_difference"], 0.03);

    let (sums, counts) = (numbers(&golden["sums"]), numbers(&golden["counts"]));
    let clusters: Vec<Cluster> =
        sums.iter().zip(&counts).map(|(&sum, &count)| Cluster::new(sum, count)).collect();
    interval_close(bootstrap.ratio(&clusters).unwrap(), &golden["bootstrap_ratio"], 0.03);
    let of_means = bootstrap.ratio_of_means(&sums, &counts).unwrap();
    interval_close(of_means, &golden["bootstrap_ratio"], 0.03);

    let damages = numbers(&golden["damages"]);
    let spread = bootstrap.statistic(damages.len(), |units| {
        gini(&units.iter().map(|&u| damages[u]).collect::<Vec<_>>()).unwrap()
    });
    interval_close(spread.unwrap(), &golden["bootstrap_gini"], 0.03);
}

#[test]
fn random_sign_flips_approach_the_exact_p_value() {
    // Twenty differences: beyond the exact form; all 2^20 assignments tried here by hand.
    let golden = golden();
    let twenty: Vec<f64> = numbers(&golden["first"])[..20].to_vec();
    let observed: f64 = twenty.iter().sum::<f64>().abs();
    let hits = (0u32..1 << 20).filter(|signs| {
        let signed = twenty.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d });
        signed.sum::<f64>().abs() >= observed - 1e-9
    });
    let exact = hits.count() as f64 / f64::from(1 << 20);
    let found = sign_flip_test(&twenty, 20_000, 3).unwrap();
    assert!(!found.exact);
    close(found.p_value, exact, 0.015);
}
