//! The objectives over logits that exist already: against the head losses with the identity as head,
//! the composed body, and the formulas in 64 bits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
mod reference;

use burn::tensor::{Device, Tensor, TensorData};
use common::device;
use limbeck_kernels::{
    HeadLosses, HeadTerm, HeadTermKind, KernelError, Precision, TeacherLogits, head_losses, logit_losses,
    logit_losses_composed,
};
use reference::{Case, Reference};

type Body = fn(
    Tensor<2>,
    &[u32],
    Option<&TeacherLogits>,
    &[HeadTerm],
    Option<usize>,
) -> Result<HeadLosses, KernelError>;

fn matrix(values: &[f32], rows: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, values.len() / rows]), device)
}

/// The teacher's logits as a tensor, its head, or a sparse signal.
fn teacher(case: &Case, dense: bool) -> TeacherLogits {
    let device = device();
    if let Some(signal) = &case.sparse {
        return TeacherLogits::Sparse(signal.clone());
    }
    let hidden = matrix(&case.teacher_hidden, case.tokens, &device);
    let head = matrix(&case.teacher_head, case.teacher_vocab, &device);
    if dense {
        TeacherLogits::Dense(hidden.matmul(head.transpose()))
    } else {
        TeacherLogits::Head { hidden, head }
    }
}

fn terms(case: &Case) -> Vec<HeadTerm> {
    let mut terms = vec![
        HeadTerm { kind: HeadTermKind::CrossEntropy, weight: 0.5 },
        HeadTerm { kind: HeadTermKind::ForwardKl { temperature: 2.0 }, weight: 0.7 },
        HeadTerm { kind: HeadTermKind::ReverseKl { temperature: 2.0 }, weight: -0.3 },
        HeadTerm { kind: HeadTermKind::JensenShannon { beta: 0.7, temperature: 2.0 }, weight: 0.4 },
    ];
    if case.sparse.is_none() {
        terms.push(HeadTerm { kind: HeadTermKind::LogitMatching, weight: 0.2 });
    }
    terms
}

/// Values and the gradient of the logits.
fn run(body: Body, case: &Case, dense: bool, terms: &[HeadTerm], upstream: f64) -> (Vec<f64>, Vec<f32>) {
    let logits = matrix(&case.hidden, case.tokens, &device().autodiff()).require_grad();
    let teacher = teacher(case, dense);
    let losses = body(logits.clone(), &case.targets, Some(&teacher), terms, Some(case.used)).unwrap();
    let gradients = losses.total.mul_scalar(upstream).sum().backward();
    let gradient = logits.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
    (losses.values, gradient)
}

fn close(found: &[f32], expected: &[f32], relative: f32, what: &str) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= relative * largest, "{what}[{index}]: {f} is not {e}");
    }
}

fn cases() -> Vec<Case> {
    let dense: Vec<Case> = [(1, 2, 2), (7, 10, 10), (129, 12, 9), (260, 33, 33), (3, 1, 1)]
        .into_iter()
        .enumerate()
        .map(|(seed, (rows, classes, used))| Case::classifier(seed as u64, rows, classes, used))
        .collect();
    let sparse = dense.iter().map(|case| case.clone().sparse(case.used.min(4), 2.0)).collect();
    [dense, sparse].concat()
}

#[test]
fn logits_and_an_identity_head_are_one() {
    for case in cases() {
        let terms = terms(&case);
        let device = device().autodiff();
        let hidden = matrix(&case.hidden, case.tokens, &device).require_grad();
        let head = matrix(&case.head, case.vocab, &device);
        let with_head = head_losses(
            hidden.clone(),
            head,
            &case.targets,
            Some(&teacher(&case, false)),
            &terms,
            case.used,
            Precision::F32,
        )
        .unwrap();
        let gradient = hidden.grad(&with_head.total.backward()).unwrap();
        let (values, logits) = run(logit_losses, &case, false, &terms, 1.0);
        assert_eq!(values, with_head.values);
        close(&logits, &gradient.into_data().try_into_vec::<f32>().unwrap(), 1e-6, "gradient");
    }
}

#[test]
fn fused_equals_composed_and_the_formulas() {
    for case in cases() {
        let terms = terms(&case);
        let (values, gradient) = run(logit_losses, &case, true, &terms, 3.0);
        let (composed, composed_gradient) = run(logit_losses_composed, &case, true, &terms, 3.0);
        let reference = Reference::new(&case);
        for ((value, composed), term) in values.iter().zip(composed).zip(&terms) {
            assert!((value - composed).abs() <= 1e-5 * composed.abs() + 2e-6, "{value} is not {composed}");
            let exact = reference.value(term.kind);
            assert!((value - exact).abs() <= 2e-6 * exact.abs() + 1e-6, "{value} is not {exact}");
        }
        if case.used > 1 {
            close(&gradient, &composed_gradient, 2e-5, "gradient");
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    for case in cases().into_iter().filter(|case| case.used > 1) {
        let terms = terms(&case);
        let (_, gradient) = run(logit_losses, &case, false, &terms, 1.0);
        let largest = gradient.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(*value).abs()));
        let step = 1e-4;
        for at in (0..case.hidden.len()).step_by(case.hidden.len() / 20 + 1) {
            let [up, down] =
                [step, -step].map(|by| Reference::moved(&case, Some((at, by)), None).total(&terms));
            let expected = (up - down) / (2.0 * step);
            let found = f64::from(gradient[at]);
            assert!((found - expected).abs() <= 2e-6 * largest, "{found} is not {expected}");
        }
    }
}

#[test]
fn columns_that_are_not_used_get_no_gradient() {
    let case = Case::classifier(2, 129, 12, 9);
    let (_, gradient) = run(logit_losses, &case, true, &terms(&case), 1.0);
    for row in gradient.chunks(12) {
        assert!(row[..9].iter().all(|value| *value != 0.0));
        assert!(row[9..].iter().all(|value| *value == 0.0));
    }
}

#[test]
fn without_autodiff_and_without_a_limit() {
    let case = Case::classifier(5, 40, 10, 10);
    let terms = terms(&case);
    let logits = matrix(&case.hidden, case.tokens, &device());
    let teacher = teacher(&case, true);
    let losses = logit_losses(logits.clone(), &case.targets, Some(&teacher), &terms, None).unwrap();
    assert_eq!(losses.values, run(logit_losses, &case, true, &terms, 1.0).0);
    // The operand is left as it was.
    assert_eq!(logits.into_data().try_into_vec::<f32>().unwrap(), case.hidden);
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = Case::classifier(5, 4, 10, 10);
    let logits = matrix(&case.hidden, case.tokens, &device());
    let refused = |targets: &[u32], teacher: Option<&TeacherLogits>, terms: &[HeadTerm], used| {
        logit_losses(logits.clone(), targets, teacher, terms, used).unwrap_err()
    };
    let hard = [HeadTerm { kind: HeadTermKind::CrossEntropy, weight: 1.0 }];
    let matching = [HeadTerm { kind: HeadTermKind::LogitMatching, weight: 1.0 }];
    assert!(matches!(
        refused(&[0; 4], None, &hard, Some(11)),
        KernelError::Vocabulary { model: "student", .. }
    ));
    assert!(matches!(refused(&[0, 0, 0, 10], None, &hard, None), KernelError::TokenId { row: 3, .. }));
    assert!(matches!(refused(&[0; 3], None, &hard, None), KernelError::Shape { operand: "targets", .. }));
    assert!(matches!(refused(&[], None, &matching, None), KernelError::TeacherMissing { term: 0 }));
    let short = TeacherLogits::Dense(Tensor::zeros([3, 10], &device()));
    assert!(matches!(refused(&[], Some(&short), &matching, None), KernelError::Shape { found: 3, .. }));
    let narrow = TeacherLogits::Dense(Tensor::zeros([4, 9], &device()));
    assert!(matches!(
        refused(&[], Some(&narrow), &matching, None),
        KernelError::Vocabulary { model: "teacher", available: 9, .. }
    ));
}

/// Hinton, Vinyals, Dean 2015, section 2.1: far above the logits, the gradient of the soft term is
/// that of matching zero-meaned logits.
#[test]
fn a_high_temperature_is_logit_matching() {
    let case = Case::classifier(13, 20, 30, 30);
    let teacher_logits = Reference::new(&case).teacher.concat();
    let largest = case.hidden.iter().map(|z| f64::from(z.abs())).chain(teacher_logits).fold(0.0, f64::max);
    let soft = [HeadTerm { kind: HeadTermKind::ForwardKl { temperature: 100.0 * largest }, weight: 1.0 }];
    let matching = [HeadTerm { kind: HeadTermKind::LogitMatching, weight: 1.0 }];
    let (_, soft) = run(logit_losses, &case, true, &soft, 1.0);
    let (_, matching) = run(logit_losses, &case, true, &matching, 1.0);
    close(&soft, &matching, 0.01, "gradient");
}
