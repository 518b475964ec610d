//! What is written is read back: GGUF files with any metadata and tensors, and the error bounds of lossy types.

use std::collections::BTreeMap;
use std::path::Path;

use half::f16;
use limbeck_model::weights::gguf::{
    Array, GgufDtype, GgufFile, GgufSource, GgufWriter, StoredTensor, TensorType, Value, hf_config,
    quantise_q8_0, save_gguf_pieces,
};
use limbeck_model::weights::{FloatFormat, MappedFile, SafetensorsSource};
use limbeck_model::{Tokenizer, WeightSource};
use proptest::prelude::*;

use crate::fixture;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        (-1e30f32..1e30).prop_map(Value::F32),
        (-1e300f64..1e300).prop_map(Value::F64),
        any::<bool>().prop_map(Value::Bool),
        ".{0,20}".prop_map(Value::String),
    ]
}

fn array() -> impl Strategy<Value = Array> {
    let leaf = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Array::U8),
        prop::collection::vec(any::<i64>(), 0..9).prop_map(Array::I64),
        prop::collection::vec(any::<bool>(), 0..9).prop_map(Array::Bool),
        prop::collection::vec(-1e30f32..1e30, 0..9).prop_map(Array::F32),
        prop::collection::vec(".{0,9}", 0..9).prop_map(Array::String),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Array::Array))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![4 => scalar(), 1 => array().prop_map(Value::Array)]
}

proptest! {
    #[test]
    fn gguf_written_is_read(
        metadata in prop::collection::btree_map("[a-z]{1,8}(\\.[a-z]{1,8})?", value(), 0..8),
        tensors in prop::collection::btree_map("[a-z.]{1,12}", (1usize..4, 1usize..5, prop::sample::select(TensorType::ALL.to_vec())), 0..5),
        fill in any::<u8>(),
    ) {
        let stored: Vec<StoredTensor> = tensors
            .into_iter()
            .map(|(name, (rows, blocks, kind))| StoredTensor { name, shape: vec![rows, blocks * kind.block()], kind })
            .collect();
        let writer = GgufWriter { metadata: metadata.clone(), tensors: stored.clone() };
        let mut bytes = Vec::new();
        writer.write(&mut bytes, &mut |tensor| Ok(vec![fill; tensor.size()])).unwrap();
        let file = GgufFile::parse(MappedFile::from_bytes(Path::new("memory"), bytes)).unwrap();
        prop_assert_eq!(file.metadata(), &metadata);
        prop_assert_eq!(file.tensors().len(), stored.len());
        for tensor in stored {
            let info = &file.tensors()[&tensor.name];
            prop_assert_eq!(&info.shape, &tensor.shape);
            prop_assert_eq!(info.kind, tensor.kind);
            prop_assert!(file.raw(&tensor.name).unwrap().iter().all(|byte| *byte == fill));
            prop_assert_eq!(file.tensor(&tensor.name).unwrap().values.len(), tensor.shape.iter().product::<usize>());
        }
    }

    #[test]
    fn q8_0_is_within_half_a_step(values in prop::collection::vec(-100f32..100.0, 32 * 3)) {
        let again = TensorType::Q8_0.dequantise(&quantise_q8_0(&values));
        for (block, found) in values.chunks(32).zip(again.chunks(32)) {
            let step = block.iter().fold(0f32, |largest, value| largest.max(value.abs())) / 127.0;
            // Half a step, and 127 times the rounding of the step to half precision (2^-11, or 2^-25 below the normal range).
            let bound = step / 2.0 + 127.0 * (step * 2f32.powi(-11) + 2f32.powi(-25)) + 1e-6;
            for (a, b) in block.iter().zip(found) {
                prop_assert!((a - b).abs() <= bound, "{a} {b} {bound}");
            }
        }
    }

    #[test]
    fn halves_are_within_their_rounding(values in prop::collection::vec(-60000f32..60000.0, 1..80)) {
        let again = TensorType::F16.dequantise(&FloatFormat::F16.encode(&values));
        for (a, b) in values.iter().zip(&again) {
            prop_assert_eq!(*b, f16::from_f32(*a).to_f32());
            prop_assert!((a - b).abs() <= a.abs() * 2f32.powi(-11) + 2f32.powi(-25));
        }
        let brain = TensorType::BF16.dequantise(&FloatFormat::Bf16.encode(&values));
        prop_assert!(values.iter().zip(&brain).all(|(a, b)| (a - b).abs() <= a.abs() * 2f32.powi(-8) + 1e-38));
    }
}

/// Every family through GGUF and back: the same configuration where it counts, the same tensors in Hugging Face's layout.
#[test]
fn models_survive_gguf() {
    let tokenizer = Tokenizer::from_folder(&fixture("tokenizers/smollm")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for family in ["gpt2", "llama", "llama3", "linear", "qwen2", "qwen3"] {
        let from = fixture("tiny").join(family);
        let mut config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
        let mut source = SafetensorsSource::open(&from).unwrap();
        // The tiny models have fewer rows of embedding than the tokenizer has tokens; the metadata must not lie about that.
        let path = folder.path().join("model.gguf");
        assert!(save_gguf_pieces(&path, &config, &mut source, &tokenizer, GgufDtype::F32).is_err());
        config["vocab_size"] = 400.into();
        for (dtype, tolerance) in [(GgufDtype::F32, 0.0), (GgufDtype::F16, 1e-3), (GgufDtype::Q8_0, 2e-2)] {
            save_gguf_pieces(&path, &config, &mut source, &tokenizer, dtype).unwrap();
            let file = GgufFile::open(&path).unwrap();
            let again = hf_config(&file).unwrap();
            for key in [
                "model_type",
                "num_attention_heads",
                "num_key_value_heads",
                "head_dim",
                "tie_word_embeddings",
                "n_head",
                "rms_norm_eps",
                "layer_norm_epsilon",
                "max_position_embeddings",
            ] {
                let lost = config.get(key).is_some() && config[key] != again[key];
                assert!(!lost, "{family} {key}: {:?} {:?}", config[key], again.get(key));
            }
            if family == "llama3" {
                let (a, b) = (&config["rope_parameters"], &again["rope_scaling"]);
                assert_eq!(again["rope_theta"], a["rope_theta"]);
                assert_eq!(a["factor"], b["factor"]);
                assert_eq!(b["rope_type"], "llama3");
            }
            if family == "linear" {
                assert_eq!(
                    again["rope_scaling"],
                    serde_json::json!({ "rope_type": "linear", "factor": 2.5 })
                );
            }
            let mut gguf = GgufSource::new(file).unwrap();
            assert_eq!(gguf.names(), source.names(), "{family}");
            for name in source.names() {
                let (a, b) = (source.tensor(&name).unwrap(), gguf.tensor(&name).unwrap());
                assert_eq!(a.shape, b.shape, "{name}");
                assert_eq!(gguf.shape(&name).unwrap(), b.shape);
                let worst = a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
                let largest = a.values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                assert!(worst <= tolerance * largest, "{family} {name}: {worst}");
            }
        }
    }
    let _: BTreeMap<String, Value> = tokenizer.gguf_metadata(400).unwrap();
}
