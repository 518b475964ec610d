//! The trainer on tiny networks: it learns, it is deterministic, it stops and goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{bits, distillation, language_model, metrics_without_seconds, tiny_config};
use limbeck_data::progress::Silent;
use limbeck_distill::objective::{ForwardKl, ObjectiveConfig};
use limbeck_distill::{DistillError, TrainingConfig, TrainingJob, train};
use limbeck_teach::{LocalTeacher, Teacher};
use limbeck_testkit::{StopAfter, deeper, tiny_gpt2, tiny_llama};

#[test]
fn a_language_model_learns_to_count() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = language_model(dir.path(), 150);
    job.config = TrainingConfig { learning_rate: 1e-2, batch_size: 16, ..job.config };
    let outcome = train(job, &Silent).unwrap();
    let (first, last) = (outcome.curve.first().unwrap().loss, outcome.curve.last().unwrap().loss);
    assert!(first > 2.5, "a fresh network knows nothing: {first}");
    assert!(last < 0.5, "after 150 steps: {last}");
    assert_eq!(outcome.steps, 150);
    assert!(outcome.tokens > 150 * 16);
}

#[test]
fn distillation_lowers_every_term() {
    let (first_dir, second_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut job = language_model(first_dir.path(), 100);
    job.student = deeper(&tiny_gpt2(), 4, 3);
    job.config = TrainingConfig { learning_rate: 1e-2, batch_size: 16, ..job.config };
    let teacher = train(job, &Silent).unwrap().decoder;
    let mut job = distillation(second_dir.path(), 80);
    job.teacher = Some(Box::new(LocalTeacher::new(teacher, common::tiny_teacher().identity().clone())));
    job.config.learning_rate = 1e-2;
    let outcome = train(job, &Silent).unwrap();
    let (first, last) = (outcome.curve.first().unwrap(), outcome.curve.last().unwrap());
    for (before, after) in first.terms.iter().zip(&last.terms) {
        assert!(after.value < 0.7 * before.value, "{}: {} after {}", after.name, after.value, before.value);
    }
    assert!(outcome.curve.iter().all(|point| point.terms.len() == 3));
}

#[test]
fn two_runs_end_in_the_same_bits_whatever_is_logged() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = train(distillation(one.path(), 12), &Silent).unwrap();
    let mut job = distillation(two.path(), 12);
    job.config = TrainingConfig { log_every: 5, term_gradients_every: 0, checkpoint_every: 3, ..job.config };
    let second = train(job, &Silent).unwrap();
    assert_eq!(bits(&first.decoder), bits(&second.decoder));
    assert_eq!(second.curve.iter().map(|point| point.step).collect::<Vec<_>>(), vec![1, 5, 10, 12]);
}

#[test]
fn another_seed_ends_elsewhere() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = train(distillation(one.path(), 5), &Silent).unwrap();
    let mut job = distillation(two.path(), 5);
    job.config.seed += 1;
    assert_ne!(bits(&first.decoder), bits(&train(job, &Silent).unwrap().decoder));
}

#[test]
fn accumulation_changes_only_the_rounding() {
    let gradient = |accumulation: usize| {
        let dir = tempfile::tempdir().unwrap();
        let mut job = distillation(dir.path(), 1);
        job.config.accumulation = accumulation;
        train(job, &Silent).unwrap();
        let line = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
        (line["loss"].as_f64().unwrap(), line["gradient_norm"].as_f64().unwrap())
    };
    let (loss, norm) = gradient(1);
    for parts in [2, 3, 6] {
        let (other_loss, other_norm) = gradient(parts);
        assert!((loss - other_loss).abs() < 1e-5 * loss, "{parts}: {other_loss} instead of {loss}");
        assert!((norm - other_norm).abs() < 1e-4 * norm, "{parts}: {other_norm} instead of {norm}");
    }
}

#[test]
fn every_term_of_the_contract_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    train(distillation(dir.path(), 6), &Silent).unwrap();
    let text = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
    for (index, line) in text.lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let step = index as u64 + 1;
        assert_eq!(line["network"], "student");
        assert_eq!(line["step"], step);
        for key in ["loss", "learning_rate", "tokens", "seconds", "gradient_norm"] {
            assert!(line[key].is_number(), "{key}");
        }
        let terms = line["terms"].as_array().unwrap();
        let names: Vec<&str> = terms.iter().map(|term| term["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["forward_kl", "cross_entropy", "hidden_mse"]);
        let sum: f64 =
            terms.iter().map(|term| term["weight"].as_f64().unwrap() * term["value"].as_f64().unwrap()).sum();
        assert!((line["loss"].as_f64().unwrap() - sum).abs() < 1e-9);
        // Measured at the first step and every fourth.
        let measured = step == 1 || step.is_multiple_of(4);
        assert!(terms.iter().all(|term| term["gradient_norm"].is_number() == measured), "step {step}");
    }
    assert_eq!(text.lines().count(), 6);
}

#[test]
fn stopping_and_going_on_changes_no_bit() {
    let (whole, parted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = train(distillation(whole.path(), 14), &Silent).unwrap();
    for stop in [3, 7, 8, 13] {
        let progress = StopAfter::new(stop);
        match train(distillation(parted.path(), 14), &progress) {
            Err(DistillError::Cancelled { step, .. }) => assert_eq!(step, stop),
            other => panic!("{other:?}"),
        }
    }
    let found = train(distillation(parted.path(), 14), &Silent).unwrap();
    assert_eq!(bits(&expected.decoder), bits(&found.decoder));
    assert_eq!(expected.tokens, found.tokens);
    assert_eq!(expected.curve, found.curve);
    let metrics = |dir: &tempfile::TempDir| metrics_without_seconds(&dir.path().join("metrics.jsonl"));
    assert_eq!(metrics(&whole), metrics(&parted));
    // A finished training is not repeated, and only the newest two checkpoints stay.
    let again = train(distillation(parted.path(), 14), &Silent).unwrap();
    assert_eq!(bits(&expected.decoder), bits(&again.decoder));
    assert_eq!(std::fs::read_dir(parted.path().join("checkpoints")).unwrap().count(), 2);
}

#[test]
fn a_checkpoint_of_another_training_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    train(distillation(dir.path(), 5), &Silent).unwrap();
    let refused = |change: &dyn Fn(&mut TrainingJob), what: &str| {
        let mut job = distillation(dir.path(), 5);
        change(&mut job);
        match train(job, &Silent) {
            Err(DistillError::CheckpointMismatch { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{what}: {other:?}"),
        }
    };
    refused(&|job| job.config.learning_rate = 1e-4, "training configuration");
    refused(&|job| job.examples = job.examples[1..].into(), "data");
    refused(&|job| job.student = limbeck_testkit::deeper(job.student.config(), 2, 99), "initial student");
    refused(&|job| job.network = "other".into(), "network");
    refused(
        &|job| job.objectives = vec![ObjectiveConfig::ForwardKl(ForwardKl::default())],
        "list of objectives",
    );
}

#[test]
fn a_damaged_checkpoint_is_passed_over_with_a_note() {
    let (whole, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = train(distillation(whole.path(), 12), &Silent).unwrap();
    train(distillation(damaged.path(), 12), &Silent).unwrap();
    let newest = damaged.path().join("checkpoints/step-00000012/tensors.safetensors");
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let progress = StopAfter::new(u64::MAX);
    let found = train(distillation(damaged.path(), 12), &progress).unwrap();
    assert_eq!(bits(&expected.decoder), bits(&found.decoder));
    assert!(progress.notes().iter().any(|note| note.contains("step-00000012")), "{:?}", progress.notes());
}

#[test]
fn impossible_jobs_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut TrainingJob), word: &str| {
        let mut job = distillation(dir.path(), 5);
        change(&mut job);
        let error = train(job, &Silent).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&|job| job.teacher = None, "no teacher");
    refused(&|job| job.objectives.clear(), "no objective");
    refused(&|job| job.examples = Vec::new().into(), "no examples");
    refused(&|job| job.config = TrainingConfig { steps: 0, ..tiny_config(1) }, "steps");
    refused(&|job| job.vocab_used = Some(1000), "vocab_used");
    refused(&|job| job.vocab_used = Some(5), "token");
    let long = limbeck_testkit::random_examples(1, 100, 20, 0);
    refused(&|job| job.examples = long.clone().into(), "100 tokens");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_llama_student_of_a_wider_vocabulary_trains() {
    // Padded heads of one family: the teacher has 23 rows, the student 26.
    let dir = tempfile::tempdir().unwrap();
    let mut job = distillation(dir.path(), 8);
    let mut config = tiny_llama();
    config.vocab_size += 3;
    job.student = deeper(&config, 2, 4);
    job.vocab_used = Some(23);
    let outcome = train(job, &Silent).unwrap();
    assert!(outcome.curve.last().unwrap().loss.is_finite());
}
