//! AdamW against PyTorch's (tests/golden/adamw.py made the numbers).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use limbeck_kernels::{AdamW, AdamWSlot};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[test]
fn equals_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/adamw.json")).unwrap();
    let setting = |name: &str| golden["settings"][name].as_f64().unwrap();
    let optimizer = AdamW {
        learning_rate: setting("learning_rate"),
        beta1: setting("beta1"),
        beta2: setting("beta2"),
        epsilon: setting("epsilon"),
        weight_decay: setting("weight_decay"),
    };
    let mut value = numbers(&golden["start"]);
    let mut first = vec![0.0; value.len()];
    let mut second = vec![0.0; value.len()];
    let steps = golden["gradients"].as_array().unwrap().iter().zip(golden["values"].as_array().unwrap());
    for (step, (gradient, expected)) in (1..).zip(steps) {
        // Half the gradient twice over: the scale is part of the step.
        let doubled: Vec<f32> = numbers(gradient).iter().map(|gradient| gradient * 2.0).collect();
        let slot = AdamWSlot {
            value: &mut value,
            gradient: &doubled,
            first: &mut first,
            second: &mut second,
            decay: true,
        };
        optimizer.step(step, 0.5, &mut [slot]).unwrap();
        for (found, expected) in value.iter().zip(numbers(expected)) {
            assert!(
                (found - expected).abs() <= 2e-6 * (1.0 + expected.abs()),
                "step {step}: {found}, {expected}"
            );
        }
    }
    for (found, expected) in [(&first, "first"), (&second, "second")] {
        for (found, expected) in found.iter().zip(numbers(&golden[expected])) {
            assert!((found - expected).abs() <= 2e-6 * expected.abs().max(1e-3), "{found}, {expected}");
        }
    }
}
