//! Weights from files: values against other readers' values, names and layouts, files written and read again.

use limbeck_model::weights::gguf::{Array, GgufFile, GgufSource, TensorType, Value, hf_config};
use limbeck_model::weights::{FloatFormat, MappedFile, SafetensorsSource, write_safetensors};
use limbeck_model::{HostTensor, WeightSource, WeightsError};

use crate::{fixture, shared};

#[test]
fn every_tensor_type_gives_the_values_of_the_reference() {
    let file = GgufFile::open(&fixture("gguf_blocks.gguf")).unwrap();
    for kind in TensorType::ALL {
        let name = format!("{kind:?}");
        assert_eq!(file.tensors()[&name].kind, kind);
        let (found, expected) =
            (file.tensor(&name).unwrap(), file.tensor(&format!("{name}.expected")).unwrap());
        assert_eq!(found.shape, expected.shape, "{name}");
        for (index, (a, b)) in found.values.iter().zip(&expected.values).enumerate() {
            assert_eq!(a.to_bits(), b.to_bits(), "{name}[{index}]: {a} against {b}");
        }
    }
}

#[test]
fn every_metadata_type_is_read() {
    let file = GgufFile::open(&fixture("gguf_blocks.gguf")).unwrap();
    let expected = [
        ("u8", Value::U8(200)),
        ("i8", Value::I8(-5)),
        ("u16", Value::U16(60000)),
        ("i16", Value::I16(-30000)),
        ("u32", Value::U32(4_000_000_000)),
        ("i32", Value::I32(-2_000_000_000)),
        ("u64", Value::U64(1 << 63)),
        ("i64", Value::I64(-(1 << 62))),
        ("f32", Value::F32(1.5)),
        ("f64", Value::F64(0.1)),
        ("bool", Value::Bool(true)),
        ("string", Value::String("a string: é".into())),
        ("strings", Value::Array(Array::String(vec!["one".into(), "two".into(), String::new()]))),
        ("integers", Value::Array(Array::I32(vec![1, -2, 3]))),
        ("floats", Value::Array(Array::F32(vec![0.5, -0.25]))),
    ];
    for (key, value) in expected {
        assert_eq!(file.metadata()[&format!("test.{key}")], value, "{key}");
    }
}

#[test]
fn sharded_and_single_safetensors_list_the_family_names() {
    let llama = SafetensorsSource::open(&fixture("tiny/llama")).unwrap();
    assert!(llama.files().len() > 1);
    assert_eq!(llama.names().len(), 3 + 2 * 9);
    let mut gpt2 = SafetensorsSource::open(&fixture("tiny/gpt2")).unwrap();
    assert!(gpt2.names().contains(&"h.0.attn.c_attn.weight".to_owned()));
    assert_eq!(gpt2.tensor("h.0.attn.c_attn.weight").unwrap().shape, [32, 96]);
    assert!(matches!(gpt2.tensor("nothing"), Err(WeightsError::MissingTensor { .. })));
}

#[test]
fn safetensors_written_are_read_again() {
    let mut source = SafetensorsSource::open(&fixture("tiny/qwen3")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (format, tolerance) in [(FloatFormat::F32, 0.0), (FloatFormat::F16, 1e-3), (FloatFormat::Bf16, 1e-2)]
    {
        let path = folder.path().join("model.safetensors");
        write_safetensors(&path, &mut source, format, &str::to_owned).unwrap();
        let mut again = SafetensorsSource::open(folder.path()).unwrap();
        assert_eq!(again.names(), source.names());
        for name in source.names() {
            let (a, b) = (source.tensor(&name).unwrap(), again.tensor(&name).unwrap());
            assert_eq!(a.shape, b.shape);
            assert!(
                a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() <= tolerance * a.abs().max(0.01)),
                "{name}"
            );
        }
    }
}

#[test]
fn an_index_may_not_lead_out_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index, r#"{"weight_map": {"a": "../b.safetensors"}}"#).unwrap();
    assert!(matches!(SafetensorsSource::open(folder.path()), Err(WeightsError::JsonValue { .. })));
    std::fs::write(&index, "[").unwrap();
    assert!(matches!(SafetensorsSource::open(folder.path()), Err(WeightsError::Json { .. })));
}

#[test]
fn version_1_files_are_read() {
    let Some(path) = shared("models/stories260k-f32.gguf") else {
        return;
    };
    let file = GgufFile::open(&path).unwrap();
    assert_eq!(file.version(), 1);
    let config = hf_config(&file).unwrap();
    assert_eq!(config["model_type"], "llama");
    assert_eq!(config["hidden_size"], 64);
    assert_eq!(config["num_key_value_heads"], 4);
    assert_eq!(config["vocab_size"], 512);
    assert_eq!(config["tie_word_embeddings"], true, "the file holds a copy of the embedding as its head");
    let mut source = GgufSource::new(file).unwrap();
    let norm = source.tensor("model.norm.weight").unwrap();
    assert_eq!(norm.shape, [64]);
    assert!(norm.values.iter().all(|value| value.is_finite() && value.abs() < 100.0));
}

#[test]
fn a_transposed_matrix() {
    let tensor = HostTensor::new("t", vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    assert_eq!(tensor.transposed().values, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert!(matches!(HostTensor::new("t", vec![2], vec![]), Err(WeightsError::ShapeMismatch { .. })));
}

fn header_only(header: &str) -> Result<SafetensorsSource, WeightsError> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend([0; 8]);
    SafetensorsSource::from_files(vec![MappedFile::from_bytes(std::path::Path::new("h.safetensors"), bytes)])
}

#[test]
fn headers_are_read_as_written_or_refused_by_tensor() {
    let entry = r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    assert_eq!(header_only(&format!(r#"{{"a":{entry}}}"#)).unwrap().names(), ["a"]);
    for (header, words) in [
        (format!(r#"{{"a":{entry},"a":{entry}}}"#), "tensor a occurs twice"),
        (r#"{"a":{"dtype":"F32","shape":[1,-2],"data_offsets":[0,8]}}"#.to_owned(), "tensor a"),
        (r#"{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}"#.to_owned(), "tensor a"),
        (
            r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#.to_owned(),
            "overflows",
        ),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#.to_owned(), "tensor a: bytes 8..0"),
        (r#"{"a":{"dtype":"I4","shape":[2],"data_offsets":[0,8]}}"#.to_owned(), "unknown type I4"),
        (format!(r#"{{"__metadata__":{{"a":1}},"a":{entry}}}"#), "__metadata__"),
        ("[]".to_owned(), "a JSON object of tensors"),
    ] {
        let error = header_only(&header).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("h.safetensors"), "{header}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_folders_are_no_weights() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("model.gguf");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), std::path::Path::new("/dev/zero"), place.path()] {
        assert!(matches!(MappedFile::open(path), Err(WeightsError::NotAFile { .. })), "{}", path.display());
    }
    assert!(GgufFile::open(&pipe).is_err());
}
