//! Fifty steps of workload W1 (vocabulary 512, 4 -> 2 layers, width 128, 32 x 64 tokens) with the fused operations
//! against the same training in plain tensor operations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use limbeck_data::examples::TokenExample;
use limbeck_data::progress::Silent;
use limbeck_distill::objective::{CrossEntropy, ForwardKl};
use limbeck_distill::{ObjectiveConfig, TrainingConfig, TrainingJob, train};
use limbeck_kernels::{Precision, with_plain_bodies};
use limbeck_model::{Decoder, DecoderConfig, Sizes};
use limbeck_teach::{LocalTeacher, TeacherIdentity};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIZES: Sizes = Sizes {
    vocab_size: 512,
    d_model: 128,
    n_layers: 2,
    n_heads: 4,
    n_kv_heads: 4,
    d_mlp: 512,
    max_positions: 64,
};

/// The loss of every step, and the final weights.
fn losses(precision: Precision) -> (Vec<f64>, Vec<f32>) {
    let device = Device::flex();
    let config = DecoderConfig::gpt2(SIZES);
    let teacher = Decoder::init(&DecoderConfig { n_layers: 4, ..config.clone() }, 1, &device).unwrap();
    let identity = TeacherIdentity {
        hash: "fresh".into(),
        tokenizer_hash: "none".into(),
        vocab_size: config.vocab_size,
        origin: "fresh weights".into(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    // Half of each sequence repeats the other, so that there is something to learn.
    let mut row = || {
        let half: Vec<u32> = (0..32).map(|_| rng.random_range(0..512)).collect();
        TokenExample::all_scored([half.clone(), half].concat())
    };
    let examples: Vec<TokenExample> = (0..128).map(|_| row()).collect();
    let folder = tempfile::tempdir().unwrap();
    let job = TrainingJob {
        network: "student".into(),
        student: Decoder::init(&config, 2, &device).unwrap(),
        teacher: Some(Box::new(LocalTeacher::new(teacher, identity).with_precision(precision))),
        vocab_used: None,
        examples: examples.into(),
        objectives: vec![
            ObjectiveConfig::ForwardKl(ForwardKl { weight: 0.5, temperature: 2.0 }),
            ObjectiveConfig::CrossEntropy(CrossEntropy { weight: 0.5 }),
        ],
        config: TrainingConfig {
            steps: 50,
            batch_size: 32,
            warmup_steps: 0,
            checkpoint_every: 0,
            term_gradients_every: 0,
            precision,
            ..TrainingConfig::default()
        },
        checkpoint_dir: folder.path().join("checkpoints"),
        metrics_path: folder.path().join("metrics.jsonl"),
    };
    let outcome = train(job, &Silent).unwrap();
    let mut weights = Vec::new();
    outcome.decoder.visit(&mut |_, parameter| weights.extend(parameter.to_vec()));
    (outcome.curve.iter().map(|point| point.loss).collect(), weights)
}

#[test]
fn fused_training_is_plain_training() {
    let (plain, _) = with_plain_bodies(|| losses(Precision::F32));
    let fused = losses(Precision::F32);
    assert_eq!(plain.len(), 50);
    assert!(plain[49] < 0.99 * plain[0], "it learns: {} after {}", plain[49], plain[0]);
    for (step, (fused, plain)) in fused.0.iter().zip(&plain).enumerate() {
        assert!((fused - plain).abs() < 1e-3 * plain, "step {step}: {fused} is not {plain}");
    }
    assert_eq!(fused, losses(Precision::F32), "two runs from one seed have the same bits");
    let rounded = losses(Precision::Bf16);
    for (step, (rounded, plain)) in rounded.0.iter().zip(&plain).enumerate() {
        assert!((rounded - plain).abs() < 1e-2 * plain, "bf16, step {step}: {rounded} is not {plain}");
    }
    assert_eq!(rounded, losses(Precision::Bf16), "two runs from one seed have the same bits");
}
