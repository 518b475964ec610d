//! Products of matrices in 64 bits, row-major, by the tensor library's CPU backend.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::AuditError;

/// `a b^T` of `a [rows, inner]` and `b [columns, inner]`.
pub(crate) fn times_transposed(a: &[f64], b: &[f64], inner: usize) -> Result<Vec<f64>, AuditError> {
    if a.is_empty() || b.is_empty() {
        return Ok(Vec::new());
    }
    read(matrix(a, inner).matmul(matrix(b, inner).transpose()))
}

/// `a^T b` of `a [inner, rows]` and `b [inner, columns]`.
pub(crate) fn transposed_times(
    a: &[f64],
    rows: usize,
    b: &[f64],
    columns: usize,
) -> Result<Vec<f64>, AuditError> {
    if a.is_empty() || b.is_empty() {
        return Ok(vec![0.0; rows * columns]);
    }
    read(matrix(a, rows).transpose().matmul(matrix(b, columns)))
}

/// `a b` of `a [rows, inner]` and `b [inner, columns]`.
pub(crate) fn times(a: &[f64], inner: usize, b: &[f64], columns: usize) -> Result<Vec<f64>, AuditError> {
    if a.is_empty() || b.is_empty() {
        return Ok(Vec::new());
    }
    read(matrix(a, inner).matmul(matrix(b, columns)))
}

/// Inner product.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn matrix(values: &[f64], columns: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len() / columns, columns]);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn read(product: Tensor<2>) -> Result<Vec<f64>, AuditError> {
    product
        .into_data()
        .try_to_vec::<f64>()
        .map_err(|error| AuditError::Read { what: "product of matrices", detail: format!("{error:?}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_by_hand() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, -1.0, 2.0, 1.0, 1e-12]);
        assert_eq!(times_transposed(&a, &b, 3).unwrap(), [-2.0, 4.0 + 3e-12, -2.0, 13.0 + 6e-12]);
        assert_eq!(transposed_times(&a[..2], 1, &b[..2], 1).unwrap(), [1.0]);
        assert_eq!(times(&a, 3, &b[..3], 1).unwrap(), [-2.0, -2.0]);
        assert!(times(&[], 3, &b, 2).unwrap().is_empty());
    }
}
