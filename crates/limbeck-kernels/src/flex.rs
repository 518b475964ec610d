//! Between burn tensors of the flex backend and slices of floats.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, Tensor, TensorData};

use crate::KernelError;

/// The values of a plain (not autodiff) flex tensor of 32-bit floats as one run of memory, copied
/// only if they were not; `None` for other backends and element types.
pub(crate) fn contiguous<const D: usize>(tensor: Tensor<D>) -> Option<FloatTensor<Flex>> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    Some(tensor.try_into_primitive::<Flex>().ok()?.to_contiguous())
}

/// The values of a contiguous flex tensor.
pub(crate) fn floats(tensor: &FloatTensor<Flex>) -> &[f32] {
    tensor.as_slice::<f32>().unwrap_or_default()
}

/// A flex tensor that takes over a vector.
pub(crate) fn from_floats(values: Vec<f32>, shape: Shape) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape))
}

/// Calls `read` with the tensor's values in row-major order: borrowed where the tensor is
/// contiguous on the flex backend, copied elsewhere.
///
/// # Errors
/// [`KernelError::Dtype`] if they are not 32-bit floats.
pub fn with_values<const D: usize, R>(
    tensor: &Tensor<D>,
    read: impl FnOnce(&[f32]) -> R,
) -> Result<R, KernelError> {
    let plain = tensor.clone().inner();
    match contiguous(plain.clone()) {
        Some(values) => Ok(read(floats(&values))),
        None => Ok(read(&to_vec(plain, "with_values")?)),
    }
}

/// Changes the tensor's values in row-major order: in place where the tensor is the only one that
/// holds them on the flex backend, in a copy elsewhere. Autodiff history is dropped.
///
/// # Errors
/// [`KernelError::Dtype`] if they are not 32-bit floats.
pub fn map_values<const D: usize>(
    tensor: Tensor<D>,
    change: impl FnOnce(&mut [f32]),
) -> Result<Tensor<D>, KernelError> {
    let plain = tensor.inner();
    let shape = plain.shape();
    let device = plain.device();
    if plain.dtype() == DType::F32
        && let Ok(mut primitive) = plain.clone().try_into_primitive::<Flex>()
    {
        drop(plain);
        if !(primitive.is_contiguous() && primitive.layout().start_offset() == 0) {
            primitive = primitive.to_contiguous();
        }
        let length = shape.num_elements();
        change(&mut primitive.storage_mut::<f32>()[..length]);
        return Ok(Tensor::from_primitive::<Flex>(primitive));
    }
    let mut values = to_vec(plain, "map_values")?;
    change(&mut values);
    Ok(Tensor::from_data(TensorData::new(values, shape), &device))
}

fn to_vec<const D: usize>(tensor: Tensor<D>, operation: &'static str) -> Result<Vec<f32>, KernelError> {
    let found = format!("{:?}", tensor.dtype());
    tensor.into_data().try_into_vec::<f32>().map_err(|_| KernelError::Dtype { operation, found })
}
