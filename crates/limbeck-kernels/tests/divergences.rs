//! What every divergence must satisfy, whatever the distributions; and its values and gradients as
//! PyTorch has them (golden/divergences.py).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
mod reference;

use std::f64::consts::LN_2;

use burn::tensor::{Device, Tensor, TensorData};
use common::{device, slack};
use limbeck_kernels::{HeadTerm, HeadTermKind, KernelError, SparseLogits, TeacherLogits, logit_losses};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reference::Case;

/// Logits of a student or a teacher: `[rows, classes]`.
#[derive(Clone)]
struct Logits {
    rows: usize,
    values: Vec<f32>,
}

impl Logits {
    fn random(seed: u64, rows: usize, classes: usize, scale: f32) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self { rows, values: (0..rows * classes).map(|_| random.random_range(-scale..scale)).collect() }
    }

    fn tensor(&self, device: &Device) -> Tensor<2> {
        let shape = [self.rows, self.values.len() / self.rows];
        Tensor::from_data(TensorData::new(self.values.clone(), shape), device)
    }

    fn dense(&self) -> TeacherLogits {
        TeacherLogits::Dense(self.tensor(&device()))
    }

    /// The distributions at a temperature, cut to the k likeliest outcomes.
    fn sparse(&self, k: usize, temperature: f64) -> TeacherLogits {
        let classes = self.values.len() / self.rows;
        let mut case = Case::random(0, self.rows, 1, classes, classes);
        // A teacher whose hidden states are its logits, under the identity.
        case.teacher_hidden = self.values.clone();
        case.teacher_head = (0..classes * classes).map(|at| f32::from(at % (classes + 1) == 0)).collect();
        TeacherLogits::Sparse(case.sparse(k, temperature).sparse.unwrap())
    }
}

/// One divergence of `student` from `teacher`, and its gradient.
fn measure(student: &Logits, teacher: &TeacherLogits, kind: HeadTermKind) -> (f64, Vec<f32>) {
    let logits = student.tensor(&device().autodiff()).require_grad();
    let terms = [HeadTerm { kind, weight: 1.0 }];
    let targets = vec![0; student.rows];
    let losses = logit_losses(logits.clone(), &targets, Some(teacher), &terms, None).unwrap();
    let gradient = logits.grad(&losses.total.backward()).unwrap();
    (losses.values[0], gradient.into_data().try_into_vec::<f32>().unwrap())
}

fn value(student: &Logits, teacher: &Logits, kind: HeadTermKind) -> f64 {
    measure(student, &teacher.dense(), kind).0
}

fn divergences(share: f64, temperature: f64) -> [HeadTermKind; 6] {
    [
        HeadTermKind::ForwardKl { temperature },
        HeadTermKind::ReverseKl { temperature },
        HeadTermKind::JensenShannon { beta: share, temperature },
        HeadTermKind::SkewForwardKl { alpha: share, temperature },
        HeadTermKind::SkewReverseKl { alpha: share, temperature },
        HeadTermKind::TotalVariation { temperature },
    ]
}

fn jensen_shannon(beta: f64, temperature: f64) -> HeadTermKind {
    HeadTermKind::JensenShannon { beta, temperature }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn zero_if_equal_and_above_zero_if_not(
        seed in any::<u64>(), rows in 1_usize..4, classes in 2_usize..40, share in 0.1_f64..0.9,
        temperature in 0.5_f64..3.0, shift in -30.0_f32..30.0,
    ) {
        let student = Logits::random(seed, rows, classes, 2.0);
        let mut other = student.clone();
        let first = &mut other.values[..classes];
        let most = first.iter().copied().fold(f32::MIN, f32::max);
        first.iter_mut().filter(|logit| **logit == most).for_each(|logit| *logit += 1.0);
        for kind in divergences(share, temperature).into_iter().chain([HeadTermKind::LogitMatching]) {
            prop_assert!(value(&student, &student, kind).abs() <= 1e-7 * (slack() - 1.0), "{:?}", kind);
            prop_assert!(value(&student, &other, kind) > 1e-6, "{:?}", kind);
            // A softmax does not see what is added to every logit.
            let mut shifted = other.clone();
            shifted.values.iter_mut().for_each(|logit| *logit += shift);
            let [plain, moved] = [&other, &shifted].map(|teacher| value(&student, teacher, kind));
            prop_assert!((plain - moved).abs() < 1e-4 * (plain + temperature.powi(2)), "{:?}", kind);
        }
    }

    #[test]
    fn gradients_add_up_to_zero(
        seed in any::<u64>(), classes in 2_usize..700, share in 0.01_f64..0.99, k in 1_usize..9,
    ) {
        let student = Logits::random(seed, 1, classes, 5.0);
        let teacher = Logits::random(seed ^ 1, 1, classes, 5.0);
        for kind in divergences(share, 2.0) {
            for teacher in [teacher.dense(), teacher.sparse(k.min(classes), 2.0)] {
                let (_, gradient) = measure(&student, &teacher, kind);
                let sum: f64 = gradient.iter().map(|g| f64::from(*g)).sum();
                let size: f64 = gradient.iter().map(|g| f64::from(g.abs())).sum();
                prop_assert!(sum.abs() < slack() * (1e-5 * size + 1e-7), "{:?}: {} of {}", kind, sum, size);
            }
        }
    }

    #[test]
    fn jensen_shannon_is_symmetric_and_bounded(
        seed in any::<u64>(), classes in 2_usize..100, scale in 0.5_f32..300.0, temperature in 0.5_f64..4.0,
        beta in 0.01_f64..0.99,
    ) {
        let student = Logits::random(seed, 3, classes, scale);
        let teacher = Logits::random(seed ^ 1, 3, classes, scale);
        let there = value(&student, &teacher, jensen_shannon(0.5, temperature));
        let back = value(&teacher, &student, jensen_shannon(0.5, temperature));
        prop_assert!((there - back).abs() < 1e-5 * there + 1e-6 * temperature.powi(2));
        prop_assert!(there <= temperature.powi(2) * LN_2 * (1.0 + 1e-6));
        // Exchanging the models exchanges the shares.
        let there = value(&student, &teacher, jensen_shannon(beta, temperature));
        let back = value(&teacher, &student, jensen_shannon(1.0 - beta, temperature));
        prop_assert!((there - back).abs() < 1e-5 * there + 1e-6 * temperature.powi(2));
        let entropy = -beta * beta.ln() - (1.0 - beta) * (1.0 - beta).ln();
        prop_assert!(there <= temperature.powi(2) * entropy * (1.0 + 1e-6));
    }

    #[test]
    fn skewed_divergences_are_bounded_and_below_the_plain_ones(
        seed in any::<u64>(), classes in 2_usize..100, scale in 0.5_f32..300.0, alpha in 0.001_f64..0.999,
    ) {
        let student = Logits::random(seed, 3, classes, scale);
        let teacher = Logits::random(seed ^ 1, 3, classes, scale);
        let [forward, reverse, _, skew_forward, skew_reverse, variation] =
            divergences(alpha, 1.0).map(|kind| value(&student, &teacher, kind));
        // KL is convex in its second argument, and log(p / m) is at most -log alpha.
        for (skewed, plain) in [(skew_forward, forward), (skew_reverse, reverse)] {
            prop_assert!(skewed <= (1.0 - alpha) * plain + 1e-5 * (1.0 + plain));
            prop_assert!(skewed <= -alpha.ln() + 1e-6);
        }
        // Pinsker's inequality, in both directions.
        prop_assert!(variation <= (0.5 * forward.min(reverse)).sqrt() + 1e-6 && variation <= 1.0 + 1e-6);
        // Exchanging the models exchanges the directions.
        let exchanged = value(&teacher, &student, HeadTermKind::SkewReverseKl { alpha, temperature: 1.0 });
        prop_assert!((exchanged - skew_forward).abs() < 1e-5 * (1.0 + skew_forward));
    }

    #[test]
    fn a_sparse_signal_that_keeps_everything_is_dense(
        seed in any::<u64>(), classes in 2_usize..60, share in 0.01_f64..0.99, temperature in 0.5_f64..4.0,
    ) {
        let student = Logits::random(seed, 2, classes, 4.0);
        let teacher = Logits::random(seed ^ 1, 2, classes, 4.0);
        for kind in divergences(share, temperature) {
            let (dense, from_dense) = measure(&student, &teacher.dense(), kind);
            let (sparse, from_sparse) = measure(&student, &teacher.sparse(classes, temperature), kind);
            prop_assert!((dense - sparse).abs() < 1e-5 * dense + 1e-6 * temperature.powi(2), "{:?}", kind);
            let largest = from_dense.iter().fold(0.0_f32, |largest, g| largest.max(g.abs()));
            for (dense, sparse) in from_dense.iter().zip(from_sparse) {
                prop_assert!((dense - sparse).abs() < 1e-5 * largest + 1e-6, "{:?}", kind);
            }
        }
    }

    /// Merging outcomes never makes an f-divergence larger.
    #[test]
    fn a_cut_signal_bounds_the_dense_divergence_from_below(
        seed in any::<u64>(), classes in 3_usize..60, k in 1_usize..20, share in 0.01_f64..0.99,
    ) {
        let student = Logits::random(seed, 2, classes, 4.0);
        let teacher = Logits::random(seed ^ 1, 2, classes, 4.0);
        for kind in divergences(share, 2.0) {
            let (cut, _) = measure(&student, &teacher.sparse(k.min(classes), 2.0), kind);
            prop_assert!(cut <= value(&student, &teacher, kind) * (1.0 + 1e-5) + 1e-5, "{:?}", kind);
        }
    }
}

#[test]
fn the_limits_are_the_plain_divergences() {
    let student = Logits::random(3, 4, 50, 3.0);
    let teacher = Logits::random(4, 4, 50, 3.0);
    let [forward, reverse, ..] = divergences(0.5, 2.0).map(|kind| value(&student, &teacher, kind));
    let near = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 2e-3 * expected, "{found} is not {expected}");
    };
    let share = 1e-4;
    let [_, _, small, skew_forward, skew_reverse, _] =
        divergences(share, 2.0).map(|kind| value(&student, &teacher, kind));
    near(skew_forward, forward);
    near(skew_reverse, reverse);
    near(small / share, forward);
    near(value(&student, &teacher, jensen_shannon(1.0 - share, 2.0)) / share, reverse);
}

/// Logits so far apart that probabilities are 0 in 32 bits, and shares next to 0 and 1.
#[test]
fn nothing_leaves_the_finite_numbers() {
    for scale in [1.0, 100.0, 1e4, 1e30] {
        let student = Logits::random(5, 3, 600, scale);
        let teacher = Logits::random(6, 3, 600, scale);
        for share in [1e-300, 1e-30, 1e-9, 0.5, 1.0 - 1e-9, 1.0 - f64::EPSILON] {
            for kind in &divergences(share, 1.0)[2..] {
                for signal in [teacher.dense(), teacher.sparse(3, 1.0)] {
                    let (value, gradient) = measure(&student, &signal, *kind);
                    // A sparse signal is normalised to 32 bits only.
                    assert!(value.is_finite() && value >= -1e-6, "{kind:?} at {scale}: {value}");
                    assert!(gradient.iter().all(|g| g.is_finite()), "{kind:?} at {scale}");
                }
            }
        }
    }
}

/// Against a tail without mass the reverse KL needs a floor; a mixture does not.
#[test]
fn a_tail_without_mass_is_exact_in_a_mixture() {
    let student = Logits { rows: 1, values: vec![0.0, 0.0, 0.0, 0.0] };
    let half = -LN_2 as f32;
    let signal = SparseLogits {
        temperature: 1.0,
        k: 2,
        ids: vec![0, 1],
        log_probs: vec![half, half],
        tail_mass: vec![0.0],
    };
    let (value, gradient) = measure(&student, &TeacherLogits::Sparse(signal), jensen_shannon(0.5, 1.0));
    // p = (1/2, 1/2, 0), q = (1/4, 1/4, 1/2), m = (3/8, 3/8, 1/4) over the kept outcomes and the tail.
    let expected = 0.5 * (4.0_f64 / 3.0).ln() + 0.5 * (0.5 * (2.0_f64 / 3.0).ln() + 0.5 * LN_2);
    assert!((value - expected).abs() < 1e-7, "{value} is not {expected}");
    assert!(gradient[0] < 0.0 && gradient[0] == gradient[1]);
    assert!(gradient[2] > 0.0 && gradient[2] == gradient[3]);
}

#[test]
fn a_share_outside_its_range_is_refused() {
    let logits = Logits::random(1, 2, 5, 1.0);
    for share in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
        for kind in &divergences(share, 1.0)[2..5] {
            let terms = [HeadTerm { kind: *kind, weight: 1.0 }];
            let error = logit_losses(logits.tensor(&device()), &[], Some(&logits.dense()), &terms, None);
            let name = if matches!(kind, HeadTermKind::JensenShannon { .. }) { "beta" } else { "alpha" };
            assert!(matches!(error, Err(KernelError::Term { term: 0, name: found, .. }) if found == name));
        }
    }
}

#[test]
fn values_and_gradients_are_those_of_torch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/divergences.json")).unwrap();
    let floats = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let rows = golden["rows"].as_u64().unwrap() as usize;
    let logits =
        |name: &str| Logits { rows, values: floats(&golden[name]).iter().map(|x| *x as f32).collect() };
    let (student, teacher) = (logits("student"), logits("teacher"));
    let targets: Vec<u32> = floats(&golden["targets"]).iter().map(|id| *id as u32).collect();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 22);
    for case in cases {
        let number = |name: &str| case[name].as_f64().unwrap();
        let (share, temperature) = (number("parameter"), number("temperature"));
        let [forward, reverse, jensen_shannon, skew_forward, skew_reverse, variation] =
            divergences(share, temperature);
        let kind = match case["kind"].as_str().unwrap() {
            "cross_entropy" => HeadTermKind::CrossEntropy,
            "forward_kl" => forward,
            "reverse_kl" => reverse,
            "jensen_shannon" => jensen_shannon,
            "skew_forward_kl" => skew_forward,
            "skew_reverse_kl" => skew_reverse,
            "total_variation" => variation,
            "logit_matching" => HeadTermKind::LogitMatching,
            other => panic!("{other}"),
        };
        let logits = student.tensor(&device().autodiff()).require_grad();
        let terms = [HeadTerm { kind, weight: 1.0 }];
        let losses = logit_losses(logits.clone(), &targets, Some(&teacher.dense()), &terms, None).unwrap();
        let expected = number("value");
        assert!(
            (losses.values[0] - expected).abs() < slack() * 1e-6 * (1.0 + expected),
            "{kind:?}: {:?}",
            losses.values
        );
        let found = logits.grad(&losses.total.backward()).unwrap().into_data().try_into_vec::<f32>().unwrap();
        let gradient = floats(&case["gradient"]);
        let largest = gradient.iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
        for (found, expected) in found.iter().zip(&gradient) {
            assert!(
                (f64::from(*found) - expected).abs() < slack() * 2e-6 * largest,
                "{kind:?}: {found} {expected}"
            );
        }
    }
}
