//! What to do next, as the results suggest.

use limbeck_results::{Audit, Evaluation, Results, Solves, TrainingRun, VerdictAnswer};

use crate::format::first_sentence;

/// At most so many suggestions.
const MOST: usize = 3;
/// A loss that falls by more than this share from the second to the last third of its fall is still falling.
const STILL_FALLING: f64 = 0.1;

/// Where the student is weakest, in one sentence.
pub fn weakest_part(results: &Results) -> &str {
    first_sentence(&results.verdict.fragile)
}

/// What to do next, the most useful first: one sentence each, with the setting or the command.
pub fn next_steps(results: &Results) -> Vec<String> {
    let evaluation = &results.evaluation;
    let mut steps = Vec::new();
    let falling = results.training.runs.iter().any(|run| run.network == "student" && still_falling(run));
    match results.verdict.answer {
        VerdictAnswer::Helped => steps.push(
            "Try the student: `limbeck model generate RUN/student --prompt \"...\"`; `limbeck gate RUN` holds it against \
             bounds before it ships."
                .to_owned(),
        ),
        VerdictAnswer::Hurt | VerdictAnswer::Mixed => steps.push(
            "Compare with more weight on the data: raise the weight of `cross_entropy` and lower that of the objectives that \
             ask the teacher."
                .to_owned(),
        ),
        VerdictAnswer::Equal => steps.push(
            "Fine-tune without the teacher, which does as well here, or give the student less labelled data, where a teacher \
             has more to add (`training.max_examples`)."
                .to_owned(),
        ),
        VerdictAnswer::CannotTell => steps.push(more_examples(evaluation)),
        VerdictAnswer::NoBaseline => steps.push(
            "Train the baseline (leave out `baseline.skip`): without it nobody knows what the teacher added.".to_owned(),
        ),
    }
    if falling {
        steps.push(
            "Train longer: the student's loss was still falling at its last step (`training.steps`)."
                .to_owned(),
        );
    }
    match &results.audit {
        None => steps.push(
            "Look inside: a section `[audit]` with a task, such as `task = \"induction\"`, shows which components carry the \
             student and which break first."
                .to_owned(),
        ),
        Some(audit) => steps.extend(of_audit(audit)),
    }
    steps.truncate(MOST);
    steps
}

fn more_examples(evaluation: &Evaluation) -> String {
    if evaluation.seeds < 2 {
        return "Train with several seeds (`seeds = 3`): one training of each cannot tell the teacher from chance.".to_owned();
    }
    format!(
        "Hold out more examples: {} were scored, and four times as many halve an interval (`data.held_out`, \
         `evaluation.max_examples`).",
        evaluation.examples
    )
}

fn of_audit(audit: &Audit) -> Option<String> {
    let more_prompts = |whose: &str| {
        Some(format!(
            "Audit with more prompts (`audit.prompts_per_template`): whether the {whose} solves {} cannot be told from {}.",
            audit.task, audit.prompts
        ))
    };
    match audit.teacher.solves() {
        Solves::Yes => {}
        Solves::CannotTell => return more_prompts("teacher"),
        Solves::No => {
            return Some(format!(
                "Audit another task: the teacher does not solve {}, so nothing there could be handed on (`audit.task`).",
                audit.task
            ));
        }
    }
    match audit.student.solves() {
        Solves::Yes => {}
        Solves::CannotTell => return more_prompts("student"),
        Solves::No => {
            return Some(format!(
                "Train on data like the audited task, or audit a task that the student is for: it does not solve {} \
                 (`audit.task`).",
                audit.task
            ));
        }
    }
    let worst = audit.student.components.iter().max_by(|a, b| a.drop.value.total_cmp(&b.drop.value))?;
    let name = if worst.head.is_some() { format!("head {}", worst.label()) } else { worst.label() };
    Some(format!(
        "Make the student depend less on {name}: `training.component_dropout` trains it with components removed at random."
    ))
}

/// Whether the mean loss of the last tenth of the steps is below that of the tenth before it by more than a share of
/// the whole fall.
fn still_falling(run: &TrainingRun) -> bool {
    let losses: Vec<f64> = run.curve.iter().map(|point| point.loss).filter(|loss| loss.is_finite()).collect();
    let part = losses.len() / 10;
    if part < 2 {
        return false;
    }
    let mean = |from: usize| losses[from..from + part].iter().sum::<f64>() / part as f64;
    let (first, before, last) = (mean(0), mean(losses.len() - 2 * part), mean(losses.len() - part));
    before - last > STILL_FALLING * (first - last).abs()
}

#[cfg(test)]
mod tests {
    use limbeck_results::CurvePoint;

    use super::*;

    fn run(loss: impl Fn(f64) -> f64) -> TrainingRun {
        let curve = (0..100)
            .map(|step| CurvePoint { step, loss: loss(step as f64 / 100.0), terms: Vec::new() })
            .collect();
        TrainingRun { network: "student".into(), steps: 100, tokens: 1, curve }
    }

    #[test]
    fn a_loss_that_has_levelled_off_is_told_from_one_that_falls() {
        assert!(still_falling(&run(|at| 5.0 - 3.0 * at)));
        assert!(!still_falling(&run(|at| 2.0 + 3.0 * (-10.0 * at).exp())));
        assert!(!still_falling(&TrainingRun {
            network: "student".into(),
            steps: 1,
            tokens: 1,
            curve: vec![]
        }));
    }
}
