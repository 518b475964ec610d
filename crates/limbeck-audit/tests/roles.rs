//! Roles of a planted student: one head kept, two merged into one, one split in two, one dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use limbeck_audit::{
    Ablation, AuditConfig, Comparison, Measurements, Observations, RolesConfig, SimilarityConfig, roles,
    sweep,
};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_model::{Decoder, DecoderConfig, Sizes};
use limbeck_results::{ComponentKind, Role, Roles, SimilarityMeasure, Standing};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const WIDTH: usize = 40;
/// Dimensions that each teacher head reads, its own ones.
const BLOCK: usize = 8;
const PROMPTS: usize = 60;
const LENGTH: usize = 10;

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// One block without MLP. `parts[head]` names the teacher's head dimensions (head, dimension) that a head holds: each takes
/// the mean over positions of one dimension of the embedding, and writes it into a random direction.
fn network(parts: &[Vec<(usize, usize)>], d_head: usize) -> Decoder {
    let sizes = Sizes {
        vocab_size: 48,
        d_model: WIDTH,
        n_layers: 1,
        n_heads: parts.len(),
        n_kv_heads: parts.len(),
        d_mlp: 4,
        max_positions: 16,
    };
    let config = DecoderConfig { d_head, ..DecoderConfig::llama(sizes) };
    let all = parts.len() * d_head;
    let places = || {
        let of_head = |(head, held): (usize, &Vec<(usize, usize)>)| {
            let place = |(at, &(of, dimension)): (usize, &(usize, usize))| {
                (head * d_head + at, of * BLOCK + dimension)
            };
            held.iter().enumerate().map(place).collect::<Vec<_>>()
        };
        parts.iter().enumerate().flat_map(of_head)
    };
    let directions = random(WIDTH * WIDTH, 5);
    Decoder::from_parameters(
        &config,
        &mut |name, shape| {
            let mut values = vec![0.0; shape.iter().product()];
            match name {
                // Signs alone, so that no dimension says more than another.
                "embed.weight" => {
                    values = random(values.len(), 1).iter().map(|value| value.signum()).collect()
                }
                "blocks.0.attn.v.weight" => places().for_each(|(row, from)| values[row * WIDTH + from] = 1.0),
                "blocks.0.attn.o.weight" => {
                    for (column, from) in places() {
                        (0..WIDTH)
                            .for_each(|row| values[row * all + column] = directions[from * WIDTH + row]);
                    }
                }
                _ if name.contains("ln") => values.fill(1.0),
                _ => {}
            }
            Ok(values)
        },
        &Device::flex(),
    )
    .unwrap()
}

fn task() -> ContrastTask {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut tokens = || -> Vec<u32> { (0..LENGTH).map(|_| rng.random_range(0..40)).collect() };
    let prompts: Vec<ContrastPrompt> = (0..PROMPTS)
        .map(|_| ContrastPrompt {
            clean: tokens(),
            corrupted: tokens(),
            right: vec![41],
            wrong: vec![42],
            text: String::new(),
            corrupted_text: String::new(),
        })
        .collect();
    let group = ContrastGroup::new("all", prompts);
    ContrastTask { name: "test".into(), groups: vec![group], left_out: vec![] }
}

fn found(teacher: &Decoder, student: &Decoder, config: &RolesConfig) -> Roles {
    let task = task();
    let measured = [teacher, student].map(|decoder| {
        let observations =
            Observations::measure(decoder, &task, &SimilarityConfig::default(), 32, "test", &Silent).unwrap();
        let sweeps = [Ablation::Mean, Ablation::Zero]
            .map(|ablation| sweep(decoder, &task, ablation, 32, "test", &Silent).unwrap());
        (observations, sweeps)
    });
    let [teacher, student] = [0, 1].map(|index| {
        let (observations, [mean, zero]) = &measured[index];
        Measurements { observations, mean, zero }
    });
    let comparison = Comparison::new(teacher, student, &Silent).unwrap();
    roles(&comparison, config, 7, &Silent).unwrap()
}

fn teacher() -> Decoder {
    let whole = |head: usize| (0..BLOCK).map(|dimension| (head, dimension)).collect::<Vec<_>>();
    network(&(0..5).map(whole).collect::<Vec<_>>(), BLOCK)
}

/// Heads: the teacher's 0; its 1 and 2; half of its 3; the other half; nothing.
fn student() -> Decoder {
    let part = |head: usize, from: usize, to: usize| (from..to).map(move |dimension| (head, dimension));
    let parts = [
        part(0, 0, BLOCK).collect(),
        part(1, 0, BLOCK).chain(part(2, 0, BLOCK)).collect(),
        part(3, 0, BLOCK / 2).collect(),
        part(3, BLOCK / 2, BLOCK).collect(),
        vec![],
    ];
    network(&parts, 2 * BLOCK)
}

#[test]
fn planted_roles_come_out_as_planted() {
    // Any effect is use here, and random halves are not equally large.
    let config = RolesConfig {
        similar: 0.4,
        margin: 0.4,
        in_use: 1e-3,
        heavy: 1e6,
        resamples: 50,
        ..RolesConfig::default()
    };
    for measure in [SimilarityMeasure::Cka, SimilarityMeasure::Procrustes] {
        let config = RolesConfig { measure, ..config.clone() };
        let found = found(&teacher(), &student(), &config);
        let given: Vec<(&str, Role)> =
            found.teacher.iter().map(|component| (component.component.as_str(), component.role)).collect();
        use Role::{Discarded, Idle, Merged, Preserved, Split};
        let expected = [
            ("0.0", Preserved),
            ("0.1", Merged),
            ("0.2", Merged),
            ("0.3", Split),
            ("0.4", Discarded),
            ("MLP 0", Idle),
        ];
        assert_eq!(given, expected, "{measure:?} {:#?}", found.teacher);
        for component in &found.teacher {
            assert!(component.stability > 0.8, "{component:#?}");
            assert_eq!(component.counterparts.is_empty(), matches!(component.role, Discarded | Idle));
        }
        assert_eq!(found.teacher[1].shares_with, ["0.2"]);
        let counterparts = |t: usize| -> Vec<&str> {
            let mut labels: Vec<&str> =
                found.teacher[t].counterparts.iter().map(|other| other.component.as_str()).collect();
            labels.sort_unstable();
            labels
        };
        assert_eq!([counterparts(0), counterparts(1), counterparts(2)], [["0.0"], ["0.1"], ["0.1"]]);
        assert_eq!(counterparts(3), ["0.2", "0.3"]);
        assert!((found.teacher[0].counterparts[0].similarity - 1.0).abs() < 1e-6);
        let standings: Vec<Standing> = found.student.iter().map(|component| component.standing).collect();
        assert_eq!(standings[..4], [Standing::Inherits; 4]);
        assert_eq!(standings[4..], [Standing::Idle; 2]);

        // Bands: one for each pair of counterparts, one for the dropped head; both ends add up to the drops.
        let bands: Vec<(Option<&str>, Option<&str>)> =
            found.flow.iter().map(|band| (band.teacher.as_deref(), band.student.as_deref())).collect();
        assert_eq!(bands.len(), 6);
        assert!(bands.contains(&(Some("0.4"), None)) && bands.contains(&(Some("0.2"), Some("0.1"))));
        for component in &found.teacher[..5] {
            let of = found
                .flow
                .iter()
                .filter(|band| band.teacher.as_deref() == Some(component.component.as_str()));
            let sum: f64 = of.map(|band| band.teacher_drop).sum();
            assert!((sum - component.drop.abs()).abs() < 1e-9);
        }
        let counted: Vec<(usize, usize)> =
            found.counts.iter().map(|count| (count.heads, count.mlps)).collect();
        assert_eq!(counted, [(1, 0), (2, 0), (1, 0), (1, 0), (0, 1)]);
        assert!((found.counts.iter().map(|count| count.influence).sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn a_copy_keeps_everything() {
    let config = RolesConfig { in_use: 1e-3, resamples: 20, ..RolesConfig::default() };
    let found = found(&teacher(), &teacher(), &config);
    for component in &found.teacher {
        let expected = if component.kind == ComponentKind::Head { Role::Preserved } else { Role::Idle };
        assert_eq!((component.role, component.stability), (expected, 1.0), "{component:#?}");
    }
    assert!(found.student.iter().all(|component| component.standing != Standing::New));
}

#[test]
fn thresholds_that_make_no_rule_are_refused() {
    let refused =
        |roles: RolesConfig| AuditConfig { roles, ..AuditConfig::default() }.check().unwrap_err().to_string();
    let usual = RolesConfig::default;
    assert!(refused(RolesConfig { similar: 1.5, ..usual() }).contains("roles.similar"));
    assert!(refused(RolesConfig { in_use: f64::NAN, ..usual() }).contains("roles.in_use"));
    assert!(refused(RolesConfig { overload: 0.5, ..usual() }).contains("roles.overload"));
    assert!(refused(RolesConfig { resamples: 0, ..usual() }).contains("roles.resamples"));
    let measure = SimilarityMeasure::AttentionMaps;
    assert!(refused(RolesConfig { measure, ..usual() }).contains("roles.measure"));
}
