//! Small models made for a test: decoders with fresh weights, as a folder, as a GGUF file, and both changed.

use std::collections::BTreeMap;
use std::path::Path;

use limbeck_model::weights::gguf::{
    GgufDtype, GgufFile, GgufWriter, StoredTensor, TensorType, Value, check_gguf,
};
use limbeck_model::weights::{FloatFormat, MappedFile, MemoryWeights, write_safetensors};
use limbeck_model::{Decoder, DecoderConfig, Family, Lineage, Sizes, Tokenizer, save_gguf, save_hf_folder};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{fixture, flex};

/// A decoder of the family, with as many rows of embedding as the tokenizer has tokens.
pub(crate) fn shape(family: &str) -> DecoderConfig {
    let sizes = Sizes {
        vocab_size: 400,
        d_model: 32,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 32,
        max_positions: 64,
    };
    let llama = DecoderConfig { tied: false, ..DecoderConfig::llama(sizes) };
    match family {
        "gpt2" => DecoderConfig::gpt2(sizes),
        "qwen2" => DecoderConfig { family: Family::Qwen2, qkv_bias: true, ..llama },
        "qwen3" => DecoderConfig { family: Family::Qwen3, qk_norm: true, ..llama },
        _ => llama,
    }
}

pub(crate) fn decoder(family: &str) -> Decoder {
    Decoder::init(&shape(family), 3, &flex()).unwrap()
}

pub(crate) fn tokenizer() -> Tokenizer {
    Tokenizer::from_folder(&fixture("tokenizers/smollm")).unwrap()
}

pub(crate) fn config(family: &str) -> Json {
    shape(family).to_hf_json()
}

/// A folder as a student is saved.
pub(crate) fn folder(family: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model");
    save_hf_folder(&path, &decoder(family), &tokenizer(), &Lineage::default()).unwrap();
    for file in std::fs::read_dir(&path).unwrap() {
        let file = file.unwrap();
        std::fs::rename(file.path(), place.path().join(file.file_name())).unwrap();
    }
    place
}

pub(crate) fn change_config(folder: &Path, change: impl FnOnce(&mut Json)) {
    let path = folder.join("config.json");
    let mut config: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&path, config.to_string()).unwrap();
}

/// Writes other weights into a folder.
pub(crate) fn put_weights(folder: &Path, weights: &MemoryWeights) {
    let path = folder.join("model.safetensors");
    write_safetensors(&path, &mut weights.clone(), FloatFormat::F32, &str::to_owned).unwrap();
}

pub(crate) fn gguf_of(family: &str) -> GgufFile {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    check_gguf(&shape(family), &tokenizer()).unwrap();
    save_gguf(&path, &decoder(family), &tokenizer(), GgufDtype::F32).unwrap();
    in_memory(std::fs::read(path).unwrap())
}

pub(crate) fn in_memory(bytes: Vec<u8>) -> GgufFile {
    GgufFile::parse(MappedFile::from_bytes(Path::new("memory.gguf"), bytes)).unwrap()
}

/// The bytes of a file with this metadata and those of `file`'s tensors that `keep` wants, and further ones of zeros.
pub(crate) fn bytes_of(
    file: &GgufFile,
    metadata: BTreeMap<String, Value>,
    keep: impl Fn(&str) -> bool,
    further: &[(&str, Vec<usize>)],
) -> Vec<u8> {
    let mut tensors: Vec<StoredTensor> = file
        .tensors()
        .iter()
        .filter(|(name, _)| keep(name))
        .map(|(name, info)| StoredTensor { name: name.clone(), shape: info.shape.clone(), kind: info.kind })
        .collect();
    tensors.extend(further.iter().map(|(name, shape)| StoredTensor {
        name: (*name).to_owned(),
        shape: shape.clone(),
        kind: TensorType::F32,
    }));
    let mut bytes = Vec::new();
    let writer = GgufWriter { metadata, tensors };
    writer
        .write(&mut bytes, &mut |tensor| {
            Ok(file.raw(&tensor.name).map_or_else(|_| vec![0; tensor.size()], <[u8]>::to_vec))
        })
        .unwrap();
    bytes
}

/// The same file with other metadata.
pub(crate) fn rewritten(file: &GgufFile, change: impl FnOnce(&mut BTreeMap<String, Value>)) -> GgufFile {
    let mut metadata = file.metadata().clone();
    change(&mut metadata);
    in_memory(bytes_of(file, metadata, |_| true, &[]))
}
