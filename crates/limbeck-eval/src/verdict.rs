//! What the figures amount to: did distillation help this student, and where is it fragile.

use limbeck_results::{
    Audit, Component, Estimate, Evaluation, Finding, NetworkAudit, Verdict, VerdictAnswer,
};
use limbeck_stats::Direction;

use crate::sentences::figure;

/// The measures that decide whether distillation helped: how the student does on the data itself.
/// Agreement and divergence say how faithful it is, which is not the same as better.
const DECIDING: [&str; 2] = ["loss", "accuracy"];

/// The first screen of the report, from the scores and, where there is one, the audit.
///
/// The answer is `Helped` when the student beats the baseline beyond the interval by held-out loss or accuracy
/// and is worse by neither, `Hurt` the other way round, `Mixed` when the two disagree, and `CannotTell` when
/// neither interval leaves zero out.
pub fn verdict(evaluation: &Evaluation, audit: Option<&Audit>) -> Verdict {
    let answer = answer(evaluation);
    let mut facts = faithfulness(evaluation);
    facts.extend(shifts(evaluation));
    if let Some(audit) = audit {
        facts.extend(inside(audit));
    }
    Verdict { answer, headline: headline(answer, evaluation), fragile: fragile(audit), facts }
}

fn answer(evaluation: &Evaluation) -> VerdictAnswer {
    let findings: Vec<Finding> = deciding(evaluation).map(|comparison| comparison.finding).collect();
    let (better, worse) = (findings.contains(&Finding::Better), findings.contains(&Finding::Worse));
    match (findings.is_empty(), better, worse) {
        (true, ..) => VerdictAnswer::NoBaseline,
        (_, true, true) => VerdictAnswer::Mixed,
        (_, true, false) => VerdictAnswer::Helped,
        (_, false, true) => VerdictAnswer::Hurt,
        (_, false, false) => VerdictAnswer::CannotTell,
    }
}

fn deciding(evaluation: &Evaluation) -> impl Iterator<Item = &limbeck_results::Comparison> {
    DECIDING
        .iter()
        .filter_map(|name| evaluation.comparisons.iter().find(|comparison| comparison.measure == *name))
}

fn headline(answer: VerdictAnswer, evaluation: &Evaluation) -> String {
    let opening = match answer {
        VerdictAnswer::Helped => "Distillation helped this student.",
        VerdictAnswer::Hurt => "Distillation hurt this student.",
        VerdictAnswer::Mixed => "Distillation helped by one measure and hurt by another.",
        VerdictAnswer::CannotTell => "The data cannot tell whether distillation helped.",
        VerdictAnswer::NoBaseline => {
            let student = &evaluation.student;
            return format!(
                "Whether distillation helped was not measured, for there is no baseline; the student's held-out loss is {} nats and its accuracy {}.",
                figure(student.loss.value),
                percent(&student.accuracy)
            );
        }
    };
    // What was found first, what could not be told after it.
    let (told, untold): (Vec<_>, Vec<_>) =
        deciding(evaluation).partition(|comparison| comparison.finding != Finding::CannotTell);
    let sentences: Vec<&str> =
        told.into_iter().chain(untold).map(|comparison| comparison.sentence.as_str()).collect();
    format!("{opening} {}", sentences.join(" "))
}

fn faithfulness(evaluation: &Evaluation) -> Vec<String> {
    let student = &evaluation.student;
    let mut facts = vec![format!(
        "Student and teacher rank the same token first on {} of {} scored tokens; the student diverges from the teacher by {} nats ({} to {}).",
        percent(&student.agreement),
        evaluation.scored_tokens,
        figure(student.kl.value),
        figure(student.kl.low),
        figure(student.kl.high)
    )];
    for measure in ["agreement", "kl", "ece"] {
        facts.extend(
            evaluation
                .comparisons
                .iter()
                .find(|comparison| comparison.measure == measure)
                .map(|comparison| comparison.sentence.clone()),
        );
    }
    facts
}

fn shifts(evaluation: &Evaluation) -> Vec<String> {
    evaluation
        .shifts
        .iter()
        .map(|shift| {
            let (there, here) = (&shift.scores.student.accuracy, &evaluation.student.accuracy);
            let name = shift.name.replace('_', " ");
            let compared = match answer(&shift.scores) {
                VerdictAnswer::Helped => "; there distillation helped",
                VerdictAnswer::Hurt => "; there distillation hurt",
                VerdictAnswer::Mixed => "; there distillation helped by one measure and hurt by another",
                VerdictAnswer::CannotTell => "; there student and baseline cannot be told apart",
                VerdictAnswer::NoBaseline => "",
            };
            format!(
                "On {name} the student is right on {}, against {} on held-out data{compared}.",
                percent(there),
                percent(here)
            )
        })
        .collect()
}

fn fragile(audit: Option<&Audit>) -> String {
    let Some(audit) = audit else {
        return "Where the student is fragile was not measured: there was no audit.".to_owned();
    };
    if !solves(&audit.student) {
        return format!(
            "Where the student is fragile cannot be said: it does not solve the {} task (logit difference {}, {} to {}).",
            audit.task,
            figure(audit.student.logit_difference.value),
            figure(audit.student.logit_difference.low),
            figure(audit.student.logit_difference.high)
        );
    }
    let Some(worst) = worst(&audit.student.components) else {
        return "Where the student is fragile was not measured: no component was removed.".to_owned();
    };
    let brittleness = &audit.brittleness;
    let mut sentence = format!(
        "The student leans hardest on {}: without it {} points of its score are lost ({} to {}); {} of {} components carry more than 20 points.",
        name(worst),
        figure(worst.drop.value),
        figure(worst.drop.low),
        figure(worst.drop.high),
        brittleness.student.over_20,
        audit.student.components.len()
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
        Finding::CannotTell => format!(
            "By severity it cannot be told from the {whose} (difference {}, 95% interval {low} to {high}).",
            figure(difference.value)
        ),
    }
}

/// The component with the largest drop; the first of equals.
fn worst(components: &[Component]) -> Option<&Component> {
    components.iter().reduce(
        |worst, component| {
            if component.drop.value > worst.drop.value { component } else { worst }
        },
    )
}

fn name(component: &Component) -> String {
    match component.head {
        Some(_) => format!("head {}", component.label()),
        None => component.label(),
    }
}

fn inside(audit: &Audit) -> Vec<String> {
    let mut facts = vec![format!(
        "On {} {} prompts the teacher answers {} right, the student {}.",
        audit.prompts,
        audit.task,
        percent(&audit.teacher.accuracy),
        percent(&audit.student.accuracy)
    )];
    for (whose, alignment) in
        [("student", Some(&audit.alignment)), ("baseline", audit.baseline_alignment.as_ref())]
    {
        if let Some(alignment) = alignment {
            facts.push(format!(
                "Alignment of the {whose} with the teacher: A = {:.3} ({:.3} to {:.3}), of which similarity {:.3} and influence {:.3}; weighted by influence the similarity is {:.3}.",
                alignment.a.value,
                alignment.a.low,
                alignment.a.high,
                alignment.similarity.value,
                alignment.influence.value,
                alignment.influence_weighted_similarity.value
            ));
        }
    }
    facts
}

fn percent(share: &Estimate) -> String {
    format!("{:.1}% ({:.1} to {:.1})", share.value * 100.0, share.low * 100.0, share.high * 100.0)
}
