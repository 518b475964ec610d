//! `hinton-regulariser`: few frames, hard labels against soft targets.

use std::sync::Arc;

use limbeck_distill::classifier::{ClassTerm, ClassifierConfig};
use limbeck_eval::classes::ErrorRuns;
use limbeck_model::predict;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use toml::Table;

use super::evidence::{above, accuracy, gap_closed, table, written};
use super::recipe::settings;
use super::speech::{FrameData, FrameSettings};
use super::workbench::{JobTeacher, Workbench};
use super::{Findings, ReproduceError};

#[derive(Debug, Deserialize)]
struct Settings {
    frames: FrameSettings,
    /// Share of the training frames that the small networks see.
    share: f64,
    /// On all frames, hard labels; it gives the soft targets.
    full: ClassifierConfig,
    /// On few frames, hard labels, early stopping.
    few_hard: ClassifierConfig,
    /// On few frames, soft targets, no early stopping.
    few_soft: ClassifierConfig,
    temperature: f64,
}

/// Runs it.
pub(super) fn run(recipe: &Table, seeds: &[u64], bench: &Workbench<'_>) -> Result<Findings, ReproduceError> {
    let settings: Settings = settings(recipe, "hinton-regulariser")?;
    if !(settings.share > 0.0 && settings.share <= 1.0) {
        return Err(ReproduceError::Setting {
            key: "share",
            found: settings.share.to_string(),
            right: "above 0, at most 1".to_owned(),
        });
    }
    let data = FrameData::load(&settings.frames, bench)?;
    let all = Arc::new(data.training.all());
    let [mut full, mut hard, mut unstopped, mut soft] = [(); 4].map(|()| ErrorRuns::default());
    for &seed in seeds {
        let few = Arc::new(drawn(&all, settings.share, seed));
        let teacher = bench.network(&data.job("all frames", &settings.full, Arc::clone(&all), seed))?.network;
        let plain = data.job("few frames, hard labels", &settings.few_hard, Arc::clone(&few), seed);
        let never_stopped = ClassifierConfig { early_stopping: None, ..settings.few_hard.clone() };
        let endless =
            data.job("few frames, hard labels, not stopped", &never_stopped, Arc::clone(&few), seed);
        let targets = Arc::new(predict(&teacher, &data.training.set, &few));
        let taught = data
            .job("few frames, soft targets", &settings.few_soft, Arc::clone(&few), seed)
            .taught(JobTeacher::Stored(targets), vec![ClassTerm::soft(1.0, settings.temperature)]);
        full.add(data.wrong_of(&teacher))?;
        hard.add(data.wrong_of(&bench.network(&plain)?.network))?;
        unstopped.add(data.wrong_of(&bench.network(&endless)?.network))?;
        soft.add(data.wrong_of(&bench.network(&taught)?.network))?;
    }
    let clusters = Some(data.recordings.as_slice());
    let few = format!("{}% of the frames", settings.share * 100.0);
    let rows = vec![
        accuracy("all frames, hard labels", Some(0.589), &full, clusters)?,
        accuracy(&format!("{few}, hard labels, early stopping"), Some(0.445), &hard, clusters)?,
        accuracy(&format!("{few}, hard labels, not stopped"), None, &unstopped, clusters)?,
        accuracy(&format!("{few}, soft targets, no early stopping"), Some(0.570), &soft, clusters)?,
    ];
    let gained = hard.difference(&soft, clusters)?;
    let claims = vec![
        above(
            "On few frames, soft targets are better than hard labels with early stopping.",
            &gained,
            0.0,
            format!("{} points more of the frames right", written(&gained.map(|share| share * 100.0), 1)),
        ),
        gap_closed(
            "Soft targets recover at least 80% of what the full data know (paper: 87% of the gap between few and all frames).",
            &hard,
            &full,
            &soft,
            clusters,
            0.8,
        )?,
    ];
    Ok(Findings {
        tables: vec![table(
            "Test frame accuracy",
            "Share of test frames right. Mean over seeds; in brackets the 95% interval over test recordings (and seeds crossed with \
             them, for several), and the figure of every seed.",
            rows,
        )],
        claims,
        notes: vec![
            "The paper's 3% are some 20 million frames, ours are about a thousand for 50 classes: the labels alone say much \
             less here, and a teacher's soft targets of a frame can only say so much."
                .to_owned(),
        ],
        ..Findings::default()
    })
}

/// A share of the rows, drawn at random, in ascending order; at least one.
fn drawn(rows: &[usize], share: f64, seed: u64) -> Vec<usize> {
    let mut order = rows.to_vec();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.truncate(((rows.len() as f64 * share).round() as usize).max(1));
    order.sort_unstable();
    order
}
