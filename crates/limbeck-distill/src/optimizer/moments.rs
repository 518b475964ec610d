//! AdamW and its state.

use limbeck_kernels::{AdamW, AdamWSlot};
use limbeck_model::Parameter;

use super::GradientSum;
use crate::DistillError;
use crate::trainer::Network;

/// The first and second moments of AdamW for every trained tensor, in the order of [`Network::visit`].
///
/// AdamW: Loshchilov and Hutter 2019 (arXiv 1711.05101), algorithm 2. Weight decay is decoupled and applies to
/// matrices only, not to biases and norms.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// m of each tensor.
    pub first: Vec<Vec<f32>>,
    /// v of each tensor.
    pub second: Vec<Vec<f32>>,
}

impl Moments {
    /// Zero moments for all tensors of a network.
    pub fn zeros(network: &Network) -> Self {
        let mut first = Vec::new();
        network.visit(&mut |_, parameter| first.push(vec![0.0; parameter.shape().iter().product()]));
        Self { second: first.clone(), first }
    }

    /// One step of AdamW on every tensor that has a gradient; `step` counts from 1, `clip` scales the gradient.
    ///
    /// # Errors
    /// When the fused operation refuses a tensor.
    pub fn update(
        &mut self,
        network: Network,
        gradient: &GradientSum,
        adamw: &AdamW,
        step: u64,
        clip: f64,
    ) -> Result<Network, DistillError> {
        let mut index = 0;
        let mut failure: Option<DistillError> = None;
        let network = network.map(&mut |_, parameter| {
            let at = index;
            index += 1;
            let Some(part) = gradient.part(at) else {
                return parameter;
            };
            let shape = parameter.shape();
            let device = parameter.device();
            let mut value = parameter.inner().into_vec();
            let slot = AdamWSlot {
                value: &mut value,
                gradient: part,
                first: &mut self.first[at],
                second: &mut self.second[at],
                decay: shape.len() == 2,
            };
            if let Err(error) = adamw.step(step, clip as f32, &mut [slot]) {
                failure.get_or_insert(error.into());
            }
            Parameter::from_vec(&shape, value, &device).require_grad()
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(network),
        }
    }
}
