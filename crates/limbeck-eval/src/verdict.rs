//! What the figures amount to: did distillation help this student, and where is it fragile.

use limbeck_results::{
    Audit, Comparison, Estimate, Evaluation, Finding, StudentScores, Verdict, VerdictAnswer,
};

use crate::answers::{answers, fragile, percent};
use crate::comparison::DECIDING;
use crate::sentences::figure;

/// The first screen of the report, from the scores and, where there is one, the audit.
///
/// The answer is `Helped` when the student beats the baseline by held-out loss or accuracy, by at least the smallest
/// difference that matters and beyond an interval corrected for the two chances, and is worse by neither; `Hurt` the
/// other way round; `Mixed` when the two disagree; `Equal` when both are equal within the smallest difference that
/// matters; and `CannotTell` otherwise.
pub fn verdict(evaluation: &Evaluation, audit: Option<&Audit>) -> Verdict {
    let answer = answer(evaluation);
    let mut facts = faithfulness(evaluation);
    facts.extend(shifts(answer, evaluation));
    if let Some(audit) = audit {
        facts.extend(inside(audit));
    }
    facts.extend(scope(answer, evaluation));
    Verdict {
        answer,
        warnings: warnings(evaluation),
        headline: headline(answer, evaluation),
        fragile: fragile_or_not(audit),
        facts,
        inside: audit.map(answers),
    }
}

fn answer(evaluation: &Evaluation) -> VerdictAnswer {
    let findings: Vec<Finding> = deciding(evaluation).map(|comparison| comparison.finding).collect();
    let (better, worse) = (findings.contains(&Finding::Better), findings.contains(&Finding::Worse));
    let equal = findings.iter().all(|finding| *finding == Finding::Equal);
    match (findings.is_empty(), better, worse) {
        (true, ..) => VerdictAnswer::NoBaseline,
        (_, true, true) => VerdictAnswer::Mixed,
        (_, true, false) => VerdictAnswer::Helped,
        (_, false, true) => VerdictAnswer::Hurt,
        (_, false, false) if equal => VerdictAnswer::Equal,
        (_, false, false) => VerdictAnswer::CannotTell,
    }
}

fn deciding(evaluation: &Evaluation) -> impl Iterator<Item = &Comparison> {
    DECIDING
        .iter()
        .filter_map(|name| evaluation.comparisons.iter().find(|comparison| comparison.measure == *name))
}

/// What puts the rest in doubt.
fn warnings(evaluation: &Evaluation) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(majority) = evaluation.majority else { return warnings };
    let chance = format!("always giving the most frequent answer is right on {:.1}%", majority * 100.0);
    let teacher = &evaluation.teacher.accuracy;
    if teacher.low <= majority {
        warnings.push(format!(
            "The teacher fails at this task: it is right on {}, and {chance}. What it teaches is worth little here.",
            percent(teacher)
        ));
    }
    let student = &evaluation.students().accuracy;
    if student.low <= majority {
        warnings.push(format!(
            "The student is not shown to be better than a constant answer: it is right on {}, and {chance}.",
            percent(student)
        ));
    }
    if let Some(baseline) = evaluation.baselines().filter(|baseline| baseline.accuracy.low <= majority) {
        warnings.push(format!(
            "The baseline is not shown to be better than a constant answer: it is right on {}, and {chance}.",
            percent(&baseline.accuracy)
        ));
    }
    warnings
}

/// How many trainings a statement rests on, as the beginning of a sentence.
fn trainings(evaluation: &Evaluation) -> String {
    match evaluation.seeds {
        0 | 1 => "In this one training".to_owned(),
        seeds => format!("Over {seeds} trainings of student and baseline"),
    }
}

fn headline(answer: VerdictAnswer, evaluation: &Evaluation) -> String {
    let trainings = trainings(evaluation);
    let opening = match answer {
        VerdictAnswer::Helped => format!("{trainings}, distillation helped."),
        VerdictAnswer::Hurt => {
            format!("{trainings}, distillation hurt: the baseline, trained without the teacher, is better.")
        }
        VerdictAnswer::Mixed => {
            format!("{trainings}, distillation helped by one measure and hurt by another.")
        }
        VerdictAnswer::Equal => format!("{trainings}, distillation made no difference that matters."),
        VerdictAnswer::CannotTell => {
            format!("{trainings}, the data cannot tell whether distillation helped.")
        }
        VerdictAnswer::NoBaseline => {
            let student = evaluation.students();
            return format!(
                "Whether distillation helped was not measured, for there is no baseline; the student's held-out loss is {} nats and its accuracy {}.",
                interval(&student.loss),
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

/// One sentence a network: how good it is on held-out data.
pub fn standings(evaluation: &Evaluation) -> Vec<String> {
    let mut lines = vec![format!(
        "teacher: right on {}, loss {} nats",
        percent(&evaluation.teacher.accuracy),
        interval(&evaluation.teacher.loss)
    )];
    let several = evaluation.seeds > 1;
    let learners = [("student", Some(evaluation.students())), ("baseline", evaluation.baselines())];
    for (name, scores) in learners {
        if let Some(StudentScores { accuracy, loss, agreement, .. }) = scores {
            let mean = if several { format!(" (mean of {})", evaluation.seeds) } else { String::new() };
            lines.push(format!(
                "{name}{mean}: right on {}, loss {} nats, ranks the teacher's token first on {}",
                percent(accuracy),
                interval(loss),
                percent(agreement)
            ));
        }
    }
    lines
}

fn interval(estimate: &Estimate) -> String {
    if !estimate.has_interval() {
        return figure(estimate.value);
    }
    format!("{} ({} to {})", figure(estimate.value), figure(estimate.low), figure(estimate.high))
}

fn faithfulness(evaluation: &Evaluation) -> Vec<String> {
    let student = evaluation.students();
    let mut facts = vec![format!(
        "Student and teacher rank the same token first on {} of {} scored tokens; the student diverges from the teacher by {} nats.",
        percent(&student.agreement),
        evaluation.scored_tokens,
        interval(&student.kl)
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

fn shifts(held_out: VerdictAnswer, evaluation: &Evaluation) -> Vec<String> {
    let contrary = |there| {
        matches!(
            (held_out, there),
            (VerdictAnswer::Helped, VerdictAnswer::Hurt) | (VerdictAnswer::Hurt, VerdictAnswer::Helped)
        )
    };
    evaluation
        .shifts
        .iter()
        .map(|shift| {
            let (there, here) = (&shift.scores.students().accuracy, &evaluation.students().accuracy);
            let name = shift.name.replace('_', " ");
            let answer = answer(&shift.scores);
            let opposed = if contrary(answer) { ", contrary to what the held-out data say" } else { "" };
            let compared = match answer {
                VerdictAnswer::Helped => "; there distillation helped",
                VerdictAnswer::Hurt => "; there distillation hurt",
                VerdictAnswer::Mixed => "; there distillation helped by one measure and hurt by another",
                VerdictAnswer::Equal => "; there student and baseline are equal within what matters",
                VerdictAnswer::CannotTell => "; there the data cannot tell student and baseline apart",
                VerdictAnswer::NoBaseline => "",
            };
            format!(
                "On {name} the student is right on {}, against {} on held-out data{compared}{opposed}.",
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

/// What the intervals hold, and what they do not.
fn scope(answer: VerdictAnswer, evaluation: &Evaluation) -> Option<String> {
    match (answer, evaluation.seeds) {
        (VerdictAnswer::NoBaseline, _) => None,
        (_, 0 | 1) => Some(
            "Intervals are over examples and prompts. Student and baseline were trained once each: how far another seed would move the figures is not in them; `seeds = 3` in the recipe measures it."
                .to_owned(),
        ),
        (_, seeds) => Some(format!(
            "Intervals are over {seeds} seeds of student and baseline, and over examples or prompts, crossed; the teacher and the training data are the same throughout."
        )),
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
