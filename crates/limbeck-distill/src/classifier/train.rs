//! The training of one classifier.

use std::time::Instant;

use limbeck_data::examples::BatchOrder;
use limbeck_data::labelled::LabelledSet;
use limbeck_data::progress::Progress;
use limbeck_kernels::{HeadLosses, Precision, on_pool};
use limbeck_model::{ClassLogits, Mlp, predict};
use limbeck_teach::ClassifierTeacher;
use serde::{Deserialize, Serialize};

use super::solver::Solver;
use super::{ClassTerm, ClassifierConfig, batch, loss};
use crate::DistillError;

/// Where soft targets come from.
#[derive(Debug, Clone, Copy)]
pub enum SoftTargets<'a> {
    /// Teacher's logits of every example trained on, in the order of [`ClassifierJob::rows`].
    Stored(&'a ClassLogits),
    /// The teacher is asked about every batch as the student sees it (moved, but with nothing dropped).
    Live(&'a ClassifierTeacher),
}

/// A classifier to train.
#[derive(Debug)]
pub struct ClassifierJob<'a> {
    /// Its name in messages.
    pub label: &'a str,
    /// Its weights before the first step.
    pub network: Mlp,
    /// The data.
    pub set: &'a LabelledSet,
    /// The examples trained on; an index may come more than once.
    pub rows: &'a [usize],
    /// Other classes than the set's, one for each of `rows`.
    pub labels: Option<&'a [u32]>,
    /// The teacher's side of the objectives.
    pub teacher: Option<SoftTargets<'a>>,
    /// The objectives.
    pub terms: &'a [ClassTerm],
    /// How to train.
    pub config: &'a ClassifierConfig,
    /// Held-out examples, for the curve and for early stopping: a set and its rows.
    pub held_out: Option<(&'a LabelledSet, &'a [usize])>,
    /// Seed of order, jitter and dropout.
    pub seed: u64,
}

/// Figures of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 1.
    pub epoch: u64,
    /// Weighted sum of the objectives, mean over the epoch.
    pub loss: f64,
    /// Each objective's value, mean over the epoch.
    pub terms: Vec<f64>,
    /// Errors on the held-out examples after the epoch, when there are any.
    pub held_out_errors: Option<usize>,
}

/// A trained classifier.
#[derive(Debug, Clone)]
pub struct TrainedClassifier {
    /// The network, outside any gradient graph.
    pub network: Mlp,
    /// One record an epoch.
    pub curve: Vec<EpochRecord>,
    /// The epoch whose weights it has.
    pub epoch: u64,
    /// Wall-clock seconds of training.
    pub seconds: f64,
}

/// Trains a classifier: the same job gives the same bits on one machine.
///
/// # Errors
/// Settings that cannot be trained with, data that do not fit the network, a loss that is not finite, or a stop on request.
pub fn train_classifier(
    job: ClassifierJob<'_>,
    progress: &dyn Progress,
) -> Result<TrainedClassifier, DistillError> {
    check(&job)?;
    let config = job.config;
    let began = Instant::now();
    let order = BatchOrder::new(job.seed, job.rows.len(), config.batch_size)?;
    let steps_per_epoch = (job.rows.len() as u64).div_ceil(config.batch_size as u64);
    let steps = steps_per_epoch * config.epochs;
    progress.start(job.label, steps, "steps");
    // On a thread of the pool, so that handing it work wakes the others only.
    let result = on_pool(|| Run::new(&job).go(&job, &order, steps_per_epoch, steps, progress));
    progress.finish();
    let (network, curve, epoch) = result?;
    Ok(TrainedClassifier {
        network: network.frozen().with_precision(Precision::F32),
        curve,
        epoch,
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn check(job: &ClassifierJob<'_>) -> Result<(), DistillError> {
    job.config.check(job.terms)?;
    let wrong = |reason: String| Err(DistillError::Data { reason });
    if job.rows.is_empty() {
        return wrong(format!("`{}` has no examples to train on", job.label));
    }
    if let Some(row) = job.rows.iter().find(|row| **row >= job.set.len()) {
        return wrong(format!(
            "example {row} of {} does not exist: there are {}",
            job.set.name(),
            job.set.len()
        ));
    }
    if job.network.features() != job.set.width() {
        let (found, has) = (job.network.features(), job.set.width());
        return wrong(format!("the network takes {found} features, {} has {has}", job.set.name()));
    }
    let classes = job.network.classes();
    if let Some(labels) = job.labels
        && labels.len() != job.rows.len()
    {
        return wrong(format!("{} labels for {} examples", labels.len(), job.rows.len()));
    }
    let label =
        |place: usize| job.labels.map_or_else(|| job.set.labels()[job.rows[place]], |given| given[place]);
    if let Some(place) = (0..job.rows.len()).find(|place| label(*place) as usize >= classes) {
        return wrong(format!("class {} with a network of {classes} classes", label(place)));
    }
    let needs = job.terms.iter().find(|term| term.needs_teacher());
    match (needs, &job.teacher) {
        (Some(term), None) => Err(DistillError::Capability {
            objective: term.name().to_owned(),
            needs: "a teacher's logits".to_owned(),
            gives: "there is no teacher".to_owned(),
        }),
        (_, Some(SoftTargets::Stored(targets)))
            if targets.classes != classes || targets.len() != job.rows.len() =>
        {
            let (found, of) = (targets.len(), targets.classes);
            let expected = job.rows.len();
            wrong(format!(
                "soft targets of {found} examples and {of} classes for {expected} examples and {classes} classes"
            ))
        }
        _ => Ok(()),
    }
}

/// The moving parts of a training.
struct Run {
    network: Mlp,
    solver: Solver,
    curve: Vec<EpochRecord>,
    best: Option<(usize, u64, Mlp)>,
}

impl Run {
    fn new(job: &ClassifierJob<'_>) -> Self {
        let solver = Solver::new(&job.network, &job.config.optimizer);
        let network = job.network.clone().with_precision(job.config.precision).trainable();
        Self { network, solver, curve: Vec::new(), best: None }
    }

    fn go(
        mut self,
        job: &ClassifierJob<'_>,
        order: &BatchOrder,
        steps_per_epoch: u64,
        steps: u64,
        progress: &dyn Progress,
    ) -> Result<(Mlp, Vec<EpochRecord>, u64), DistillError> {
        let mut sums = vec![0.0; job.terms.len()];
        for step in 1..=steps {
            if progress.cancelled() {
                return Err(DistillError::Cancelled { network: job.label.to_owned(), step: step - 1 });
            }
            let places = order.batch(step - 1);
            let (network, values) = self.step(job, &places, step, steps)?;
            self.network = network;
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            progress.advance(1);
            if step % steps_per_epoch == 0 {
                let terms: Vec<f64> = sums.iter().map(|sum| sum / steps_per_epoch as f64).collect();
                sums.fill(0.0);
                if self.end_epoch(job, step / steps_per_epoch, terms) {
                    break;
                }
            }
        }
        let last = self.curve.len() as u64;
        Ok(match (self.best, &job.config.early_stopping) {
            (Some((_, epoch, network)), Some(_)) => (network, self.curve, epoch),
            _ => (self.network, self.curve, last),
        })
    }

    fn step(
        &mut self,
        job: &ClassifierJob<'_>,
        places: &[usize],
        step: u64,
        steps: u64,
    ) -> Result<(Mlp, Vec<f64>), DistillError> {
        let config = job.config;
        let device = self.network.device();
        let plain = device.clone().inner();
        let rows: Vec<usize> = places.iter().map(|&place| job.rows[place]).collect();
        let labels: Vec<u32> = match job.labels {
            Some(labels) => places.iter().map(|&place| labels[place]).collect(),
            None => rows.iter().map(|&row| job.set.labels()[row]).collect(),
        };
        let features = batch::features(job.set, &rows, config, job.seed, step, &plain);
        let teacher = match job.teacher {
            None => None,
            Some(SoftTargets::Stored(targets)) => {
                Some(places.iter().flat_map(|&place| targets.row(place)).copied().collect::<Vec<f32>>())
            }
            Some(SoftTargets::Live(teacher)) => {
                let whole = ClassifierConfig { input_dropout: 0.0, ..config.clone() };
                let seen = batch::features(job.set, &rows, &whole, job.seed, step, &plain);
                Some(teacher.logits(seen, &labels)?.values)
            }
        };
        let masks = batch::masks(rows.len(), config, job.seed, step, &plain);
        let masks: Vec<_> = masks.into_iter().map(|mask| mask.autodiff()).collect();
        let logits = self.network.logits_masked(features.autodiff(), &masks);
        let HeadLosses { total, values } = loss::losses(logits, &labels, teacher, job.terms)?;
        for (term, value) in job.terms.iter().zip(&values) {
            if !value.is_finite() {
                return Err(DistillError::Diverged {
                    network: job.label.to_owned(),
                    step,
                    what: term.name().to_owned(),
                    value: *value,
                });
            }
        }
        let gradients = total.backward();
        let rate = config.learning_rate * config.schedule.factor(step, steps, config.warmup_steps);
        let network = std::mem::replace(&mut self.network, job.network.clone());
        Ok((self.solver.update(network, gradients, config, rate, step)?, values))
    }

    /// Notes the epoch; true when training should end.
    fn end_epoch(&mut self, job: &ClassifierJob<'_>, epoch: u64, terms: Vec<f64>) -> bool {
        let loss = job.terms.iter().zip(&terms).map(|(term, value)| term.weight() * value).sum();
        let errors = job.held_out.map(|(set, rows)| {
            let found = predict(&self.network, set, rows).predictions();
            found.iter().zip(rows).filter(|(found, row)| **found != set.labels()[**row]).count()
        });
        self.curve.push(EpochRecord { epoch, loss, terms, held_out_errors: errors });
        let (Some(errors), Some(stopping)) = (errors, job.config.early_stopping) else {
            return false;
        };
        let before = self.best.as_ref().map(|(errors, epoch, _)| (*errors, *epoch));
        match before {
            Some((least, at)) if errors >= least => epoch - at >= stopping.patience,
            _ => {
                self.best = Some((errors, epoch, self.network.clone().frozen()));
                false
            }
        }
    }
}
