//! The tensors of a checkpoint, as safetensors.

use std::borrow::Cow;
use std::path::Path;

use limbeck_model::Parameter;
use safetensors::{Dtype, SafeTensors, View};

use crate::DistillError;
use crate::optimizer::Moments;
use crate::trainer::Network;

const VALUE: &str = "value";
const FIRST: &str = "first_moment";
const SECOND: &str = "second_moment";

/// Values to be written; read out of their tensor only when their turn comes.
enum Values<'a> {
    Parameter { parameter: Box<Parameter>, shape: Vec<usize> },
    Slice { values: &'a [f32], shape: Vec<usize> },
}

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Parameter { shape, .. } | Self::Slice { shape, .. } => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Parameter { parameter, .. } => Cow::Owned(bytes(&parameter.to_vec())),
            Self::Slice { values, .. } => Cow::Owned(bytes(values)),
        }
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * size_of::<f32>()
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(values));
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

/// Writes what is trained and its moments.
pub(super) fn write(path: &Path, network: &Network, moments: &Moments) -> Result<(), DistillError> {
    let mut tensors: Vec<(String, Values<'_>)> = Vec::new();
    let mut index = 0;
    network.visit(&mut |name, parameter| {
        let shape = parameter.shape();
        let slice = |values| Values::Slice { values, shape: shape.clone() };
        tensors.push((format!("{FIRST}/{name}"), slice(&moments.first[index])));
        tensors.push((format!("{SECOND}/{name}"), slice(&moments.second[index])));
        tensors.push((
            format!("{VALUE}/{name}"),
            Values::Parameter { parameter: Box::new(parameter.clone()), shape },
        ));
        index += 1;
    });
    safetensors::serialize_to_file(tensors, None, path)
        .map_err(|error| DistillError::io("write", path)(std::io::Error::other(error)))
}

/// Puts a checkpoint's values into a network of the same shape, and its moments into `moments`.
pub(super) fn read(path: &Path, network: Network, moments: &mut Moments) -> Result<Network, DistillError> {
    let file = std::fs::read(path).map_err(DistillError::io("read", path))?;
    let damaged = |reason: String| DistillError::CheckpointDamaged { path: path.to_path_buf(), reason };
    let tensors = SafeTensors::deserialize(&file).map_err(|error| damaged(error.to_string()))?;
    let values = |kind: &str, name: &str, shape: &[usize]| -> Result<Vec<f32>, DistillError> {
        let name = format!("{kind}/{name}");
        let tensor = tensors.tensor(&name).map_err(|error| damaged(error.to_string()))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(damaged(format!(
                "`{name}` is {:?} {:?}, it should be F32 {shape:?}",
                tensor.dtype(),
                tensor.shape()
            )));
        }
        let words = tensor.data().chunks_exact(size_of::<f32>());
        Ok(words.map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    };
    let mut failure = None;
    let mut index = 0;
    let network = network.map(&mut |name, parameter| {
        let shape = parameter.shape();
        let at = index;
        index += 1;
        let read = values(VALUE, name, &shape).and_then(|value| {
            moments.first[at] = values(FIRST, name, &shape)?;
            moments.second[at] = values(SECOND, name, &shape)?;
            Ok(value)
        });
        match read {
            Ok(value) => Parameter::from_vec(&shape, value, &parameter.device().inner()).require_grad(),
            Err(error) => {
                failure.get_or_insert(error);
                parameter
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(network),
    }
}
