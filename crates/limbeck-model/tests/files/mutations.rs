//! Structured damage: the value of every key of a file, in turn, replaced by awkward ones. Whatever comes, it is a network or an error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use limbeck_model::weights::gguf::{Array, Value};
use limbeck_model::{NoTap, TokenBatch, load_model};
use serde_json::{Value as Json, json};

use crate::flex;
use crate::hostile::{LIMIT, largest_allocation};
use crate::made::{bytes_of, folder, gguf_of};

/// Longest time for one file.
const PATIENCE: Duration = Duration::from_secs(30);

/// Values of every kind; the last is none at all.
fn awkward_values() -> Vec<Option<Value>> {
    let text = |text: &str| Value::String(text.to_owned());
    [
        Value::U32(0),
        Value::U32(1),
        Value::I32(-1),
        Value::U32(1 << 31),
        Value::U64(1 << 40),
        Value::U64(1 << 63),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F32(f32::NAN),
        Value::F32(f32::INFINITY),
        Value::F32(-1.0),
        Value::F64(1e300),
        Value::F64(1e-300),
        text(""),
        text(&"long ".repeat(20_000)),
        text("\u{1b}[2J\0\u{202e}"),
        Value::Bool(true),
        Value::Array(Array::U32(Vec::new())),
        Value::Array(Array::String(vec![String::new(); 3])),
        Value::Array(Array::Array(vec![Array::Array(vec![Array::F32(vec![f32::NAN])])])),
        Value::Array(Array::I32(vec![i32::MIN; 400])),
    ]
    .map(Some)
    .into_iter()
    .chain([None])
    .collect()
}

fn awkward_json() -> Vec<Option<Json>> {
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    [
        json!(0),
        json!(1),
        json!(-1),
        json!(0.5),
        json!(1u64 << 31),
        json!(1u64 << 40),
        json!(1u64 << 63),
        json!(u64::MAX),
        json!(1e300),
        json!(1e-300),
        json!(""),
        json!("long ".repeat(20_000)),
        json!("\u{1b}[2J\u{0}\u{202e}"),
        json!(true),
        json!(false),
        json!([]),
        json!([400, 1]),
        json!({}),
        json!({ "a": [{}] }),
        nested,
        Json::Null,
    ]
    .map(Some)
    .into_iter()
    .chain([None])
    .collect()
}

/// Loads a model and, when there is one, runs it. Whether there was one.
fn try_out(path: &Path, what: &str) -> bool {
    let began = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| {
        let model = load_model(path, &flex()).map_err(|error| error.to_string())?;
        let first = model.tokenizer.bos().unwrap_or(0);
        let rows = [vec![first, 0, 1]];
        model.decoder.check(&rows).map_err(|error| error.to_string())?;
        let batch = TokenBatch::new(&rows, &model.decoder.device()).map_err(|error| error.to_string())?;
        let logits = model.decoder.logits(&batch, &mut NoTap).into_data();
        Ok::<usize, String>(logits.num_elements())
    }));
    let outcome = done.unwrap_or_else(|_| panic!("a panic: {what}"));
    assert!(began.elapsed() < PATIENCE, "{:?}: {what}", began.elapsed());
    assert!(largest_allocation() <= LIMIT, "{} bytes at once: {what}", largest_allocation());
    if let Err(message) = &outcome {
        assert!(!message.is_empty(), "no reason: {what}");
    }
    outcome.is_ok()
}

fn every_key_of_gguf(family: &str) -> (usize, usize) {
    let file = gguf_of(family);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    let (mut tried, mut taken) = (0, 0);
    let further =
        ["general.alignment", "split.count", "split.no", "tokenizer.ggml.scores", "rope.scaling.factor"]
            .map(|key| if key.starts_with("rope") { format!("{family}.{key}") } else { key.to_owned() });
    for key in file.metadata().keys().cloned().chain(further) {
        for value in awkward_values() {
            let what = format!("{family} {key} = {:.100}", format!("{value:?}"));
            let mut metadata = file.metadata().clone();
            metadata.remove(&key);
            metadata.extend(value.map(|value| (key.clone(), value)));
            std::fs::write(&path, bytes_of(&file, metadata, |_| true, &[])).unwrap();
            tried += 1;
            taken += usize::from(try_out(&path, &what));
        }
    }
    (tried, taken)
}

fn every_key_of_config(family: &str) -> (usize, usize) {
    let place = folder(family);
    let path = place.path().join("config.json");
    let whole: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mut whole = whole.as_object().unwrap().clone();
    for key in [
        "rope_parameters",
        "rope_scaling",
        "layer_types",
        "partial_rotary_factor",
        "logits_scaling",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "original_max_position_embeddings",
    ] {
        whole.entry(key).or_insert(Json::Null);
    }
    let (mut tried, mut taken) = (0, 0);
    for key in whole.keys() {
        for value in awkward_json() {
            let what = format!("{family} {key} = {:.100}", format!("{value:?}"));
            let mut config = whole.clone();
            config.remove(key);
            config.extend(value.map(|value| (key.clone(), value)));
            std::fs::write(&path, Json::Object(config).to_string()).unwrap();
            tried += 1;
            taken += usize::from(try_out(place.path(), &what));
        }
    }
    // Inside the rotary settings.
    let inner = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 500.0, "type": "llama3", "attention_factor": null });
    for key in inner.as_object().unwrap().keys() {
        for value in awkward_json() {
            let what = format!("{family} rope_parameters.{key} = {:.100}", format!("{value:?}"));
            let mut rope = inner.as_object().unwrap().clone();
            rope.remove(key);
            rope.extend(value.map(|value| (key.clone(), value)));
            let mut config = whole.clone();
            config.insert("rope_parameters".into(), Json::Object(rope));
            std::fs::write(&path, Json::Object(config).to_string()).unwrap();
            tried += 1;
            taken += usize::from(try_out(place.path(), &what));
        }
    }
    (tried, taken)
}

#[test]
fn every_value_of_a_gguf_llama_and_of_a_qwen3_folder() {
    let (tried, taken) = every_key_of_gguf("llama");
    assert!(tried > 600 && taken > 50 && taken < tried / 2, "{taken} of {tried}");
    let (tried, taken) = every_key_of_config("qwen3");
    assert!(tried > 600 && taken > 50 && taken < tried, "{taken} of {tried}");
}

#[test]
#[ignore = "the same for every family, a minute: run by hand"]
fn every_value_of_every_family() {
    for family in ["gpt2", "llama", "qwen2", "qwen3"] {
        let began = Instant::now();
        let (gguf, config) = (every_key_of_gguf(family), every_key_of_config(family));
        eprintln!(
            "{family}: {} of {} GGUF files and {} of {} folders were networks, {:.0?}, largest allocation {} bytes",
            gguf.1,
            gguf.0,
            config.1,
            config.0,
            began.elapsed(),
            largest_allocation()
        );
    }
}
