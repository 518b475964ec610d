//! Against numpy, scipy and statsmodels: `golden/*.json`, made by the scripts beside them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_stats::{
    Bootstrap, Cluster, CrossedResamples, Estimate, SignFlip, StatsError, carriers, clopper_pearson, crossed,
    crossed_bounded, crossed_from_resamples, expected_calibration_error, fieller, gini, mcnemar_exact, mean,
    proportion, quantile, rule_of_three, severity, sign_flip_floor, sign_flip_test, spearman, student_t,
    tango, wilson, worst_fraction_mean,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/statistics.json")).unwrap()
}

fn golden_intervals() -> Value {
    serde_json::from_str(include_str!("golden/intervals.json")).unwrap()
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
fn percentile_intervals_agree_with_scipy() {
    let golden = golden();
    let bootstrap = Bootstrap::default();
    let (first, second) = (numbers(&golden["first"]), numbers(&golden["second"]));
    let over =
        |values: &[f64], units: &[usize]| units.iter().map(|&u| values[u]).sum::<f64>() / units.len() as f64;
    let of_mean = bootstrap.statistic(first.len(), |units| over(&first, units)).unwrap();
    interval_close(of_mean, &golden["bootstrap_mean"], 0.03);
    let difference =
        bootstrap.statistic(first.len(), |units| over(&first, units) - over(&second, units)).unwrap();
    interval_close(difference, &golden["bootstrap_difference"], 0.03);

    let (sums, counts) = (numbers(&golden["sums"]), numbers(&golden["counts"]));
    let ratio = bootstrap.statistic(sums.len(), |units| over(&sums, units) / over(&counts, units)).unwrap();
    interval_close(ratio, &golden["bootstrap_ratio"], 0.03);

    let damages = numbers(&golden["damages"]);
    let spread = bootstrap.statistic(damages.len(), |units| {
        gini(&units.iter().map(|&u| damages[u]).collect::<Vec<_>>()).unwrap()
    });
    interval_close(spread.unwrap(), &golden["bootstrap_gini"], 0.03);
}

#[test]
fn means_and_ratios_of_few_units_are_studentised() {
    let golden = golden_intervals();
    let skewed = numbers(&golden["skewed"]);
    let bootstrap = Bootstrap::default();
    let expected = numbers(&golden["studentised"]);
    let width = expected[1] - expected[0];
    let found = bootstrap.mean(&skewed).unwrap();
    close(found.low, expected[0], 0.03 * width);
    close(found.high, expected[1], 0.03 * width);
    // The same through the other doors.
    let clusters: Vec<Cluster> = skewed.iter().map(|&value| Cluster::new(3.0 * value, 3.0)).collect();
    let zero = vec![0.0; skewed.len()];
    let none: Vec<Cluster> = skewed.iter().map(|_| Cluster::new(0.0, 3.0)).collect();
    for same in [
        bootstrap.difference(&skewed, &zero),
        bootstrap.ratio(&clusters),
        bootstrap.ratio_difference(&clusters, &none),
        bootstrap.ratio_of_means(&skewed, &vec![1.0; skewed.len()]),
    ] {
        let same = same.unwrap();
        close(same.low, found.low, 1e-9);
        close(same.high, found.high, 1e-9);
    }
}

#[test]
fn proportions_equal_statsmodels() {
    let golden = golden_intervals();
    let each = |key: &str, of: fn(u64, u64, f64) -> Result<Estimate, StatsError>| {
        for row in golden[key].as_array().unwrap() {
            let found = of(row[0].as_u64().unwrap(), row[1].as_u64().unwrap(), number(&row[2])).unwrap();
            close(found.low, number(&row[3]), 1e-9);
            close(found.high, number(&row[4]), 1e-9);
        }
    };
    each("wilson", wilson);
    each("clopper_pearson", clopper_pearson);
    for row in golden["tango"].as_array().unwrap() {
        let counts: Vec<u64> = (0..3).map(|i| row[i].as_u64().unwrap()).collect();
        let found = tango(counts[0], counts[1], counts[2], number(&row[3])).unwrap();
        close(found.low, number(&row[4]), 1e-6);
        close(found.high, number(&row[5]), 1e-6);
    }
    // By hand: 1 - .025^(1/n) at none of n, and z^2 / (n + z^2) where no item differs.
    close(proportion(0, 512, 0.95).unwrap().high, 1.0 - 0.025_f64.powf(1.0 / 512.0), 1e-9);
    close(tango(0, 0, 512, 0.95).unwrap().high, 3.841_458_8 / (512.0 + 3.841_458_8), 1e-8);
    close(rule_of_three(512), 0.005_859_375, 1e-12);
}

#[test]
fn few_seeds_equal_scipy_and_the_layout_statsmodels() {
    let golden = golden_intervals();
    let (few, below) = (numbers(&golden["few"]), numbers(&golden["below"]));
    let found = student_t(&few, 0.95).unwrap();
    let ratio = fieller(&few, &below, 0.95).unwrap();
    for (found, key) in [(found, "student"), (ratio, "fieller")] {
        let expected = numbers(&golden[key]);
        close(found.low, expected[0], 1e-9);
        close(found.high, expected[1], 1e-9);
    }
    for row in golden["t_quantiles"].as_array().unwrap() {
        // Two values at -1 and 1 have the mean's interval t sqrt(2 / 2); other degrees of freedom are met in `crossed`.
        if number(&row[1]) == 1.0 {
            close(student_t(&[-1.0, 1.0], number(&row[0])).unwrap().high, number(&row[2]), 1e-8);
        }
    }

    let layout: Vec<Vec<f64>> = golden["layout"].as_array().unwrap().iter().map(numbers).collect();
    let found = crossed(&layout, 0.95).unwrap();
    let variances = numbers(&golden["variances"]);
    close(found.variance_seed, variances[0], 1e-9);
    close(found.variance_item, variances[1], 1e-9);
    close(found.variance_rest, variances[2], 1e-9);
    let squares = numbers(&golden["mean_squares"]);
    let (a, b, e) = (squares[0], squares[1], squares[2]);
    let freedom = (a - e + b).powi(2) / (a * a / 3.0 + b * b / 11.0 + e * e / 33.0);
    close(found.degrees_of_freedom, freedom, 1e-9);
    assert_eq!((found.seeds, found.items), (4, 12));
}

#[test]
fn what_says_nothing_of_its_spread_has_no_interval() {
    assert!(!student_t(&[0.3], 0.95).unwrap().has_interval());
    assert!(!student_t(&[0.3, 0.3, 0.3], 0.95).unwrap().has_interval());
    assert!(!fieller(&[1.0, 2.0, 1.5], &[1.0, -1.0, 0.2], 0.95).unwrap().has_interval());
    assert!(!crossed(&[vec![0.5; 20]], 0.95).unwrap().estimate.has_interval());
    assert!(!crossed(&[vec![0.1; 4], vec![0.2; 4]], 0.95).unwrap().estimate.has_interval());
    let same = crossed_bounded(&[vec![0.0; 20], vec![0.0; 20]], (-1.0, 1.0), 0.95).unwrap();
    assert!(same.estimate.low < -0.01 && same.estimate.high > 0.01);
    let read: Estimate =
        serde_json::from_str(&serde_json::to_string(&Estimate::alone(0.3)).unwrap()).unwrap();
    assert!(read.value == 0.3 && !read.has_interval());
    assert!(!SignFlip::testable(5, 0.05) && SignFlip::testable(6, 0.05));
    assert_eq!(sign_flip_floor(6), 0.03125);
}

#[test]
fn few_items_carry_a_difference() {
    let mut differences = vec![0.0; 511];
    differences.push(6.1);
    differences[..39].fill(0.1);
    let found = carriers(&differences).unwrap();
    assert!(
        (found.largest_share - 0.61).abs() < 1e-9 && found.half == 1 && found.largest == 511 && found.few()
    );
    // The same with the other sign, and with items that go against it.
    let negative: Vec<f64> = differences.iter().map(|d| -d).collect();
    assert_eq!(carriers(&negative).unwrap(), found);
    let against = carriers(&[4.0, -2.0, -1.0]).unwrap();
    assert!(against.largest_share == 4.0 && against.half == 1);
    let even = carriers(&[1.0; 400]).unwrap();
    assert!(even.half == 200 && !even.few());
    assert!(carriers(&[1.0, -1.0]).is_err());
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

/// Sums over resamples are made once for all confidences, and to the same bits as anew for each.
#[test]
fn crossed_resamples_are_summed_once_to_the_same_bits() {
    let points = [0.31, -0.02, 0.17];
    let resamples: Vec<Vec<f64>> = (0..200)
        .map(|r| (0..3).map(|s| points[s] + 0.05 * f64::from(r * 7 + s as i32 * 3).sin()).collect())
        .collect();
    let summed = CrossedResamples::new(&points, &resamples, 40).unwrap();
    for (confidence, bits) in [
        (0.95, [0xbfd2970d8b7bee40_u64, 0x3fe31bbd62c160f0]),
        (0.9, [0xbfc1d348b974f074, 0x3fdc8a1196c14bda]),
        (0.9875, [0xbfea49e555a50ef4, 0x3ff20d0df9543c62]),
    ] {
        let once = summed.at(confidence).unwrap().estimate;
        assert_eq!(once, crossed_from_resamples(&points, &resamples, 40, confidence).unwrap().estimate);
        assert_eq!([once.low, once.high].map(f64::to_bits), bits, "{confidence}");
    }
}
