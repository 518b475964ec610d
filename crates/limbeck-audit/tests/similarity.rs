//! Sanity properties of similarity on tiny random networks: a network and itself, and ever worse copies of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use limbeck_audit::{
    Ablation, AuditConfig, AuditError, Comparison, Measurements, Observations, SimilarityConfig, Sweep,
    alignment, similarity, sweep,
};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::{Decoder, DecoderConfig, Parameter, Sizes};
use limbeck_results::{Alignment, AlignmentVariant, ComponentKind, Similarity, SimilarityMeasure};
use limbeck_stats::Bootstrap;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const VOCAB: u32 = 40;

fn task() -> ContrastTask {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut tokens =
        |length: usize| -> Vec<u32> { (0..length).map(|_| rng.random_range(0..VOCAB)).collect() };
    let mut group = |name: &str, length: usize| {
        let prompts: Vec<ContrastPrompt> = (0..8)
            .map(|_| ContrastPrompt {
                clean: tokens(length),
                corrupted: tokens(length),
                right: vec![41],
                wrong: vec![42],
                text: String::new(),
                corrupted_text: String::new(),
            })
            .collect();
        ContrastGroup::new(name, prompts)
    };
    let groups = vec![group("short", 6), group("long", 9)];
    ContrastTask { name: "test".into(), groups, left_out: vec![] }
}

fn network(layers: usize, width: usize, seed: u64) -> Decoder {
    let sizes = Sizes {
        vocab_size: 48,
        d_model: width,
        n_layers: layers,
        n_heads: 4,
        n_kv_heads: 2,
        d_mlp: 32,
        max_positions: 16,
    };
    let plain = Decoder::init(&DecoderConfig::llama(sizes), seed, &Device::flex()).unwrap();
    plain.map(&mut |_: &str, parameter: Parameter| {
        let gain = if parameter.shape().len() == 2 { 6.0 } else { 1.0 };
        let values = parameter.to_vec().iter().map(|value| value * gain).collect();
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    })
}

fn noisy(decoder: &Decoder, std: f64) -> Decoder {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    decoder.clone().map(&mut |name: &str, parameter: Parameter| {
        if !name.contains("attn") && !name.contains("mlp") {
            return parameter;
        }
        let values = parameter.to_vec();
        let values = values.iter().map(|value| value + (std * rng.random_range(-1.7..1.7)) as f32).collect();
        Parameter::from_vec(&parameter.shape(), values, &parameter.device())
    })
}

struct Measured {
    observations: Observations,
    mean: Sweep,
    zero: Sweep,
}

impl Measured {
    fn new(decoder: &Decoder) -> Measured {
        let task = task();
        let config = SimilarityConfig::default();
        Measured {
            observations: Observations::measure(decoder, &task, &config, 5, "test", &Silent).unwrap(),
            mean: sweep(decoder, &task, Ablation::Mean, 5, "test", &Silent).unwrap(),
            zero: sweep(decoder, &task, Ablation::Zero, 5, "test", &Silent).unwrap(),
        }
    }

    fn of(&self) -> Measurements<'_> {
        Measurements { observations: &self.observations, mean: &self.mean, zero: &self.zero }
    }
}

fn compared(teacher: &Decoder, student: &Decoder) -> Similarity {
    let (teacher, student) = (Measured::new(teacher), Measured::new(student));
    let comparison = Comparison::new(teacher.of(), student.of(), &Silent).unwrap();
    let config = SimilarityConfig { resamples: 12, ..SimilarityConfig::default() };
    let found = similarity(&comparison, &config, 1, "test", &Silent).unwrap();
    for of_variant in &found.alignments {
        let Alignment { a, bound, matches, .. } = &of_variant.alignment;
        assert!(a.value <= bound.1 + 1e-12 && a.value >= bound.0 - 1e-12, "{of_variant:?}");
        let pairs = match of_variant.variant {
            AlignmentVariant::A => student.mean.components(),
            _ => teacher.mean.components().min(student.mean.components()),
        };
        assert_eq!(matches.len(), pairs);
    }
    found
}

fn aligned(found: &Similarity, variant: AlignmentVariant) -> &Alignment {
    &found.alignments.iter().find(|of_variant| of_variant.variant == variant).unwrap().alignment
}

#[test]
fn a_network_is_like_itself() {
    let network = network(3, 32, 1);
    let found = compared(&network, &network);
    for measured in &found.measures {
        // The mean of the three by three cosines of three directions with themselves is a third.
        let itself = if measured.measure == SimilarityMeasure::OutputDirections { 1.0 / 3.0 } else { 1.0 };
        for estimate in [measured.teacher_mean, measured.student_mean, measured.one_to_one_mean] {
            let value = estimate.value;
            assert!((value - itself).abs() < 1e-6, "{:?} {:?}: {value}", measured.measure, measured.kind);
            assert!(!estimate.has_interval() || estimate.high - estimate.low < 1e-6, "{estimate:?}");
        }
        assert!(measured.chance < itself);
        let pairs = measured.teacher_best.iter().chain(&measured.student_best).chain(&measured.one_to_one);
        assert!(pairs.clone().all(|link| link.teacher == link.student), "{:?}", measured.measure);
        let layers = measured.layers.iter().enumerate();
        assert!(layers.clone().all(|(layer, row)| (row[layer] - itself).abs() < 1e-6) && layers.count() == 3);
    }
    assert_eq!(found.measures.len(), 8 + 7);
    for variant in [AlignmentVariant::A, AlignmentVariant::OneToOne] {
        let alignment = aligned(&found, variant);
        for part in [alignment.a, alignment.similarity, alignment.influence] {
            assert!((part.value - 1.0).abs() < 1e-6, "{variant:?}");
            assert!(!part.has_interval() || part.high - part.low < 1e-6, "{variant:?}: {part:?}");
        }
        assert!(alignment.permutation.as_ref().unwrap().p_value <= 2.0 / 13.0);
    }
}

#[test]
fn a_corrupted_copy_is_less_and_less_alike() {
    let teacher = network(3, 32, 1);
    let found = [0.0, 0.02, 0.1, 0.4].map(|std| compared(&teacher, &noisy(&teacher, std)));
    for variant in [AlignmentVariant::A, AlignmentVariant::OneToOne] {
        let values: Vec<f64> = found.iter().map(|found| aligned(found, variant).a.value).collect();
        assert!(values.windows(2).all(|pair| pair[0] > pair[1]), "{variant:?} {values:?}");
    }
    // A slightly disturbed copy is more alike than a stranger, by every measure.
    let stranger = compared(&teacher, &network(3, 32, 20));
    for (near, far) in found[1].measures.iter().zip(&stranger.measures) {
        assert!(near.one_to_one_mean.value > far.one_to_one_mean.value, "{:?} {:?}", near.measure, near.kind);
    }
    for variant in [AlignmentVariant::A, AlignmentVariant::OneToOne] {
        assert!(aligned(&found[1], variant).a.value > aligned(&stranger, variant).a.value);
    }
}

#[test]
fn widths_depths_and_runs() {
    let (teacher, student) = (network(3, 32, 1), network(2, 64, 5));
    let found = compared(&teacher, &student);
    assert_eq!(found, compared(&teacher, &student), "the same bits twice");
    for measured in &found.measures {
        let (teachers, students) = if measured.kind == ComponentKind::Head { (12, 8) } else { (3, 2) };
        assert_eq!((measured.teacher_best.len(), measured.student_best.len()), (teachers, students));
        assert_eq!((measured.one_to_one.len(), measured.layers.len()), (students, 3));
        assert!(measured.teacher_mean.value >= measured.chance && measured.layers[0].len() == 2);
    }
    assert!(found.teacher_variance > 0.9 && found.teacher_variance <= 1.0);
    // 16 prompts, of the shorter ones all five positions after the first.
    assert_eq!(found.rows, 80);
}

#[test]
fn a_shuffled_student_is_aligned_by_chance() {
    let teacher = Measured::new(&network(3, 32, 1));
    let bootstrap = Bootstrap::default().with_resamples(39);
    let p_value = |student: &Measured| {
        let found =
            alignment(&teacher.of().alignment_input(), &student.of().alignment_input(), &bootstrap).unwrap();
        found.permutation.unwrap().p_value
    };
    assert!(p_value(&teacher) <= 2.0 / 40.0);
    let mut values = Vec::new();
    for seed in 0..60 {
        // Each head's effects become those of another head, each MLP's those of another MLP.
        let mut student = Measured::new(&network(3, 32, 1));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut heads, mut mlps): (Vec<usize>, Vec<usize>) = (0..15).partition(|index| index % 5 != 4);
        let order = [heads.clone(), mlps.clone()].concat();
        heads.shuffle(&mut rng);
        mlps.shuffle(&mut rng);
        let before = student.zero.ablated.clone();
        for prompt in 0..student.zero.prompts() {
            for (&to, &from) in order.iter().zip(heads.iter().chain(&mlps)) {
                student.zero.ablated[prompt * 15 + to] = before[prompt * 15 + from];
            }
        }
        values.push(p_value(&student));
    }
    let mean = values.iter().sum::<f64>() / 60.0;
    // Uniform: mean 1/2, give or take three standard errors of sqrt(1/12/60).
    assert!((mean - 0.5).abs() < 0.12, "{mean}");
    let low = values.iter().filter(|&&p| p <= 0.1).count();
    assert!(low <= 14, "{low} of 60 below 0.1");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (here, mut there) = (Measured::new(&network(2, 32, 1)), Measured::new(&network(2, 32, 2)));
    there.zero.full.pop();
    let found = Comparison::new(here.of(), there.of(), &Silent).err().unwrap();
    assert!(matches!(found, AuditError::Mismatch { what: "prompts", .. }), "{found}");
    for (key, value) in [("rows", 0), ("directions", 0), ("resamples", 0)] {
        let mut config = serde_json::to_value(SimilarityConfig::default()).unwrap();
        config[key] = value.into();
        let whole =
            AuditConfig { similarity: serde_json::from_value(config).unwrap(), ..AuditConfig::default() };
        assert!(whole.check().unwrap_err().to_string().contains(key));
    }
}
