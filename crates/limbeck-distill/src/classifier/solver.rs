//! The optimizers of classifiers and their state.

use burn::tensor::Gradients;
use limbeck_kernels::{AdamW, AdamWSlot, Momentum, MomentumSlot, limit_row_norms};
use limbeck_model::{Mlp, Parameter};

use super::{ClassifierConfig, SolverConfig};
use crate::DistillError;

/// The optimizer's memory: a velocity, or two moments, for every parameter in the order of [`Mlp::visit`].
pub(super) struct Solver {
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
}

impl Solver {
    /// Zero memory for a network.
    pub(super) fn new(network: &Mlp, config: &SolverConfig) -> Self {
        let mut first = Vec::new();
        network.visit(&mut |_, parameter| first.push(vec![0.0; parameter.len()]));
        let second = match config {
            SolverConfig::Momentum(_) => Vec::new(),
            SolverConfig::Adamw(_) => first.clone(),
        };
        Self { first, second }
    }

    /// One step (`step` counts from 1) at this learning rate, then the limit on incoming weights of hidden units.
    pub(super) fn update(
        &mut self,
        network: Mlp,
        mut gradients: Gradients,
        config: &ClassifierConfig,
        learning_rate: f64,
        step: u64,
    ) -> Result<Mlp, DistillError> {
        let last = 2 * config.hidden.len();
        let mut taken = Vec::with_capacity(last + 2);
        network.visit(&mut |_, parameter| {
            taken.push(parameter.grad_remove(&mut gradients).map(Parameter::into_vec));
        });
        // The graph holds the old weights; without it they can be changed in place.
        drop(gradients);
        let mut index = 0;
        let mut failure: Option<DistillError> = None;
        let network = network.map(&mut |_, parameter| {
            let at = index;
            index += 1;
            let Some(gradient) = taken.get_mut(at).and_then(Option::take) else {
                return parameter;
            };
            let (shape, device) = (parameter.shape(), parameter.device());
            let mut value = parameter.into_vec();
            let decay = shape.len() == 2;
            let mut done = match &config.optimizer {
                SolverConfig::Momentum(settings) => {
                    let velocity = &mut self.first[at];
                    let slot = MomentumSlot { value: &mut value, gradient: &gradient, velocity, decay };
                    Momentum {
                        learning_rate,
                        momentum: settings.momentum,
                        nesterov: settings.nesterov,
                        weight_decay: settings.weight_decay,
                    }
                    .step(1.0, &mut [slot])
                }
                SolverConfig::Adamw(settings) => {
                    let (first, second) = (&mut self.first[at], &mut self.second[at]);
                    let slot = AdamWSlot { value: &mut value, gradient: &gradient, first, second, decay };
                    AdamW {
                        learning_rate,
                        beta1: settings.beta1,
                        beta2: settings.beta2,
                        epsilon: settings.epsilon,
                        weight_decay: settings.weight_decay,
                    }
                    .step(step, 1.0, &mut [slot])
                }
            };
            if let (Some(limit), [_, columns]) = (config.max_norm.filter(|_| at < last), shape.as_slice()) {
                done = done.and_then(|()| limit_row_norms(&mut value, *columns, limit));
            }
            if let Err(error) = done {
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
