//! A multi-layer perceptron over fixed features: the classifier of Hinton 2015.

mod files;
mod predict;

pub use files::{load_classifier, save_classifier};
pub use predict::{ClassLogits, argmax, predict};

use burn::tensor::{Device, Tensor, TensorData};
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

/// The values of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLayer {
    /// Width of what comes in.
    pub inputs: usize,
    /// Width of what goes out.
    pub outputs: usize,
    /// `[outputs, inputs]`, row-major.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
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

    /// A network of these layers, in order.
    ///
    /// # Errors
    /// No layers, values that do not fill a layer, or a layer whose inputs are not the outputs of the one before.
    pub fn from_layers(layers: Vec<DenseLayer>, device: &Device) -> Result<Self, ModelError> {
        if layers.is_empty() {
            return Err(ConfigError::value("layers", "none", "at least one").into());
        }
        let mut width = layers[0].inputs;
        let mut made = Vec::with_capacity(layers.len());
        for (index, layer) in layers.into_iter().enumerate() {
            let DenseLayer { inputs, outputs, weight, bias } = layer;
            let fits = inputs.checked_mul(outputs) == Some(weight.len()) && bias.len() == outputs;
            if !fits || inputs != width || outputs == 0 || inputs == 0 {
                return Err(ModelError::Shape {
                    name: format!("layers.{index}.weight"),
                    found: vec![outputs, inputs],
                    expected: vec![bias.len(), width],
                });
            }
            width = outputs;
            made.push((
                Tensor::from_data(TensorData::new(weight, [outputs, inputs]), device),
                Tensor::from_data(TensorData::new(bias, [outputs]), device),
            ));
        }
        Ok(Self { layers: made, precision: Precision::F32 })
    }

    /// Copies of the layers' values, in order.
    pub fn layers(&self) -> Vec<DenseLayer> {
        let values = |(weight, bias): &(Tensor<2>, Tensor<1>)| {
            let [outputs, inputs] = weight.dims();
            DenseLayer {
                inputs,
                outputs,
                weight: Parameter::Matrix(weight.clone()).into_vec(),
                bias: Parameter::Vector(bias.clone()).into_vec(),
            }
        };
        self.layers.iter().map(values).collect()
    }

    /// Class logits, `[batch, features] -> [batch, classes]`.
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.logits_masked(features, &[])
    }

    /// As [`Self::logits`], the outputs of hidden layer `i` multiplied by `masks[i]` (`[batch, hidden_i]`) where there is
    /// one: dropout, with masks of 0 and `1 / (1 - p)` (Srivastava et al. 2014, in the form that needs no scaling later).
    pub fn logits_masked(&self, features: Tensor<2>, masks: &[Tensor<2>]) -> Tensor<2> {
        let last = self.layers.len() - 1;
        let layers = self.layers.iter().enumerate();
        layers.fold(features, |x, (index, (weight, bias))| {
            let y = linear(x, weight.clone(), Some(bias.clone()), self.precision);
            match (index == last, masks.get(index)) {
                (true, _) => y,
                (false, None) => activate(y, Activation::Relu),
                (false, Some(mask)) => activate(y, Activation::Relu) * mask.clone(),
            }
        })
    }

    /// Number of features it takes.
    pub fn features(&self) -> usize {
        self.layers.first().map_or(0, |(weight, _)| weight.dims()[1])
    }

    /// Number of classes it tells apart.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |(weight, _)| weight.dims()[0])
    }

    /// The device it lives on.
    pub fn device(&self) -> Device {
        self.layers.first().map(|(weight, _)| weight.device()).unwrap_or_default()
    }

    /// The same network outside any gradient graph.
    #[must_use]
    pub fn frozen(self) -> Self {
        self.map(&mut |_, parameter| parameter.inner())
    }

    /// The same network with `shift[c]` added to the bias of class `c`.
    ///
    /// # Errors
    /// A shift of another number of classes.
    pub fn with_class_shift(&self, shift: &[f32]) -> Result<Self, ModelError> {
        let mut layers = self.layers();
        if let Some(last) = layers.last_mut() {
            if last.outputs != shift.len() {
                return Err(ModelError::Shape {
                    name: "class shift".to_owned(),
                    found: vec![shift.len()],
                    expected: vec![last.outputs],
                });
            }
            last.bias.iter_mut().zip(shift).for_each(|(bias, shift)| *bias += shift);
        }
        Self::from_layers(layers, &self.device())
    }

    /// Shows every parameter under the names of [`Self::map`].
    pub fn visit(&self, see: &mut dyn FnMut(&str, &Parameter)) {
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            see(&format!("layers.{index}.weight"), &Parameter::Matrix(weight.clone()));
            see(&format!("layers.{index}.bias"), &Parameter::Vector(bias.clone()));
        }
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
