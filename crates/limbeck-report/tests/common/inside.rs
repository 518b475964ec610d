//! Circuits, roles, curves and the rest of an audit, made from a formula: no measurement.

use limbeck_results::*;

use super::{Draws, around};

fn points(sizes: &[f64], steepness: f64) -> DamageCurve {
    let point = |size: &f64| {
        let score = 100.0 * (-size * steepness).exp();
        DamagePoint {
            size: *size,
            score: around(score, 2.0 + 0.06 * score),
            accuracy: around(score / 100.0, 0.04),
            lowest_draw: score - 5.0,
            highest_draw: score + 4.0,
        }
    };
    DamageCurve {
        draws: 3,
        points: sizes.iter().map(point).collect(),
        kept: around(48.0 / steepness.sqrt(), 3.0),
    }
}

pub fn curves(found: &NetworkAudit, steepness: f64) -> DamageCurves {
    let mut order: Vec<&Component> = found.components.iter().collect();
    order.sort_by(|a, b| b.drop.value.total_cmp(&a.drop.value));
    let sizes: Vec<f64> =
        [1, 2, 3, 5, 8, 13, 21, 34].into_iter().filter(|k| *k < order.len()).map(|k| k as f64).collect();
    DamageCurves {
        prompts: 32,
        noise: points(&[0.1, 0.2, 0.4, 0.8, 1.6], steepness),
        worst_first: points(&sizes, steepness * 0.4),
        random: points(&sizes, steepness * 0.08),
        order: order.iter().take(34).map(|component| component.label()).collect(),
    }
}

pub fn spare(found: &NetworkAudit, taken_over: f64) -> SpareCapacity {
    let mut order: Vec<&Component> = found.components.iter().collect();
    order.sort_by(|a, b| b.drop.value.total_cmp(&a.drop.value));
    let repair = |component: &&Component| Repair {
        component: component.label(),
        direct: around(component.drop.value * 1.3, 2.0),
        total: component.drop.value,
    };
    SpareCapacity {
        taken_over: around(taken_over, 0.05),
        components: order.iter().take(12).map(repair).collect(),
    }
}

pub fn attention(found: &NetworkAudit) -> AttentionPicture {
    let text = "Van done in 1 . Hat done in 2 . Ring done in 3 . Desk done in 4 . Sun done in";
    let tokens: Vec<String> = text.split(' ').map(|word| format!(" {word}")).collect();
    let mut order: Vec<&Component> = found.components.iter().filter(|c| c.head.is_some()).collect();
    order.sort_by(|a, b| b.drop.value.total_cmp(&a.drop.value));
    let map = |reach: usize| -> Vec<f64> {
        (0..tokens.len())
            .flat_map(|query| {
                (0..=query).map(move |key| if query - key == reach { 0.7 } else { 0.3 / (query + 1) as f64 })
            })
            .collect()
    };
    let heads = order.iter().take(3).enumerate().map(|(place, component)| HeadPicture {
        component: component.label(),
        attention: map([1, 5, 0][place]),
    });
    AttentionPicture { heads: heads.collect(), tokens: tokens.clone() }
}

pub fn attribution(found: &NetworkAudit) -> Attribution {
    let mut draws = Draws(77);
    let components = found.components.iter().map(|component| DirectEffect {
        kind: component.kind,
        layer: component.layer,
        head: component.head,
        effect: around(component.drop.value / 100.0 * (0.6 + draws.next()) - 0.05, 0.05),
    });
    let lens = (0..=found.layers).map(|blocks| {
        let share = blocks as f64 / found.layers as f64;
        LensPoint {
            blocks,
            logit_difference: around(6.4 * share.powi(3), 0.3),
            probability: around(0.9 * share.powi(4), 0.03),
            rank: around(1.0 + 900.0 * (1.0 - share), 20.0),
        }
    });
    let patched = found.components.iter().map(|component| PatchedComponent {
        kind: component.kind,
        layer: component.layer,
        head: component.head,
        denoising: around(component.drop.value / 130.0, 0.03),
        noising: around(1.0 - component.drop.value / 110.0, 0.03),
    });
    Attribution {
        prompts: 32,
        direct: DirectAttribution {
            logit_difference: around(6.4, 0.3),
            embedding: around(-0.2, 0.02),
            positions: None,
            components: components.collect(),
            attention_biases: None,
            final_norm_bias: None,
        },
        lens: lens.collect(),
        patching: Some(Patching {
            prompts: 32,
            clean: around(6.4, 0.3),
            corrupted: around(-0.3, 0.2),
            components: patched.collect(),
            residual: vec![residual(found, "done in"), residual(found, "lost in")],
        }),
    }
}

/// What tells the prompts apart moves from the numbers to the last position in the middle of the network.
fn residual(found: &NetworkAudit, group: &str) -> PatchedResidual {
    let text = "Van done in 1 .\n Hat done in 2 .\n Wheelbarrow done in";
    let tokens: Vec<String> = text.split(' ').map(|word| format!(" {word}")).collect();
    let layer = |layer: usize, turned: bool| -> Vec<Estimate> {
        let moved = layer as f64 / found.layers.max(1) as f64;
        let value = |place: usize| match place {
            3 => 0.3 * (1.0 - moved),
            7 => 0.8 * (1.0 - moved),
            last if last + 1 == tokens.len() => moved,
            _ => -0.01,
        };
        let value = |place| if turned { 1.0 - value(place) } else { value(place) };
        (0..tokens.len()).map(|place| around(value(place), 0.03)).collect()
    };
    PatchedResidual {
        group: format!("{group}, {} tokens", tokens.len()),
        prompts: 8,
        denoising: (0..found.layers).map(|number| layer(number, false)).collect(),
        noising: (0..found.layers).map(|number| layer(number, true)).collect(),
        tokens,
    }
}

/// The components of the largest drops, with edges from each to the next ones and to the answer.
pub fn circuit(found: &NetworkAudit, share: f64) -> Circuit {
    let mut order: Vec<&Component> = found.components.iter().collect();
    order.sort_by(|a, b| b.drop.value.total_cmp(&a.drop.value));
    order.truncate(((order.len() as f64 * share) as usize).max(2));
    order.sort_by_key(|c| (c.layer, c.head.unwrap_or(usize::MAX)));
    let mut draws = Draws(9);
    let mut edges = Vec::new();
    let edge = |from: String, to: String, input, drop| CircuitEdge {
        from,
        readers: vec![to.clone()],
        to,
        input,
        drop,
        measured: true,
    };
    for (place, component) in order.iter().enumerate() {
        if place < 5 {
            edges.push(edge("embed".into(), component.label(), Some(HeadInput::Value), 30.0 * draws.next()));
        }
        for later in
            order[place + 1..].iter().filter(|later| later.layer > component.layer || later.head.is_none())
        {
            if draws.next() < 0.25 {
                let inputs = [HeadInput::Query, HeadInput::Key, HeadInput::Value];
                let input = later.head.map(|_| inputs[(draws.next() * 3.0) as usize]);
                edges.push(edge(component.label(), later.label(), input, 40.0 * draws.next().powi(3)));
            }
        }
        if place + 5 > order.len() {
            edges.push(edge(component.label(), "logits".into(), None, 50.0 * draws.next()));
        }
    }
    let heads = order.iter().filter(|c| c.head.is_some()).count();
    Circuit {
        method: CircuitMethod::Pruning,
        prompts: 24,
        threshold: 20.0,
        normalised: true,
        sweeps: 3,
        heads,
        mlps: order.len() - heads,
        share: order.len() as f64 / found.components.len() as f64,
        nodes: order
            .iter()
            .map(|c| CircuitNode { kind: c.kind, layer: c.layer, head: c.head, drop: c.drop })
            .collect(),
        edges: Some(CircuitEdges {
            possible: edges.len() * 3,
            tested: edges.len() * 2,
            keep_below: 80.0,
            score: around(79.0, 3.0),
            edges,
        }),
        scores: CircuitScores {
            circuit: around(81.2, 2.2),
            without: around(3.1, 1.4),
            nothing: around(-1.0, 0.4),
            faithfulness_normalised: Some(around(81.5, 2.2)),
            completeness: Some(around(96.0, 1.5)),
            minimality: Some(around(14.0, 2.0)),
        },
        random: Some(RandomCircuits {
            draws: 50,
            circuit: around(11.0, 9.0),
            without: around(62.0, 30.0),
            minimality: around(1.0, 2.0),
            circuit_p: 0.0196,
            without_p: 0.0196,
            minimality_p: 0.0392,
        }),
        thresholds: Vec::new(),
    }
}

pub fn comparison(teacher: &Circuit, student: &Circuit, alignment: &Alignment) -> CircuitComparison {
    let within: Vec<String> = student.nodes.iter().map(CircuitNode::label).collect();
    let members = teacher.nodes.iter().filter_map(|node| {
        let pair = alignment.matches.iter().find(|pair| pair.teacher == node.label())?;
        Some(CircuitMember {
            teacher: pair.teacher.clone(),
            student: pair.student.clone(),
            in_student_circuit: within.contains(&pair.student),
        })
    });
    CircuitComparison {
        teacher_size: teacher.nodes.len(),
        student_size: student.nodes.len(),
        teacher_share: teacher.share,
        student_share: student.share,
        members: members.collect(),
        kept: 0.71,
        kept_outside: 0.42,
        of_the_student_alone: within.into_iter().take(1).collect(),
    }
}

/// Roles by the alignment's matches: a shared match is a merger, a weak one a loss.
pub fn roles(teacher: &NetworkAudit, student: &NetworkAudit, alignment: &Alignment) -> Roles {
    let drop = |network: &NetworkAudit, label: &str| {
        network.components.iter().find(|c| c.label() == label).map_or(0.0, |c| c.drop.value)
    };
    let in_use = |network: &NetworkAudit, label: &str| drop(network, label).abs() >= 3.0;
    let pairs: Vec<&Match> = alignment
        .matches
        .iter()
        .filter(|pair| {
            in_use(teacher, &pair.teacher) && in_use(student, &pair.student) && pair.similarity > 0.8
        })
        .collect();
    let role = |component: &Component| {
        let label = component.label();
        if !in_use(teacher, &label) {
            return Role::Idle;
        }
        match pairs.iter().find(|pair| pair.teacher == label) {
            None => Role::Discarded,
            Some(pair) if pairs.iter().filter(|other| other.student == pair.student).count() > 1 => {
                Role::Merged
            }
            Some(_) => Role::Preserved,
        }
    };
    let mut flow = Vec::new();
    let mut listed = Vec::new();
    for component in &teacher.components {
        let (label, role) = (component.label(), role(component));
        let pair = pairs.iter().find(|pair| pair.teacher == label);
        let partner = pair.map(|pair| Counterpart {
            component: pair.student.clone(),
            similarity: pair.similarity,
            above_chance: pair.similarity - 0.3,
            drop: drop(student, &pair.student),
        });
        if role != Role::Idle {
            let sharing = pair.map_or(1, |pair| pairs.iter().filter(|p| p.student == pair.student).count());
            flow.push(Flow {
                teacher: Some(label.clone()),
                student: pair.map(|pair| pair.student.clone()),
                teacher_drop: component.drop.value.abs(),
                student_drop: pair.map_or(0.0, |pair| drop(student, &pair.student).abs() / sharing as f64),
                similarity: pair.map(|pair| pair.similarity),
                role: Some(role),
            });
        }
        listed.push(TeacherRole {
            component: label,
            kind: component.kind,
            layer: component.layer,
            role,
            stability: 0.87,
            drop: component.drop.value,
            counterparts: partner.iter().cloned().collect(),
            shares_with: Vec::new(),
            nearest: partner,
        });
    }
    let mut ours = Vec::new();
    for component in &student.components {
        let label = component.label();
        let sourced = pairs.iter().any(|pair| pair.student == label);
        let standing = match (in_use(student, &label), sourced) {
            (false, _) => Standing::Idle,
            (true, false) => Standing::New,
            (true, true) if component.drop.value > 60.0 => Standing::OverRelied,
            (true, true) => Standing::Inherits,
        };
        if standing == Standing::New {
            flow.push(Flow {
                teacher: None,
                student: Some(label.clone()),
                teacher_drop: 0.0,
                student_drop: component.drop.value.abs(),
                similarity: None,
                role: None,
            });
        }
        ours.push(StudentRole {
            component: label,
            kind: component.kind,
            layer: component.layer,
            standing,
            stability: 0.8,
            drop: component.drop.value,
            inherited_drop: component.drop.value * 0.4,
            sources: Vec::new(),
        });
    }
    let total: f64 = teacher.components.iter().map(|c| c.drop.value.abs()).sum();
    let counts = Role::ALL.map(|role| {
        let of = |kind| listed.iter().filter(|one| one.role == role && one.kind == kind).count();
        RoleCount {
            role,
            heads: of(ComponentKind::Head),
            mlps: of(ComponentKind::Mlp),
            influence: listed.iter().filter(|one| one.role == role).map(|one| one.drop.abs()).sum::<f64>()
                / total,
        }
    });
    Roles {
        rule: RoleRule {
            measure: SimilarityMeasure::Cka,
            similar: 0.3,
            margin: 0.1,
            in_use: 3.0,
            overload: 2.0,
            heavy: 20.0,
            head_chance: 0.31,
            mlp_chance: 0.42,
            resamples: 100,
        },
        counts: counts.to_vec(),
        teacher: listed,
        student: ours,
        flow,
    }
}

pub fn similarity(teacher: &NetworkAudit, student: &NetworkAudit, alignment: &Alignment) -> Similarity {
    let links: Vec<Link> = alignment
        .matches
        .iter()
        .map(|pair| Link {
            teacher: pair.teacher.clone(),
            student: pair.student.clone(),
            similarity: pair.similarity,
        })
        .collect();
    let measured = |measure, kind, mean: f64| MeasuredSimilarity {
        measure,
        kind,
        teacher_mean: around(mean, 0.02),
        student_mean: around(mean + 0.02, 0.02),
        one_to_one_mean: around(mean - 0.06, 0.02),
        chance: mean * 0.55,
        teacher_best: links.clone(),
        student_best: links.clone(),
        one_to_one: links.clone(),
        layers: (0..teacher.layers)
            .map(|one| {
                let near = |other: usize| (one as f64 / 2.0 - other as f64).abs();
                (0..student.layers).map(|other| (0.95 - 0.15 * near(other)).max(0.2)).collect()
            })
            .collect(),
    };
    Similarity {
        rows: 640,
        directions: 8,
        teacher_variance: 0.93,
        student_variance: 0.91,
        resamples: 200,
        measures: vec![
            measured(SimilarityMeasure::AttentionMaps, ComponentKind::Head, 0.91),
            measured(SimilarityMeasure::Cka, ComponentKind::Head, 0.78),
            measured(SimilarityMeasure::Cka, ComponentKind::Mlp, 0.84),
            measured(SimilarityMeasure::EffectSpearman, ComponentKind::Head, 0.55),
        ],
        alignments: Vec::new(),
    }
}

/// Differences over three trainings.
pub fn across_seeds() -> AcrossSeeds {
    let difference = |value: f64, half: f64, left_out: usize| {
        let by_seed = vec![value - half / 2.0, value, value + half / 2.0];
        Some(SeedDifference { difference: around(value, half), by_seed, left_out })
    };
    AcrossSeeds {
        seeds: 3,
        worst_components: vec!["MLP 0".into(), "MLP 0".into(), "MLP 1".into()],
        severity_student_minus_teacher: difference(0.05, 0.02, 0),
        severity_student_minus_baseline: difference(-0.01, 0.03, 1),
        mean_student_minus_teacher: difference(6.2, 1.9, 0),
        mean_student_minus_baseline: difference(-1.1, 2.6, 1),
    }
}

pub fn floors() -> AlignmentFloors {
    AlignmentFloors {
        prompts: 24,
        student: 0.861,
        baseline: Some(0.74),
        networks: vec![
            NetworkFloor { kind: FloorKind::Untrained, a: vec![0.711, 0.702, 0.718] },
            NetworkFloor { kind: FloorKind::ShuffledWeights, a: vec![0.624, 0.631, 0.619] },
        ],
    }
}

pub fn shifted() -> ShiftedBrittleness {
    let figures = |severity: f64, worst: &str, difference: f64| ShiftedFigures {
        accuracy: around(0.9, 0.05),
        chance: 0.125,
        logit_difference: around(difference, 0.4),
        mean: Some(around(100.0 * severity, 2.0)),
        severity: around(severity, 0.01),
        worst: around(100.0 * severity.sqrt(), 8.0),
        worst_component: worst.into(),
    };
    ShiftedBrittleness {
        name: "other_names".into(),
        description: "The sentences are about animals.".into(),
        prompts: 12,
        teacher: figures(0.02, "2.1", 5.1),
        student: figures(0.09, "MLP 0", 4.0),
        baseline: Some(figures(0.12, "0.3", 0.1)),
        severity_student_minus_teacher: around(0.07, 0.02),
        severity_student_minus_baseline: Some(around(-0.03, 0.02)),
        across_seeds: Some(AcrossSeeds { mean_student_minus_baseline: None, ..across_seeds() }),
    }
}
