//! The device of the tests: the CPU, or what `LIMBECK_TEST_DEVICE` names (`wgpu`, `cuda:1`, ..).
#![allow(clippy::unwrap_used, unreachable_pub)]

use burn::tensor::Device;
use limbeck_kernels::DeviceName;

/// Opens it, without gradients.
pub fn device() -> Device {
    let name: DeviceName = match std::env::var("LIMBECK_TEST_DEVICE") {
        Ok(name) => name.parse().unwrap(),
        Err(_) => DeviceName::Cpu,
    };
    name.open().unwrap()
}
