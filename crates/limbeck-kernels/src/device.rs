//! The processor that tensors live on, chosen by name.
//!
//! `cpu` is burn's flex backend and always there; `cuda` and `wgpu` are Cargo features of this crate. Nothing
//! else in the workspace may ask burn for a default device: its default changes with the features.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use thiserror::Error;

/// Why a processor cannot be used.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum DeviceError {
    /// The name is none of those there are.
    #[error("`{name}` names no device; it should be cpu, cuda, cuda:N, wgpu or wgpu:N")]
    Name {
        /// The name as given.
        name: String,
    },
    /// The program was built without the backend.
    #[error("`{device}` needs a program built with the Cargo feature `{feature}`")]
    NotBuilt {
        /// The device asked for.
        device: DeviceName,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// The backend finds too few processors on this machine.
    #[error("`{device}` is not on this machine: {backend} finds {found} devices here")]
    Missing {
        /// The device asked for.
        device: DeviceName,
        /// The backend that looked.
        backend: &'static str,
        /// How many it found.
        found: usize,
    },
}

/// A processor: `cpu`, `cuda[:N]` or `wgpu[:N]`, N counting the backend's devices from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum DeviceName {
    /// The processor cores, by burn's flex backend and the fused operations of this crate.
    #[default]
    Cpu,
    /// An NVIDIA GPU by CUDA.
    Cuda {
        /// Which of them.
        index: usize,
    },
    /// A GPU (or a software renderer) by Vulkan, Metal or DirectX 12.
    Wgpu {
        /// Which of them.
        index: usize,
    },
}

impl DeviceName {
    /// Opens the processor for tensors without gradients.
    ///
    /// # Errors
    /// [`DeviceError::NotBuilt`] without the Cargo feature, [`DeviceError::Missing`] without the hardware.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Cuda { index } => open_cuda(self, index),
            Self::Wgpu { index } => open_wgpu(self, index),
        }
    }
}

#[cfg(feature = "cuda")]
fn open_cuda(device: DeviceName, index: usize) -> Result<Device, DeviceError> {
    pick(device, index, "CUDA", burn::tensor::DeviceType::Cuda)
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(device: DeviceName, _: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt { device, feature: "cuda" })
}

#[cfg(feature = "wgpu")]
fn open_wgpu(device: DeviceName, index: usize) -> Result<Device, DeviceError> {
    pick(device, index, "wgpu", burn::tensor::DeviceType::Wgpu)
}

#[cfg(not(feature = "wgpu"))]
fn open_wgpu(device: DeviceName, _: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt { device, feature: "wgpu" })
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn pick(
    device: DeviceName,
    index: usize,
    backend: &'static str,
    kind: burn::tensor::DeviceType,
) -> Result<Device, DeviceError> {
    let all = Device::enumerate(kind).into_vec();
    let found = all.len();
    all.into_iter().nth(index).ok_or(DeviceError::Missing { device, backend, found })
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let refuse = || DeviceError::Name { name: name.to_owned() };
        let (kind, index) = match name.split_once(':') {
            Some((kind, index)) => (kind, index.parse().map_err(|_| refuse())?),
            None => (name, 0),
        };
        match kind {
            "cpu" if index == 0 => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda { index }),
            "wgpu" => Ok(Self::Wgpu { index }),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda { index } => write!(f, "cuda:{index}"),
            Self::Wgpu { index } => write!(f, "wgpu:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for (text, name) in [
            ("cpu", DeviceName::Cpu),
            ("cuda", DeviceName::Cuda { index: 0 }),
            ("wgpu:2", DeviceName::Wgpu { index: 2 }),
        ] {
            let read: DeviceName = text.parse().unwrap();
            assert_eq!(read, name);
            assert_eq!(read.to_string().parse::<DeviceName>().unwrap(), name);
        }
        for wrong in ["", "gpu", "cpu:1", "cuda:", "cuda:-1", "wgpu:x", "CUDA"] {
            assert_eq!(wrong.parse::<DeviceName>(), Err(DeviceError::Name { name: wrong.to_owned() }));
        }
        assert!(DeviceName::Cpu.open().is_ok());
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_backend_that_was_not_built_in_is_named() {
        let device = DeviceName::Cuda { index: 1 };
        assert_eq!(device.open().unwrap_err(), DeviceError::NotBuilt { device, feature: "cuda" });
    }
}
