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
        // The weights are taken out, changed together in one parallel pass, and put back.
        let mut values: Vec<Option<Vec<f32>>> = Vec::with_capacity(self.first.len());
        let mut shapes = Vec::with_capacity(self.first.len());
        let network = network.map(&mut |_, parameter| {
            shapes.push(parameter.shape());
            if gradient.part(values.len()).is_none() {
                values.push(None);
                return parameter;
            }
            let emptied =
                Parameter::from_vec(&[1, 1][..shapes[values.len()].len()], vec![0.0], &parameter.device());
            values.push(Some(parameter.inner().into_vec()));
            emptied
        });
        let moments = self.first.iter_mut().zip(self.second.iter_mut());
        let mut slots: Vec<AdamWSlot<'_>> = Vec::with_capacity(values.len());
        for (at, (value, (first, second))) in values.iter_mut().zip(moments).enumerate() {
            if let (Some(value), Some(gradient)) = (value, gradient.part(at)) {
                slots.push(AdamWSlot { value, gradient, first, second, decay: shapes[at].len() == 2 });
            }
        }
        adamw.step(step, clip as f32, &mut slots)?;
        let mut updated = values.into_iter().zip(shapes);
        Ok(network.map(&mut |_, parameter| match updated.next() {
            Some((Some(values), shape)) => {
                Parameter::from_vec(&shape, values, &parameter.device()).require_grad()
            }
            _ => parameter,
        }))
    }
}
