//! Weights and networks that a file cannot hold, or that no network can be made of: refused by tensor, before anything stands.

use limbeck_model::config::Position;
use limbeck_model::weights::gguf::{GgufDtype, GgufSource, check_gguf, hf_config};
use limbeck_model::weights::{FloatFormat, MemoryWeights};
use limbeck_model::{
    Activation, Decoder, DecoderConfig, HostTensor, Lineage, Llama3Scaling, ModelError, RopeScaling,
    WeightSource, WeightsError, load_model, save_folder_pieces, save_gguf,
};

use crate::flex;
use crate::made::{
    bytes_of, change_config, config, decoder, folder, gguf_of, in_memory, put_weights, shape, tokenizer,
};

/// A decoder with one value changed.
fn with_value(family: &str, tensor: &str, at: usize, value: f32) -> MemoryWeights {
    let mut weights = decoder(family).to_hf_weights();
    weights.0.get_mut(tensor).unwrap().values[at] = value;
    weights
}

fn from(config: &DecoderConfig, weights: &MemoryWeights) -> Decoder {
    Decoder::from_weights(config, &mut weights.clone(), &flex()).unwrap()
}

#[test]
fn networks_that_gguf_cannot_say_are_refused_before_writing() {
    let scaling = Llama3Scaling {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_positions: 16,
    };
    let llama3 = Position::Rotary { theta: 1e4, scaling: Some(RopeScaling::Llama3(scaling)) };
    let linear = Position::Rotary { theta: 1e4, scaling: Some(RopeScaling::Linear { factor: 4.0 }) };
    let with = |family: &str, change: &dyn Fn(&mut DecoderConfig)| {
        let mut config = shape(family);
        change(&mut config);
        config
    };
    let activation = |wanted: Activation| move |config: &mut DecoderConfig| config.activation = wanted;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    for (config, key) in [
        (with("llama", &activation(Activation::Relu)), "hidden_act is relu"),
        (with("llama", &activation(Activation::Gelu)), "hidden_act is gelu"),
        (with("llama", &activation(Activation::GeluTanh)), "hidden_act is gelu_new"),
        (with("qwen2", &activation(Activation::Relu)), "hidden_act"),
        (with("qwen3", &activation(Activation::Gelu)), "hidden_act"),
        (with("gpt2", &activation(Activation::Silu)), "activation_function is silu"),
        (with("gpt2", &activation(Activation::Gelu)), "activation_function is gelu"),
        (with("gpt2", &activation(Activation::Relu)), "activation_function is relu"),
        (with("qwen3", &|config| (config.qkv_bias, config.out_bias) = (true, true)), "attention_bias"),
        (with("qwen2", &|config| config.position = llama3), "rope_parameters.rope_type"),
        (with("qwen3", &|config| config.position = llama3), "rope_parameters.rope_type"),
        (
            with("llama", &|config| config.position = Position::Rotary { theta: 1e39, scaling: None }),
            "rope.freq_base",
        ),
    ] {
        let error = check_gguf(&config, &tokenizer()).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
        let Ok(network) = Decoder::init(&config, 1, &flex()) else { panic!("{config:?}") };
        assert!(save_gguf(&path, &network, &tokenizer(), GgufDtype::F32).is_err());
        assert!(!path.exists());
    }
    for config in [
        with("llama", &|config| (config.qkv_bias, config.out_bias, config.mlp_bias) = (true, true, true)),
        with("llama", &|config| config.position = llama3),
        with("llama", &|config| config.position = linear),
        with("qwen2", &|config| config.position = linear),
        with("qwen3", &|config| config.position = linear),
        with("llama", &|config| config.d_head = 16),
        shape("gpt2"),
        shape("qwen2"),
        shape("qwen3"),
    ] {
        let network = Decoder::init(&config, 1, &flex()).unwrap();
        save_gguf(&path, &network, &tokenizer(), GgufDtype::F32).unwrap();
        let again = load_model(&path, &flex()).unwrap();
        assert_eq!(again.decoder.config(), &config);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn values_that_the_number_format_cannot_hold_are_refused_by_tensor() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    let up = "model.layers.1.mlp.up_proj.weight";
    for (value, dtype, refused) in [
        (65504.0, GgufDtype::F16, false),
        (65519.0, GgufDtype::F16, false),
        (65520.0, GgufDtype::F16, true),
        (-1e5, GgufDtype::F16, true),
        (1e5, GgufDtype::Q8_0, false),
        (8.3e6, GgufDtype::Q8_0, false),
        (1e8, GgufDtype::Q8_0, true),
        (-3e38, GgufDtype::Q8_0, true),
        (3e38, GgufDtype::F32, false),
    ] {
        let network = from(&shape("llama"), &with_value("llama", up, 5, value));
        let done = save_gguf(&path, &network, &tokenizer(), dtype);
        assert_eq!(done.is_err(), refused, "{value} {dtype:?}");
        if let Err(error) = done {
            let text = error.to_string();
            assert!(matches!(error, ModelError::Weights(WeightsError::NotHeld { .. })), "{text}");
            assert!(text.contains("blk.1.ffn_up.weight") && text.contains("f32 would hold it"), "{text}");
            assert!(!path.exists());
        } else {
            let again = load_model(&path, &flex()).unwrap();
            assert!(again.decoder.to_hf_weights().tensor(up).unwrap().values[5].is_finite());
            std::fs::remove_file(&path).unwrap();
        }
    }
    let out = place.path().join("hf");
    for (value, format, refused) in [
        (1e5, FloatFormat::F16, true),
        (1e5, FloatFormat::Bf16, false),
        (f32::MAX, FloatFormat::Bf16, true),
        (f32::MAX, FloatFormat::F32, false),
        (f32::NAN, FloatFormat::F32, true),
    ] {
        let mut weights = with_value("llama", up, 5, value);
        let done = save_folder_pieces(
            &out,
            &config("llama"),
            &mut weights,
            &tokenizer(),
            &Lineage::default(),
            format,
        );
        assert_eq!(done.is_err(), refused, "{value} {format:?}");
        if let Err(error) = done {
            assert!(error.to_string().contains(up), "{error}");
        }
    }
    // A matrix whose values all vanish is no longer that matrix.
    let mut weights = decoder("llama").to_hf_weights();
    weights.0.get_mut(up).unwrap().values.fill(1e-9);
    let network = from(&shape("llama"), &weights);
    let error = save_gguf(&path, &network, &tokenizer(), GgufDtype::F16).unwrap_err().to_string();
    assert!(error.contains("too small"), "{error}");
}

#[test]
fn weights_that_are_not_finite_are_refused_at_loading() {
    for (family, tensor) in [
        ("llama", "model.layers.1.mlp.up_proj.weight"),
        ("llama", "model.norm.weight"),
        ("llama", "lm_head.weight"),
        ("gpt2", "h.1.attn.c_attn.bias"),
        ("gpt2", "wpe.weight"),
        ("qwen3", "model.layers.0.self_attn.k_norm.weight"),
    ] {
        let folder = folder(family);
        let path = folder.path().join("model.safetensors");
        let name = if family == "gpt2" { format!("transformer.{tensor}") } else { tensor.to_owned() };
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            poison_safetensors(&path, &name, 3, value);
            let error = load_model(folder.path(), &flex()).err().unwrap();
            assert!(
                matches!(&error, ModelError::Weights(WeightsError::NotFinite { index: 3, .. })),
                "{error}"
            );
            let text = error.to_string();
            assert!(text.contains(tensor) && text.contains("model.safetensors"), "{text}");
        }
    }
}

/// Every type that can hold an infinity or NaN, in both kinds of file.
#[test]
fn weights_of_every_type_are_looked_at() {
    let bits = |dtype: &str, infinite: bool| -> Vec<u8> {
        match (dtype, infinite) {
            ("F16", true) => vec![0x00, 0x7c],
            ("F16", false) => vec![0x01, 0x7c],
            ("BF16", true) => vec![0x80, 0xff],
            ("BF16", false) => vec![0xc0, 0x7f],
            ("F64", true) => f64::INFINITY.to_le_bytes().to_vec(),
            // Finite, and infinite in the 32 bits that this program computes with.
            _ => 1e300f64.to_le_bytes().to_vec(),
        }
    };
    for dtype in ["F16", "BF16", "F64"] {
        for infinite in [true, false] {
            let value = bits(dtype, infinite);
            let header = serde_json::json!({
                "t": { "dtype": dtype, "shape": [1], "data_offsets": [0, value.len()] }
            });
            let mut bytes = (header.to_string().len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.to_string().bytes());
            bytes.extend(value);
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("t.safetensors");
            std::fs::write(&path, bytes).unwrap();
            let mut source = limbeck_model::weights::SafetensorsSource::open(&path).unwrap();
            let error = source.tensor("t").unwrap_err().to_string();
            assert!(error.contains("tensor t holds") && error.contains("t.safetensors"), "{error}");
        }
    }
    for dtype in [GgufDtype::F32, GgufDtype::F16, GgufDtype::Q8_0] {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model.gguf");
        save_gguf(&path, &decoder("llama"), &tokenizer(), dtype).unwrap();
        let file = in_memory(std::fs::read(&path).unwrap());
        let start = file.tensors()["blk.1.ffn_down.weight"].range.start;
        let mut bytes = std::fs::read(&path).unwrap();
        // NaN in the first number: of a block its scale.
        let nan: &[u8] = if dtype == GgufDtype::F32 { &[0, 0, 0xc0, 0x7f] } else { &[0, 0x7e] };
        bytes[start..start + nan.len()].copy_from_slice(nan);
        std::fs::write(&path, bytes).unwrap();
        let error = load_model(&path, &flex()).err().unwrap().to_string();
        assert!(error.contains("blk.1.ffn_down.weight") && error.contains("model.gguf"), "{error}");
    }
}

fn poison_safetensors(path: &std::path::Path, name: &str, at: usize, value: f32) {
    let mut bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let start = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
    let at = 8 + length + start + 4 * at;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_head_stored_beside_a_tie_flag_is_used() {
    for family in ["llama", "gpt2", "qwen2"] {
        let tied = DecoderConfig { tied: true, ..shape(family) };
        let network = Decoder::init(&tied, 5, &flex()).unwrap();
        let embedding = if family == "gpt2" { "wte.weight" } else { "model.embed_tokens.weight" };
        let weights = network.to_hf_weights();
        let embed = weights.0[embedding].clone();
        let other = HostTensor {
            shape: embed.shape.clone(),
            values: embed.values.iter().map(|value| 0.1 - 0.5 * value).collect(),
        };
        // Other values: the stored head is used, and said.
        let mut both = weights.clone();
        both.0.insert("lm_head.weight".into(), other.clone());
        let (found, notes) = Decoder::from_checkpoint(&tied, &mut both, &flex()).unwrap();
        assert!(!found.config().tied, "{family}");
        assert_eq!(found.to_hf_weights().0["lm_head.weight"], other);
        assert!(notes.len() == 1 && notes[0].contains("tie_word_embeddings"), "{notes:?}");
        // The same values: tied as the configuration says.
        let mut same = weights.clone();
        same.0.insert("lm_head.weight".into(), embed.clone());
        let (found, notes) = Decoder::from_checkpoint(&tied, &mut same, &flex()).unwrap();
        assert!(found.config().tied && notes.is_empty(), "{notes:?}");
        // The head alone, as `save_model` leaves it.
        let mut alone = weights.clone();
        alone.0.remove(embedding);
        alone.0.insert("lm_head.weight".into(), embed.clone());
        let (found, _) = Decoder::from_checkpoint(&tied, &mut alone, &flex()).unwrap();
        assert_eq!(found.to_hf_weights(), weights);
        // Not tied, and no head.
        let untied = DecoderConfig { tied: false, ..tied.clone() };
        let error = Decoder::from_weights(&untied, &mut weights.clone(), &flex()).unwrap_err();
        assert!(error.to_string().contains("lm_head.weight"), "{error}");
    }
}

/// Files of `LlamaModel.save_pretrained` and its like: no head, and no `model.` before the names.
#[test]
fn a_base_model_is_read_when_its_head_is_the_embedding() {
    for family in ["llama", "qwen2", "qwen3", "gpt2"] {
        let place = folder(family);
        let tied = DecoderConfig { tied: true, ..shape(family) };
        let weights = Decoder::init(&tied, 5, &flex()).unwrap().to_hf_weights();
        let without = |name: &str| name.strip_prefix("model.").unwrap_or(name).to_owned();
        let mut bare = MemoryWeights::default();
        bare.0.extend(weights.0.iter().map(|(name, tensor)| (without(name), tensor.clone())));
        put_weights(place.path(), &bare);
        let said = |tied: Option<bool>| {
            change_config(place.path(), |config| {
                config.as_object_mut().unwrap().remove("tie_word_embeddings");
                config
                    .as_object_mut()
                    .unwrap()
                    .extend(tied.map(|tied| ("tie_word_embeddings".into(), tied.into())));
            });
        };
        said(Some(true));
        let loaded = load_model(place.path(), &flex()).unwrap();
        assert_eq!(loaded.decoder.to_hf_weights(), weights, "{family}");
        assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
        // Silence means not tied, save for GPT-2, as in transformers.
        said(None);
        assert_eq!(load_model(place.path(), &flex()).is_ok(), family == "gpt2", "{family}");
        said(Some(false));
        let error = load_model(place.path(), &flex()).err().unwrap();
        assert!(matches!(&error, ModelError::NoHead { bare, .. } if *bare == (family != "gpt2")), "{error}");
        let error = error.to_string();
        for part in ["model.safetensors", "lm_head.weight", "tie_word_embeddings"] {
            assert!(error.contains(part), "{family}: {error}");
        }
        // With a head beside it nothing is missing.
        let mut headed = bare.clone();
        let embedding = if family == "gpt2" { "wte.weight" } else { "embed_tokens.weight" };
        headed.0.insert("lm_head.weight".into(), bare.0[embedding].clone());
        put_weights(place.path(), &headed);
        assert!(!load_model(place.path(), &flex()).unwrap().decoder.config().tied);
        // A tensor that is missing is missed under the file's own names; one too many is refused.
        said(Some(true));
        let up = if family == "gpt2" { "h.1.mlp.c_fc.weight" } else { "layers.1.mlp.up_proj.weight" };
        let mut less = bare.clone();
        less.0.remove(up);
        put_weights(place.path(), &less);
        let error = load_model(place.path(), &flex()).err().unwrap().to_string();
        assert!(error.contains(&format!(" {up}")), "{error}");
        let extra = if family == "gpt2" { "h.2.ln_1.weight" } else { "layers.2.input_layernorm.weight" };
        let mut more = bare.clone();
        more.0.insert(extra.into(), HostTensor { shape: vec![32], values: vec![1.0; 32] });
        put_weights(place.path(), &more);
        let error = load_model(place.path(), &flex()).err().unwrap().to_string();
        assert!(error.contains(&format!(" {extra}")), "{error}");
    }
    // Both names in one file are two networks.
    let place = folder("llama");
    let mut both = decoder("llama").to_hf_weights();
    both.0.insert("norm.weight".into(), both.0["model.norm.weight"].clone());
    put_weights(place.path(), &both);
    let error = load_model(place.path(), &flex()).err().unwrap().to_string();
    assert!(error.contains("tensor norm.weight has no place"), "{error}");
}

/// safetensors' `save_model` writes one of several names for the same memory, and the others into `__metadata__`.
#[test]
fn names_that_save_model_left_out_are_found() {
    let header = r#"{"__metadata__":{"b":"a","format":"pt","c":"nothing"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend([1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()));
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("m.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let mut source = limbeck_model::weights::SafetensorsSource::open(&path).unwrap();
    assert_eq!(source.names(), ["a", "b"]);
    assert_eq!(source.tensor("b").unwrap().values, [1.0, 2.0]);
}

#[test]
fn tensors_without_a_place_are_refused_by_name_or_said() {
    let place = folder("llama");
    let weights = decoder("llama").to_hf_weights();
    let tensor = |length: usize| HostTensor { shape: vec![length], values: vec![1.0; length] };
    for extra in [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.2.input_layernorm.weight",
        "model.layers.0.mlp.up_proj.lora_A.weight",
        "lm_head.bias",
    ] {
        let mut more = weights.clone();
        more.0.insert(extra.into(), tensor(32));
        put_weights(place.path(), &more);
        let error = load_model(place.path(), &flex()).err().unwrap().to_string();
        assert!(error.contains(extra) && error.contains("model.safetensors"), "{error}");
    }
    let mut more = weights.clone();
    more.0.insert("v_head.summary.weight".into(), tensor(32));
    put_weights(place.path(), &more);
    let loaded = load_model(place.path(), &flex()).unwrap();
    assert!(loaded.notes.iter().any(|note| note.contains("v_head.summary.weight")), "{:?}", loaded.notes);
    put_weights(place.path(), &weights);
    assert!(load_model(place.path(), &flex()).unwrap().notes.is_empty());
}

#[test]
fn tensors_of_a_gguf_without_a_place_are_refused_by_name() {
    for (family, extra, shape) in [
        ("qwen3", "blk.0.attn_q.bias", vec![32]),
        ("qwen2", "blk.1.ffn_up.bias", vec![32]),
        ("llama", "blk.0.attn_q.bias", vec![32]),
        ("llama", "blk.0.attn_q_norm.weight", vec![8]),
        ("llama", "blk.0.attn_rot_embd.weight", vec![4]),
        ("llama", "blk.2.attn_norm.weight", vec![32]),
        ("llama", "rope_factors_long.weight", vec![4]),
        ("llama", "blk.0.attn_q.scale", vec![1]),
        ("gpt2", "output.bias", vec![400]),
    ] {
        let file = gguf_of(family);
        let bytes = bytes_of(&file, file.metadata().clone(), |_| true, &[(extra, shape)]);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        let error = load_model(&path, &flex()).err().unwrap().to_string();
        assert!(error.contains(extra) && error.contains("model.gguf"), "{family} {extra}: {error}");
    }
    // Factors that change nothing are read; others of no known rule are refused.
    let file = gguf_of("llama");
    let zeros =
        in_memory(bytes_of(&file, file.metadata().clone(), |_| true, &[("rope_freqs.weight", vec![4])]));
    assert!(hf_config(&zeros).is_err());
    assert!(GgufSource::new(file).is_ok());
}
