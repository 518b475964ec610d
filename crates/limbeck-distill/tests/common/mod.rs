//! Small trainings shared by the tests of the trainer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

pub(crate) mod setting;

use std::path::Path;

use limbeck_distill::objective::{CrossEntropy, ForwardKl, HiddenMse, ObjectiveConfig};
use limbeck_distill::{TrainingConfig, TrainingJob};
use limbeck_model::Decoder;
use limbeck_teach::{LocalTeacher, TeacherIdentity};
use limbeck_testkit::{TINY_VOCAB, counting_examples, deeper, tiny_gpt2};

/// Teacher of the small trainings, with fresh weights.
pub(crate) fn tiny_teacher() -> LocalTeacher {
    let identity = TeacherIdentity {
        hash: "teacher".into(),
        tokenizer_hash: "counting".into(),
        vocab_size: TINY_VOCAB,
        origin: "test".into(),
    };
    LocalTeacher::new(deeper(&tiny_gpt2(), 4, 3), identity)
}

pub(crate) fn tiny_config(steps: u64) -> TrainingConfig {
    TrainingConfig {
        steps,
        batch_size: 6,
        accumulation: 2,
        learning_rate: 3e-3,
        warmup_steps: 2,
        checkpoint_every: 5,
        term_gradients_every: 4,
        seed: 9,
        ..TrainingConfig::default()
    }
}

/// A distillation with every kind of state: two head terms, a projection, accumulation.
pub(crate) fn distillation(dir: &Path, steps: u64) -> TrainingJob {
    TrainingJob {
        network: "student".into(),
        student: deeper(&tiny_gpt2(), 2, 1),
        teacher: Some(Box::new(tiny_teacher())),
        vocab_used: None,
        examples: counting_examples(40, 12, TINY_VOCAB, 2).into(),
        objectives: vec![
            ObjectiveConfig::ForwardKl(ForwardKl { weight: 0.5, temperature: 2.0 }),
            ObjectiveConfig::CrossEntropy(CrossEntropy { weight: 0.5 }),
            ObjectiveConfig::HiddenMse(HiddenMse { weight: 0.1, ..HiddenMse::default() }),
        ],
        config: tiny_config(steps),
        checkpoint_dir: dir.join("checkpoints"),
        metrics_path: dir.join("metrics.jsonl"),
    }
}

/// A language model, or a baseline.
pub(crate) fn language_model(dir: &Path, steps: u64) -> TrainingJob {
    TrainingJob {
        network: "baseline".into(),
        teacher: None,
        objectives: vec![ObjectiveConfig::CrossEntropy(CrossEntropy::default())],
        ..distillation(dir, steps)
    }
}

/// Every bit of a decoder's weights.
pub(crate) fn bits(decoder: &Decoder) -> Vec<u32> {
    let mut bits = Vec::new();
    decoder.visit(&mut |_, parameter| bits.extend(parameter.to_vec().iter().map(|value| value.to_bits())));
    bits
}

/// The metrics without their seconds.
pub(crate) fn metrics_without_seconds(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let strip = |line: &str| {
        let start = line.find("\"seconds\":").unwrap();
        let end = start + line[start..].find(',').unwrap();
        format!("{}{}", &line[..start], &line[end..])
    };
    text.lines().map(strip).collect()
}
