//! `linear`, and the way between tensors and slices.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use burn::tensor::{DType, Device, Tensor, TensorData};
use common::device;
use limbeck_kernels::{Precision, linear, map_values, with_values};

fn counted<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|i| (i % 7) as f32 - 3.0).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

#[test]
fn linear_is_the_batched_product_with_its_gradients() {
    let device = device().autodiff();
    let run = |flat: bool| {
        let x = counted([3, 5, 4], &device).require_grad();
        let weight = counted([6, 4], &device).require_grad();
        let bias = counted([6], &device).require_grad();
        let y = if flat {
            linear(x.clone(), weight.clone(), Some(bias.clone()), Precision::F32)
        } else {
            x.clone().matmul(weight.clone().transpose().unsqueeze::<3>()) + bias.clone().reshape([1, 1, 6])
        };
        assert_eq!(y.dims(), [3, 5, 6]);
        let gradients = y.clone().powi_scalar(2).sum().backward();
        [
            values(y),
            values(x.grad(&gradients).unwrap()),
            values(weight.grad(&gradients).unwrap()),
            values(bias.grad(&gradients).unwrap()),
        ]
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn linear_of_a_single_vector() {
    let device = device();
    let y = linear(counted([4], &device), counted([2, 4], &device), None, Precision::F32);
    assert_eq!(values(y), [9.0 + 4.0 + 1.0, -3.0 - 4.0 - 3.0]);
}

#[test]
fn values_are_seen_in_row_major_order() {
    let device = device();
    let tensor = counted([2, 3], &device).transpose();
    assert_eq!(with_values(&tensor, <[f32]>::to_vec).unwrap(), [-3.0, 0.0, -2.0, 1.0, -1.0, 2.0]);
    let part = counted([4, 3], &device).slice([1..3, 0..3]);
    assert_eq!(with_values(&part, <[f32]>::to_vec).unwrap(), [0.0, 1.0, 2.0, 3.0, -3.0, -2.0]);
    let tracked = counted([2], &device).autodiff().require_grad();
    assert_eq!(with_values(&tracked, <[f32]>::to_vec).unwrap(), [-3.0, -2.0]);
    assert!(with_values(&counted([2], &device).cast(DType::F64), |_| ()).is_err());
}

#[test]
fn changes_are_in_place_unless_somebody_else_looks() {
    let device = Device::flex();
    let address = |tensor: &Tensor<2>| with_values(tensor, |values| values.as_ptr() as usize).unwrap();
    let double = |tensor: Tensor<2>| {
        map_values(tensor, |values| values.iter_mut().for_each(|value| *value *= 2.0)).unwrap()
    };
    let tensor = counted([2, 3], &device);
    let before = address(&tensor);
    let tensor = double(tensor);
    assert_eq!(address(&tensor), before);
    let other = tensor.clone();
    let doubled = double(tensor);
    assert_eq!(values(other), [-6.0, -4.0, -2.0, 0.0, 2.0, 4.0]);
    assert_eq!(values(doubled), [-12.0, -8.0, -4.0, 0.0, 4.0, 8.0]);
    let part = double(counted([4, 3], &device).slice([1..3, 0..3]));
    assert_eq!(values(part), [0.0, 2.0, 4.0, 6.0, -6.0, -4.0]);
    assert_eq!(values(double(counted([2, 3], &device).transpose())), [-6.0, 0.0, -4.0, 2.0, -2.0, 4.0]);
}
