//! The second confirmation: is "ablated student" sound by damages that it was not trained with, and not for its longer training alone?
//!
//! Everything here was written before a seed was run. Two main outcomes, both by resample ablation on the paper's prompts and
//! without a threshold: the mean damage, which is to be at most a stated part of plain distillation's, and how often the right answer is
//! still preferred with the worst component gone, which is to rise. Each has an interval at 97.5%, for two chances at 5%. The rest is
//! told beside them. Nothing is looked at before the recipe's number of seeds.

use limbeck_results::{Claim, ClaimOutcome, Estimate, FigureTable, FigureUnit};

use super::comparison::{CONFIDENCE, Measurements, Statistic, accuracy, agreement};
use super::findings::{costs, figure};
use super::measure::{DAMAGES, Measured};
use super::settings::SecondConfirmation;
use crate::reproduce::evidence::{above, at_most, table, written};
use crate::reproduce::{Findings, ReproduceError};

/// Confidence of each main outcome's interval: two chances at 5%.
const OF_TWO: f64 = 0.975;
/// Confidence whose two ends are one-sided tests at 5%.
const ONE_SIDED: f64 = 0.9;
const TASKS: [&str; 2] = ["the paper's prompts", "prompts with other numbers among them"];
const PERCENT: f64 = 100.0;
/// Places of plain distillation, the variant and the control.
const PLAIN: usize = 0;
const VARIANT: usize = 1;
const CONTROL: usize = 2;

/// Tables, claims and notes; of fewer seeds than were promised, only how many there are.
pub(super) fn findings(fixed: &SecondConfirmation, found: &Measurements) -> Result<Findings, ReproduceError> {
    let seeds = found.students.len();
    let mut notes = vec![format!(
        "Fixed before the first seed: outcomes, margins, control and {} seeds. The variant trains with mean ablation; the damages here \
         are others. Seeds 1 to 6 and 201 to 212 had been looked at by some of them, seeds from 301 on by none.",
        fixed.fewest_seeds
    )];
    if seeds < fixed.fewest_seeds {
        notes.push(format!(
            "{seeds} of {} seeds are done. Nothing is looked at before all are.",
            fixed.fewest_seeds
        ));
        return Ok(Findings { tables: vec![costs(found)?], notes, ..Findings::default() });
    }
    let mut tables = Vec::new();
    for (task, name) in TASKS.into_iter().enumerate() {
        for (damage, (fill, _)) in DAMAGES.into_iter().enumerate() {
            let of_mean = move |measured: &Measured| mean_damage(measured, task, damage);
            let of_worst = move |measured: &Measured| worst_preference(measured, task, damage);
            tables.push(compared(found, &format!("Mean damage, percent: {fill}, {name}"), &of_mean, false)?);
            tables.push(compared(
                found,
                &format!("Preferred with the worst gone, percent: {fill}, {name}"),
                &of_worst,
                true,
            )?);
        }
    }
    tables.push(compared(found, "Accuracy, percent", &accuracy, true)?);
    tables.push(compared(found, "Agreement with the teacher, percent", &agreement, true)?);
    tables.push(costs(found)?);

    let name = &found.names[VARIANT];
    let mut claims = Vec::new();
    for (other, beside) in [(PLAIN, "plain distillation"), (CONTROL, "plain distillation for as long")] {
        for (task, of) in TASKS.into_iter().enumerate() {
            let main = if other == PLAIN && task == 0 { "main outcome: " } else { "" };
            let of_mean = move |measured: &Measured| mean_damage(measured, task, 0);
            let of_worst = move |measured: &Measured| worst_preference(measured, task, 0);
            let ratio = found.ratio(VARIANT, other, &of_mean, OF_TWO)?;
            claims.push(at_most(
                &format!(
                    "{main}{name}: mean damage by resample ablation on {of} at most {} of {beside}'s.",
                    fixed.at_most
                ),
                &ratio,
                fixed.at_most,
                format!("{} of it (97.5% interval)", written(&ratio, 2)),
            ));
            let more = found.difference(VARIANT, other, &of_worst, OF_TWO)?.map(|share| share * PERCENT);
            claims.push(above(
                &format!("{main}{name}: with the worst component resampled, the right answer of {of} is preferred more often than by {beside}."),
                &more,
                0.0,
                format!("{} points more (97.5% interval)", written(&more, 1)),
            ));
        }
    }
    let figures: [(&str, Statistic<'_>); 2] =
        [("accuracy", &accuracy), ("agreement with the teacher", &agreement)];
    for (what, statistic) in figures {
        let change = found.difference(VARIANT, PLAIN, statistic, ONE_SIDED)?;
        claims.push(no_loss(&format!("{name}: no loss of {what}"), &change, fixed.margin));
    }
    Ok(Findings { tables, claims, notes, ..Findings::default() })
}

/// Non-inferiority: the change lies above minus the margin, by a one-sided test at 5%.
fn no_loss(what: &str, change: &Estimate, margin: f64) -> Claim {
    let outcome = if change.low > -margin {
        ClaimOutcome::Agrees
    } else if change.high < -margin {
        ClaimOutcome::Differs
    } else {
        ClaimOutcome::CannotTell
    };
    let points = change.map(|share| share * PERCENT);
    Claim {
        statement: format!("{what} beyond {} points.", margin * PERCENT),
        outcome,
        because: format!("{} points (90% interval)", written(&points, 2)),
    }
}

/// Levels and differences of a statistic; the interval of a share's level ends at 0 and 100%, which Student's does not know of.
fn compared(
    found: &Measurements,
    title: &str,
    statistic: Statistic<'_>,
    is_share: bool,
) -> Result<FigureTable, ReproduceError> {
    let mut rows = Vec::new();
    for (variant, name) in found.names.iter().enumerate() {
        let level = found.student(variant, statistic)?;
        let level = if is_share { level.map(|share| share.clamp(0.0, 1.0)) } else { level };
        let ours = level.map(|value| value * PERCENT);
        let seeds = found.by_seed(variant, statistic).iter().map(|value| value * PERCENT).collect();
        rows.push(figure(&format!("{title}: {name}"), FigureUnit::Number, ours, seeds));
    }
    for other in [PLAIN, CONTROL] {
        let ours = found.difference(VARIANT, other, statistic, CONFIDENCE)?.map(|value| value * PERCENT);
        let seeds =
            found.differences(VARIANT, other, statistic).iter().map(|value| value * PERCENT).collect();
        let what = format!("{title}: {} minus {}", found.names[VARIANT], found.names[other]);
        rows.push(figure(&what, FigureUnit::Number, ours, seeds));
    }
    Ok(table(title, "In brackets Student's 95% interval over seeds, then the figure of every seed.", rows))
}

fn mean_damage(measured: &Measured, task: usize, damage: usize) -> f64 {
    measured.damaged(task, damage).map_or(f64::NAN, super::measure::Damaged::mean_damage)
}

fn worst_preference(measured: &Measured, task: usize, damage: usize) -> f64 {
    measured.damaged(task, damage).map_or(f64::NAN, super::measure::Damaged::worst_preference)
}
