//! The fused and the composed body of the head losses against each other and against the formulas
//! in 64 bits, gradients against finite differences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
mod reference;

use burn::tensor::{Device, Tensor, TensorData};
use common::device;
use limbeck_kernels::{
    HeadLosses, HeadTerm, HeadTermKind, KernelError, Precision, SparseLogits, TeacherLogits,
};
use limbeck_kernels::{head_losses, head_losses_composed};
use proptest::prelude::*;
use reference::{Case, Reference};

type Body = fn(
    Tensor<2>,
    Tensor<2>,
    &[u32],
    Option<&TeacherLogits>,
    &[HeadTerm],
    usize,
    Precision,
) -> Result<HeadLosses, KernelError>;

struct Outcome {
    values: Vec<f64>,
    total: f64,
    hidden: Vec<f32>,
    head: Vec<f32>,
}

fn matrix(values: &[f32], rows: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, values.len() / rows]), device)
}

fn teacher(case: &Case) -> TeacherLogits {
    let device = device();
    match &case.sparse {
        Some(signal) => TeacherLogits::Sparse(signal.clone()),
        None => TeacherLogits::Head {
            hidden: matrix(&case.teacher_hidden, case.tokens, &device),
            head: matrix(&case.teacher_head, case.teacher_vocab, &device),
        },
    }
}

fn run(body: Body, case: &Case, terms: &[HeadTerm], upstream: f64) -> Outcome {
    run_in(Precision::F32, body, case, terms, upstream)
}

fn run_in(precision: Precision, body: Body, case: &Case, terms: &[HeadTerm], upstream: f64) -> Outcome {
    let device = device().autodiff();
    let hidden = matrix(&case.hidden, case.tokens, &device).require_grad();
    let head = matrix(&case.head, case.vocab, &device).require_grad();
    let losses =
        body(hidden.clone(), head.clone(), &case.targets, Some(&teacher(case)), terms, case.used, precision)
            .unwrap();
    let gradients = losses.total.clone().mul_scalar(upstream).sum().backward();
    let gradient =
        |tensor: &Tensor<2>| tensor.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
    Outcome {
        total: f64::from(losses.total.into_data().try_into_vec::<f32>().unwrap()[0]),
        values: losses.values,
        hidden: gradient(&hidden),
        head: gradient(&head),
    }
}

fn close(found: f64, expected: f64, relative: f64, absolute: f64, what: &str) {
    let allowed = relative * expected.abs() + absolute;
    assert!((found - expected).abs() <= allowed, "{what}: {found} is not {expected} within {allowed:e}");
}

/// Relative to the largest element, and where all cancel to the size of what cancelled (`floor`).
fn close_gradient(found: &[f32], expected: &[f32], relative: f64, floor: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(*value).abs()));
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        close(
            f64::from(*f),
            f64::from(*e),
            relative,
            relative * largest + floor,
            &format!("{what}[{index}]"),
        );
    }
}

fn all_terms(temperature: f64) -> Vec<HeadTerm> {
    vec![
        HeadTerm { kind: HeadTermKind::CrossEntropy, weight: 0.5 },
        HeadTerm { kind: HeadTermKind::ForwardKl { temperature }, weight: 0.7 },
        HeadTerm { kind: HeadTermKind::ReverseKl { temperature }, weight: -0.3 },
        HeadTerm { kind: HeadTermKind::JensenShannon { beta: 0.3, temperature }, weight: 0.9 },
        HeadTerm { kind: HeadTermKind::SkewForwardKl { alpha: 0.1, temperature }, weight: 0.6 },
        HeadTerm { kind: HeadTermKind::SkewReverseKl { alpha: 0.2, temperature }, weight: 0.4 },
        HeadTerm { kind: HeadTermKind::TotalVariation { temperature }, weight: 0.7 },
    ]
}

/// `all_terms`, and those that need a teacher's whole logits.
fn terms_for(case: &Case, temperature: f64) -> Vec<HeadTerm> {
    let mut terms = all_terms(temperature);
    if case.sparse.is_none() {
        terms.push(HeadTerm { kind: HeadTermKind::LogitMatching, weight: 0.2 });
    }
    terms
}

/// Odd sizes: one token, one column, a chunk and one more, padding.
const SIZES: [(usize, usize, usize, usize); 7] = [
    // tokens, width, vocabulary, used
    (1, 4, 7, 7),
    (1, 3, 1, 1),
    (5, 8, 33, 33),
    (129, 6, 40, 37),
    (128, 5, 513, 513),
    (3, 16, 1100, 1025),
    (260, 2, 16, 15),
];

fn dense_cases() -> impl Iterator<Item = Case> {
    SIZES.into_iter().enumerate().map(|(seed, (n, d, v, used))| Case::random(seed as u64, n, d, v, used))
}

fn sparse_cases(temperature: f64) -> impl Iterator<Item = Case> {
    dense_cases().enumerate().map(move |(at, case)| {
        let k = [1, 1, 5, 37, 16, 100, 2][at].min(case.used);
        case.sparse(k, temperature)
    })
}

#[test]
fn fused_equals_composed() {
    for temperature in [0.5, 1.0, 2.0, 20.0] {
        for case in dense_cases().chain(sparse_cases(temperature)) {
            let terms = terms_for(&case, temperature);
            let fused = run(head_losses, &case, &terms, 1.0);
            let composed = run(head_losses_composed, &case, &terms, 1.0);
            for (f, c) in fused.values.iter().zip(&composed.values) {
                close(*f, *c, 1e-5, 2e-6 * temperature.max(1.0).powi(2), "value");
            }
            close(fused.total, composed.total, 1e-5, 2e-6 * temperature.max(1.0).powi(2), "total");
            close_gradient(&fused.hidden, &composed.hidden, 2e-5, 2e-7 * temperature, "hidden");
            close_gradient(&fused.head, &composed.head, 2e-5, 2e-7 * temperature, "head");
        }
    }
}

/// bfloat16 operands move each logit by some thousandths of its size; losses and gradients follow.
#[test]
fn bfloat16_products_stay_close() {
    for case in dense_cases() {
        let terms = terms_for(&case, 2.0);
        let exact = run(head_losses, &case, &terms, 1.0);
        for body in [head_losses as Body, head_losses_composed] {
            let rounded = run_in(Precision::Bf16, body, &case, &terms, 1.0);
            for (r, e) in rounded.values.iter().zip(&exact.values) {
                close(*r, *e, 0.05, 0.05, "value");
            }
            close_gradient(&rounded.hidden, &exact.hidden, 0.05, 1e-3, "hidden");
            close_gradient(&rounded.head, &exact.head, 0.05, 1e-3, "head");
        }
    }
}

#[test]
fn values_and_gradients_equal_the_formulas_in_64_bits() {
    for temperature in [0.7, 1.0, 2.0] {
        for case in dense_cases().chain(sparse_cases(temperature)) {
            let terms = terms_for(&case, temperature);
            let fused = run(head_losses, &case, &terms, 1.0);
            let reference = Reference::new(&case);
            for (found, term) in fused.values.iter().zip(&terms) {
                close(*found, reference.value(term.kind), 2e-6, 1e-6, "value");
            }
            close(fused.total, reference.total(&terms), 2e-6, 1e-6, "total");
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for kind in [
        HeadTermKind::CrossEntropy,
        HeadTermKind::ForwardKl { temperature: 2.0 },
        HeadTermKind::ReverseKl { temperature: 2.0 },
        HeadTermKind::JensenShannon { beta: 0.3, temperature: 2.0 },
        HeadTermKind::SkewForwardKl { alpha: 0.1, temperature: 2.0 },
        HeadTermKind::SkewReverseKl { alpha: 0.1, temperature: 2.0 },
        HeadTermKind::TotalVariation { temperature: 2.0 },
        HeadTermKind::LogitMatching,
    ] {
        let terms = [HeadTerm { kind, weight: 0.8 }];
        let sparse = if kind.temperature().is_some() { 4 } else { 0 };
        for case in dense_cases().take(4).chain(sparse_cases(2.0).take(sparse)) {
            let fused = run(head_losses, &case, &terms, 1.0);
            let step = 1e-4;
            let largest =
                fused.hidden.iter().chain(&fused.head).fold(0.0_f64, |m, g| m.max(f64::from(*g).abs()));
            // A single outcome has no gradient but the rounding of the parts that cancel.
            let floor = if case.used == 1 { 1e-7 } else { 1e-9 };
            let check = |found: f32, moved: [Reference; 2], what: &str| {
                let [up, down] = moved.map(|reference| reference.total(&terms));
                close(f64::from(found), (up - down) / (2.0 * step), 1e-5, 1e-6 * largest + floor, what);
            };
            for at in (0..case.hidden.len()).step_by(case.hidden.len() / 6 + 1) {
                let moved = [step, -step].map(|by| Reference::moved(&case, Some((at, by)), None));
                check(fused.hidden[at], moved, "hidden");
            }
            for at in (0..case.head.len()).step_by(case.head.len() / 6 + 1) {
                let moved = [step, -step].map(|by| Reference::moved(&case, None, Some((at, by))));
                check(fused.head[at], moved, "head");
            }
        }
    }
}

#[test]
fn padded_rows_get_no_gradient() {
    let case = Case::random(3, 129, 6, 40, 37);
    let fused = run(head_losses, &case, &all_terms(2.0), 1.0);
    assert!(fused.head[37 * 6..].iter().all(|gradient| *gradient == 0.0));
    assert!(fused.head[..37 * 6].iter().all(|gradient| *gradient != 0.0));
}

#[test]
fn upstream_scales_the_gradients() {
    let case = Case::random(5, 3, 16, 1100, 1025);
    let once = run(head_losses, &case, &all_terms(2.0), 1.0);
    let thrice = run(head_losses, &case, &all_terms(2.0), 3.0);
    let tripled = |values: &[f32]| values.iter().map(|value| value * 3.0).collect::<Vec<_>>();
    close_gradient(&thrice.hidden, &tripled(&once.hidden), 1e-6, 1e-9, "hidden");
    close_gradient(&thrice.head, &tripled(&once.head), 1e-6, 1e-9, "head");
}

/// Promised on the CPU alone: elsewhere the choice of a kernel may fall otherwise the second time.
#[test]
fn the_same_operands_give_the_same_bits() {
    if device() != Device::flex() {
        return;
    }
    let case = Case::random(7, 300, 24, 700, 699);
    let first = run(head_losses, &case, &all_terms(2.0), 1.0);
    for _ in 0..5 {
        let again = run(head_losses, &case, &all_terms(2.0), 1.0);
        assert_eq!((&again.values, &again.hidden, &again.head), (&first.values, &first.hidden, &first.head));
    }
}

/// Hinton 2015, equation 2: without the factor T^2 the gradient is (q - p) / T. One token with a
/// hidden state of 1 makes the gradient of the head that of the logits.
#[test]
fn soft_gradient_is_hintons() {
    let vocab = 9;
    let temperature = 3.0;
    let mut case = Case::random(11, 1, 1, vocab, vocab);
    case.hidden = vec![1.0];
    let terms = [HeadTerm { kind: HeadTermKind::ForwardKl { temperature }, weight: 1.0 }];
    let fused = run(head_losses, &case, &terms, 1.0 / (temperature * temperature));
    let softmax = |logits: Vec<f64>| {
        let exps: Vec<f64> = logits.iter().map(|logit| (logit / temperature).exp()).collect();
        let sum: f64 = exps.iter().sum();
        exps.into_iter().map(|value| value / sum).collect::<Vec<_>>()
    };
    let q = softmax(case.head.iter().map(|z| f64::from(*z)).collect());
    let p = softmax(Reference::new(&case).teacher[0].clone());
    for j in 0..vocab {
        close(f64::from(fused.head[j]), (q[j] - p[j]) / temperature, 0.0, 1e-6, "(q - p) / T");
    }
}

#[test]
fn equal_models_have_no_divergence() {
    for (n, d, v, used) in SIZES {
        let mut case = Case::random(17, n, d, v, used);
        (case.teacher_hidden, case.teacher_head) = (case.hidden.clone(), case.head.clone());
        case.teacher_vocab = v;
        let terms = &all_terms(2.0)[1..];
        let fused = run(head_losses, &case, terms, 1.0);
        // Off the CPU the two products may be computed by different kernels.
        let (value, gradient) = if device() == Device::flex() { (0.0, 1e-7) } else { (1e-6, 1e-6) };
        assert!(fused.values.iter().all(|found| found.abs() <= value), "{:?}", fused.values);
        assert!(fused.hidden.iter().all(|found| found.abs() < gradient));
    }
}

/// On the CPU the same bits; elsewhere the same numbers, as fusion there may round otherwise.
fn same<T: Copy + Into<f64>>(found: &[T], expected: &[T]) {
    assert_eq!(found.len(), expected.len());
    let relative = if device() == Device::flex() { 0.0 } else { 1e-5 };
    let largest = expected.iter().fold(0.0_f64, |largest, &value| largest.max(value.into().abs()));
    for (&found, &expected) in found.iter().zip(expected) {
        close(found.into(), expected.into(), relative, relative * largest, "value");
    }
}

#[test]
fn untracked_operands_give_the_same_values() {
    let case = Case::random(3, 129, 6, 40, 37);
    let terms = all_terms(2.0);
    let both = run(head_losses, &case, &terms, 1.0);
    let plain = device();
    let hidden = || matrix(&case.hidden, case.tokens, &plain);
    let head = || matrix(&case.head, case.vocab, &plain);
    let call = |hidden, head| {
        head_losses(hidden, head, &case.targets, Some(&teacher(&case)), &terms, case.used, Precision::F32)
            .unwrap()
    };
    let losses = call(hidden(), head());
    same(&losses.values, &both.values);
    same(&losses.total.into_data().try_into_vec::<f32>().unwrap(), &[both.total as f32]);

    let tracked = hidden().autodiff().require_grad();
    let losses = call(tracked.clone(), head());
    same(&losses.values, &both.values);
    let gradient = tracked.grad(&losses.total.backward()).unwrap();
    same(&gradient.into_data().try_into_vec::<f32>().unwrap(), &both.hidden);

    let tracked = head().autodiff().require_grad();
    let losses = call(hidden().autodiff(), tracked.clone());
    let gradient = tracked.grad(&losses.total.backward()).unwrap();
    same(&gradient.into_data().try_into_vec::<f32>().unwrap(), &both.head);
}

#[test]
fn strided_and_tied_operands() {
    // The head is also the source of the hidden states, as a tied embedding is, and comes transposed.
    let case = Case::random(23, 6, 6, 12, 12);
    let run = |body: Body| {
        let device = device().autodiff();
        let weight = matrix(&case.head, 6, &device).require_grad(); // [6, 12]
        let head = weight.clone().transpose(); // [12, 6]
        let hidden = weight.clone().slice([0..6, 3..9]);
        let losses =
            body(hidden, head, &case.targets, Some(&teacher(&case)), &all_terms(2.0), 12, Precision::F32)
                .unwrap();
        let gradient = weight.grad(&losses.total.backward()).unwrap();
        gradient.into_data().try_into_vec::<f32>().unwrap()
    };
    close_gradient(&run(head_losses), &run(head_losses_composed), 1e-5, 1e-9, "weight");
}

#[test]
fn checkpointing_device_is_fused_too() {
    let case = Case::random(3, 129, 6, 40, 37);
    let device = device().autodiff().gradient_checkpointing();
    let hidden = matrix(&case.hidden, case.tokens, &device).require_grad();
    let head = matrix(&case.head, case.vocab, &device).require_grad();
    let terms = all_terms(2.0);
    let losses = head_losses(
        hidden.clone(),
        head,
        &case.targets,
        Some(&teacher(&case)),
        &terms,
        case.used,
        Precision::F32,
    )
    .unwrap();
    let gradient = hidden.grad(&losses.total.backward()).unwrap().into_data().try_into_vec::<f32>().unwrap();
    same(&gradient, &run(head_losses, &case, &terms, 1.0).hidden);
}

/// The tail is one bucket: merging outcomes never makes a divergence larger, and by no more than
/// the stated bound smaller.
#[test]
fn sparse_divergences_bound_dense_ones() {
    for (seed, k) in [(1, 1), (2, 4), (3, 30), (4, 64)] {
        let dense = Case::random(seed, 20, 8, 64, 64);
        let terms = &all_terms(2.0)[1..];
        let whole = run(head_losses, &dense, terms, 1.0).values;
        let sparse = dense.clone().sparse(k, 2.0);
        let cut = run(head_losses, &sparse, terms, 1.0).values;
        for (cut, whole) in cut.iter().zip(&whole) {
            assert!(*cut <= whole + 1e-6, "{cut} exceeds {whole}");
        }
        let bound = Reference::new(&sparse).forward_gap_bound(2.0);
        assert!(whole[0] - cut[0] <= bound + 1e-6, "{} - {} exceeds {bound}", whole[0], cut[0]);
    }
}

#[test]
fn a_tail_without_mass() {
    let mut case = Case::random(31, 4, 8, 64, 64).sparse(8, 2.0);
    let signal = case.sparse.as_mut().unwrap();
    for row in 0..4 {
        let kept = &mut signal.log_probs[row * 8..(row + 1) * 8];
        let mass: f32 = kept.iter().map(|value| value.exp()).sum();
        kept.iter_mut().for_each(|value| *value -= mass.ln());
        signal.tail_mass[row] = 0.0;
    }
    let fused = run(head_losses, &case, &all_terms(2.0), 1.0);
    let composed = run(head_losses_composed, &case, &all_terms(2.0), 1.0);
    for (f, c) in fused.values.iter().zip(&composed.values) {
        assert!(f.is_finite());
        close(*f, *c, 1e-5, 1e-5, "value");
    }
    close_gradient(&fused.hidden, &composed.hidden, 2e-5, 2e-7, "hidden");
}

#[test]
fn extreme_logits_stay_finite() {
    let mut case = Case::random(37, 5, 8, 64, 64);
    case.hidden.iter_mut().for_each(|value| *value *= 200.0);
    case.teacher_hidden.iter_mut().for_each(|value| *value *= 50.0);
    for case in [case.clone(), case.sparse(4, 2.0)] {
        let fused = run(head_losses, &case, &all_terms(2.0), 1.0);
        let reference = Reference::new(&case);
        for (value, term) in fused.values.iter().zip(all_terms(2.0)) {
            close(*value, reference.value(term.kind), 1e-5, 1e-5, "value");
        }
        assert!(fused.hidden.iter().chain(&fused.head).all(|gradient| gradient.is_finite()));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = device();
    let good = Case::random(41, 4, 8, 20, 20);
    let call = |case: &Case, terms: &[HeadTerm], with: bool| {
        let hidden = matrix(&case.hidden, case.tokens, &device);
        let head = matrix(&case.head, case.vocab, &device);
        let teacher = with.then(|| teacher(case));
        head_losses(hidden, head, &case.targets, teacher.as_ref(), terms, case.used, Precision::F32)
            .map(|losses| losses.values)
    };
    let refused = |case: &Case, terms: &[HeadTerm], with: bool| call(case, terms, with).unwrap_err();
    let terms = all_terms(2.0);
    assert!(call(&good, &terms, true).is_ok());
    assert!(matches!(refused(&good, &terms, false), KernelError::TeacherMissing { term: 1 }));
    assert!(matches!(refused(&good, &[], true), KernelError::Empty { operand: "terms", .. }));
    assert!(matches!(refused(&good, &all_terms(0.0), true), KernelError::Term { term: 1, .. }));
    assert!(matches!(refused(&good, &all_terms(f64::NAN), true), KernelError::Term { term: 1, .. }));
    let heavy = [HeadTerm { kind: HeadTermKind::CrossEntropy, weight: f64::INFINITY }];
    assert!(matches!(refused(&good, &heavy, true), KernelError::Term { name: "weight", .. }));

    let bad = |change: fn(&mut Case)| {
        let mut case = good.clone();
        change(&mut case);
        refused(&case, &terms, true)
    };
    assert!(matches!(bad(|c| c.used = 21), KernelError::Vocabulary { model: "student", .. }));
    assert!(matches!(bad(|c| c.used = 0), KernelError::Empty { operand: "vocabulary", .. }));
    assert!(matches!(
        bad(|c| c.targets[2] = 20),
        KernelError::TokenId { role: "target", row: 2, id: 20, .. }
    ));
    assert!(matches!(bad(|c| c.targets.truncate(3)), KernelError::Shape { operand: "targets", .. }));
    assert!(matches!(bad(|c| c.head.truncate(20 * 7)), KernelError::Shape { operand: "head", .. }));
    let matching = [HeadTerm { kind: HeadTermKind::LogitMatching, weight: 1.0 }];
    let cut = good.clone().sparse(3, 2.0);
    assert!(matches!(refused(&cut, &matching, true), KernelError::SparseTeacher { term: 0 }));
    assert!(matches!(refused(&good, &matching, false), KernelError::TeacherMissing { term: 0 }));

    let signal = |change: fn(&mut SparseLogits)| {
        let mut case = good.clone().sparse(3, 2.0);
        change(case.sparse.as_mut().unwrap());
        refused(&case, &terms, true)
    };
    assert!(matches!(signal(|s| s.temperature = 1.0), KernelError::SignalTemperature { term: 1, .. }));
    assert!(matches!(signal(|s| s.ids[4] = 20), KernelError::TokenId { role: "teacher", row: 1, .. }));
    assert!(matches!(signal(|s| s.ids[4] = s.ids[3]), KernelError::Signal { row: 1, .. }));
    assert!(matches!(signal(|s| s.log_probs[0] = f32::NAN), KernelError::Signal { row: 0, .. }));
    assert!(matches!(signal(|s| s.tail_mass[3] = -0.1), KernelError::Signal { row: 3, .. }));
    assert!(matches!(signal(|s| s.tail_mass[3] += 0.01), KernelError::Signal { row: 3, .. }));
    assert!(matches!(signal(|s| s.k = 0), KernelError::Empty { operand: "ids", .. }));
    assert!(matches!(signal(|s| s.k = usize::MAX), KernelError::Shape { operand: "ids", .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn divergences_are_not_negative(
        seed in any::<u64>(), tokens in 1_usize..6, width in 1_usize..5, vocab in 2_usize..40,
        k in 1_usize..6, temperature in 0.5_f64..8.0, dense in any::<bool>(),
    ) {
        let mut case = Case::random(seed, tokens, width, vocab, vocab);
        if !dense {
            case = case.sparse(k.min(vocab), temperature);
        }
        let terms = &all_terms(temperature)[1..];
        let values = run(head_losses, &case, terms, 1.0).values;
        let reference = Reference::new(&case);
        for (value, term) in values.iter().zip(terms) {
            // A sparse signal is normalised to 32 bits only.
            let least = if dense { 0.0 } else { -1e-6 * temperature * temperature };
            prop_assert!(*value >= least);
            prop_assert!((value - reference.value(term.kind)).abs() < 1e-5 * (1.0 + value));
        }
    }
}
