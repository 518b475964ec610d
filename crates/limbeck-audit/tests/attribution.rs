//! Edge attribution against torch autograd, and against patched paths where the change is small.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use burn::tensor::Device;
use limbeck_audit::{
    AttributionMethod, Edge, EdgeScores, Interpolation, Replacement, Writer, edge_attribution, greedy_edges,
    patch_paths,
};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::weights::SafetensorsSource;
use limbeck_model::{Decoder, DecoderConfig, Parameter, Sizes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

fn prompt(clean: Vec<u32>, corrupted: Vec<u32>, right: u32, wrong: u32) -> ContrastPrompt {
    let text = |tokens: &[u32]| format!("{tokens:?}");
    ContrastPrompt {
        text: text(&clean),
        corrupted_text: text(&corrupted),
        clean,
        corrupted,
        right: vec![right],
        wrong: vec![wrong],
    }
}

fn task(prompts: Vec<ContrastPrompt>) -> ContrastTask {
    let group = ContrastGroup::new("all", prompts);
    ContrastTask { name: "test".into(), groups: vec![group], left_out: vec![] }
}

fn integrated(over: Interpolation, steps: usize) -> AttributionMethod {
    AttributionMethod::Integrated { over, steps }
}

fn scored(
    decoder: &Decoder,
    task: &ContrastTask,
    method: AttributionMethod,
    batch_size: usize,
) -> EdgeScores {
    edge_attribution(decoder, task, method, 100, batch_size, "test", &Silent).unwrap()
}

/// Golden values of `golden/make_eap.py`, edge by edge.
#[test]
fn scores_equal_those_of_torch() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden: Value =
        serde_json::from_slice(&std::fs::read(here.join("tests/golden/eap.json")).unwrap()).unwrap();
    for family in ["gpt2", "llama"] {
        let folder = here.join("../limbeck-model/tests/fixtures/tiny").join(family);
        let config: Value =
            serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
        let config = DecoderConfig::from_hf_json(&config).unwrap();
        let mut source = SafetensorsSource::open(&folder).unwrap();
        let decoder = Decoder::from_weights(&config, &mut source, &Device::flex()).unwrap();
        let golden = &golden[family];
        let tokens = |key: &str| -> Vec<Vec<u32>> { serde_json::from_value(golden[key].clone()).unwrap() };
        let answers = |key: &str| -> Vec<u32> { serde_json::from_value(golden[key].clone()).unwrap() };
        let (right, wrong) = (answers("right"), answers("wrong"));
        let prompts = tokens("clean").into_iter().zip(tokens("corrupted")).enumerate();
        let task =
            task(prompts.map(|(i, (clean, other))| prompt(clean, other, right[i], wrong[i])).collect());
        let steps = golden["steps"].as_u64().unwrap() as usize;
        for (key, method) in [
            ("eap", AttributionMethod::Clean),
            ("eap_ig_inputs", integrated(Interpolation::Inputs, steps)),
            ("eap_ig_activations", integrated(Interpolation::Activations, steps)),
        ] {
            let expected: Vec<Vec<f64>> = serde_json::from_value(golden[key].clone()).unwrap();
            let largest = expected.iter().flatten().fold(0.0f64, |most, value| most.max(value.abs()));
            for batch_size in [2, 3] {
                let found = scored(&decoder, &task, method, batch_size);
                let readers = found.graph.readers();
                assert_eq!(readers.len(), expected.len());
                for (reader, row) in readers.into_iter().zip(&expected) {
                    assert_eq!(found.graph.writers_before(reader), row.len());
                    for (writer, expected) in row.iter().enumerate() {
                        let edge = Edge { from: found.graph.writer(writer), to: reader };
                        let error = (found.get(edge) - expected).abs();
                        // A small score is a sum of large terms: of those, rounding is a share.
                        assert!(
                            error <= 1e-3 * expected.abs() + 1e-6 * largest,
                            "{family} {key} {edge:?}: {} instead of {expected}",
                            found.get(edge)
                        );
                    }
                }
            }
        }
    }
}

/// A network whose tokens 2i and 2i + 1 are nearly the same, prompts of the one kind and of the other.
fn near_twins(config: &DecoderConfig) -> (Decoder, ContrastTask) {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let width = config.d_model;
    let decoder = Decoder::init(config, 3, &Device::flex()).unwrap().map(&mut |name: &str, parameter| {
        let gain = if parameter.shape().len() == 2 { 8.0 } else { 1.0 };
        let mut values: Vec<f32> = parameter.to_vec().iter().map(|value| value * gain).collect();
        if name == "embed.weight" {
            for pair in values.chunks_mut(2 * width) {
                let (even, odd) = pair.split_at_mut(width);
                for (odd, even) in odd.iter_mut().zip(even) {
                    *odd = *even + rng.random_range(-1e-3..1e-3);
                }
            }
        }
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    });
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let prompts = (0..6).map(|_| {
        let clean: Vec<u32> = (0..7).map(|_| 2 * rng.random_range(0..16)).collect();
        let corrupted = clean.iter().map(|token| token + 1).collect();
        let right = rng.random_range(0..32);
        prompt(clean, corrupted, right, (right + 1 + rng.random_range(0..31)) % 32)
    });
    (decoder, task(prompts.collect()))
}

fn sizes() -> Sizes {
    Sizes {
        vocab_size: 32,
        d_model: 24,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 32,
        max_positions: 10,
    }
}

#[test]
fn the_score_of_an_edge_is_the_effect_of_a_small_change_on_its_path() {
    let llama = DecoderConfig::llama(sizes());
    for config in [DecoderConfig::gpt2(sizes()), llama.clone(), DecoderConfig { qk_norm: true, ..llama }] {
        let (decoder, task) = near_twins(&config);
        let found = scored(&decoder, &task, AttributionMethod::Clean, 4);
        let edges: Vec<Edge> = (found.graph.readers().into_iter())
            .flat_map(|to| (0..found.graph.writers_before(to)).map(move |index| (to, index)))
            .map(|(to, index)| Edge { from: found.graph.writer(index), to })
            .collect();
        let largest = edges.iter().map(|edge| found.get(*edge).abs()).fold(0.0, f64::max);
        let mut compared = 0;
        for edge in edges {
            let score = found.get(edge);
            if score.abs() < 0.05 * largest {
                continue;
            }
            let patch =
                patch_paths(&decoder, &task, edge.from, &[edge.to], Replacement::Corrupted, 8).unwrap();
            let effect = patch.effect();
            assert!((effect - score).abs() < 0.03 * largest, "{edge:?}: {effect}, estimated {score}");
            compared += 1;
        }
        assert!(compared > 8, "{compared}");
        // The embedding's edges together: the whole change, to first order.
        let readers = found.graph.readers();
        let patch = patch_paths(&decoder, &task, Writer::Embed, &readers, Replacement::Corrupted, 8).unwrap();
        let node = found.of_writer(Writer::Embed);
        assert!((patch.effect() - node).abs() < 0.05 * largest.max(node.abs()));
    }
}

#[test]
fn integrated_gradients_add_up_to_the_whole_change() {
    // Hanna et al. 2024: the embedding's scores, integrated over inputs, sum to LD(corrupted) - LD(clean).
    let (decoder, task) = near_twins(&DecoderConfig::gpt2(sizes()));
    let turned = ContrastTask {
        groups: (task.groups.iter().cloned())
            .map(|mut group| {
                // Far apart: the tokens of the next prompt.
                let others: Vec<Vec<u32>> = group.prompts.iter().map(|prompt| prompt.clean.clone()).collect();
                for (index, prompt) in group.prompts.iter_mut().enumerate() {
                    prompt.corrupted = others[(index + 1) % others.len()].clone();
                }
                group
            })
            .collect(),
        ..task
    };
    let readers = edge_graph_readers(&decoder, &turned);
    let change = patch_paths(&decoder, &turned, Writer::Embed, &readers, Replacement::Corrupted, 8).unwrap();
    let error = |steps| {
        let found = scored(&decoder, &turned, integrated(Interpolation::Inputs, steps), 8);
        (found.of_writer(Writer::Embed) - change.effect()).abs()
    };
    let (few, many) = (error(2), error(64));
    assert!(many < 0.1 * change.effect().abs().max(0.1), "{many} of {}", change.effect());
    assert!(many < few, "{many} {few}");
}

fn edge_graph_readers(decoder: &Decoder, task: &ContrastTask) -> Vec<limbeck_audit::Reader> {
    scored(decoder, task, AttributionMethod::Clean, 8).graph.readers()
}

#[test]
fn greedy_edges_lead_to_the_logits() {
    let (decoder, task) = near_twins(&DecoderConfig::llama(sizes()));
    let found = scored(&decoder, &task, AttributionMethod::Clean, 4);
    let all = greedy_edges(&found, usize::MAX);
    let expected: usize =
        found.graph.readers().iter().map(|&reader| found.graph.writers_before(reader)).sum();
    assert_eq!(all.len(), expected);
    for count in [1, 5, 20] {
        let chosen = greedy_edges(&found, count);
        assert!(chosen.len() <= count && !chosen.is_empty() || count == 1);
        for edge in &chosen {
            if let Writer::Component(node) = edge.from {
                let heard = |other: &Edge| found.graph.components(other.to).contains(&node);
                assert!(chosen.iter().any(heard), "{edge:?} hears nothing");
            }
            let read_on = |other: &Edge| match other.from {
                Writer::Component(node) => found.graph.components(edge.to).contains(&node),
                Writer::Embed => false,
            };
            assert!(edge.to == limbeck_audit::Reader::Logits || chosen.iter().any(read_on), "{edge:?}");
        }
    }
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let (decoder, task) = near_twins(&DecoderConfig::gpt2(sizes()));
    let none = integrated(Interpolation::Inputs, 0);
    assert!(edge_attribution(&decoder, &task, none, 4, 4, "test", &Silent).is_err());
    let nobody = Writer::Component(10);
    assert!(patch_paths(&decoder, &task, nobody, &[], Replacement::Mean, 4).is_err());
}
