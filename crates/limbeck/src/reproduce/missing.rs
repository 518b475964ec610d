//! `hinton-no-threes` and `hinton-sevens-eights`: classes the student never saw, before and after its biases are shifted.

use std::sync::Arc;

use limbeck_distill::classifier::ClassifierConfig;
use limbeck_eval::classes::{ErrorRuns, match_mean_probability, shift_for_fewest_errors, shifted};
use limbeck_model::predict;
use limbeck_results::{Figure, FigureUnit};
use serde::Deserialize;
use toml::Table;

use super::evidence::{
    OVER_CASES, OVER_SEEDS, above, accuracy, below_part, errors, per_seed, table, written,
};
use super::mnist::{Cases, Data, Softness, place};
use super::recipe::settings;
use super::workbench::{JobTeacher, NetworkJob, Workbench};
use super::{Findings, ReproduceError};

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(flatten)]
    cases: Cases,
    /// The classes that are left out, or alone kept.
    classes: Vec<u32>,
    teacher: ClassifierConfig,
    student: ClassifierConfig,
    targets: Softness,
}

/// Errors before and after each way of shifting.
#[derive(Default)]
struct Outcomes {
    before: ErrorRuns,
    held_out: ErrorRuns,
    unlabelled: ErrorRuns,
    on_test: ErrorRuns,
    /// The shifts, in the order held-out, unlabelled, test.
    shifts: [Vec<f64>; 3],
    scored: usize,
    /// Scored cases of the classes shifted.
    of_classes: Vec<usize>,
}

/// Without the classes.
pub(super) fn without_classes(
    recipe: &Table,
    seeds: &[u64],
    bench: &Workbench<'_>,
) -> Result<Findings, ReproduceError> {
    let settings: Settings = settings(recipe, "hinton-no-threes")?;
    let outcomes = outcomes(&settings, false, seeds, bench)?;
    let of = &outcomes.of_classes;
    let class = settings.classes.first().copied().unwrap_or_default();
    let caption = format!(
        "Of {} cases of {}, {} of them {class}s. {OVER_CASES}",
        outcomes.scored,
        place(&settings.cases),
        of.len()
    );
    let on_class = format!("errors on the {class}s");
    let mut rows = Vec::new();
    for (when, paper, runs) in [
        ("before", Some((206.0, 133.0)), &outcomes.before),
        ("shift chosen on held-out training cases", None, &outcomes.held_out),
        ("shift chosen without labels", None, &outcomes.unlabelled),
        ("shift chosen on the test set, as the paper did", Some((109.0, 14.0)), &outcomes.on_test),
    ] {
        rows.push(errors(&format!("errors, {when}"), paper.map(|paper| paper.0), runs)?);
        rows.push(errors(&format!("{on_class}, {when}"), paper.map(|paper| paper.1), &runs.only(of))?);
    }
    let right = accuracy("share right", None, &outcomes.held_out.only(of), None)?.ours;
    let before = accuracy("share right", None, &outcomes.before.only(of), None)?.ours;
    let claims = vec![
        above(
            &format!(
                "A student that never saw a {class} gets most of them right, and mostly those are its errors \
                      (paper: 877 of 1010)."
            ),
            &before,
            0.5,
            format!("{}% of the {class}s right before any shift", percent(&before)),
        ),
        above(
            &format!(
                "With a higher bias for class {class}, at least 95% of the {class}s are right (paper: 98.6%)."
            ),
            &right,
            0.95,
            format!("{}% right, the shift chosen on held-out training cases", percent(&right)),
        ),
    ];
    Ok(Findings {
        tables: vec![table("Errors", &caption, rows), shifts(&outcomes, Some(3.5))?],
        claims,
        notes: notes(),
        ..Findings::default()
    })
}

/// With nothing but the classes.
pub(super) fn only_classes(
    recipe: &Table,
    seeds: &[u64],
    bench: &Workbench<'_>,
) -> Result<Findings, ReproduceError> {
    let settings: Settings = settings(recipe, "hinton-sevens-eights")?;
    let outcomes = outcomes(&settings, true, seeds, bench)?;
    let caption = format!(
        "Share of {} cases of {} that is wrong. {OVER_CASES}",
        outcomes.scored,
        place(&settings.cases)
    );
    let mut rows = Vec::new();
    for (when, paper, runs) in [
        ("before", Some(0.473), &outcomes.before),
        ("shift chosen on held-out training cases", None, &outcomes.held_out),
        ("shift chosen without labels", None, &outcomes.unlabelled),
        ("shift chosen on the test set, as the paper did", Some(0.132), &outcomes.on_test),
    ] {
        rows.push(error_share(&format!("error, {when}"), paper, runs)?);
    }
    let right = accuracy("share right", None, &outcomes.before, None)?.ours;
    let claims = vec![
        above(
            "A student that saw only two classes knows the others to a large part (paper: 52.7% of all cases right).",
            &right,
            0.3,
            format!("{}% right before any shift; the two classes alone would be about 20%", percent(&right)),
        ),
        below_part(
            "Lower biases for the two classes remove most of the errors (paper: 47.3% to 13.2%).",
            &outcomes.before,
            &outcomes.held_out,
            0.5,
            format!(
                "{}% to {}%, the shift chosen on held-out training cases",
                percent(&rows[0].ours),
                percent(&rows[1].ours)
            ),
        )?,
    ];
    Ok(Findings {
        tables: vec![table("Error rate", &caption, rows), shifts(&outcomes, Some(-7.6))?],
        claims,
        notes: notes(),
        ..Findings::default()
    })
}

fn outcomes(
    settings: &Settings,
    keep: bool,
    seeds: &[u64],
    bench: &Workbench<'_>,
) -> Result<Outcomes, ReproduceError> {
    let data = Data::load(&settings.cases, bench)?;
    let set = &data.training.set;
    if let Some(class) = settings.classes.iter().find(|class| **class as usize >= set.classes()) {
        return Err(ReproduceError::Setting {
            key: "classes",
            found: class.to_string(),
            right: format!("below {}", set.classes()),
        });
    }
    let chosen = |label: u32| settings.classes.contains(&label);
    // Sorted, as `Data::load` makes them.
    let apart = |row: &usize| data.held_out.binary_search(row).is_ok();
    let transfer: Vec<usize> =
        data.rows.iter().copied().filter(|row| chosen(set.labels()[*row]) == keep && !apart(row)).collect();
    let transfer = Arc::new(transfer);
    let held_labels: Vec<u32> = data.held_out.iter().map(|&row| set.labels()[row]).collect();
    let labels = data.labels();
    let mut outcomes = Outcomes {
        scored: labels.len(),
        of_classes: (0..labels.len()).filter(|&case| chosen(labels[case])).collect(),
        ..Outcomes::default()
    };
    for &seed in seeds {
        let teacher =
            NetworkJob::hard("teacher", &settings.teacher, &data.training, Arc::clone(&data.rows), seed);
        let teacher = bench.network(&teacher)?.network;
        let targets = Arc::new(predict(&teacher, set, &transfer));
        let student = NetworkJob::hard(
            if keep { "student on the kept classes" } else { "student without the classes" },
            &settings.student,
            &data.training,
            Arc::clone(&transfer),
            seed,
        )
        .taught(JobTeacher::Stored(targets), settings.targets.terms());
        let student = bench.network(&student)?.network;

        let answers = data.answers(&student);
        let held_answers = predict(&student, set, &data.held_out);
        let teacher_held = predict(&teacher, set, &data.held_out);
        let by = [
            shift_for_fewest_errors(&held_answers, &held_labels, &settings.classes).by,
            match_mean_probability(&held_answers, &teacher_held, &settings.classes, 1.0),
            shift_for_fewest_errors(&answers, &labels, &settings.classes).by,
        ];
        let with = |by: f64| shifted(&answers, &labels, &settings.classes, by);
        outcomes.before.add(with(0.0))?;
        outcomes.held_out.add(with(by[0]))?;
        outcomes.unlabelled.add(with(by[1]))?;
        outcomes.on_test.add(with(by[2]))?;
        for (shifts, by) in outcomes.shifts.iter_mut().zip(by) {
            shifts.push(by);
        }
    }
    Ok(outcomes)
}

fn error_share(what: &str, paper: Option<f64>, runs: &ErrorRuns) -> Result<Figure, ReproduceError> {
    let right = accuracy(what, paper, runs, None)?;
    let limbeck_stats::Estimate { value, low, high } = right.ours;
    Ok(Figure {
        ours: limbeck_stats::Estimate { value: 1.0 - value, low: 1.0 - high, high: 1.0 - low },
        per_seed: right.per_seed.iter().map(|right| 1.0 - right).collect(),
        ..right
    })
}

fn percent(share: &limbeck_stats::Estimate) -> String {
    written(&share.map(|share| share * 100.0), 1)
}

fn shifts(outcomes: &Outcomes, paper: Option<f64>) -> Result<limbeck_results::FigureTable, ReproduceError> {
    let [held_out, unlabelled, on_test] = &outcomes.shifts;
    let row = |what: &str, paper, values: &[f64]| per_seed(what, FigureUnit::Number, paper, values);
    let rows = vec![
        row("fewest errors on held-out training cases", None, held_out)?,
        row(
            "mean probability as the teacher's on held-out training cases, without labels",
            None,
            unlabelled,
        )?,
        row("fewest errors on the test set, as the paper did", paper, on_test)?,
    ];
    Ok(table("Shift of the biases", OVER_SEEDS, rows))
}

fn notes() -> Vec<String> {
    vec![
        "The paper chose the shift on the test set. Ours is chosen on training cases that no student saw, once for the \
         fewest errors and once without labels, so that the student gives the classes as much probability in the mean as \
         the teacher; what the paper's way would give stands beside them."
            .to_owned(),
        "The teacher is that of hinton-mnist and saw every class.".to_owned(),
    ]
}
