//! Every fused operation against its body in plain tensor operations: values and gradients, odd sizes included.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use common::device;
use limbeck_kernels::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-2.0..2.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().inner().into_data().iter::<f32>().collect()
}

/// Largest difference, relative to the largest value.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
    assert!(a.iter().all(|value| value.is_finite()), "a value is not finite");
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs() / scale)).fold(0.0, f64::max)
}

/// Runs both bodies on leaves of these values; compares results and, under a random upstream gradient, the
/// gradient of every operand.
macro_rules! compare {
    ($tolerance:expr, [$($x:ident),+], $fused:expr, $composed:expr) => {{
        let run = |which: bool| {
            $(let $x = $x.clone().autodiff().require_grad();)+
            let out = if which { $fused($($x.clone()),+) } else { $composed($($x.clone()),+) };
            let upstream = random(99, out.dims()).autodiff();
            let mut gradients = (out.clone() * upstream).sum().backward();
            let mut found = vec![values(&out)];
            $(found.push(values(&$x.grad_remove(&mut gradients).unwrap()));)+
            found
        };
        for (index, (fused, composed)) in run(true).iter().zip(&run(false)).enumerate() {
            let distance = distance(fused, composed);
            assert!(distance < $tolerance, "result {index} differs by {distance}");
        }
        // Outside autodiff the value is the same, to the bit on the CPU.
        let plain = values(&$fused($($x.clone()),+));
        let tracked = run(true);
        assert!(distance(&plain, &tracked[0]) < $tolerance);
        if device() == Device::flex() {
            assert_eq!(plain, tracked[0]);
            assert_eq!(tracked, run(true), "two runs give the same bits");
        }
    }};
}

#[test]
fn linear_maps() {
    for (rows, input, output) in [(1, 1, 1), (5, 7, 3), (33, 48, 65), (130, 20, 257)] {
        let (x, w, b) = (random(1, [rows, input]), random(2, [output, input]), random(3, [output]));
        compare!(2e-6, [x, w, b], |x, w, b| linear(x, w, Some(b), Precision::F32), |x, w, b| {
            linear_composed(x, w, Some(b), Precision::F32)
        });
        compare!(2e-6, [x, w], |x, w| linear(x, w, None, Precision::F32), |x, w| {
            linear_composed(x, w, None, Precision::F32)
        });
    }
    let (x, w) = (random(1, [2, 3, 4, 5]), random(2, [6, 5]));
    compare!(2e-6, [x, w], |x: Tensor<4>, w| linear(x, w, None, Precision::F32), |x, w| linear_composed(
        x,
        w,
        None,
        Precision::F32
    ));
}

/// bfloat16 operands keep 8 bits: products of rounded operands, summed in 32 bits.
#[test]
fn linear_maps_in_bfloat16() {
    let rounded = |tensor: Tensor<2>| {
        let bits = |value: f32| {
            let bits = value.to_bits();
            f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
        };
        let shape = tensor.dims();
        let rounded: Vec<f32> = values(&tensor).into_iter().map(bits).collect();
        Tensor::<2>::from_data(TensorData::new(rounded, shape), &device())
    };
    for (rows, input, output) in [(5, 7, 3), (33, 48, 65), (130, 500, 257)] {
        let (x, w) = (rounded(random(1, [rows, input])), rounded(random(2, [output, input])));
        let b = random(3, [output]);
        // On rounded operands the forward product is exact up to the order of the sum.
        let fused = linear(x.clone(), w.clone(), Some(b.clone()), Precision::Bf16);
        let exact = linear_composed(x.clone(), w.clone(), Some(b.clone()), Precision::F32);
        assert!(distance(&values(&fused), &values(&exact)) < 2e-6);
        compare!(1e-2, [x, w, b], |x, w, b| linear(x, w, Some(b), Precision::Bf16), |x, w, b| {
            linear_composed(x, w, Some(b), Precision::F32)
        });
    }
}

/// Made ready once, a weight gives the bits of the product that makes it ready itself.
#[test]
fn frozen_weights() {
    for (rows, input, output) in [(1, 64, 96), (5, 7, 3), (70, 100, 257)] {
        let (x, w, b) = (random(1, [rows, input]), random(2, [output, input]), random(3, [output]));
        let Some(frozen) = FrozenWeight::new(&w) else {
            assert!(Precision::Bf16.native() == Precision::F32 || device() != Device::flex());
            return;
        };
        let with_bias = linear(x.clone(), w.clone(), Some(b.clone()), Precision::Bf16);
        assert_eq!(values(&linear_frozen(&x, &frozen, Some(&b)).unwrap()), values(&with_bias));
        let without = linear(x.clone(), w.clone(), None, Precision::Bf16);
        assert_eq!(values(&linear_frozen(&x, &frozen, None).unwrap()), values(&without));
        assert!(linear_frozen(&x.autodiff().require_grad(), &frozen, None).is_none());
    }
}

#[test]
fn norms() {
    for (rows, width) in [(2, 3), (3, 5), (40, 64), (7, 1000)] {
        let (x, w, b) = (random(1, [2, rows, width]), random(2, [width]), random(3, [width]));
        compare!(1e-5, [x, w, b], |x, w, b| layer_norm(x, w, Some(b), 1e-5), |x, w, b| {
            layer_norm_composed(x, w, Some(b), 1e-5)
        });
        compare!(1e-5, [x, w], |x, w| layer_norm(x, w, None, 1e-5), |x, w| layer_norm_composed(
            x, w, None, 1e-5
        ));
        compare!(1e-5, [x, w], |x, w| rms_norm(x, w, 1e-6), |x, w| rms_norm_composed(x, w, 1e-6));
    }
}

#[test]
fn nonlinearities() {
    let x = Tensor::<2>::random([37, 301], Distribution::Uniform(-9.0, 9.0), &device());
    let up = random(2, [37, 301]);
    for f in [Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Relu] {
        compare!(2e-6, [x], |x| activate(x, f), |x| activate_composed(x, f));
        compare!(2e-6, [x, up], |x, up| gated(x, up, f), |x, up| gated_composed(x, up, f));
    }
}

/// Far tails neither overflow nor turn to NaN.
#[test]
fn nonlinearities_far_out() {
    let x = Tensor::<1>::from_floats([-1e30, -300.0, -88.0, -20.0, 0.0, 20.0, 300.0, 1e10], &device());
    for f in [Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
        let x = x.clone().autodiff().require_grad();
        let y = activate(x.clone(), f);
        let mut gradients = y.clone().sum().backward();
        let slope = values(&x.grad_remove(&mut gradients).unwrap());
        let y = values(&y);
        assert!(y[0].abs() < 1e-6 && y[1].abs() < 1e-6 && y[4] == 0.0 && y[6] == 300.0, "{f:?} {y:?}");
        assert!((slope[6] - 1.0).abs() < 1e-6 && slope[1].abs() < 1e-6 && (slope[4] - 0.5).abs() < 1e-6);
    }
}

/// GELU and its slope against 64-bit values of `x erfc(-x / sqrt 2) / 2` (Python's `math.erfc`).
#[test]
fn gelu_is_that_of_the_error_function() {
    let golden = [
        (-5.0, -1.4332578593959731e-6),
        (-3.0, -0.004049694094890287),
        (-1.0, -0.15865525393145707),
        (-0.1, -0.0460172162722971),
        (0.3, 0.18537342665668577),
        (1.7, 1.6242387133104768),
        (4.0, 3.9998733150326675),
    ];
    let x: Vec<f32> = golden.iter().map(|(x, _)| *x).collect();
    let y = values(&activate(Tensor::<1>::from_floats(x.as_slice(), &device()), Activation::Gelu));
    for (found, (x, expected)) in y.iter().zip(golden) {
        let error = (f64::from(*found) - expected).abs();
        // The default body of other backends takes the tail from 1.
        let absolute = if device() == Device::flex() { 1e-12 } else { 1e-6 };
        assert!(error < 1e-6 * expected.abs() + absolute, "gelu({x}) = {found}, expected {expected}");
    }
}

#[test]
fn rotations() {
    for (batch, seq, heads, d, rows) in [(1, 1, 1, 2, 1), (2, 5, 3, 6, 1), (3, 70, 2, 64, 3)] {
        let x = random(1, [batch, seq, heads, d]);
        let angle = random(2, [rows, seq, 1, d / 2]);
        let (cos, sin) = (angle.clone().cos(), angle.sin());
        compare!(1e-6, [x], |x| rotate(x, cos.clone(), sin.clone()), |x| rotate_composed(
            x,
            cos.clone(),
            sin.clone()
        ));
    }
}

#[test]
fn attentions() {
    // [batch, seq, keys, heads, kv_heads, d]: single tokens, odd sizes, several blocks, grouped heads, cached keys.
    let shapes = [
        [1, 1, 1, 1, 1, 1],
        [2, 7, 7, 4, 2, 5],
        [1, 130, 130, 3, 1, 16],
        [3, 65, 65, 2, 2, 32],
        [2, 1, 9, 6, 3, 8],
        [1, 5, 70, 4, 4, 4],
    ];
    for [batch, seq, keys, heads, kv_heads, d] in shapes {
        let q = random(1, [batch, seq, heads, d]);
        let k = random(2, [batch, keys, kv_heads, d]);
        let v = random(3, [batch, keys, kv_heads, d]);
        compare!(3e-6, [q, k, v], |q, k, v| attention(q, k, v, &[]), |q, k, v| attention_composed(
            q,
            k,
            v,
            &[]
        ));
        let pads: Vec<usize> = (0..batch).map(|row| row % keys).collect();
        compare!(3e-6, [q, k, v], |q, k, v| attention(q, k, v, &pads), |q, k, v| attention_composed(
            q, k, v, &pads
        ));
    }
}

/// Keys and values that come in pieces, with room ahead or without, against all of them at once.
#[test]
fn cached_attentions() {
    // [batch, heads, kv_heads, d], and the positions that come at a time.
    let cases: [([usize; 4], &[usize]); 4] = [
        ([1, 9, 3, 64], &[5, 1, 1, 1, 1, 1, 1, 1, 1]),
        ([3, 4, 2, 5], &[7, 1, 3, 1, 1]),
        ([2, 2, 2, 1], &[1, 1, 1]),
        ([1, 6, 1, 33], &[70, 80, 1, 1]),
    ];
    for ([batch, heads, kv_heads, d], pieces) in cases {
        let total: usize = pieces.iter().sum();
        let q = random(1, [batch, total, heads, d]);
        let k = random(2, [batch, total, kv_heads, d]);
        let v = random(3, [batch, total, kv_heads, d]);
        // One row sees nothing but padding for a while.
        let pads: Vec<usize> = (0..batch).map(|row| row * pieces[0] / 2).collect();
        for (room, pads) in [0, 2, total].into_iter().flat_map(|room| [(room, &[][..]), (room, &pads)]) {
            let mut seen = KeyValues::with_room(room);
            let mut elsewhere = KeyValues::with_room(room);
            assert!(seen.is_empty() && seen.tensors().is_none());
            let mut at = 0;
            for &new in pieces {
                let from = at;
                let piece = |x: &Tensor<4>| x.clone().narrow(1, from, new);
                seen.extend(piece(&k), piece(&v));
                with_plain_bodies(|| elsewhere.extend(piece(&k), piece(&v)));
                at += new;
                assert_eq!(seen.len(), at);
                let upto = |x: &Tensor<4>| x.clone().narrow(1, 0, at);
                let (all_k, all_v) = seen.tensors().unwrap();
                assert_eq!(values(&all_k), values(&upto(&k)));
                assert_eq!(values(&all_v), values(&upto(&v)));
                let q = piece(&q);
                let expected = values(&attention_composed(q.clone(), upto(&k), upto(&v), pads));
                for found in [
                    attention_cached(q.clone(), &seen, pads),
                    attention_cached_composed(q.clone(), &seen, pads),
                    with_plain_bodies(|| attention_cached(q.clone(), &elsewhere, pads)),
                ] {
                    assert!(distance(&values(&found), &expected) < 3e-6, "{at} of {total}, room {room}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "shaped like those seen before")]
fn a_cache_keeps_its_shape() {
    let mut seen = KeyValues::default();
    seen.extend(random(1, [2, 1, 2, 4]), random(2, [2, 1, 2, 4]));
    if device() != Device::flex() {
        panic!("elsewhere concatenation refuses keys that are not shaped like those seen before");
    }
    seen.extend(random(1, [1, 1, 2, 4]), random(2, [1, 1, 2, 4]));
}

/// Large scores: the normaliser keeps them finite.
#[test]
fn attention_to_large_scores() {
    let q = random(1, [1, 9, 2, 4]) * 200.0;
    let k = random(2, [1, 9, 2, 4]) * 200.0;
    let v = random(3, [1, 9, 2, 4]);
    let (fused, composed) =
        (attention(q.clone(), k.clone(), v.clone(), &[]), attention_composed(q, k, v, &[]));
    assert!(distance(&values(&fused), &values(&composed)) < 1e-5);
}

#[test]
fn lookups() {
    let table = random(1, [11, 6]);
    let ids = Tensor::<2, Int>::from_ints([[3, 3, 10, 0], [3, 7, 7, 1]], &device());
    compare!(1e-6, [table], |table| embedding(table, ids.clone()), |table: Tensor<2>| {
        burn::tensor::module::embedding(table, ids.clone())
    });
}

/// Finite differences of the sum of squares of each operation's result.
#[test]
fn finite_differences() {
    fn check<const D: usize>(x: Tensor<D>, f: impl Fn(Tensor<D>) -> f64, gradient: Tensor<D>) {
        let (at, slope) = (values(&x), values(&gradient));
        for index in 0..at.len() {
            let shifted = |by: f32| {
                let mut moved = at.clone();
                moved[index] += by;
                f(Tensor::from_data(TensorData::new(moved, x.dims()), &device()))
            };
            let estimate = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            let error = (estimate - f64::from(slope[index])).abs();
            assert!(
                error < 2e-2 * estimate.abs().max(1.0),
                "element {index}: {} for {estimate}",
                slope[index]
            );
        }
    }
    fn through<const D: usize, const E: usize>(x: Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<E>) {
        let leaf = x.clone().autodiff().require_grad();
        let mut gradients = f(leaf.clone()).powi_scalar(2).sum().backward();
        let gradient = leaf.grad_remove(&mut gradients).unwrap();
        check(x, |x| f(x).powi_scalar(2).sum().into_scalar::<f64>(), gradient);
    }
    let w = random(5, [4, 6]);
    through(random(1, [3, 6]), |x| linear(x, w.clone(), None, Precision::F32));
    let scale = random(6, [6]);
    through(random(1, [3, 6]), |x| layer_norm(x, scale.clone(), None, 1e-5));
    through(random(1, [3, 6]), |x| rms_norm(x, scale.clone(), 1e-5));
    for f in [Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
        through(random(1, [3, 6]), |x| activate(x, f));
    }
    let (k, v) = (random(7, [1, 5, 1, 4]), random(8, [1, 5, 1, 4]));
    through(random(1, [1, 5, 2, 4]), |q| attention(q, k.clone(), v.clone(), &[]));
    let q = random(1, [1, 5, 2, 4]);
    through(k.clone(), |k| attention(q.clone(), k, v.clone(), &[]));
    through(v, |v| attention(q.clone(), k.clone(), v, &[]));
}
