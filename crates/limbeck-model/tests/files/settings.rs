//! Settings of a network in the places where files put them: used as the references use them, or refused by key.

use limbeck_model::config::{Llama3Scaling, Position, RopeScaling};
use limbeck_model::weights::gguf::{GgufDtype, GgufFile, Value, hf_config};
use limbeck_model::{Decoder, DecoderConfig, load_model, save_gguf};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::made::{self, change_config, gguf_of, rewritten};
use crate::{fixture, flex};

#[derive(Deserialize)]
struct Golden {
    base: Json,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model_type: String,
    piece: Json,
    transformers: Option<Computed>,
}

#[derive(Deserialize)]
struct Computed {
    theta: f64,
    r#type: String,
    frequencies: Vec<f64>,
}

/// The frequencies of the rotation, as the papers write them.
fn frequencies(theta: f64, scaling: Option<RopeScaling>, d_head: usize) -> Vec<f64> {
    let plain = (0..d_head / 2).map(|pair| theta.powf(-2.0 * pair as f64 / d_head as f64));
    let s = match scaling {
        None => return plain.collect(),
        Some(RopeScaling::Linear { factor }) => return plain.map(|frequency| frequency / factor).collect(),
        Some(RopeScaling::Llama3(s)) => s,
    };
    let original = s.original_max_positions as f64;
    let scaled = plain.map(|frequency| {
        let turns = original * frequency / std::f64::consts::TAU;
        let kept = ((turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor)).clamp(0.0, 1.0);
        kept * frequency + (1.0 - kept) * frequency / s.factor
    });
    scaled.collect()
}

#[test]
fn rotary_settings_are_those_of_transformers_or_refused_by_key() {
    let golden: Golden =
        serde_json::from_slice(&std::fs::read(fixture("rope_settings.json")).unwrap()).unwrap();
    let mut taken = 0;
    for Case { model_type, piece, transformers } in golden.cases {
        let mut config = golden.base.clone();
        config["model_type"] = model_type.as_str().into();
        config.as_object_mut().unwrap().extend(piece.as_object().unwrap().clone());
        match (DecoderConfig::from_hf_json(&config), transformers) {
            (Ok(network), Some(theirs)) => {
                let Position::Rotary { theta, scaling } = network.position else { panic!("{network:?}") };
                assert_eq!(theta, theirs.theta, "{model_type} {piece}");
                match scaling {
                    // A linear scaling by 1 is none.
                    None => assert_ne!(theirs.r#type, "llama3", "{piece}"),
                    Some(RopeScaling::Linear { .. }) => assert_eq!(theirs.r#type, "linear", "{piece}"),
                    Some(RopeScaling::Llama3(_)) => assert_eq!(theirs.r#type, "llama3", "{piece}"),
                }
                for (a, b) in frequencies(theta, scaling, 8).iter().zip(&theirs.frequencies) {
                    assert!((a - b).abs() < 1e-6 * b.abs(), "{model_type} {piece}: {a} {b}");
                }
                let again = DecoderConfig::from_hf_json(&network.to_hf_json()).unwrap();
                assert_eq!(again, network, "{model_type} {piece}");
                taken += 1;
            }
            (Ok(found), _) => panic!("{model_type} {piece}: {found:?}"),
            (Err(error), theirs) => {
                let text = error.to_string();
                assert!(text.contains("`rope_") || text.contains("`partial_rotary_factor`"), "{text}");
                let plain =
                    theirs.is_some_and(|theirs| ["default", "linear", "llama3"].contains(&&*theirs.r#type));
                let said = ["factor", "full_attention"].iter().any(|word| text.contains(word));
                assert!(!plain || said, "{model_type} {piece}: {text}");
            }
        }
    }
    assert_eq!(taken, 2 * 28);
}

#[test]
fn settings_that_are_not_computed_are_refused_by_key() {
    let base = made::config("llama");
    for (piece, key) in [
        (json!({ "logits_scaling": 8.0 }), "logits_scaling"),
        (json!({ "residual_multiplier": 0.5 }), "residual_multiplier"),
        (json!({ "final_logit_softcapping": 30.0 }), "final_logit_softcapping"),
        (json!({ "num_local_experts": 8 }), "num_local_experts"),
        (json!({ "rope_interleaved": true }), "rope_interleaved"),
        (json!({ "no_rope_layers": [1, 0] }), "no_rope_layers"),
        (json!({ "layer_types": ["full_attention", "sliding_attention"] }), "layer_types"),
        (json!({ "use_sliding_window": true, "max_window_layers": 1 }), "use_sliding_window"),
        (json!({ "hidden_act": "relu2" }), "hidden_act"),
        (json!({ "vocab_size": 1_000_000_000_000_u64 }), "vocab_size"),
        (json!({ "rope_parameters": { "mrope_section": [1, 2, 1] } }), "rope_parameters.mrope_section"),
        (
            json!({ "rope_scaling": { "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4 } }),
            "rope_scaling.high_freq_factor",
        ),
        (json!({ "rope_theta": 1e300 }), "rope_theta"),
        (json!({ "rope_scaling": { "type": "linear" } }), "rope_scaling.factor"),
        (json!({ "rope_scaling": { "type": "linear", "factor": 0 } }), "rope_scaling.factor"),
        (json!({ "rope_scaling": { "type": "linear", "factor": -4.0 } }), "rope_scaling.factor"),
        (json!({ "rope_scaling": { "type": "linear", "factor": 1e300 } }), "rope_scaling.factor"),
        (
            json!({ "rope_scaling": { "type": "linear", "factor": 4.0, "low_freq_factor": 1.0 } }),
            "rope_scaling.low_freq_factor",
        ),
        (json!({ "rope_parameters": { "rope_type": "yarn", "factor": 4.0 } }), "rope_parameters.rope_type"),
    ] {
        let mut config = base.clone();
        config.as_object_mut().unwrap().remove("rope_parameters");
        config.as_object_mut().unwrap().extend(piece.as_object().unwrap().clone());
        let error = DecoderConfig::from_hf_json(&config).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`")), "{piece}: {error}");
    }
    for piece in [
        json!({ "logits_scaling": 1.0, "rope_interleaved": false, "num_local_experts": 0 }),
        json!({ "sliding_window": 4 }),
        json!({ "use_sliding_window": true, "max_window_layers": 28 }),
        json!({ "partial_rotary_factor": 1.0 }),
    ] {
        let mut config = base.clone();
        config.as_object_mut().unwrap().extend(piece.as_object().unwrap().clone());
        assert_eq!(
            DecoderConfig::from_hf_json(&config).unwrap(),
            DecoderConfig::from_hf_json(&base).unwrap(),
            "{piece}"
        );
    }
    let qwen = json!({ "model_type": "qwen2", "mlp_bias": true });
    let mut config = base;
    config.as_object_mut().unwrap().extend(qwen.as_object().unwrap().clone());
    assert!(DecoderConfig::from_hf_json(&config).unwrap_err().to_string().contains("`mlp_bias`"));
}

#[test]
fn an_error_of_a_configuration_names_its_file() {
    let folder = made::folder("llama");
    change_config(folder.path(), |config| config["rope_theta"] = "ten".into());
    let error = load_model(folder.path(), &flex()).err().unwrap().to_string();
    assert!(error.contains("config.json") && error.contains("`rope_theta`"), "{error}");
}

/// Keys that change the rotation or the network, and those that say nothing: as llama.cpp reads them, or refused by key.
#[test]
fn keys_of_a_gguf_are_obeyed_or_refused_by_name() {
    let whole = gguf_of("llama");
    let plain = hf_config(&whole).unwrap();
    let with = |changes: &[(&str, Value)]| {
        let changed = rewritten(&whole, |metadata| {
            metadata.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        });
        hf_config(&changed).map_err(|error| error.to_string())
    };
    let text = |text: &str| Value::String(text.to_owned());
    for (key, value) in [
        ("llama.rope.scaling.factor", Value::F32(-4.0)),
        ("llama.rope.scaling.factor", Value::F32(f32::NAN)),
        ("llama.rope.scaling.factor", text("4")),
        ("llama.rope.scale_linear", Value::F32(f32::INFINITY)),
        ("llama.rope.scaling.type", text("yarn")),
        ("llama.rope.scaling.type", text("longrope")),
        ("llama.rope.scaling.type", text("dynamic")),
        ("llama.rope.scaling.attn_factor", Value::F32(1.5)),
        ("llama.rope.dimension_count", Value::U32(4)),
        ("llama.rope.freq_base", Value::F32(f32::INFINITY)),
        ("llama.rope.freq_base", Value::F32(0.0)),
        ("llama.rope.freq_base_swa", Value::F32(1e4)),
        ("llama.rope.dimension_sections", Value::U32(3)),
        ("llama.attention.sliding_window", Value::U32(4)),
        ("llama.attention.scale", Value::F32(0.5)),
        ("llama.attention.causal", Value::Bool(false)),
        ("llama.attention.value_length", Value::U32(4)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(f32::NAN)),
        ("llama.attention.layer_norm_epsilon", Value::F32(1e-5)),
        ("llama.attn_logit_softcapping", Value::F32(50.0)),
        ("llama.logit_scale", Value::F32(0.25)),
        ("llama.embedding_scale", Value::F32(4.0)),
        ("llama.expert_count", Value::U32(4)),
        ("llama.context_length", Value::U64(1 << 40)),
        ("llama.block_count", Value::U32(0)),
        ("llama.something.new", Value::Bool(true)),
    ] {
        let error = with(&[(key, value.clone())]).unwrap_err();
        assert!(error.contains(key), "{key} = {value:?}: {error}");
    }
    for changes in [
        vec![("llama.rope.scaling.factor", Value::F32(1.0))],
        vec![("llama.rope.scaling.factor", Value::F32(0.0))],
        vec![("llama.rope.scaling.type", text("none")), ("llama.rope.scaling.factor", Value::F32(4.0))],
        vec![("llama.rope.scaling.type", text("linear")), ("llama.rope.scale_linear", Value::F32(1.0))],
        vec![("llama.rope.scaling.finetuned", Value::Bool(true))],
        vec![("llama.attention.sliding_window", Value::U32(0))],
        vec![("llama.attention.scale", Value::F32(0.353_553_4))],
        vec![("llama.attention.causal", Value::Bool(true))],
        vec![("llama.logit_scale", Value::F32(1.0)), ("llama.expert_count", Value::U32(0))],
        vec![("x.y", Value::Bool(true)), ("general.tags", text("a"))],
    ] {
        assert_eq!(with(&changes).unwrap(), plain, "{changes:?}");
    }
    let linear = |factor: f64| Some(json!({ "rope_type": "linear", "factor": factor }));
    let (factor, older, kind) =
        ("llama.rope.scaling.factor", "llama.rope.scale_linear", "llama.rope.scaling.type");
    for (changes, expected) in [
        (vec![(factor, Value::F32(4.0))], linear(4.0)),
        (vec![(factor, Value::F32(2.5)), (kind, text("linear"))], linear(2.5)),
        (vec![(factor, Value::U32(4))], linear(4.0)),
        (vec![(older, Value::F32(8.0))], linear(8.0)),
        (vec![(older, Value::F32(8.0)), (kind, text("linear"))], linear(8.0)),
        // The newer name counts, even where it says that there is no factor.
        (vec![(older, Value::F32(8.0)), (factor, Value::F32(2.0))], linear(2.0)),
        (vec![(older, Value::F32(8.0)), (factor, Value::F32(0.0))], None),
        (vec![(older, Value::F32(8.0)), (kind, text("none"))], None),
    ] {
        assert_eq!(with(&changes).unwrap().get("rope_scaling").cloned(), expected, "{changes:?}");
    }
    // Llama 3's factors are a tensor, and scale the positions too.
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    let Position::Rotary { theta, .. } = made::shape("llama").position else { panic!() };
    let scaling = Llama3Scaling {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_positions: 16,
    };
    let position = Position::Rotary { theta, scaling: Some(RopeScaling::Llama3(scaling)) };
    let network = DecoderConfig { position, ..made::shape("llama") };
    let network = Decoder::init(&network, 1, &flex()).unwrap();
    save_gguf(&path, &network, &made::tokenizer(), GgufDtype::F32).unwrap();
    let llama3 = made::in_memory(std::fs::read(&path).unwrap());
    for (value, refused) in [(2.0, true), (1.0, false), (0.0, false)] {
        let changed = rewritten(&llama3, |metadata| {
            metadata.insert(factor.into(), Value::F32(value));
        });
        match hf_config(&changed) {
            Err(error) => assert!(refused && error.to_string().contains(factor), "{error}"),
            Ok(config) => assert!(!refused && config["rope_scaling"]["rope_type"] == "llama3", "{config}"),
        }
    }
    let file: &GgufFile = &whole;
    assert_eq!(plain["rope_theta"], 10000.0, "{:?}", file.path());
    let gpt2 = gguf_of("gpt2");
    let scaled = rewritten(&gpt2, |metadata| {
        metadata.insert("gpt2.rope.scaling.factor".into(), Value::F32(4.0));
    });
    assert!(hf_config(&scaled).unwrap_err().to_string().contains("gpt2.rope.scaling.factor"));
}
