//! From measurements to tables and to the answer: is severity halved at no loss that the data can tell?

use limbeck_results::{Claim, ClaimOutcome, Estimate, Figure, FigureTable, FigureUnit};

use super::comparison::{CONFIDENCE, Measurements, Statistic, accuracy, agreement, alignment, severity};
use super::settings::{Common, Phase};
use limbeck_stats::sign_flip_floor;

use crate::reproduce::evidence::{per_seed, table, written};
use crate::reproduce::{Findings, ReproduceError};

/// Part of plain distillation's severity that the goal leaves.
const GOAL: f64 = 0.5;
/// Family-wise level of the tests.
const LEVEL: f64 = 0.05;
/// Severities are written as percent.
const PERCENT: f64 = 100.0;

const OVER_SEEDS: &str = "In brackets Student's 95% interval over seeds, each with data, teacher and prompts of its own, then the figure \
    of every seed.";

/// Tables, claims and notes.
pub(super) fn findings(common: &Common, found: &Measurements) -> Result<Findings, ReproduceError> {
    let measure = |title: &str, caption: &str, unit, factor, statistic: Statistic<'_>| {
        levels(found, (title, caption), unit, factor, statistic)
    };
    let less = |title: &str, unit, factor: f64, statistic: Statistic<'_>| -> Result<_, ReproduceError> {
        let rows = (1..found.names.len()).map(|variant| {
            let ours = found.difference(variant, 0, statistic, CONFIDENCE)?.map(|value| value * factor);
            let differences = found.differences(variant, 0, statistic).iter().map(|d| d * factor).collect();
            Ok(figure(&format!("{}, minus plain", found.names[variant]), unit, ours, differences))
        });
        let rows: Result<Vec<_>, ReproduceError> = rows.collect();
        Ok(table(title, &format!("Paired by seed. {OVER_SEEDS}"), rows?))
    };
    let (raw, adjusted) = found.p_values()?;
    let mut tables = vec![
        measure(
            "Severity, percent",
            "Mean over heads and MLPs of max(0, drop - 20) / 80, mean ablation; 0 is sound.",
            FigureUnit::Number,
            PERCENT,
            &severity,
        )?,
        less("Severity, difference in percent", FigureUnit::Number, PERCENT, &severity)?,
        ratios(found)?,
        probabilities(found, &raw, &adjusted),
        measure("Accuracy", "Mean over the scored sets.", FigureUnit::Share, 1.0, &accuracy)?,
        less("Accuracy, difference in percentage points", FigureUnit::Number, PERCENT, &accuracy)?,
        measure(
            "Agreement with the teacher",
            "Same first token; mean over the scored sets.",
            FigureUnit::Share,
            1.0,
            &agreement,
        )?,
        less("Agreement, difference in percentage points", FigureUnit::Number, PERCENT, &agreement)?,
        measure("Alignment A, percent", "Variant B.", FigureUnit::Number, PERCENT, &alignment)?,
        less("Alignment, difference in percent", FigureUnit::Number, PERCENT, &alignment)?,
    ];
    tables.push(costs(found)?);
    let claims = (1..found.names.len()).map(|variant| goal(found, variant, adjusted[variant - 1]));
    let claims: Result<Vec<_>, _> = claims.collect();
    Ok(Findings { tables, claims: claims?, notes: notes(common, found), ..Findings::default() })
}

pub(super) fn figure(what: &str, unit: FigureUnit, ours: Estimate, per_seed: Vec<f64>) -> Figure {
    Figure { what: what.to_owned(), unit, paper: None, ours, per_seed }
}

/// A figure of teacher and every variant.
fn levels(
    found: &Measurements,
    (title, caption): (&str, &str),
    unit: FigureUnit,
    factor: f64,
    statistic: Statistic<'_>,
) -> Result<FigureTable, ReproduceError> {
    let teacher = found.teacher(statistic)?.map(|value| value * factor);
    let mut rows = vec![figure(&format!("{title}: teacher"), unit, teacher, Vec::new())];
    for (variant, name) in found.names.iter().enumerate() {
        let ours = found.student(variant, statistic)?.map(|value| value * factor);
        let seeds = found.by_seed(variant, statistic).iter().map(|value| value * factor).collect();
        rows.push(figure(&format!("{title}: {name}"), unit, ours, seeds));
    }
    Ok(table(title, &format!("{caption} {OVER_SEEDS}"), rows))
}

fn ratios(found: &Measurements) -> Result<FigureTable, ReproduceError> {
    let mut rows = Vec::new();
    for variant in 1..found.names.len() {
        let ours = found.ratio(variant, 0, &severity, CONFIDENCE)?;
        rows.push(figure(
            &format!("{}, over plain", found.names[variant]),
            FigureUnit::Number,
            ours,
            Vec::new(),
        ));
    }
    let caption = format!(
        "Mean severity over that of plain distillation; the goal is {GOAL} or less. In brackets Fieller's 95% interval over seeds; none \
         where plain distillation's severity is not apart from 0."
    );
    Ok(table("Severity, ratio", &caption, rows))
}

fn probabilities(found: &Measurements, raw: &[f64], adjusted: &[f64]) -> FigureTable {
    let rows = found.names[1..].iter().zip(raw.iter().zip(adjusted)).map(|(name, (&raw, &adjusted))| {
        figure(
            &format!("{name}: p"),
            FigureUnit::Number,
            Estimate { value: adjusted, low: raw, high: adjusted },
            Vec::new(),
        )
    });
    let seeds = found.students.len();
    // One-sided, half of the two-sided floor.
    let least = sign_flip_floor(seeds) / 2.0;
    let testable = if least < LEVEL { "" } else { ": not testable at .05 with so few seeds" };
    let caption = format!(
        "One-sided, that severity is below plain distillation's: signs of the seeds' differences flipped, all ways. The value is by \
         Holm's correction over {} variants, the lower end of the bracket without it. The least possible without it is {least:.4}{testable}.",
        raw.len()
    );
    table("Severity, probability", &caption, rows.collect())
}

pub(super) fn costs(found: &Measurements) -> Result<FigureTable, ReproduceError> {
    let rows = found.names.iter().enumerate().map(|(variant, name)| {
        let seconds: Vec<f64> = found.seconds.iter().map(|times| times[variant]).collect();
        per_seed(&format!("{name}: seconds"), FigureUnit::Number, None, &seconds)
    });
    let rows: Result<Vec<_>, _> = rows.collect();
    let caption = "Wall-clock seconds of training at equal steps and tokens; in brackets Student's 95% interval over seeds. On a machine shared with \
                   other work they say what is dear, not how dear.";
    Ok(table("Cost", caption, rows?))
}

/// Whether a variant reaches the goal.
fn goal(found: &Measurements, variant: usize, p: f64) -> Result<Claim, ReproduceError> {
    let ratio = found.ratio(variant, 0, &severity, CONFIDENCE)?;
    let right = found.difference(variant, 0, &accuracy, CONFIDENCE)?.map(|value| value * PERCENT);
    let agrees = found.difference(variant, 0, &agreement, CONFIDENCE)?.map(|value| value * PERCENT);
    let loses = right.high < 0.0 || agrees.high < 0.0;
    let outcome = if loses || ratio.low > GOAL {
        ClaimOutcome::Differs
    } else if ratio.high <= GOAL && p < LEVEL {
        ClaimOutcome::Agrees
    } else {
        ClaimOutcome::CannotTell
    };
    Ok(Claim {
        statement: format!(
            "{}: severity at least halved, at no loss of accuracy or agreement that the data can tell.",
            found.names[variant]
        ),
        outcome,
        because: format!(
            "severity {} of plain distillation's (p {p:.3} by Holm); accuracy {} points, agreement {} points",
            written(&ratio, 2),
            written(&right, 1),
            written(&agrees, 1)
        ),
    })
}

fn notes(common: &Common, found: &Measurements) -> Vec<String> {
    let phase = match common.phase {
        Phase::Test => {
            "The seeds are those of the test. Weights are first guesses, none was tuned on any seed; the recipe says what was looked \
             at before."
        }
        Phase::Validation => {
            "These are the validation seeds, on which candidates can be compared: no figure here is a result."
        }
        Phase::Confirmation | Phase::SecondConfirmation => {
            "One variant, chosen because of the test's outcome, on seeds that decided nothing before."
        }
    };
    let teachers = found.teachers.len();
    vec![
        phase.to_owned(),
        format!(
            "Severity is measured on number sequences whose names no training example has, {} to a template, drawn \
             anew for each of the {teachers} seeds; on a network that does not prefer the right number it counts as 1.",
            common.measures.prompts_per_template
        ),
        "A loss is one whose whole interval lies below 0; it is not corrected for the number of variants, which makes finding one \
         the easier."
            .to_owned(),
        "Every variant sees the same examples in the same order for the same number of steps as plain distillation, from the same \
         start; passes an objective makes beyond that are its cost."
            .to_owned(),
    ]
}
