//! The reduction to leading directions loses nothing that the measures see.

use serde_json::Value;

use super::*;

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn random(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn measured(measure: OutputMeasure, x: &Output, y: &Output) -> f64 {
    similarities(&[measure], std::slice::from_ref(x), std::slice::from_ref(y)).unwrap()[0][0][0]
}

#[test]
fn svcca_as_numpy_and_scipy() {
    let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/similarity.json")).unwrap();
    let golden = &golden["svcca"];
    let width = golden["width"].as_u64().unwrap() as usize;
    let [x, y] = ["x", "y"].map(|name| wide_output(numbers(&golden[name]), width, width).unwrap());
    let kept: Vec<usize> = serde_json::from_value(golden["kept"].clone()).unwrap();
    assert_eq!([x.leading, y.leading].as_slice(), kept);
    for (measure, name) in [
        (OutputMeasure::Svcca, "svcca"),
        (OutputMeasure::Cka, "cka"),
        (OutputMeasure::Procrustes, "procrustes"),
    ] {
        let expected = golden[name].as_f64().unwrap();
        assert!((measured(measure, &x, &y) - expected).abs() < 1e-6, "{name}");
    }
}

#[test]
fn a_head_is_compared_by_what_it_writes() {
    // z W in 30 dimensions, from 4.
    let (z, weight, other) = (random(50 * 4, 1), random(4 * 30, 2), random(50 * 6, 3));
    let written = times(&z, 4, &weight, 30).unwrap();
    let (by_root, whole) =
        (head_output(z, 4, &weight, 30, 16).unwrap(), wide_output(written, 30, 16).unwrap());
    let other = wide_output(other, 6, 16).unwrap();
    for measure in [OutputMeasure::Cka, OutputMeasure::Svcca, OutputMeasure::Procrustes] {
        assert!((measured(measure, &by_root, &whole) - 1.0).abs() < 1e-6, "{measure:?}");
        let (a, b) = (measured(measure, &by_root, &other), measured(measure, &whole, &other));
        assert!((a - b).abs() < 1e-6 && a < 0.9, "{measure:?} {a} {b}");
    }
    assert!((by_root.variance - 1.0).abs() < 1e-9);
}

#[test]
fn a_wide_output_keeps_its_leading_directions() {
    // Three strong directions in 200 dimensions, and weak noise.
    let (rows, width) = (90, 200);
    let strong = times(&random(rows * 3, 1), 3, &random(3 * width, 2), width).unwrap();
    let noise = random(rows * width, 3);
    let values: Vec<f64> = strong.iter().zip(&noise).map(|(strong, noise)| strong + 1e-2 * noise).collect();
    let found = wide_output(values.clone(), width, 8).unwrap();
    assert!(
        found.width == 8 && found.leading == 3 && found.variance > 0.999,
        "{} {}",
        found.leading,
        found.variance
    );
    let mut centred = values;
    centre(&mut centred, width);
    let exact = principal(&centred, width, 8, None).unwrap();
    assert!((measured(OutputMeasure::Cka, &found, &exact) - 1.0).abs() < 1e-9);
    // What never changes has no directions.
    let constant = wide_output(vec![2.0; rows * width], width, 8).unwrap();
    assert_eq!((constant.width, measured(OutputMeasure::Cka, &constant, &found)), (0, 0.0));
}

#[test]
fn a_resample_of_all_prompts_is_the_whole() {
    let [x, y] = [1, 2].map(|seed| wide_output(random(12 * 5 * 7, seed), 7, 16).unwrap());
    let mut twice = vec![0.0; 12];
    twice[3] = 2.0;
    twice[8] = 1.0;
    for measure in [OutputMeasure::Cka, OutputMeasure::Svcca, OutputMeasure::Procrustes] {
        let values = x.resampled(&y, measure, 5, &[&[1.0; 12], &twice]);
        assert!((values[0] - measured(measure, &x, &y)).abs() < 1e-9, "{measure:?}");
        assert!(values[1] > values[0], "few rows look more alike");
        assert!((x.resampled(&x, measure, 5, &[&twice])[0] - 1.0).abs() < 1e-6);
    }
}

#[test]
fn the_last_position_is_always_among_those_compared() {
    let places = |positions, skip, length| -> Vec<usize> {
        Reduction { positions, skip, directions: 1 }.places(length).collect()
    };
    assert_eq!(places(5, 1, 6), [1, 2, 3, 4, 5]);
    assert_eq!(places(2, 1, 7), [3, 6]);
    assert_eq!(places(1, 1, 9), [8]);
    assert_eq!(places(1, 1, 1), [0]);
}
