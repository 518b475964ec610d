//! Circuits planted by hand are found exactly; properties of circuits of random networks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use burn::tensor::Device;
use limbeck_audit::{
    AttributionMethod, CircuitConfig, Edge, Reader, Replacement, Writer, circuit, compare_circuits,
    edge_attribution, patch_paths,
};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::{Decoder, DecoderConfig, NoTap, Norm, Sizes, TokenBatch};
use limbeck_results::{
    Alignment, Circuit, CircuitMethod, CircuitNode, ComponentKind, Estimate, HeadInput, Match,
};
use limbeck_stats::Bootstrap;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const VOCAB: usize = 12;
const LENGTH: usize = 8;
const WIDTH: usize = 48;
const HEAD: usize = 12;
/// Parts of the residual stream: the token, its position, the token before it, the answer.
const TOKEN: usize = 0;
const POSITION: usize = VOCAB;
const PREVIOUS: usize = VOCAB + 10;
const ANSWER: usize = PREVIOUS + VOCAB;
/// The same everywhere and larger than the rest, so that the norm hardly depends on the rest.
const CONSTANT: usize = ANSWER + VOCAB;

/// One weight matrix `[out, in]` of a hand-built network.
struct Matrix<'a>(&'a mut Vec<f32>, usize);

impl Matrix<'_> {
    /// Connects `count` inputs from `input` on with as many outputs from `output` on.
    fn join(&mut self, output: usize, input: usize, count: usize, weight: f32) {
        for index in 0..count {
            self.0[(output + index) * self.1 + input + index] = weight;
        }
    }
}

/// What is planted in a network of 2 blocks of 4 heads.
#[derive(Clone, Copy, PartialEq)]
enum Plant {
    /// Head 0.1 writes the previous token, head 1.2 looks for the current one there and answers with what it finds.
    Induction,
    /// Head 0.3 looks at position 1 and answers with what stands there.
    Copying,
}

/// A network of which all but the planted heads is small noise.
fn planted(plant: Plant, seed: u64) -> Decoder {
    let sizes = Sizes {
        vocab_size: VOCAB,
        d_model: WIDTH,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 4,
        d_mlp: 16,
        max_positions: 10,
    };
    // Without the means taken off, so that the parts of the stream stay apart.
    let config = DecoderConfig {
        norm: Norm::Rms { eps: 1e-6 },
        qkv_bias: false,
        out_bias: false,
        mlp_bias: false,
        tied: false,
        ..DecoderConfig::gpt2(sizes)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut source = |name: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        if shape.len() == 1 {
            return Ok(vec![if name.ends_with("bias") { 0.0 } else { 1.0 }; count]);
        }
        let inside = name.starts_with("blocks");
        let mut values: Vec<f32> =
            (0..count).map(|_| if inside { rng.random_range(-0.02..0.02) } else { 0.0 }).collect();
        let mut matrix = Matrix(&mut values, shape[1]);
        match name {
            "embed.weight" => matrix.join(0, TOKEN, VOCAB, 1.0),
            "pos_embed.weight" => {
                matrix.join(0, POSITION, 10, 1.0);
                (0..10).for_each(|position| matrix.join(position, CONSTANT, 1, 6.0));
            }
            "unembed.weight" => matrix.join(0, ANSWER, VOCAB, 3.0),
            _ if plant == Plant::Induction => match name {
                // Position p asks for p - 1.
                "blocks.0.attn.q.weight" => matrix.join(HEAD, POSITION + 1, 9, 3.7),
                "blocks.0.attn.k.weight" => matrix.join(HEAD, POSITION, 9, 3.7),
                "blocks.0.attn.v.weight" => matrix.join(HEAD, TOKEN, VOCAB, 1.0),
                "blocks.0.attn.o.weight" => matrix.join(PREVIOUS, HEAD, VOCAB, 0.9),
                "blocks.1.attn.q.weight" => matrix.join(2 * HEAD, TOKEN, VOCAB, 3.0),
                "blocks.1.attn.k.weight" => matrix.join(2 * HEAD, PREVIOUS, VOCAB, 3.0),
                "blocks.1.attn.v.weight" => matrix.join(2 * HEAD, TOKEN, VOCAB, 1.0),
                "blocks.1.attn.o.weight" => matrix.join(ANSWER, 2 * HEAD, VOCAB, 1.5),
                _ => {}
            },
            _ => match name {
                // Every position asks for position 1.
                "blocks.0.attn.q.weight" => {
                    (0..10).for_each(|position| matrix.join(3 * HEAD, POSITION + position, 1, 3.7));
                }
                "blocks.0.attn.k.weight" => matrix.join(3 * HEAD, POSITION + 1, 1, 3.7),
                "blocks.0.attn.v.weight" => matrix.join(3 * HEAD, TOKEN, VOCAB, 1.0),
                "blocks.0.attn.o.weight" => matrix.join(ANSWER, 3 * HEAD, VOCAB, 1.5),
                _ => {}
            },
        }
        Ok(values)
    };
    Decoder::from_parameters(&config, &mut source, &Device::flex()).unwrap()
}

/// `a b .. a` of otherwise different tokens is to be continued with `b`; corrupted, the first `a` is another token.
/// Or: the token at position 1 is to be said again; corrupted, it is another.
fn task(plant: Plant, prompts: usize, seed: u64) -> ContrastTask {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let prompts: Vec<ContrastPrompt> = (0..prompts)
        .map(|_| {
            let mut tokens: Vec<u32> = (0..VOCAB as u32).collect();
            tokens.shuffle(&mut rng);
            let spare = tokens[LENGTH];
            let mut clean = tokens[..LENGTH].to_vec();
            let mut corrupted;
            let (right, wrong);
            match plant {
                Plant::Induction => {
                    let first = rng.random_range(1..LENGTH - 3);
                    clean[LENGTH - 1] = clean[first];
                    (right, wrong) = (clean[first + 1], clean[first + 2]);
                    corrupted = clean.clone();
                    corrupted[first] = spare;
                }
                Plant::Copying => {
                    (right, wrong) = (clean[1], clean[rng.random_range(2..LENGTH)]);
                    corrupted = clean.clone();
                    corrupted[1] = spare;
                }
            }
            let text = |tokens: &[u32]| format!("{tokens:?}");
            ContrastPrompt {
                text: text(&clean),
                corrupted_text: text(&corrupted),
                clean,
                corrupted,
                right: vec![right],
                wrong: vec![wrong],
            }
        })
        .collect();
    let group = ContrastGroup::new("all", prompts);
    ContrastTask { name: "planted".into(), groups: vec![group], left_out: vec![] }
}

fn config() -> CircuitConfig {
    CircuitConfig { prompts: 64, ..CircuitConfig::default() }
}

/// Judged by the score itself, as Haskins & Adams 2025 do.
fn by_score() -> CircuitConfig {
    CircuitConfig { normalised: false, ..config() }
}

fn found(decoder: &Decoder, task: &ContrastTask, config: &CircuitConfig) -> Circuit {
    let bootstrap = Bootstrap::with_seed(7).with_resamples(100);
    circuit(decoder, task, config, &bootstrap, 24, "test", &Silent).unwrap().unwrap()
}

fn labels(circuit: &Circuit) -> Vec<String> {
    circuit.nodes.iter().map(CircuitNode::label).collect()
}

fn edges(circuit: &Circuit) -> BTreeSet<(String, String, Option<HeadInput>)> {
    let edges = circuit.edges.as_ref().unwrap().edges.iter();
    edges.map(|edge| (edge.from.clone(), edge.to.clone(), edge.input)).collect()
}

fn named(edges: &[(&str, &str, Option<HeadInput>)]) -> BTreeSet<(String, String, Option<HeadInput>)> {
    edges.iter().map(|(from, to, input)| ((*from).to_owned(), (*to).to_owned(), *input)).collect()
}

#[test]
fn pruning_finds_a_planted_induction_pair() {
    for seed in 0..3 {
        let decoder = planted(Plant::Induction, seed);
        let circuit = found(&decoder, &task(Plant::Induction, 60, seed), &config());
        assert_eq!(labels(&circuit), ["0.1", "1.2"]);
        assert_eq!((circuit.heads, circuit.mlps), (2, 0));
        let expected = named(&[
            ("embed", "0.1", Some(HeadInput::Value)),
            ("embed", "1.2", Some(HeadInput::Query)),
            ("0.1", "1.2", Some(HeadInput::Key)),
            ("embed", "1.2", Some(HeadInput::Value)),
            ("1.2", "logits", None),
        ]);
        assert_eq!(edges(&circuit), expected);
        let scores = &circuit.scores;
        assert!((scores.circuit.value - 100.0).abs() < 10.0, "{scores:?}");
        assert!(scores.without.value.abs() < 15.0 && scores.nothing.value.abs() < 15.0, "{scores:?}");
        assert!((scores.completeness.unwrap().value - 100.0).abs() < 15.0, "{scores:?}");
        assert!(circuit.nodes.iter().all(|node| node.drop.value > 60.0), "{:?}", circuit.nodes);
        let random = circuit.random.unwrap();
        // One draw in 28 is the circuit itself.
        assert!(random.circuit.value < 30.0 && random.circuit_p < 0.2, "{random:?}");
        assert!(random.minimality.value < 30.0 && random.minimality_p < 0.2, "{random:?}");
        // Any threshold finds it: the rest is noise.
        assert!(circuit.thresholds.iter().all(|at| at.nodes == ["0.1", "1.2"] || at.threshold < 10.0));
        let chosen = circuit.thresholds.iter().position(|at| at.threshold == 20.0).unwrap();
        assert_eq!(circuit.thresholds[chosen].jaccard[chosen], 1.0);
    }
}

#[test]
fn pruning_finds_a_planted_copying_head() {
    let decoder = planted(Plant::Copying, 1);
    let circuit = found(&decoder, &task(Plant::Copying, 40, 1), &config());
    assert_eq!(labels(&circuit), ["0.3"]);
    let expected = named(&[("embed", "0.3", Some(HeadInput::Value)), ("0.3", "logits", None)]);
    assert_eq!(edges(&circuit), expected);
}

/// Edges by the size of their scores, largest first.
fn ranked(decoder: &Decoder, task: &ContrastTask, method: AttributionMethod) -> Vec<(Edge, f64)> {
    let scores = edge_attribution(decoder, task, method, 100, 10, "test", &Silent).unwrap();
    let mut all: Vec<(Edge, f64)> = (scores.graph.readers().into_iter())
        .flat_map(|to| (0..scores.graph.writers_before(to)).map(move |index| (index, to)))
        .map(|(index, to)| Edge { from: scores.graph.writer(index), to })
        .map(|edge| (edge, scores.get(edge)))
        .collect();
    all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    all
}

#[test]
fn attribution_ranks_the_planted_edges_first() {
    use limbeck_audit::Interpolation::{Activations, Inputs};
    let input = |layer, input, head| Reader::Head { layer, input, head };
    for method in [
        AttributionMethod::Clean,
        AttributionMethod::Integrated { over: Inputs, steps: 4 },
        AttributionMethod::Integrated { over: Activations, steps: 4 },
    ] {
        // What the corruption changes: the token before the answer, and what follows from it.
        let top = ranked(&planted(Plant::Induction, 0), &task(Plant::Induction, 40, 0), method);
        let expected = BTreeSet::from([
            Edge { from: Writer::Embed, to: input(0, HeadInput::Value, 1) },
            Edge { from: Writer::Component(1), to: input(1, HeadInput::Key, 2) },
            Edge { from: Writer::Component(5 + 2), to: Reader::Logits },
        ]);
        assert_eq!(top[..3].iter().map(|(edge, _)| *edge).collect::<BTreeSet<_>>(), expected, "{method:?}");
        assert!(top[2].1.abs() > 3.0 * top[3].1.abs(), "{:?}", &top[..5]);

        let top = ranked(&planted(Plant::Copying, 0), &task(Plant::Copying, 40, 0), method);
        let expected = BTreeSet::from([
            Edge { from: Writer::Embed, to: input(0, HeadInput::Value, 3) },
            Edge { from: Writer::Component(3), to: Reader::Logits },
        ]);
        assert_eq!(top[..2].iter().map(|(edge, _)| *edge).collect::<BTreeSet<_>>(), expected, "{method:?}");
        assert!(top[1].1.abs() > 3.0 * top[2].1.abs(), "{:?}", &top[..5]);
    }
}

#[test]
fn attribution_finds_the_planted_circuits() {
    for method in [CircuitMethod::Eap, CircuitMethod::EapIg] {
        let config = CircuitConfig { method, top_edges: 3, ..config() };
        let circuit = found(&planted(Plant::Induction, 0), &task(Plant::Induction, 40, 0), &config);
        assert_eq!(labels(&circuit), ["0.1", "1.2"]);
        assert!((circuit.scores.circuit.value - 100.0).abs() < 10.0);
        // As few edges as do it: those three, and those whose change the corrupted prompts do not show.
        let config = CircuitConfig { top_edges: 0, ..config };
        let circuit = found(&planted(Plant::Copying, 0), &task(Plant::Copying, 40, 0), &config);
        let edges = circuit.edges.as_ref().unwrap();
        assert!(edges.score.value > 80.0, "{edges:?}");
        assert!(labels(&circuit).contains(&"0.3".to_owned()));
    }
}

/// A loud random network and prompts whose answers it prefers.
fn random(config: &DecoderConfig, seed: u64) -> (Decoder, ContrastTask) {
    let decoder = Decoder::init(config, seed, &Device::flex()).unwrap().map(&mut |_: &str, parameter| {
        let gain = if parameter.shape().len() == 2 { 8.0 } else { 1.0 };
        let values = parameter.to_vec().iter().map(|value| value * gain).collect();
        limbeck_model::Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    });
    let mut task = task(Plant::Copying, 12, seed);
    let group = &mut task.groups[0];
    for prompt in &mut group.prompts {
        let batch = TokenBatch::new(&[prompt.clean.as_slice()], &decoder.device()).unwrap();
        let logits = decoder.logits(&batch, &mut NoTap).into_data().try_to_vec::<f32>().unwrap();
        let last = &logits[logits.len() - config.vocab_size..];
        if last[prompt.right[0] as usize] < last[prompt.wrong[0] as usize] {
            std::mem::swap(&mut prompt.right, &mut prompt.wrong);
        }
    }
    (decoder, task)
}

fn random_configs() -> [DecoderConfig; 2] {
    let sizes = Sizes {
        vocab_size: VOCAB,
        d_model: 24,
        n_layers: 3,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 20,
        max_positions: 10,
    };
    [DecoderConfig::gpt2(sizes), DecoderConfig::llama(sizes)]
}

#[test]
fn the_whole_network_is_its_own_circuit() {
    for network in random_configs() {
        let (decoder, task) = random(&network, 5);
        // All edges: every stream is what the network itself makes of it.
        let whole = CircuitConfig { method: CircuitMethod::Eap, top_edges: usize::MAX, ..by_score() };
        let circuit = found(&decoder, &task, &whole);
        assert_eq!(circuit.nodes.len(), 15);
        assert_eq!(circuit.share, 1.0);
        for score in [circuit.scores.circuit, circuit.edges.unwrap().score] {
            assert!((score.value - 100.0).abs() < 1e-3, "{score:?}");
        }
        assert_eq!(circuit.scores.without, circuit.scores.nothing);
        let patch = patch_paths(&decoder, &task, Writer::Embed, &[], Replacement::Mean, 5).unwrap();
        for ((prompt, full), patched) in task.prompts().zip(&patch.full).zip(&patch.patched) {
            let batch = TokenBatch::new(&[prompt.clean.as_slice()], &decoder.device()).unwrap();
            let logits = decoder.logits(&batch, &mut NoTap).into_data().try_to_vec::<f32>().unwrap();
            let last = &logits[logits.len() - VOCAB..];
            let expected = f64::from(last[prompt.right[0] as usize] - last[prompt.wrong[0] as usize]);
            assert!((full - expected).abs() < 1e-4 && (patched - expected).abs() < 1e-4);
        }
    }
}

#[test]
fn nothing_more_can_go_from_a_pruned_circuit() {
    for network in random_configs() {
        for seed in 0..3 {
            let (decoder, task) = random(&network, seed);
            let circuit = found(&decoder, &task, &by_score());
            assert!(circuit.scores.circuit.value > 80.0 || circuit.nodes.len() == 15);
            assert!(circuit.sweeps >= 1);
            for node in &circuit.nodes {
                assert!(100.0 - (circuit.scores.circuit.value - node.drop.value) >= 20.0 - 1e-6, "{node:?}");
            }
            let thresholds = &circuit.thresholds;
            assert_eq!(thresholds.iter().map(|at| at.threshold).collect::<Vec<_>>(), [5.0, 10.0, 20.0, 40.0]);
            for (at, row) in thresholds.iter().enumerate() {
                assert_eq!(row.jaccard[at], 1.0);
                for (other, column) in thresholds.iter().enumerate() {
                    assert_eq!(row.jaccard[other], column.jaccard[at]);
                }
            }
            assert_eq!(thresholds[2].nodes, labels(&circuit));
        }
    }
}

#[test]
fn edges_by_ablation_are_measured_as_whole_passes_measure_them() {
    // In the whole network an edge's drop is what patching its path does.
    for network in random_configs() {
        let (decoder, task) = random(&network, 2);
        let circuit = found(&decoder, &task, &CircuitConfig { edges: usize::MAX, ..by_score() });
        let edges = circuit.edges.unwrap();
        assert_eq!(edges.tested, edges.possible);
        assert!(edges.edges.iter().all(|edge| edge.measured && edge.readers.len() <= 2));
        for edge in &edges.edges {
            assert!(circuit.scores.circuit.value - edge.drop < 80.0);
        }
    }
}

#[test]
fn circuits_are_compared_by_matched_components() {
    let config = CircuitConfig { random: 0, thresholds: vec![], ..config() };
    let taught = found(&planted(Plant::Induction, 0), &task(Plant::Induction, 40, 0), &config);
    let learnt = found(&planted(Plant::Copying, 0), &task(Plant::Copying, 40, 0), &config);
    let pair = |teacher: &str, student: &str| Match {
        teacher: teacher.into(),
        student: student.into(),
        kind: ComponentKind::Head,
        similarity: 0.9,
        teacher_influence: 0.25,
        student_influence: 0.25,
    };
    let estimate = Estimate { value: 0.9, low: 0.8, high: 1.0 };
    let alignment = Alignment {
        a: estimate,
        similarity: estimate,
        influence: estimate,
        influence_weighted_similarity: estimate,
        bound: (0.0, 1.0),
        matches: vec![pair("0.0", "0.1"), pair("0.1", "0.3"), pair("1.2", "1.0"), pair("1.3", "0.3")],
        permutation: None,
    };
    let compared = compare_circuits(&taught, &learnt, &alignment);
    assert_eq!((compared.teacher_size, compared.student_size), (2, 1));
    assert_eq!((compared.teacher_share, compared.student_share), (0.2, 0.1));
    let members: Vec<_> = (compared.members.iter())
        .map(|member| (member.teacher.as_str(), member.student.as_str(), member.in_student_circuit))
        .collect();
    assert_eq!(members, [("0.1", "0.3", true), ("1.2", "1.0", false)]);
    assert_eq!((compared.kept, compared.kept_outside), (0.5, 0.5));
    assert!(compared.of_the_student_alone.is_empty());
    let itself = compare_circuits(
        &taught,
        &taught,
        &Alignment { matches: ["0.0", "0.1", "1.2"].map(|label| pair(label, label)).to_vec(), ..alignment },
    );
    assert_eq!((itself.kept, itself.kept_outside), (1.0, 0.0));
}

#[test]
fn seeds_decide() {
    let network = &random_configs()[1];
    let tried = (0..10).map(|seed| random(network, seed));
    let (decoder, task) =
        tried.into_iter().find(|(decoder, task)| found(decoder, task, &by_score()).nodes.len() > 2).unwrap();
    let run = |seed| {
        let bootstrap = Bootstrap::with_seed(seed).with_resamples(50);
        circuit(&decoder, &task, &by_score(), &bootstrap, 5, "test", &Silent).unwrap().unwrap()
    };
    assert_eq!(run(1), run(1));
    let (one, other) = (run(1), run(2));
    assert_eq!(labels(&one), labels(&other));
    assert_ne!(one.random, other.random);
}

#[test]
fn a_network_that_prefers_the_wrong_answer_has_no_circuit() {
    let (decoder, mut task) = random(&random_configs()[0], 2);
    for prompt in &mut task.groups[0].prompts {
        std::mem::swap(&mut prompt.right, &mut prompt.wrong);
    }
    let bootstrap = Bootstrap::with_seed(1).with_resamples(10);
    assert!(circuit(&decoder, &task, &config(), &bootstrap, 8, "test", &Silent).unwrap().is_none());
    let broken = CircuitConfig { threshold: 0.0, ..config() };
    assert!(circuit(&decoder, &task, &broken, &bootstrap, 8, "test", &Silent).is_err());
}

#[test]
fn what_the_network_has_without_its_components_is_no_circuit() {
    // The embedding alone answers: the token at position 1 is not asked for, the last token is.
    let (decoder, task) = embedding_answers();
    let by_score = found(&decoder, &task, &by_score());
    assert!(by_score.nodes.is_empty() && by_score.scores.circuit.value > 80.0, "{:?}", by_score.scores);
    let bootstrap = Bootstrap::with_seed(7).with_resamples(100);
    match circuit(&decoder, &task, &config(), &bootstrap, 24, "test", &Silent).unwrap() {
        // The components add nothing, or what they add needs some of them.
        None => {}
        Some(found) => {
            let kept = found.scores.faithfulness_normalised.unwrap();
            assert!(!found.nodes.is_empty() && kept.value >= 80.0, "{kept:?}");
        }
    }
}

/// A network whose embedding of the last token already holds the answer, and prompts that ask for just that.
fn embedding_answers() -> (Decoder, ContrastTask) {
    let decoder = planted(Plant::Copying, 3).map(&mut |name: &str, parameter| match name {
        "unembed.weight" => {
            let mut values = parameter.to_vec();
            (0..VOCAB).for_each(|token| values[token * WIDTH + TOKEN + token] = 3.0);
            limbeck_model::Parameter::from_vec(&parameter.shape(), values, &parameter.device())
        }
        "blocks.0.attn.o.weight" => {
            let values = parameter.to_vec().iter().map(|value| value * 0.01).collect();
            limbeck_model::Parameter::from_vec(&parameter.shape(), values, &parameter.device())
        }
        _ => parameter,
    });
    let mut task = task(Plant::Copying, 40, 3);
    for prompt in &mut task.groups[0].prompts {
        let last = prompt.clean[LENGTH - 1];
        (prompt.right, prompt.wrong) = (vec![last], vec![prompt.clean[3]]);
    }
    (decoder, task)
}
