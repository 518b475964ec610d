//! Logits equal those of transformers, for every family (fixtures made by make_tiny_models.py).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use limbeck_model::tokenizer::Tokenizer;
use limbeck_model::weights::gguf::{GgufDtype, GgufFile, GgufSource, hf_config, save_gguf_pieces};
use limbeck_model::weights::{MemoryWeights, SafetensorsSource};
use limbeck_model::{Decoder, DecoderConfig, HostTensor, NoTap, TokenBatch, WeightSource};
use safetensors::SafeTensors;

const FAMILIES: [&str; 6] = ["gpt2", "llama", "llama3", "linear", "qwen2", "qwen3"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn config(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
}

/// Token ids per row and the logits transformers computes for them, [batch, sequence, vocabulary].
fn golden(folder: &Path) -> (Vec<Vec<u32>>, Vec<f32>) {
    let bytes = std::fs::read(folder.join("golden.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let ids = file.tensor("input_ids").unwrap();
    let rows: Vec<u32> = ids.data().chunks(4).map(|id| u32::from_le_bytes(id.try_into().unwrap())).collect();
    let logits = file.tensor("logits").unwrap();
    let logits = logits.data().chunks(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect();
    (rows.chunks(ids.shape()[1]).map(<[u32]>::to_vec).collect(), logits)
}

fn largest_difference(decoder: &Decoder, folder: &Path) -> f32 {
    let (rows, expected) = golden(folder);
    let batch = TokenBatch::new(&rows, &decoder.device()).unwrap();
    let found: Vec<f32> = decoder.logits(&batch, &mut NoTap).into_data().try_to_vec().unwrap();
    assert_eq!(found.len(), expected.len());
    found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn logits_from_safetensors() {
    for family in FAMILIES {
        let folder = fixture("tiny").join(family);
        let config = DecoderConfig::from_hf_json(&config(&folder)).unwrap();
        let mut source = SafetensorsSource::open(&folder).unwrap();
        let decoder = Decoder::from_weights(&config, &mut source, &Device::flex()).unwrap();
        let difference = largest_difference(&decoder, &folder);
        assert!(difference < 1e-4, "{family}: {difference}");
        let again = DecoderConfig::from_hf_json(&config.to_hf_json()).unwrap();
        assert_eq!(again, config, "{family}");
        // What the decoder gives back is what it was made of.
        let mut given = decoder.to_hf_weights();
        for name in given.names() {
            assert_eq!(given.tensor(&name).unwrap(), source.tensor(&name).unwrap(), "{family} {name}");
        }
    }
}

/// The same network saved without its head (`LlamaModel.save_pretrained`): the names lack the part that says that there is one.
#[test]
fn logits_of_a_base_model() {
    for (family, prefix) in [("llama3", "model."), ("qwen2", "model."), ("gpt2", "transformer.")] {
        let folder = fixture("tiny").join(family);
        let config = DecoderConfig::from_hf_json(&config(&folder)).unwrap();
        let mut source = SafetensorsSource::open(&folder).unwrap();
        let mut bare = MemoryWeights::default();
        for name in source.names() {
            let tensor = source.tensor(&name).unwrap();
            bare.0.insert(name.strip_prefix(prefix).unwrap_or(&name).to_owned(), tensor);
        }
        let (decoder, notes) = Decoder::from_checkpoint(&config, &mut bare, &Device::flex()).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        let difference = largest_difference(&decoder, &folder);
        assert!(difference < 1e-4, "{family}: {difference}");
    }
}

/// The same logits after a detour through GGUF: names, transposition, rotary order, frequency factors.
#[test]
fn logits_from_gguf() {
    let tokenizer = Tokenizer::from_folder(&fixture("tokenizers/smollm")).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("model.gguf");
    for family in FAMILIES {
        let folder = fixture("tiny").join(family);
        let mut config = config(&folder);
        let mut source = SafetensorsSource::open(&folder).unwrap();
        let mut weights = MemoryWeights::default();
        // More rows of embedding, so that the tokenizer fits; the first 96 logits stay what they are.
        for name in source.names() {
            let mut tensor = source.tensor(&name).unwrap();
            if name.ends_with("embed_tokens.weight")
                || name.ends_with("wte.weight")
                || name == "lm_head.weight"
            {
                let width = tensor.shape[1];
                tensor.values.resize(400 * width, 0.0);
                tensor = HostTensor { shape: vec![400, width], ..tensor };
            }
            weights.0.insert(name, tensor);
        }
        config["vocab_size"] = 400.into();
        save_gguf_pieces(&path, &config, &mut weights, &tokenizer, GgufDtype::F32).unwrap();
        let file = GgufFile::open(&path).unwrap();
        let config = DecoderConfig::from_hf_json(&hf_config(&file).unwrap()).unwrap();
        let decoder =
            Decoder::from_weights(&config, &mut GgufSource::new(file).unwrap(), &Device::flex()).unwrap();
        let (rows, expected) = golden(&folder);
        let batch = TokenBatch::new(&rows, &decoder.device()).unwrap();
        let found: Vec<f32> = decoder.logits(&batch, &mut NoTap).into_data().try_to_vec().unwrap();
        let first = found.chunks(400).flat_map(|row| &row[..96]);
        let difference = first.zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4, "{family}: {difference}");
    }
}
