//! A multi-layer perceptron over fixed features: the classifier of Hinton 2015.

use burn::tensor::{Device, Tensor};
use limbeck_kernels::{Activation, Precision, activate, linear};

use crate::decoder::normal;
use crate::error::{ConfigError, ModelError};
use crate::parameter::Parameter;

/// A ReLU network from features to class logits.
#[derive(Debug, Clone)]
pub struct Mlp {
    layers: Vec<(Tensor<2>, Tensor<1>)>,
    precision: Precision,
}

impl Mlp {
    /// A network with `widths = [features, hidden.., classes]` and He-normal weights (standard deviation
    /// `sqrt(2 / inputs)`), biases 0, each layer drawn from its own stream of `seed`.
    ///
    /// # Errors
    /// Fewer than two widths, or a width of 0.
    pub fn init(widths: &[usize], seed: u64, device: &Device) -> Result<Self, ModelError> {
        if widths.len() < 2 || widths.contains(&0) {
            let expected = "at least two positive widths, features first and classes last";
            return Err(ConfigError::value("widths", &format!("{widths:?}"), expected).into());
        }
        let layers = widths.windows(2).enumerate().map(|(index, pair)| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let name = format!("layers.{index}.weight");
            let std = (2.0 / inputs as f32).sqrt();
            let values = normal(seed, &name, inputs * outputs, std);
            let weight = Parameter::from_vec(&[outputs, inputs], values, device);
            let bias = Tensor::zeros([outputs], device);
            match weight {
                Parameter::Matrix(weight) => (weight, bias),
                Parameter::Vector(flat) => (flat.reshape([outputs, inputs]), bias),
            }
        });
        Ok(Self { layers: layers.collect(), precision: Precision::F32 })
    }

    /// The same network with matrix products of another precision. Weights stay 32-bit.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Class logits, `[batch, features] -> [batch, classes]`.
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len() - 1;
        let layers = self.layers.iter().enumerate();
        layers.fold(features, |x, (index, (weight, bias))| {
            let y = linear(x, weight.clone(), Some(bias.clone()), self.precision);
            if index == last { y } else { activate(y, Activation::Relu) }
        })
    }

    /// `[features, hidden.., classes]`.
    pub fn widths(&self) -> Vec<usize> {
        let first = self.layers.first().map(|(weight, _)| weight.dims()[1]);
        let rest = self.layers.iter().map(|(weight, _)| weight.dims()[0]);
        first.into_iter().chain(rest).collect()
    }

    /// Replaces every parameter, named `layers.{i}.weight` (`[out, in]`) and `layers.{i}.bias`, in order.
    /// `change` must keep the shape.
    pub fn map(self, change: &mut dyn FnMut(&str, Parameter) -> Parameter) -> Self {
        let layers = self.layers.into_iter().enumerate().map(|(index, (weight, bias))| {
            let (weight_shape, bias_shape) = (weight.dims(), bias.dims());
            let weight = change(&format!("layers.{index}.weight"), Parameter::Matrix(weight));
            let bias = change(&format!("layers.{index}.bias"), Parameter::Vector(bias));
            let weight = match weight {
                Parameter::Matrix(weight) => weight,
                Parameter::Vector(flat) => flat.reshape(weight_shape),
            };
            let bias = match bias {
                Parameter::Vector(bias) => bias,
                Parameter::Matrix(table) => table.reshape(bias_shape),
            };
            (weight, bias)
        });
        Self { layers: layers.collect(), precision: self.precision }
    }

    /// The same network as gradient leaves.
    pub fn trainable(self) -> Self {
        self.map(&mut |_, parameter| parameter.require_grad())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn logits_are_those_of_the_formula() {
        let device = Device::flex();
        let net = Mlp::init(&[2, 3, 2], 1, &device).unwrap().map(&mut |name, p| {
            let shape = p.shape();
            let values = (0..p.len()).map(|i| i as f32 - 2.0 + name.len() as f32 % 2.0).collect();
            Parameter::from_vec(&shape, values, &device)
        });
        let mut parameters = Vec::new();
        let net = net.map(&mut |_, p| {
            parameters.push(p.to_vec());
            p
        });
        let x = [0.5f32, -1.5];
        let hidden: Vec<f32> = (0..3)
            .map(|j| {
                let row = &parameters[0][2 * j..2 * j + 2];
                (row[0] * x[0] + row[1] * x[1] + parameters[1][j]).max(0.0)
            })
            .collect();
        let expected: Vec<f32> = (0..2)
            .map(|c| {
                let row = &parameters[2][3 * c..3 * c + 3];
                row.iter().zip(&hidden).map(|(w, h)| w * h).sum::<f32>() + parameters[3][c]
            })
            .collect();
        let found = net.logits(Tensor::from_floats([x], &device)).into_data();
        assert_eq!(found.iter::<f32>().collect::<Vec<_>>(), expected);
        assert_eq!(net.widths(), [2, 3, 2]);
        assert!(Mlp::init(&[4], 0, &device).is_err());
    }
}
