//! Training of classifiers: the analytic checks of Hinton, Vinyals, Dean 2015, and what a training promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, Tensor, TensorData};
use limbeck_data::labelled::{LabelledSet, digits};
use limbeck_data::progress::Silent;
use limbeck_distill::DistillError;
use limbeck_distill::classifier::{
    AdamWConfig, ClassTerm, ClassifierConfig, ClassifierJob, EarlyStopping, SoftTargets, SolverConfig,
    TrainedClassifier, WeightedTerm, train_classifier,
};
use limbeck_kernels::{HeadTerm, HeadTermKind, TeacherLogits, logit_losses};
use limbeck_model::{Mlp, predict};
use limbeck_teach::ClassifierTeacher;
use limbeck_testkit::StopAfter;

const Z: [f32; 8] = [2.0, -1.0, 0.25, 3.5, -2.0, 0.0, 1.0, -0.5];
const V: [f32; 8] = [1.0, 4.0, -3.0, 0.5, 2.5, -1.5, 0.0, 0.75];

/// Gradient of one term over two examples of four classes, for each example (the mean over examples taken off).
fn gradient(kind: HeadTermKind) -> Vec<f64> {
    let device = Device::default();
    let z = Tensor::<2>::from_data(TensorData::new(Z.to_vec(), [2, 4]), &device).autodiff().require_grad();
    let teacher = TeacherLogits::Dense(Tensor::from_data(TensorData::new(V.to_vec(), [2, 4]), &device));
    let found = logit_losses(z.clone(), &[0, 1], Some(&teacher), &[HeadTerm { kind, weight: 1.0 }], None);
    let mut gradients = found.unwrap().total.backward();
    let gradient = z.grad_remove(&mut gradients).unwrap().into_data();
    gradient.iter::<f32>().map(|value| 2.0 * f64::from(value)).collect()
}

fn softmax(z: &[f32], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> = z.iter().map(|z| (f64::from(*z) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[test]
fn the_soft_gradient_is_q_minus_p_over_t() {
    for temperature in [1.0, 2.5, 20.0] {
        // The objective carries T^2; the paper's dC/dz is without it.
        let found = gradient(HeadTermKind::ForwardKl { temperature });
        for row in 0..2 {
            let at = row * 4..row * 4 + 4;
            let (q, p) = (softmax(&Z[at.clone()], temperature), softmax(&V[at.clone()], temperature));
            for (place, found) in found[at].iter().enumerate() {
                let expected = (q[place] - p[place]) / temperature;
                assert!((found / temperature.powi(2) - expected).abs() < 1e-6, "T = {temperature}");
            }
        }
    }
}

#[test]
fn at_a_high_temperature_soft_targets_are_logit_matching() {
    let largest = Z.iter().chain(&V).fold(0.0_f32, |most, value| most.max(value.abs()));
    let temperature = 100.0 * f64::from(largest);
    let soft = gradient(HeadTermKind::ForwardKl { temperature });
    let matching = gradient(HeadTermKind::LogitMatching);
    let scale = matching.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    for (soft, matching) in soft.iter().zip(&matching) {
        assert!((soft - matching).abs() < 0.01 * scale, "{soft} {matching}");
    }
}

fn config() -> ClassifierConfig {
    ClassifierConfig { hidden: vec![48], epochs: 12, batch_size: 32, ..ClassifierConfig::default() }
}

fn job<'a>(set: &'a LabelledSet, rows: &'a [usize], config: &'a ClassifierConfig) -> ClassifierJob<'a> {
    ClassifierJob {
        label: "test",
        network: Mlp::init(&config.widths(set.width(), 10), 3, &Device::default()).unwrap(),
        set,
        rows,
        labels: None,
        teacher: None,
        terms: &[ClassTerm::CrossEntropy(WeightedTerm { weight: 1.0 })],
        config,
        held_out: None,
        seed: 3,
    }
}

fn errors(network: &Mlp, set: &LabelledSet) -> usize {
    let rows: Vec<usize> = (0..set.len()).collect();
    let found = predict(network, set, &rows).predictions();
    found.iter().zip(set.labels()).filter(|(found, label)| found != label).count()
}

fn trained(job: ClassifierJob<'_>) -> TrainedClassifier {
    train_classifier(job, &Silent).unwrap()
}

#[test]
fn both_optimizers_learn_and_the_same_job_gives_the_same_bits() {
    let split = digits().unwrap();
    let rows: Vec<usize> = (0..split.training.len()).collect();
    let all = ClassifierConfig {
        input_dropout: 0.05,
        hidden_dropout: 0.1,
        max_norm: Some(2.0),
        jitter: 1,
        ..config()
    };
    let adamw = ClassifierConfig {
        optimizer: SolverConfig::Adamw(AdamWConfig::default()),
        learning_rate: 0.003,
        ..config()
    };
    for config in [config(), all.clone(), adamw] {
        let first = trained(job(&split.training, &rows, &config));
        // Moving pictures of 8 x 8 pixels by one costs much of what is in them.
        let most = if config.jitter > 0 { 80 } else { 40 };
        let found = errors(&first.network, &split.test);
        assert!(found < most, "{config:?}: {found}");
        assert!(first.curve.last().unwrap().loss < first.curve[0].loss);
        let second = trained(job(&split.training, &rows, &config));
        assert_eq!(first.network.layers(), second.network.layers());
        let third = trained(ClassifierJob { seed: 4, ..job(&split.training, &rows, &config) });
        assert_ne!(first.network.layers(), third.network.layers());
    }
    let limited = trained(job(&split.training, &rows, &all)).network;
    let norms = |layer: usize| -> Vec<f64> {
        let layer = &limited.layers()[layer];
        let square = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        layer.weight.chunks(layer.inputs).map(|row| square(row).sqrt()).collect()
    };
    assert!(norms(0).iter().all(|norm| *norm <= 2.0 + 1e-4));
    assert!(norms(0).iter().any(|norm| *norm > 1.99), "the limit was met, so it was tested");
}

#[test]
fn a_student_learns_from_soft_targets_alone_stored_or_live_and_from_logits() {
    let split = digits().unwrap();
    let rows: Vec<usize> = (0..split.training.len()).collect();
    let config = ClassifierConfig { epochs: 20, ..config() };
    let teacher = trained(job(&split.training, &rows, &config)).network;
    let targets = predict(&teacher, &split.training, &rows);
    let alone = ClassifierTeacher::one(teacher.clone()).unwrap();
    let slow = ClassifierConfig { learning_rate: 0.01, ..config };
    let run = |source, term| {
        let begun = Mlp::init(&[64, 48, 10], 9, &Device::default()).unwrap();
        let job = ClassifierJob {
            network: begun,
            teacher: Some(source),
            terms: &[term],
            labels: Some(&[0; 1437]),
            ..job(&split.training, &rows, &slow)
        };
        trained(job).network
    };
    let soft = ClassTerm::soft(1.0, 4.0);
    let stored = run(SoftTargets::Stored(&targets), soft);
    let live = run(SoftTargets::Live(&alone), soft);
    let matched = run(SoftTargets::Stored(&targets), ClassTerm::LogitMatching(WeightedTerm { weight: 1.0 }));
    let best = errors(&teacher, &split.test);
    for network in [&stored, &live, &matched] {
        assert!(errors(network, &split.test) < best + 20, "{} {best}", errors(network, &split.test));
    }
    assert_eq!(
        errors(&stored, &split.test),
        errors(&live, &split.test),
        "nothing moves, so both say the same"
    );
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let split = digits().unwrap();
    let rows: Vec<usize> = (0..200).collect();
    let held: Vec<usize> = (200..500).collect();
    let config =
        ClassifierConfig { epochs: 200, early_stopping: Some(EarlyStopping { patience: 3 }), ..config() };
    let set = &split.training;
    let found = trained(ClassifierJob { held_out: Some((set, &held)), ..job(set, &rows, &config) });
    let counts: Vec<usize> = found.curve.iter().map(|epoch| epoch.held_out_errors.unwrap()).collect();
    let least = *counts.iter().min().unwrap();
    assert!(counts.len() < 200, "it stopped");
    assert_eq!(counts[found.epoch as usize - 1], least);
    assert_eq!(counts.len() as u64, found.epoch + 3);
    let answers = predict(&found.network, set, &held).predictions();
    let wrong = answers.iter().zip(&held).filter(|(found, row)| **found != set.labels()[**row]).count();
    assert_eq!(wrong, least);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let split = digits().unwrap();
    let set = &split.training;
    let good = config();
    let rows = [0, 1, 2];
    let text = |job: ClassifierJob<'_>| train_classifier(job, &Silent).unwrap_err().to_string();
    assert!(text(job(set, &[], &good)).contains("no examples"));
    assert!(text(job(set, &[5000], &good)).contains("5000"));
    let labels = [0, 1, 10];
    assert!(text(ClassifierJob { labels: Some(&labels), ..job(set, &rows, &good) }).contains("class 10"));
    let soft = [ClassTerm::soft(1.0, 2.0)];
    assert!(text(ClassifierJob { terms: &soft, ..job(set, &rows, &good) }).contains("teacher"));
    assert!(
        text(ClassifierJob { terms: &[ClassTerm::soft(1.0, 0.0)], ..job(set, &rows, &good) })
            .contains("temperature")
    );
    assert!(text(ClassifierJob { terms: &[], ..job(set, &rows, &good) }).contains("objective"));
    let targets = predict(&job(set, &rows, &good).network, set, &[0]);
    let short = ClassifierJob {
        terms: &soft,
        teacher: Some(SoftTargets::Stored(&targets)),
        ..job(set, &rows, &good)
    };
    assert!(text(short).contains("soft targets of 1 examples"));
    let narrow = Mlp::init(&[63, 10], 0, &Device::default()).unwrap();
    assert!(text(ClassifierJob { network: narrow, ..job(set, &rows, &good) }).contains("63 features"));
    for (key, bad) in [
        ("hidden_dropout", ClassifierConfig { hidden_dropout: 1.0, ..config() }),
        ("max_norm", ClassifierConfig { max_norm: Some(0.0), ..config() }),
        ("batch_size", ClassifierConfig { batch_size: 0, ..config() }),
        ("learning_rate", ClassifierConfig { learning_rate: -1.0, ..config() }),
        ("epochs", ClassifierConfig { epochs: 0, ..config() }),
    ] {
        assert!(text(job(set, &rows, &bad)).contains(key), "{key}");
    }
    let wild = ClassifierConfig { learning_rate: 1e30, ..config() };
    let all: Vec<usize> = (0..set.len()).collect();
    assert!(text(job(set, &all, &wild)).contains("diverged"));
    let stopped = train_classifier(job(set, &all, &good), &StopAfter::new(5));
    assert!(matches!(stopped, Err(DistillError::Cancelled { step: 5, .. })));
}
