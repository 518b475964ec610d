//! The device of the tests: the CPU, or what `LIMBECK_TEST_DEVICE` names (`wgpu`, `cuda:1`, ..).
#![allow(clippy::unwrap_used, unreachable_pub)]

use burn::tensor::Device;
use limbeck_kernels::DeviceName;

fn name() -> DeviceName {
    match std::env::var("LIMBECK_TEST_DEVICE") {
        Ok(name) => name.parse().unwrap(),
        Err(_) => DeviceName::Cpu,
    }
}

/// Opens it, without gradients.
pub fn device() -> Device {
    name().open().unwrap()
}

/// How much wider bounds are than on the CPU: shaders take exponentials and logarithms less exactly.
#[allow(dead_code, reason = "not every test has bounds that tight")]
pub fn slack() -> f64 {
    if matches!(name(), DeviceName::Cpu) { 1.0 } else { 20.0 }
}
