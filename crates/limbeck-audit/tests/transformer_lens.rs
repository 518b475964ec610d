//! Experiments equal those of TransformerLens (fixtures made by make_transformer_lens.py).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use limbeck_audit::{Ablation, Base, DirectLogits, Effects, Lens, Plan, Target, effects};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::weights::SafetensorsSource;
use limbeck_model::{Capture, Decoder, DecoderConfig, Site, TokenBatch, WeightSource};
use serde::Deserialize;

const TOLERANCE: f64 = 1e-4;

/// `LD` per prompt, by target or component.
type Named = BTreeMap<String, Vec<f64>>;

#[derive(Deserialize)]
struct Group {
    clean: Vec<Vec<u32>>,
    corrupted: Vec<Vec<u32>>,
    right: Vec<Vec<u32>>,
    wrong: Vec<Vec<u32>>,
    full: Vec<f64>,
    effects: BTreeMap<String, Named>,
    direct: Named,
    lens: Vec<Depth>,
}

#[derive(Deserialize)]
struct Depth {
    difference: Vec<f64>,
    probability: Vec<f64>,
    rank: Vec<f64>,
}

/// A model with what TransformerLens found in it.
struct Golden {
    folder: PathBuf,
    decoder: Decoder,
    groups: Vec<Group>,
}

fn goldens() -> Vec<Golden> {
    ["gpt2", "llama"]
        .map(|name| {
            let folder =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transformer_lens").join(name);
            let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
            let config =
                DecoderConfig::from_hf_json(&serde_json::from_slice(&read("config.json")).unwrap()).unwrap();
            let mut source = SafetensorsSource::open(&folder.join("model.safetensors")).unwrap();
            let decoder = Decoder::from_weights(&config, &mut source, &Device::flex()).unwrap();
            let groups = serde_json::from_slice(&read("golden.json")).unwrap();
            Golden { folder, decoder, groups }
        })
        .into()
}

fn task(groups: &[Group]) -> ContrastTask {
    let group = |found: &Group| ContrastGroup {
        name: format!("of {}", found.clean[0].len()),
        length: found.clean[0].len(),
        prompts: (0..found.clean.len())
            .map(|at| ContrastPrompt {
                clean: found.clean[at].clone(),
                corrupted: found.corrupted[at].clone(),
                right: found.right[at].clone(),
                wrong: found.wrong[at].clone(),
                text: String::new(),
                corrupted_text: String::new(),
            })
            .collect(),
        corrupted: found.corrupted.clone(),
    };
    ContrastTask { name: "golden".into(), groups: groups.iter().map(group).collect(), left_out: vec![] }
}

/// The target of a name such as `head 0 3`.
fn target(name: &str) -> Target {
    let mut words = name.split(' ');
    let kind = words.next().unwrap();
    let numbers: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
    let layer = numbers[0];
    match kind {
        "head" => Target::Head { layer, head: numbers[1] },
        "group" => Target::Group { layer, group: numbers[1] },
        "mlp" => Target::Mlp { layer },
        "neuron" => Target::Neuron { layer, neuron: numbers[1] },
        "residual" => Target::Residual { layer },
        "position" => Target::Position { layer, position: numbers[1] },
        other => panic!("no target {other}"),
    }
}

fn near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < TOLERANCE, "{what}: {found}, TransformerLens {expected}");
}

#[test]
fn values_at_every_site() {
    for Golden { folder, decoder, groups } in goldens() {
        let mut golden = SafetensorsSource::open(&folder.join("golden.safetensors")).unwrap();
        let learned = golden.names().iter().any(|name| name == "hook_pos_embed");
        let sites = Site::all(2, learned);
        // TransformerLens meets the same hooks, no more and no fewer.
        let mut names: Vec<String> = sites.iter().map(Site::to_string).collect();
        names.sort();
        assert_eq!(names, golden.names());
        let mut seen = Capture::new(sites.clone());
        decoder.hidden(&TokenBatch::new(&groups[0].clean, &decoder.device()).unwrap(), &mut seen);
        for site in sites {
            let expected = golden.tensor(&site.to_string()).unwrap();
            let (dims, found) = match site.kind.is_per_head() {
                true => {
                    let value = seen.get4(site).unwrap();
                    (value.dims().to_vec(), value.into_data().try_to_vec::<f32>().unwrap())
                }
                false => {
                    let value = seen.get3(site).unwrap();
                    (value.dims().to_vec(), value.into_data().try_to_vec::<f32>().unwrap())
                }
            };
            assert_eq!(dims, expected.shape, "{site}");
            for (found, expected) in found.iter().zip(&expected.values) {
                near(f64::from(*found), f64::from(*expected), &site.to_string());
            }
        }
    }
}

#[test]
fn effects_of_every_ablation_and_of_patching_both_ways() {
    for Golden { decoder, groups, .. } in goldens() {
        let task = task(&groups);
        let names: Vec<&String> = groups[0].effects["mean"].keys().collect();
        let targets: Vec<Target> = names.iter().map(|name| target(name)).collect();
        let run = |base, ablations: &[Ablation]| -> Vec<Effects> {
            let plan = Plan { targets: &targets, ablations, base, batch_size: 4 };
            effects(&decoder, &task, &plan, "test", &Silent).unwrap()
        };
        let mut found = run(Base::Clean, &[Ablation::Mean, Ablation::Zero, Ablation::Partner]);
        found.extend(run(Base::Corrupted, &[Ablation::Partner]));
        for (found, ablation) in found.iter().zip(["mean", "zero", "noising", "denoising"]) {
            for (index, name) in names.iter().enumerate() {
                let expected = groups.iter().flat_map(|group| &group.effects[ablation][*name]);
                for (found, expected) in found.column(index).zip(expected) {
                    near(found, *expected, &format!("{ablation} of {name}"));
                }
            }
        }
        let full = groups.iter().flat_map(|group| &group.full);
        found[0].full.iter().zip(full).for_each(|(found, expected)| near(*found, *expected, "LD"));
    }
}

#[test]
fn direct_attributions() {
    for Golden { decoder, groups, .. } in goldens() {
        let found = DirectLogits::measure(&decoder, &task(&groups), 4, &Silent).unwrap();
        let mut listed: BTreeMap<String, &Vec<f64>> = BTreeMap::new();
        for layer in 0..2 {
            for head in 0..4 {
                listed.insert(format!("L{layer}H{head}"), &found.components[layer * 5 + head]);
            }
            listed.insert(format!("{layer}_mlp_out"), &found.components[layer * 5 + 4]);
        }
        listed.insert("embed".into(), &found.embedding);
        for (name, share) in [
            ("pos_embed", &found.positions),
            ("bias", &found.attention_biases),
            ("ln_final.b", &found.final_norm_bias),
        ] {
            listed.extend(share.as_ref().map(|share| (name.to_owned(), share)));
        }
        for (name, expected) in &groups[0].direct {
            let expected = expected.iter().chain(&groups[1].direct[name]);
            match listed.remove(name) {
                Some(found) => found.iter().zip(expected).for_each(|(a, b)| near(*a, *b, name)),
                // TransformerLens gives every model an output bias; Llama's is zero.
                None => expected.for_each(|expected| near(0.0, *expected, name)),
            }
        }
        assert!(listed.is_empty(), "TransformerLens does not know {:?}", listed.keys());
    }
}

#[test]
fn the_logit_lens() {
    for Golden { decoder, groups, .. } in goldens() {
        let found = Lens::measure(&decoder, &task(&groups), 4, &Silent).unwrap();
        for depth in 0..3 {
            let expected = |of: fn(&Depth) -> &Vec<f64>| -> Vec<f64> {
                groups.iter().flat_map(|group| of(&group.lens[depth]).clone()).collect()
            };
            for (found, expected) in [
                (&found.differences[depth], expected(|depth| &depth.difference)),
                (&found.probabilities[depth], expected(|depth| &depth.probability)),
                (&found.ranks[depth], expected(|depth| &depth.rank)),
            ] {
                assert_eq!(found.len(), expected.len());
                found.iter().zip(expected).for_each(|(a, b)| near(*a, b, &format!("lens at {depth}")));
            }
        }
    }
}
