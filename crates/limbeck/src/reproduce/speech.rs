//! `hinton-speech`: an ensemble on frames of spoken digits, distilled into one network.

use std::sync::Arc;

use limbeck_data::labelled::FrameTask;
use limbeck_distill::classifier::{ClassTerm, ClassifierConfig, WeightedTerm};
use limbeck_eval::classes::{ErrorRuns, wrong};
use limbeck_model::{Mlp, predict};
use limbeck_results::FigureUnit;
use limbeck_teach::{ClassifierTeacher, Combination, Weights};
use serde::{Deserialize, Serialize};
use toml::Table;

use super::evidence::{OVER_SEEDS, above, accuracy, gap_closed, per_seed, table, written};
use super::recipe::settings;
use super::workbench::{HashedSet, JobTeacher, NetworkJob, Workbench};
use super::{Findings, ReproduceError};

/// The frame task; shared with the regulariser.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrameSettings {
    /// States of a digit.
    positions: usize,
    /// Frames of context before.
    before: usize,
    /// Frames of context after.
    after: usize,
    /// Recordings for early stopping and the choice of the temperature.
    held_out: usize,
    /// Recordings for the figures.
    test: usize,
}

/// The frames in three parts, each of its own recordings.
pub(super) struct FrameData {
    /// For training.
    pub(super) training: HashedSet,
    /// For early stopping and choices.
    pub(super) held_out: HashedSet,
    /// For the figures.
    pub(super) test: HashedSet,
    /// The recording of each test frame.
    pub(super) recordings: Vec<usize>,
}

impl FrameData {
    /// Loads and cuts; the same for every seed.
    pub(super) fn load(frames: &FrameSettings, bench: &Workbench<'_>) -> Result<Self, ReproduceError> {
        let spoken = bench.spoken()?;
        let total = spoken.recordings.len();
        if frames.held_out + frames.test >= total
            || frames.held_out == 0
            || frames.test == 0
            || frames.positions == 0
        {
            return Err(ReproduceError::Setting {
                key: "frames",
                found: format!("{frames:?}"),
                right: format!(
                    "at least 1 each, and fewer than {total} recordings held out and for the test"
                ),
            });
        }
        let [training, held_out, test] = spoken.split(frames.held_out, frames.test, 0);
        let standard = spoken.standard(&training);
        let task = FrameTask { positions: frames.positions, before: frames.before, after: frames.after };
        let part = |recordings: &[usize]| spoken.frames(recordings, task, &standard);
        let test = part(&test)?;
        Ok(Self {
            training: HashedSet::new(part(&training)?.set),
            held_out: HashedSet::new(part(&held_out)?.set),
            test: HashedSet::new(test.set),
            recordings: test.recording,
        })
    }

    /// Which test frames a teacher (one network or several) gets wrong.
    pub(super) fn wrong(&self, teacher: &ClassifierTeacher) -> Result<Vec<bool>, ReproduceError> {
        let answers = teacher.answer(&self.test.set, &self.test.all())?;
        Ok(wrong(&answers, self.test.set.labels()))
    }

    /// Which test frames a network gets wrong.
    pub(super) fn wrong_of(&self, network: &Mlp) -> Vec<bool> {
        wrong(&predict(network, &self.test.set, &self.test.all()), self.test.set.labels())
    }

    /// Errors of a network on the held-out frames.
    pub(super) fn held_out_errors(&self, network: &Mlp) -> usize {
        let answers = predict(network, &self.held_out.set, &self.held_out.all());
        wrong(&answers, self.held_out.set.labels()).iter().filter(|wrong| **wrong).count()
    }

    /// A job on all training frames, with the held-out ones for early stopping.
    pub(super) fn job(
        &self,
        label: &str,
        config: &ClassifierConfig,
        rows: Arc<Vec<usize>>,
        seed: u64,
    ) -> NetworkJob {
        NetworkJob {
            held_out: Some((self.held_out.clone(), Arc::new(self.held_out.all()))),
            ..NetworkJob::hard(label, config, &self.training, rows, seed)
        }
    }
}

#[derive(Debug, Deserialize)]
struct Settings {
    frames: FrameSettings,
    /// Networks of the ensemble.
    members: u64,
    /// How their distributions become one.
    combination: Combination,
    member: ClassifierConfig,
    student: ClassifierConfig,
    /// Tried, and the best on held-out frames taken.
    temperatures: Vec<f64>,
    soft_weight: f64,
    hard_weight: f64,
}

/// Runs it.
pub(super) fn run(recipe: &Table, seeds: &[u64], bench: &Workbench<'_>) -> Result<Findings, ReproduceError> {
    let settings: Settings = settings(recipe, "hinton-speech")?;
    let data = FrameData::load(&settings.frames, bench)?;
    let rows = Arc::new(data.training.all());
    let [mut single, mut ensemble, mut distilled] = [(); 3].map(|()| ErrorRuns::default());
    let mut chosen = Vec::new();
    for &seed in seeds {
        let jobs: Vec<NetworkJob> = (0..settings.members)
            .map(|member| data.job("member", &settings.member, Arc::clone(&rows), 1000 * seed + member))
            .collect();
        let members = bench.all("members of the ensemble", &jobs)?;
        let networks: Vec<Mlp> = members.iter().map(|member| member.network.clone()).collect();
        // The baseline is the mean over all members: each is a network trained as one alone would be.
        for network in &networks {
            single.add(data.wrong_of(network))?;
        }
        let teacher = |temperature: f64| {
            let weights = Weights::equal(networks.len())?;
            ClassifierTeacher::new(networks.clone(), weights, settings.combination, temperature)
        };
        ensemble.add(data.wrong(&teacher(1.0)?)?)?;
        let mut jobs = Vec::new();
        for &temperature in &settings.temperatures {
            let targets = teacher(temperature)?.answer(&data.training.set, &rows)?;
            let terms = vec![
                ClassTerm::soft(settings.soft_weight, temperature),
                ClassTerm::CrossEntropy(WeightedTerm { weight: settings.hard_weight }),
            ];
            let label = format!("student at T = {temperature}");
            jobs.push(
                data.job(&label, &settings.student, Arc::clone(&rows), seed)
                    .taught(JobTeacher::Stored(Arc::new(targets)), terms),
            );
        }
        let students = bench.all("students by temperature", &jobs)?;
        let best = students
            .iter()
            .zip(&settings.temperatures)
            .min_by_key(|(one, _)| data.held_out_errors(&one.network));
        let Some((student, temperature)) = best else {
            return Err(ReproduceError::Setting {
                key: "temperatures",
                found: "an empty list".to_owned(),
                right: "at least one".to_owned(),
            });
        };
        distilled.add(data.wrong_of(&student.network))?;
        chosen.push(*temperature);
    }
    let clusters = Some(data.recordings.as_slice());
    let caption = "Share of test frames right. Mean over seeds; in brackets the 95% interval over test recordings (and seeds \
                   crossed with them, for several), and the figure of every seed (of the single networks, of every one).";
    let rows = vec![
        accuracy("one network (mean of all members)", Some(0.589), &single, clusters)?,
        accuracy(&format!("ensemble of {}", settings.members), Some(0.611), &ensemble, clusters)?,
        accuracy("one network distilled from the ensemble", Some(0.608), &distilled, clusters)?,
    ];
    let better = single.difference(&ensemble, clusters)?.map(|share| share * 100.0);
    let claims = vec![
        above(
            "An ensemble is better than one network.",
            &better,
            0.0,
            format!("{} points more of the frames right", written(&better, 2)),
        ),
        gap_closed(
            "The distilled network keeps at least 80% of the ensemble's gain (paper: 86%).",
            &single,
            &ensemble,
            &distilled,
            clusters,
            0.8,
        )?,
    ];
    let temperature = per_seed("temperature chosen on held-out frames", FigureUnit::Number, None, &chosen)?;
    Ok(Findings {
        tables: vec![
            table("Frame accuracy", caption, rows),
            table("Temperature", OVER_SEEDS, vec![temperature]),
        ],
        claims,
        notes: vec![
            "The paper's data are some 2000 hours of Google's voice queries, 14,000 states of an HMM aligned by force, nets of \
             8 x 2560 units. Ours are 3000 recordings of single digits; a frame's class is the digit and the part of the \
             recording it lies in. Accuracies cannot be compared in size, the share of the gain that is kept can."
                .to_owned(),
        ],
        ..Findings::default()
    })
}
