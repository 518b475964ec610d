//! Classifiers on disk: one safetensors file with `layers.{i}.weight` (`[out, in]`) and `layers.{i}.bias`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;

use super::{DenseLayer, Mlp};
use crate::error::ModelError;
use crate::weights::{
    FloatFormat, HostTensor, MemoryWeights, SafetensorsSource, WeightSource, write_safetensors,
};

/// Writes a classifier; the file appears complete or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save_classifier(path: &Path, network: &Mlp) -> Result<(), ModelError> {
    let mut tensors = BTreeMap::new();
    for (index, layer) in network.layers().into_iter().enumerate() {
        let shape = vec![layer.outputs, layer.inputs];
        tensors.insert(format!("layers.{index}.weight"), HostTensor { shape, values: layer.weight });
        tensors.insert(
            format!("layers.{index}.bias"),
            HostTensor { shape: vec![layer.outputs], values: layer.bias },
        );
    }
    write_safetensors(path, &mut MemoryWeights(tensors), FloatFormat::F32, &str::to_owned)?;
    Ok(())
}

/// Reads a classifier written by [`save_classifier`].
///
/// # Errors
/// A damaged file, or layers that do not follow each other.
pub fn load_classifier(path: &Path, device: &Device) -> Result<Mlp, ModelError> {
    let mut source = SafetensorsSource::open(path)?;
    let names = source.names();
    let mut layers = Vec::new();
    while names.contains(&format!("layers.{}.weight", layers.len())) {
        let name = format!("layers.{}.weight", layers.len());
        let weight = source.tensor(&name)?;
        let bias = source.tensor(&format!("layers.{}.bias", layers.len()))?;
        let &[outputs, inputs] = weight.shape.as_slice() else {
            return Err(ModelError::Shape {
                name,
                found: weight.shape,
                expected: vec![bias.values.len(), 0],
            });
        };
        layers.push(DenseLayer { inputs, outputs, weight: weight.values, bias: bias.values });
    }
    if layers.is_empty() {
        return Err(ModelError::MissingWeight { name: "layers.0.weight".to_owned() });
    }
    Mlp::from_layers(layers, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classifier_comes_back_bit_by_bit() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("classifier.safetensors");
        let device = Device::flex();
        let network = Mlp::init(&[5, 7, 3], 4, &device).unwrap().with_class_shift(&[0.5, -1.0, 2.0]).unwrap();
        save_classifier(&path, &network).unwrap();
        let again = load_classifier(&path, &device).unwrap();
        assert_eq!(again.layers(), network.layers());
        assert_eq!(again.layers()[1].bias, [0.5, -1.0, 2.0]);
        assert!(network.with_class_shift(&[1.0]).is_err());
        std::fs::write(&path, b"no classifier").unwrap();
        assert!(load_classifier(&path, &device).is_err());
    }

    #[test]
    fn layers_that_do_not_follow_are_refused() {
        let layer = |inputs: usize, outputs: usize| DenseLayer {
            inputs,
            outputs,
            weight: vec![0.0; inputs * outputs],
            bias: vec![0.0; outputs],
        };
        let device = Device::flex();
        assert!(Mlp::from_layers(vec![layer(4, 3), layer(3, 2)], &device).is_ok());
        assert!(Mlp::from_layers(vec![layer(4, 3), layer(4, 2)], &device).is_err());
        assert!(Mlp::from_layers(vec![], &device).is_err());
        let short = DenseLayer { bias: vec![0.0], ..layer(4, 3) };
        assert!(Mlp::from_layers(vec![short], &device).is_err());
    }
}
