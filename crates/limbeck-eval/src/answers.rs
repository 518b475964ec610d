//! What an audit amounts to: which components carry the task, what became of them, how alike the networks are, and
//! what breaks first.

use limbeck_results::{Audit, AuditAnswers, Component, Estimate, Finding, NetworkAudit, Role, Roles};
use limbeck_stats::Direction;

use crate::sentences::figure;

/// Components named in a sentence.
const NAMED: usize = 3;

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

fn caveats(audit: &Audit) -> Vec<String> {
    let networks = [
        ("teacher", Some(&audit.teacher)),
        ("student", Some(&audit.student)),
        ("baseline", audit.baseline.as_ref()),
    ];
    let unsolved = networks.into_iter().filter_map(|(whose, network)| Some((whose, network?)));
    unsolved
        .filter(|(_, network)| !solves(network))
        .map(|(whose, network)| {
            format!(
                "The {whose} does not solve the {} task (right on {}, logit difference {}, {} to {}): what its components carry, and how fragile it is, cannot be judged.",
                audit.task,
                percent(&network.accuracy),
                figure(network.logit_difference.value),
                figure(network.logit_difference.low),
                figure(network.logit_difference.high)
            )
        })
        .collect()
}

fn carries(audit: &Audit) -> String {
    let mut sentences = Vec::new();
    for (whose, network) in [("teacher", &audit.teacher), ("student", &audit.student)] {
        if !solves(network) {
            continue;
        }
        let heaviest: Vec<String> = by_drop(network)
            .into_iter()
            .take(NAMED)
            .map(|component| {
                let Estimate { value, low, high } = component.drop;
                format!("{} ({} points, {} to {})", name(component), figure(value), figure(low), figure(high))
            })
            .collect();
        if heaviest.is_empty() {
            continue;
        }
        let heavy = network.components.iter().filter(|component| component.drop.value > 20.0).count();
        sentences.push(format!(
            "The {whose}'s score rests most on {}; {heavy} of its {} components {} more than 20 points.",
            listed(&heaviest),
            network.components.len(),
            carry(heavy)
        ));
        if let Some(circuit) = &network.circuit {
            sentences.push(format!(
                "Its circuit of {} and {} keeps {}% of the score ({} to {}) by itself.",
                counted(circuit.heads, "head"),
                counted(circuit.mlps, "MLP"),
                figure(circuit.scores.circuit.value),
                figure(circuit.scores.circuit.low),
                figure(circuit.scores.circuit.high)
            ));
        }
    }
    if sentences.is_empty() {
        "Neither network solves the task, so nothing carries it.".to_owned()
    } else {
        sentences.join(" ")
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
        "Of the {used} components the teacher uses, {} are preserved, {} merged, {} split and {} discarded; with other prompts drawn \
         their roles are the same in {:.0}% of cases. The most influential: {}.",
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
    let found = &audit.alignment;
    let mut sentence = format!(
        "Alignment A of the student with the teacher is {:.3} ({:.3} to {:.3}), of which similarity {:.3} and influence {:.3}",
        found.a.value, found.a.low, found.a.high, found.similarity.value, found.influence.value
    );
    if let Some(test) = &found.permutation {
        sentence += &format!(
            "; with the student's influences permuted among its components of one kind it is {:.3} on average (permutation test, p = {})",
            test.mean,
            figure(test.p_value)
        );
    }
    sentence.push('.');
    if let Some(baseline) = &audit.baseline_alignment {
        sentence += &format!(
            " The baseline's is {:.3} ({:.3} to {:.3}).",
            baseline.a.value, baseline.a.low, baseline.a.high
        );
    }
    sentence
}

/// Where the student is fragile, in sentences.
pub(crate) fn fragile(audit: &Audit) -> String {
    if !solves(&audit.student) {
        return format!(
            "Where the student is fragile cannot be said: it does not solve the {} task (logit difference {}, {} to {}).",
            audit.task,
            figure(audit.student.logit_difference.value),
            figure(audit.student.logit_difference.low),
            figure(audit.student.logit_difference.high)
        );
    }
    let Some(worst) = by_drop(&audit.student).first().copied() else {
        return "Where the student is fragile was not measured: no component was removed.".to_owned();
    };
    let brittleness = &audit.brittleness;
    let mut sentence = format!(
        "The student leans hardest on {}: without it {} points of its score are lost ({} to {}); {} of {} components {} more than 20 points.",
        name(worst),
        figure(worst.drop.value),
        figure(worst.drop.low),
        figure(worst.drop.high),
        brittleness.student.over_20,
        audit.student.components.len(),
        carry(brittleness.student.over_20)
    );
    let against_teacher = Some(&brittleness.severity_student_minus_teacher);
    let against_baseline = brittleness.severity_student_minus_baseline.as_ref();
    for (whose, network, difference) in [
        ("teacher", Some(&audit.teacher), against_teacher),
        ("baseline", audit.baseline.as_ref(), against_baseline),
    ] {
        if let (Some(network), Some(difference)) = (network, difference) {
            sentence.push(' ');
            sentence.push_str(&severity_against(difference, whose, solves(network)));
        }
    }
    sentence
}

/// Whether the network prefers the right answer beyond its interval: else shares of its score mean nothing.
fn solves(network: &NetworkAudit) -> bool {
    network.logit_difference.low > 0.0
}

/// What the paired difference of severities says, student minus other.
fn severity_against(difference: &Estimate, whose: &str, solves: bool) -> String {
    if !solves {
        return format!("The {whose} does not solve the task, so its severity is no measure.");
    }
    let (low, high) = (figure(difference.low), figure(difference.high));
    match Finding::of(difference, Direction::LowerIsBetter) {
        Finding::Worse => format!(
            "It is more brittle than the {whose}: severity {} higher (95% interval {low} to {high}).",
            figure(difference.value)
        ),
        Finding::Better => format!(
            "It is less brittle than the {whose}: severity {} lower (95% interval {} to {}).",
            figure(-difference.value),
            figure(-difference.high),
            figure(-difference.low)
        ),
        // No margin was given, so that nothing is found equal.
        Finding::CannotTell | Finding::Equal => format!(
            "By severity it cannot be told from the {whose} (difference {}, 95% interval {low} to {high}).",
            figure(difference.value)
        ),
    }
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

fn carry(components: usize) -> &'static str {
    if components == 1 { "carries" } else { "carry" }
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

/// A share in percent with its interval, where there is one.
pub(crate) fn percent(share: &Estimate) -> String {
    if !share.has_interval() {
        return format!("{:.1}%", share.value * 100.0);
    }
    format!("{:.1}% ({:.1} to {:.1})", share.value * 100.0, share.low * 100.0, share.high * 100.0)
}
