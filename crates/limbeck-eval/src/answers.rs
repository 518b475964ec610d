//! What an audit amounts to: which components carry the task, what became of them, how alike the networks are, and
//! what breaks first.

use limbeck_results::{
    AcrossSeeds, Alignment, AlignmentFloors, Audit, AuditAnswers, Circuit, Component, Estimate, Finding,
    NetworkAudit, Role, Roles, SeedDifference, Solves,
};
use limbeck_stats::Direction;

use crate::sentences::figure;

/// Components named in a sentence.
const NAMED: usize = 3;
/// Damage from which a component counts towards severity, in percentage points.
const HEAVY: f64 = 20.0;

/// The answers of an audit's first screen, with their intervals.
pub fn answers(audit: &Audit) -> AuditAnswers {
    AuditAnswers {
        caveats: caveats(audit),
        carries: carries(audit),
        became: became(audit),
        alike: alike(audit),
        breaks: fragile(audit),
    }
}

/// The networks of an audit by name.
fn networks(audit: &Audit) -> impl Iterator<Item = (&'static str, &NetworkAudit)> {
    let networks = [
        ("teacher", Some(&audit.teacher)),
        ("student", Some(&audit.student)),
        ("baseline", audit.baseline.as_ref()),
    ];
    networks.into_iter().filter_map(|(whose, network)| Some((whose, network?)))
}

fn caveats(audit: &Audit) -> Vec<String> {
    let said = networks(audit).filter_map(|(whose, network)| match network.solves() {
        Solves::Yes => None,
        Solves::No => Some(format!(
            "The {whose} does not solve the {} task ({}): what its components carry, and how brittle it is, cannot be judged.",
            audit.task,
            standing(network)
        )),
        Solves::CannotTell => Some(format!(
            "Whether the {whose} solves the {} task cannot be told from {}: intervals need more of them ({}).",
            audit.task,
            counted(audit.prompts, "prompt"),
            standing(network)
        )),
    });
    said.collect()
}

/// Accuracy beside chance, and the logit difference.
fn standing(network: &NetworkAudit) -> String {
    format!(
        "right on {}, where answering without reading the prompt is right on {:.1}%; logit difference {}",
        percent(&network.accuracy),
        100.0 * network.chance,
        measured(&network.logit_difference)
    )
}

fn carries(audit: &Audit) -> String {
    let mut sentences = Vec::new();
    for (whose, network) in [("teacher", &audit.teacher), ("student", &audit.student)] {
        if network.solves() == Solves::No {
            continue;
        }
        let heaviest: Vec<String> = by_drop(network)
            .into_iter()
            .take(NAMED)
            .map(|component| format!("{} ({})", name(component), points(&component.drop)))
            .collect();
        if heaviest.is_empty() {
            continue;
        }
        sentences.push(format!(
            "The {whose}'s logit difference falls most when {} {} ablated; {}.",
            listed(&heaviest),
            if heaviest.len() == 1 { "is" } else { "are each" },
            heavy(network)
        ));
        if let Some(circuit) = &network.circuit {
            sentences.push(kept_by(circuit));
        }
    }
    if sentences.is_empty() {
        "Neither network solves the task, so nothing carries it.".to_owned()
    } else {
        sentences.join(" ")
    }
}

/// How many components lose much; where none does, how near the worst may come.
fn heavy(network: &NetworkAudit) -> String {
    let (count, all) = (
        network.components.iter().filter(|component| component.drop.value > HEAVY).count(),
        network.components.len(),
    );
    let worst = by_drop(network).first().map(|component| component.drop.high).filter(|high| high.is_finite());
    match (count, worst) {
        (0, Some(high)) => format!(
            "none of its {all} components loses more than {HEAVY} points (the largest loss is at most {} by its 95% interval)",
            figure(high)
        ),
        (0, None) => format!("none of its {all} components loses more than {HEAVY} points"),
        _ => format!("{count} of its {all} components {} more than {HEAVY} points", lose(count)),
    }
}

/// What a circuit keeps of what the components add.
fn kept_by(circuit: &Circuit) -> String {
    let (heads, mlps) = (counted(circuit.heads, "head"), counted(circuit.mlps, "MLP"));
    match &circuit.scores.faithfulness_normalised {
        _ if circuit.nodes.is_empty() => format!(
            "It has no circuit: with every component ablated {}% of the logit difference is left.",
            figure(circuit.scores.nothing.value)
        ),
        Some(kept) => format!(
            "Its circuit of {heads} and {mlps} keeps {}% of what the components add to the logit difference{}.",
            figure(kept.value),
            interval(kept)
        ),
        None => format!(
            "Its circuit of {heads} and {mlps} cannot be judged: with every component ablated the logit difference is as \
             high ({}%{}).",
            figure(circuit.scores.nothing.value),
            interval(&circuit.scores.nothing)
        ),
    }
}

fn became(audit: &Audit) -> String {
    let Some(roles) = &audit.roles else {
        let mut pairs: Vec<_> = audit.alignment.matches.iter().collect();
        pairs.sort_by(|a, b| b.teacher_influence.total_cmp(&a.teacher_influence));
        let named: Vec<String> = pairs
            .iter()
            .take(NAMED)
            .map(|pair| {
                format!(
                    "{} is most like the student's {} (similarity {})",
                    pair.teacher,
                    pair.student,
                    figure(pair.similarity)
                )
            })
            .collect();
        return match named.is_empty() {
            true => "What became of the teacher's components was not measured.".to_owned(),
            false => format!("Of the teacher's most influential components, {}.", listed(&named)),
        };
    };
    let count = |role: Role| -> usize {
        roles.counts.iter().filter(|one| one.role == role).map(|one| one.heads + one.mlps).sum()
    };
    let used: usize = Role::ALL.into_iter().filter(|role| *role != Role::Idle).map(count).sum();
    if used == 0 {
        return "The teacher uses none of its components for this task.".to_owned();
    }
    let stable = roles.teacher.iter().filter(|role| role.role != Role::Idle).map(|role| role.stability);
    format!(
        "Of the {used} components the teacher uses, {} are preserved, {} merged, {} split and {} discarded; over resamples of the \
         prompts their roles stay the same in {:.0}% of cases. The most influential: {}.",
        count(Role::Preserved),
        count(Role::Merged),
        count(Role::Split),
        count(Role::Discarded),
        100.0 * stable.sum::<f64>() / used as f64,
        fates(roles)
    )
}

/// What became of the teacher's components of the largest drops.
fn fates(roles: &Roles) -> String {
    let mut order: Vec<_> = roles.teacher.iter().filter(|role| role.role != Role::Idle).collect();
    order.sort_by(|a, b| b.drop.abs().total_cmp(&a.drop.abs()));
    let fate = |role: &&limbeck_results::TeacherRole| {
        let into: Vec<String> = role.counterparts.iter().map(|partner| partner.component.clone()).collect();
        match into.is_empty() {
            true => format!("{} {}", role.component, role.role.name()),
            false => format!("{} {} as {}", role.component, role.role.name(), listed(&into)),
        }
    };
    listed(&order.iter().take(2 * NAMED).map(fate).collect::<Vec<_>>())
}

fn alike(audit: &Audit) -> String {
    let mut sentences = vec![format!(
        "Alignment A (variant B) of the student with the teacher is {}, of which similarity {:.3} and influence {:.3}{}.",
        precise(&audit.alignment.a),
        audit.alignment.similarity.value,
        audit.alignment.influence.value,
        permutation(&audit.alignment)
    )];
    sentences.extend(
        audit
            .baseline_alignment
            .as_ref()
            .map(|baseline| format!("The baseline's is {}{}.", precise(&baseline.a), permutation(baseline))),
    );
    sentences.push(match &audit.alignment_floors {
        Some(floors) => beside_floors(floors),
        None => {
            "What networks without training have was not measured, so whether that is much cannot be said."
                .to_owned()
        }
    });
    sentences.join(" ")
}

/// The permutation test of an alignment, if it was made.
fn permutation(found: &Alignment) -> String {
    found.permutation.as_ref().map_or_else(String::new, |test| {
        format!(
            "; permutation test, the student's influences shuffled among its components: A is {:.3} on average, p = {}",
            test.mean,
            figure(test.p_value)
        )
    })
}

/// The student's alignment beside that of networks without training.
fn beside_floors(floors: &AlignmentFloors) -> String {
    let named: Vec<String> = (floors.networks.iter().filter(|floor| !floor.a.is_empty()))
        .map(|floor| {
            let (low, high) = (
                floor.a.iter().copied().fold(f64::INFINITY, f64::min),
                floor.a.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            );
            match floor.a.len() {
                1 => format!("{} has {low:.3}", floor.kind.name()),
                count => format!("{} have {low:.3} to {high:.3} ({count} seeds)", floor.kind.plural()),
            }
        })
        .collect();
    if named.is_empty() {
        return "No network without training could be measured beside it, so whether that is much cannot be said.".to_owned();
    }
    let judged = if floors.student > floors.highest() {
        "the student's is above all of them"
    } else {
        "the student's is not above all of them, and says nothing of what it learned from the teacher"
    };
    format!(
        "Without training, on {} of the prompts, where the student has {:.3}: {}; {judged}.",
        floors.prompts,
        floors.student,
        listed(&named)
    )
}

/// Where the student is brittle, in sentences.
pub(crate) fn fragile(audit: &Audit) -> String {
    if audit.student.solves() == Solves::No {
        return format!(
            "Where the student is brittle cannot be said: it does not solve the {} task ({}).",
            audit.task,
            standing(&audit.student)
        );
    }
    let Some(worst) = by_drop(&audit.student).first().copied() else {
        return "Where the student is brittle was not measured: no component was ablated.".to_owned();
    };
    let mut sentences = vec![format!(
        "{}: ablating it costs {} points of {} logit difference{}; {}.",
        depends_most(worst, audit.brittleness.across_seeds.as_ref()),
        figure(worst.drop.value),
        if audit.brittleness.across_seeds.is_some() { "the first one's" } else { "its" },
        interval(&worst.drop),
        heavy(&audit.student)
    )];
    match &audit.brittleness.across_seeds {
        Some(found) => {
            let against = [
                ("teacher", &found.mean_student_minus_teacher, &found.severity_student_minus_teacher),
                ("baseline", &found.mean_student_minus_baseline, &found.severity_student_minus_baseline),
            ];
            for (whose, mean, severity) in against {
                if whose == "baseline" && audit.baseline.is_none() {
                    continue;
                }
                sentences.push(match (mean, severity) {
                    (Some(mean), Some(severity)) => over_trainings(whose, mean, severity),
                    _ => format!(
                        "Fewer than two of {} trainings solve the task in both student and {whose}, so their brittleness is not \
                         compared.",
                        found.seeds
                    ),
                });
            }
            sentences.extend(contradictions(audit));
        }
        None => sentences.extend(one_training(audit)),
    }
    sentences.join(" ")
}

/// Which component the student depends on most, and how many of the students of other seeds do too.
fn depends_most(worst: &Component, across: Option<&AcrossSeeds>) -> String {
    let of = name(worst);
    let Some(found) = across else { return format!("The student depends most on {of}") };
    let alike = found.worst_components.iter().filter(|label| **label == worst.label()).count();
    match found.worst_components.len() {
        // Results of an earlier version do not say.
        0 => format!("The first student depends most on {of}"),
        students if alike == students => format!("All {students} students depend most on {of}"),
        students if alike <= 1 => {
            format!("The first of {students} students depends most on {of}, the others on other components")
        }
        students => format!("{alike} of {students} students, the first among them, depend most on {of}"),
    }
}

/// Mean damage and severity of the networks trained once, side by side without a comparison.
fn one_training(audit: &Audit) -> Option<String> {
    let of = &audit.brittleness;
    let figures = [
        ("student", Some(&audit.student), Some(&of.student)),
        ("teacher", Some(&audit.teacher), Some(&of.teacher)),
        ("baseline", audit.baseline.as_ref(), of.baseline.as_ref()),
    ];
    let solved: Vec<_> = (figures.into_iter())
        .filter_map(|(whose, network, found)| Some((whose, network?, found?)))
        .filter(|(_, network, _)| network.solves() != Solves::No)
        .collect();
    let each = |figure: &dyn Fn(&limbeck_results::Brittleness) -> String| {
        listed(
            &solved
                .iter()
                .map(|(whose, _, found)| format!("{} in the {whose}", figure(found)))
                .collect::<Vec<_>>(),
        )
    };
    (!solved.is_empty()).then(|| {
        format!(
            "Of this one training the mean damage over components, in points, is {}, the severity {}; how far another training \
             would differ is not known.",
            each(&|found| measured(&found.mean)),
            each(&|found| measured(&found.severity))
        )
    })
}

/// What several trainings say of student and another network.
fn over_trainings(whose: &str, mean: &SeedDifference, severity: &SeedDifference) -> String {
    let trainings = mean.by_seed.len();
    let left_out = match mean.left_out {
        0 => String::new(),
        one => format!(", {one} more left out as one of the two does not solve the task"),
    };
    let compared = |difference: &Estimate, unit: &str| match Finding::of(difference, Direction::LowerIsBetter)
    {
        Finding::Worse => format!(
            "{}{unit} higher ({} to {})",
            figure(difference.value),
            figure(difference.low),
            figure(difference.high)
        ),
        Finding::Better => format!(
            "{}{unit} lower ({} to {})",
            figure(-difference.value),
            figure(-difference.high),
            figure(-difference.low)
        ),
        _ => {
            format!("not told apart (difference {}{unit}{})", figure(difference.value), interval(difference))
        }
    };
    format!(
        "Over {trainings} trainings{left_out}, the student's mean damage against the {whose}'s is {}, its severity {}, with 95% \
         intervals over trainings and prompts.",
        compared(&mean.difference, " points"),
        compared(&severity.difference, "")
    )
}

/// Shifted prompts on which the comparison over trainings comes out the other way round.
fn contradictions(audit: &Audit) -> Vec<String> {
    let Some(here) = &audit.brittleness.across_seeds else { return Vec::new() };
    let mut found = Vec::new();
    for shift in &audit.brittleness.shifts {
        let Some(there) = &shift.across_seeds else { continue };
        for (whose, here, there) in [
            ("teacher", &here.mean_student_minus_teacher, &there.mean_student_minus_teacher),
            ("baseline", &here.mean_student_minus_baseline, &there.mean_student_minus_baseline),
        ] {
            let (Some(here), Some(there)) = (here, there) else { continue };
            let told = |one: &SeedDifference| Finding::of(&one.difference, Direction::LowerIsBetter);
            if let (Finding::Better, Finding::Worse) | (Finding::Worse, Finding::Better) =
                (told(here), told(there))
            {
                found.push(format!(
                    "On shifted prompts ({}) it is the other way round against the {whose}: mean damage differs by {} points{}.",
                    shift.name.replace('_', " "),
                    figure(there.difference.value),
                    interval(&there.difference)
                ));
            }
        }
    }
    found
}

/// Components from the largest drop down; of equals the first first.
fn by_drop(network: &NetworkAudit) -> Vec<&Component> {
    let key = |component: &Component| {
        if component.drop.value.is_nan() { f64::NEG_INFINITY } else { component.drop.value }
    };
    let mut order: Vec<&Component> = network.components.iter().collect();
    order.sort_by(|a, b| key(b).total_cmp(&key(a)));
    order
}

fn lose(components: usize) -> &'static str {
    if components == 1 { "loses" } else { "lose" }
}

/// `1 head`, `5 heads`.
fn counted(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// "a, b and c".
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn name(component: &Component) -> String {
    match component.head {
        Some(_) => format!("head {}", component.label()),
        None => component.label(),
    }
}

/// `1.2 (1.0 to 1.4)`; without an interval the figure alone.
fn measured(found: &Estimate) -> String {
    format!("{}{}", figure(found.value), interval(found))
}

/// `47.1 points, 40.2 to 53.0`.
fn points(found: &Estimate) -> String {
    match found.is_finite() {
        true => format!("{} points, {} to {}", figure(found.value), figure(found.low), figure(found.high)),
        false => format!("{} points", figure(found.value)),
    }
}

/// ` (1.0 to 1.4)`; nothing where there is no interval.
fn interval(found: &Estimate) -> String {
    match found.is_finite() {
        true => format!(" ({} to {})", figure(found.low), figure(found.high)),
        false => String::new(),
    }
}

/// Three decimals, with the interval where there is one.
fn precise(found: &Estimate) -> String {
    match found.is_finite() {
        true => format!("{:.3} ({:.3} to {:.3})", found.value, found.low, found.high),
        false => format!("{:.3}", found.value),
    }
}

/// A share in percent, with its interval where there is one.
pub(crate) fn percent(share: &Estimate) -> String {
    let [value, low, high] = [share.value, share.low, share.high].map(|part| part * 100.0);
    match share.is_finite() {
        true => format!("{value:.1}% ({low:.1} to {high:.1})"),
        false => format!("{value:.1}%"),
    }
}
