//! Golden values of numpy and scipy, and what each measure must not see.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::*;
use crate::similarity::products::{times, transposed_times};

const ALL: [OutputMeasure; 3] = [OutputMeasure::Cka, OutputMeasure::Svcca, OutputMeasure::Procrustes];

/// Columns centred.
fn centred(values: &[f64], width: usize) -> Vec<f64> {
    let rows = values.len() / width;
    let mut found = values.to_vec();
    for column in 0..width {
        let mean = (0..rows).map(|row| values[row * width + column]).sum::<f64>() / rows as f64;
        (0..rows).for_each(|row| found[row * width + column] -= mean);
    }
    found
}

fn measured(measure: OutputMeasure, x: &[f64], x_width: usize, y: &[f64], y_width: usize) -> f64 {
    let (x, y) = (centred(x, x_width), centred(y, y_width));
    let own = |values: &[f64], width| {
        Own::new(&transposed_times(values, width, values, width).unwrap(), width, width)
    };
    let cross = transposed_times(&x, x_width, &y, y_width).unwrap();
    similarity(measure, &own(&x, x_width), &own(&y, y_width), &cross)
}

fn random(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn as_numpy_and_scipy() {
    let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/similarity.json")).unwrap();
    for case in golden["outputs"].as_array().unwrap() {
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        let width = |name: &str| case[name].as_u64().unwrap() as usize;
        for (measure, name) in ALL.into_iter().zip(["cka", "cca", "procrustes"]) {
            let found = measured(measure, &x, width("x_width"), &y, width("y_width"));
            let expected = case[name].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-7, "{name}: {found} for {expected}");
        }
    }
}

#[test]
fn rotations_and_scaling_change_nothing() {
    let (rows, width) = (50, 6);
    let (x, y) = (random(rows * width, 1), random(rows * 4, 2));
    // A product of reflections is orthogonal.
    let mut rotation: Vec<f64> =
        (0..width * width).map(|i| f64::from(u8::from(i % (width + 1) == 0))).collect();
    for seed in 3..6 {
        let v = random(width, seed);
        let size: f64 = v.iter().map(|value| value * value).sum();
        let reflection: Vec<f64> = (0..width * width)
            .map(|i| f64::from(u8::from(i % (width + 1) == 0)) - 2.0 * v[i / width] * v[i % width] / size)
            .collect();
        rotation = times(&rotation, width, &reflection, width).unwrap();
    }
    let turned: Vec<f64> =
        times(&x, width, &rotation, width).unwrap().iter().map(|value| 7.0 * value).collect();
    for measure in ALL {
        let (before, after) = (measured(measure, &x, width, &y, 4), measured(measure, &turned, width, &y, 4));
        assert!(
            (before - after).abs() < 1e-9 && before > 0.0 && before < 0.9,
            "{measure:?} {before} {after}"
        );
        assert!((measured(measure, &x, width, &turned, width) - 1.0).abs() < 1e-7, "{measure:?}");
    }
}

#[test]
fn invertible_maps_change_canonical_correlations_not() {
    let (rows, width) = (60, 5);
    let (x, y) = (random(rows * width, 1), random(rows * width, 2));
    let map = random(width * width, 3);
    let mapped = times(&x, width, &map, width).unwrap();
    let both =
        |measure| (measured(measure, &x, width, &y, width), measured(measure, &mapped, width, &y, width));
    let (before, after) = both(OutputMeasure::Svcca);
    assert!((before - after).abs() < 1e-7, "{before} {after}");
    // The others do see it.
    for measure in [OutputMeasure::Cka, OutputMeasure::Procrustes] {
        let (before, after) = both(measure);
        assert!((before - after).abs() > 1e-4, "{measure:?}");
    }
}

#[test]
fn what_is_constant_is_like_nothing() {
    let x = random(20 * 3, 1);
    for measure in ALL {
        assert_eq!(measured(measure, &x, 3, &[4.0; 40], 2), 0.0);
    }
    // A column that says nothing new does not count towards the rank.
    let doubled: Vec<f64> =
        x.chunks_exact(3).flat_map(|row| [row[0], row[1], row[2], row[0] - row[2]]).collect();
    assert!((measured(OutputMeasure::Svcca, &x, 3, &doubled, 4) - 1.0).abs() < 1e-7);
}
