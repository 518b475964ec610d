//! `hinton-temperature`: errors of students by temperature and width.

use std::sync::Arc;

use limbeck_distill::classifier::ClassifierConfig;
use limbeck_eval::classes::ErrorRuns;
use limbeck_model::predict;
use limbeck_results::{CurvePlot, CurveSeries};
use serde::Deserialize;
use toml::Table;

use super::evidence::{OVER_CASES, bootstrap, decided, errors, table, written};
use super::mnist::{Cases, Data, Softness, place};
use super::recipe::settings;
use super::workbench::{JobTeacher, NetworkJob, Workbench};
use super::{Findings, ReproduceError};

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(flatten)]
    cases: Cases,
    teacher: ClassifierConfig,
    soft: ClassifierConfig,
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
                let layers = settings.soft.hidden.len();
                let config = ClassifierConfig { hidden: vec![cell.width; layers], ..settings.soft.clone() };
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
        let errors_of =
            |cell: &&Cell| cell.runs.counts().iter().sum::<f64>() / cell.runs.counts().len().max(1) as f64;
        if width < 100 {
            let best = of_width.iter().copied().min_by(|a, b| errors_of(a).total_cmp(&errors_of(b)));
            if let Some(best) = best {
                claims.push(decided(
                    &format!("With {width} units per layer temperatures from 2.5 to 4 work best."),
                    (2.5..=4.0).contains(&best.temperature),
                    format!("the fewest errors, {:.0}, are at T = {}", errors_of(&best), best.temperature),
                ));
            }
        } else {
            let above_8: Vec<&Cell> =
                of_width.iter().copied().filter(|cell| cell.temperature >= 8.0).collect();
            if let [first, .., last] = above_8.as_slice() {
                let apart = last.runs.difference(&first.runs, bootstrap())?;
                claims.push(decided(
                    &format!("With {width} units per layer all temperatures from 8 on give similar results."),
                    apart.low <= 0.0 && apart.high >= 0.0,
                    format!(
                        "T = {} makes {} errors more than T = {}",
                        last.temperature,
                        written(&apart, 0),
                        first.temperature
                    ),
                ));
            }
        }
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
