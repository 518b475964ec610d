//! Gradients of all trained tensors, summed over micro-batches in a fixed order.

use burn::tensor::Gradients;
use limbeck_kernels::{recycle, sum_of_squares};
use limbeck_model::Parameter;
use rayon::prelude::*;

use crate::trainer::Network;

/// One gradient per trained tensor, in the order of [`Network::visit`]; absent where nothing reached the tensor.
#[derive(Debug, Default)]
pub struct GradientSum {
    parts: Vec<Option<Vec<f32>>>,
}

impl Drop for GradientSum {
    fn drop(&mut self) {
        self.parts.drain(..).flatten().for_each(recycle);
    }
}

impl GradientSum {
    /// Takes a network's gradients out of one backward pass.
    pub fn of(network: &Network, mut gradients: Gradients) -> Self {
        let mut parts = Vec::new();
        network.visit(&mut |_, parameter| {
            parts.push(parameter.grad_remove(&mut gradients).map(Parameter::into_vec));
        });
        Self { parts }
    }

    /// Adds the gradients of another pass over the same network.
    pub fn add(&mut self, mut fresh: GradientSum) {
        if self.parts.is_empty() {
            *self = fresh;
            return;
        }
        for (sum, fresh) in self.parts.iter_mut().zip(fresh.parts.iter_mut()) {
            match (sum.as_mut(), fresh.take()) {
                (Some(sum), Some(fresh)) => {
                    sum.par_iter_mut().zip(fresh.par_iter()).for_each(|(sum, fresh)| *sum += *fresh);
                    recycle(fresh);
                }
                (None, Some(fresh)) => *sum = Some(fresh),
                (_, None) => {}
            }
        }
    }

    /// The Euclidean norm over all tensors together, summed in f64.
    pub fn norm(&self) -> f64 {
        self.parts.iter().flatten().map(|part| sum_of_squares(part)).sum::<f64>().sqrt()
    }

    /// The gradient of the tensor with this index.
    pub fn part(&self, index: usize) -> Option<&[f32]> {
        self.parts.get(index).and_then(|part| part.as_deref())
    }
}

/// The factor that brings a gradient of this norm down to `limit`: `min(1, limit / norm)` (Pascanu et al. 2013,
/// arXiv 1211.5063, algorithm 1); 1 without a limit.
pub fn clip_factor(norm: f64, limit: Option<f64>) -> f64 {
    match limit {
        Some(limit) if norm > limit => limit / norm,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_scales_only_what_is_too_long() {
        assert_eq!(clip_factor(4.0, Some(1.0)), 0.25);
        assert_eq!(clip_factor(0.5, Some(1.0)), 1.0);
        assert_eq!(clip_factor(4.0, None), 1.0);
    }
}
