//! What the figures amount to: did distillation help this student, and where is it fragile.

use limbeck_results::{Audit, Evaluation, Finding, Verdict, VerdictAnswer};

use crate::answers::{answers, fragile, percent};
use crate::sentences::figure;

/// The measures that decide whether distillation helped: how the student does on the data itself.
/// Agreement and divergence say how faithful it is, which is not the same as better.
const DECIDING: [&str; 2] = ["loss", "accuracy"];

/// What no interval here can hold.
const SCOPE: &str = "Intervals are over examples and prompts. Student and baseline were trained once each: how far another seed would move the figures is not in them.";

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
    if answer != VerdictAnswer::NoBaseline {
        facts.push(SCOPE.to_owned());
    }
    Verdict {
        answer,
        headline: headline(answer, evaluation),
        fragile: fragile_or_not(audit),
        facts,
        inside: audit.map(answers),
    }
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

fn fragile_or_not(audit: Option<&Audit>) -> String {
    audit.map_or_else(
        || "Where the student is fragile was not measured: there was no audit.".to_owned(),
        fragile,
    )
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
