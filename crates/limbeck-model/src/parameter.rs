//! One named weight of a network.

use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};

/// A weight: every parameter of a decoder or classifier has rank 1 or 2.
#[derive(Debug, Clone)]
pub enum Parameter {
    /// A bias or a norm's scale.
    Vector(Tensor<1>),
    /// A matrix, `[out, in]`, or an embedding, `[rows, width]`.
    Matrix(Tensor<2>),
}

impl Parameter {
    /// A parameter from values in row-major order. `shape` has rank 1 or 2 and holds `values.len()`
    /// elements; the callers inside this crate check both.
    pub fn from_vec(shape: &[usize], values: Vec<f32>, device: &Device) -> Self {
        match *shape {
            [rows, columns] => {
                let data = TensorData::new(values, [rows, columns]);
                Parameter::Matrix(Tensor::from_data(data, device))
            }
            _ => {
                let data = TensorData::new(values, [shape.iter().product::<usize>()]);
                Parameter::Vector(Tensor::from_data(data, device))
            }
        }
    }

    /// Its dimensions.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Parameter::Vector(t) => t.dims().to_vec(),
            Parameter::Matrix(t) => t.dims().to_vec(),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether it holds no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of its values, row-major.
    pub fn to_vec(&self) -> Vec<f32> {
        self.clone().into_vec()
    }

    /// Its values, row-major, without a copy when no other handle to them exists.
    pub fn into_vec(self) -> Vec<f32> {
        let data = match self.inner() {
            Parameter::Vector(t) => t.into_data(),
            Parameter::Matrix(t) => t.into_data(),
        };
        floats(data)
    }

    /// The same values outside any gradient graph.
    pub fn inner(self) -> Self {
        match self {
            Parameter::Vector(t) => Parameter::Vector(t.inner()),
            Parameter::Matrix(t) => Parameter::Matrix(t.inner()),
        }
    }

    /// The same values as a leaf whose gradient is kept.
    pub fn require_grad(self) -> Self {
        match self.inner() {
            Parameter::Vector(t) => Parameter::Vector(t.autodiff().require_grad()),
            Parameter::Matrix(t) => Parameter::Matrix(t.autodiff().require_grad()),
        }
    }

    /// Takes its gradient out of `gradients`; `None` when the loss does not depend on it.
    pub fn grad_remove(&self, gradients: &mut Gradients) -> Option<Parameter> {
        match self {
            Parameter::Vector(t) => t.grad_remove(gradients).map(Parameter::Vector),
            Parameter::Matrix(t) => t.grad_remove(gradients).map(Parameter::Matrix),
        }
    }

    /// The device it lives on.
    pub fn device(&self) -> Device {
        match self {
            Parameter::Vector(t) => t.device(),
            Parameter::Matrix(t) => t.device(),
        }
    }
}

/// The `f32` values of tensor data; other float types are converted.
pub fn floats(data: TensorData) -> Vec<f32> {
    match data.dtype() {
        DType::F32 => data.try_into_vec::<f32>().unwrap_or_default(),
        _ => data.iter::<f32>().collect(),
    }
}
