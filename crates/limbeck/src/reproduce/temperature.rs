//! `hinton-temperature`: errors of students by temperature and width.

use std::sync::Arc;

use limbeck_distill::classifier::ClassifierConfig;
use limbeck_eval::classes::ErrorRuns;
use limbeck_model::predict;
use limbeck_results::{Claim, CurvePlot, CurveSeries};
use serde::Deserialize;
use toml::Table;

use super::evidence::{OVER_CASES, above, alike, errors, fewer, table, written};
use super::mnist::{Cases, Data, Softness, place};
use super::recipe::settings;
use super::workbench::{JobTeacher, NetworkJob, Workbench};
use super::{Findings, ReproduceError};

/// Results are similar within this part of the errors.
const ALIKE: f64 = 0.2;

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(flatten)]
    cases: Cases,
    teacher: ClassifierConfig,
    student: ClassifierConfig,
    targets: Softness,
    /// Units of both hidden layers.
    student_widths: Vec<usize>,
    temperatures: Vec<f64>,
}

/// One student's place in the grid, and its errors.
struct Cell {
    width: usize,
    temperature: f64,
    runs: ErrorRuns,
}

/// Runs it.
pub(super) fn run(recipe: &Table, seeds: &[u64], bench: &Workbench<'_>) -> Result<Findings, ReproduceError> {
    let settings: Settings = settings(recipe, "hinton-temperature")?;
    let data = Data::load(&settings.cases, bench)?;
    let mut cells: Vec<Cell> = Vec::new();
    for &width in &settings.student_widths {
        for &temperature in &settings.temperatures {
            cells.push(Cell { width, temperature, runs: ErrorRuns::default() });
        }
    }
    for &seed in seeds {
        let teacher =
            NetworkJob::hard("teacher", &settings.teacher, &data.training, Arc::clone(&data.rows), seed);
        let teacher = bench.network(&teacher)?.network;
        let targets = Arc::new(predict(&teacher, &data.training.set, &data.rows));
        let jobs: Vec<NetworkJob> = cells
            .iter()
            .map(|cell| {
                let layers = settings.student.hidden.len();
                let config =
                    ClassifierConfig { hidden: vec![cell.width; layers], ..settings.student.clone() };
                let softness = Softness { temperature: cell.temperature, ..settings.targets.clone() };
                let label = format!("{} units, T = {}", cell.width, cell.temperature);
                NetworkJob::hard(label, &config, &data.training, Arc::clone(&data.rows), seed)
                    .taught(JobTeacher::Stored(Arc::clone(&targets)), softness.terms())
            })
            .collect();
        let students = bench.all("students by temperature", &jobs)?;
        for (cell, student) in cells.iter_mut().zip(&students) {
            cell.runs.add(data.wrong(&student.network))?;
        }
    }
    findings(&settings, &data, &cells)
}

fn findings(settings: &Settings, data: &Data, cells: &[Cell]) -> Result<Findings, ReproduceError> {
    let caption = format!("Errors on {} cases of {}. {OVER_CASES}", data.cases.len(), place(&settings.cases));
    let (mut tables, mut series, mut claims) = (Vec::new(), Vec::new(), Vec::new());
    for &width in &settings.student_widths {
        let of_width: Vec<&Cell> = cells.iter().filter(|cell| cell.width == width).collect();
        let mut rows = Vec::new();
        for cell in &of_width {
            rows.push(errors(&format!("{width} units, T = {}", cell.temperature), None, &cell.runs)?);
        }
        let points = of_width.iter().zip(&rows).map(|(cell, row)| (cell.temperature, row.ours.value));
        series.push(CurveSeries { name: format!("{width} units"), points: points.collect() });
        tables.push(table(&format!("2 x {width} units"), &caption, rows));
        claims.extend(if width < 100 { small(width, &of_width)? } else { large(width, &of_width)? });
    }
    Ok(Findings {
        tables,
        curves: vec![CurvePlot {
            title: "Errors by temperature".to_owned(),
            x_label: "temperature".to_owned(),
            y_label: "errors".to_owned(),
            series,
        }],
        claims,
        notes: vec![
            "The paper prints no figures for this experiment, only the statements below. Students train for fewer epochs \
             than in hinton-mnist, the same for every temperature and width."
                .to_owned(),
        ],
    })
}

/// Small students are best at temperatures from 2.5 to 4: the best of those against the best of the others.
fn small(width: usize, cells: &[&Cell]) -> Result<Option<Claim>, ReproduceError> {
    let mean = |cell: &Cell| cell.runs.counts().iter().sum::<f64>() / cell.runs.counts().len().max(1) as f64;
    let best = |inside: bool| {
        let of_kind = cells.iter().copied().filter(|cell| (2.5..=4.0).contains(&cell.temperature) == inside);
        of_kind.min_by(|a, b| mean(a).total_cmp(&mean(b)))
    };
    let (Some(inside), Some(outside)) = (best(true), best(false)) else {
        return Ok(None);
    };
    let fewer = fewer(&outside.runs, &inside.runs)?;
    Ok(Some(above(
        &format!("With {width} units per layer temperatures from 2.5 to 4 work best."),
        &fewer,
        0.0,
        format!(
            "the best of them, T = {}, makes {} errors fewer than the best of the others, T = {}",
            inside.temperature,
            written(&fewer, 0),
            outside.temperature
        ),
    )))
}

/// Large students are alike from T = 8 on, within a fifth of their errors.
fn large(width: usize, cells: &[&Cell]) -> Result<Option<Claim>, ReproduceError> {
    let above_8: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.temperature >= 8.0).collect();
    let [first, .., last] = above_8.as_slice() else {
        return Ok(None);
    };
    let apart = fewer(&last.runs, &first.runs)?;
    let margin = ALIKE * first.runs.errors()?.value;
    let because = format!(
        "T = {} makes {} errors more than T = {}; alike is within {margin:.0}",
        last.temperature,
        written(&apart, 0),
        first.temperature
    );
    let statement = format!("With {width} units per layer all temperatures from 8 on give similar results.");
    alike(&statement, &last.runs, &first.runs, margin, because).map(Some)
}
