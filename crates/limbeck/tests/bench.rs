//! `limbeck bench`: what it prints, and what it refuses. The figures themselves are the machine's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::{limbeck, stderr, succeed};
use limbeck::eval::numerals::closed_vocabulary;
use limbeck::kernels::DeviceName;
use limbeck::model::tokenizer::ClosedSpecials;
use limbeck::model::{Decoder, DecoderConfig, Lineage, Sizes, Tokenizer, save_hf_folder};
use serde_json::Value;

fn bench(arguments: &[&str]) -> Command {
    let mut command = limbeck();
    command.args(["bench", "--json", "--quiet"]).args(arguments);
    command
}

fn printed(command: Command) -> Value {
    serde_json::from_slice(&succeed(command).stdout).unwrap()
}

fn positive(data: &Value, key: &str) -> f64 {
    let value = data[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {data}"));
    assert!(value > 0.0 && value.is_finite(), "{key} = {value}");
    value
}

#[test]
fn a_step_is_timed_and_its_losses_are_the_seeds() {
    for workload in ["tiny-decoder", "tiny-classifier"] {
        let arguments = ["step", "--workload", workload, "--steps", "2", "--seed", "5"];
        let data = printed(bench(&arguments));
        for key in ["median_ms", "min_ms", "max_ms", "units_per_second", "peak_rss_mib", "gflop_per_step"] {
            positive(&data, key);
        }
        assert!(positive(&data, "min_ms") <= positive(&data, "max_ms"));
        let share = positive(&data, "gflops") / positive(&data, "gemm_gflops");
        assert!((share / positive(&data, "share_of_gemm") - 1.0).abs() < 1e-9);
        assert_eq!(data["workload"], workload);
        assert_eq!(data["steps"], 2);
        assert_eq!(data["device"], "cpu");
        // Three steps of warm-up, two timed, the last.
        let losses = data["losses"].as_array().unwrap();
        assert_eq!(losses.len(), 6);
        assert_eq!(data["final_loss"], losses[5]);
        assert_eq!(printed(bench(&arguments))["losses"], data["losses"], "{workload}: the same seed");
        let other = printed(bench(&["step", "--workload", workload, "--steps", "2", "--seed", "6"]));
        assert_ne!(other["losses"], data["losses"], "{workload}: another seed");
    }
}

#[test]
fn people_get_a_table() {
    let mut command = limbeck();
    command.args(["bench", "step", "--workload", "tiny-decoder", "--steps", "1", "--quiet"]);
    let text = String::from_utf8(succeed(command).stdout).unwrap();
    for line in ["step, median", "peak memory", "products", "machine's rate", "loss, first and last"] {
        assert!(text.contains(line), "{text}");
    }
}

/// A tiny model that reads number sequences, as a folder.
fn reader(folder: &std::path::Path) {
    let words = closed_vocabulary();
    let tokenizer = Tokenizer::closed(&words, &ClosedSpecials::default()).unwrap();
    let config = DecoderConfig::llama(Sizes {
        vocab_size: tokenizer.vocab_size(),
        d_model: 16,
        n_layers: 3,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 24,
        max_positions: 64,
    });
    let decoder = Decoder::init(&config, 1, &DeviceName::Cpu.open().unwrap()).unwrap();
    save_hf_folder(folder, &decoder, &tokenizer, &Lineage::default()).unwrap();
}

#[test]
fn a_sweep_is_timed_and_its_prompts_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    reader(&model);
    let (model, prompts) = (model.to_str().unwrap(), folder.path().join("prompts.json"));
    let arguments = ["audit", "--model", model, "--prompts", "7", "--rounds", "2"];
    let mut command = bench(&arguments);
    command.arg("--prompts-to").arg(&prompts);
    let data = printed(command);
    for key in ["sweep_ms", "ablations_per_second", "tokens"] {
        positive(&data, key);
    }
    assert_eq!((data["components"].as_u64(), data["prompts"].as_u64()), (Some(15), Some(7)));
    assert_eq!(data["scores"].as_array().unwrap().len(), 15);
    let groups: Value = serde_json::from_slice(&std::fs::read(prompts).unwrap()).unwrap();
    let count = |key: &str| -> usize {
        groups.as_array().unwrap().iter().map(|group| group[key].as_array().unwrap().len()).sum()
    };
    assert_eq!((count("clean"), count("right"), count("wrong")), (7, 7, 7));
    assert!(count("corrupted") >= 7);
    // Every third block of three, from the middle: the second.
    let some = printed(bench(&[&arguments[..], &["--every", "3"]].concat()));
    let score = |data: &Value, at: usize| data["scores"][at].as_f64().unwrap();
    assert_eq!(some["components"], 5);
    assert!((0..5).all(|at| (score(&some, at) - score(&data, 5 + at)).abs() < 1e-2));
    let zero = printed(bench(&[&arguments[..], &["--ablation", "zero"]].concat()));
    assert_ne!(zero["scores"], data["scores"]);
}

#[test]
fn nonsense_is_refused_with_code_2() {
    for (arguments, named) in [
        (&["step", "--workload", "w9"][..], "w9"),
        (&["step", "--precision", "f17"], "f17"),
        (&["step", "--steps", "0"], "--steps"),
        (&["step", "--sweep", "tokens", "--workload", "w1"], "--sweep"),
        (&["step", "--device", "tpu"], "tpu"),
        (&["generate"], "--model"),
        (&["generate", "--model", "no/such/model.gguf"], "no/such/model.gguf"),
        (&["generate", "--model", "x", "--new-tokens", "1"], "--new-tokens"),
        (&["audit"], "--model"),
        (&["audit", "--model", "no/such/model.gguf"], "no/such/model.gguf"),
        (&["audit", "--model", "x", "--prompts", "0"], "--prompts"),
    ] {
        let output = bench(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

/// Without the backends' Cargo features the refusal says which one is missing.
#[test]
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
fn a_device_that_was_not_built_in_is_refused() {
    for device in ["cuda", "wgpu:1"] {
        let output = bench(&["step", "--workload", "tiny-decoder", "--device", device]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("Cargo feature"), "{}", stderr(&output));
    }
}
