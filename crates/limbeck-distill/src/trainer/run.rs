//! One training from its first step, or its last checkpoint, to its end.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use limbeck_data::examples::{BatchOrder, TokenExample};
use limbeck_data::progress::Progress;
use limbeck_kernels::{AdamW, Bodies, Precision, on_pool};
use limbeck_results::TermPoint;
use limbeck_teach::Teacher;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{Network, TrainingConfig, TrainingJob, TrainingOutcome};
use crate::DistillError;
use crate::checkpoint::{Checkpoints, Done};
use crate::metrics::{Metrics, MetricsLine, read_curve};
use crate::objective::{MicroBatch, Terms};
use crate::optimizer::{GradientSum, Moments, gradient::clip_factor};
use crate::soundness::Moment;

/// Trains a network to the end, going on from the newest checkpoint when there is one.
///
/// The final bits are a function of the job alone: not of threads, not of interruptions, not of what is logged.
///
/// # Errors
/// [`DistillError::Cancelled`], after a checkpoint, when `progress` says so; otherwise what was wrong with the job, the
/// disk or the numbers.
pub fn train(job: TrainingJob, progress: &dyn Progress) -> Result<TrainingOutcome, DistillError> {
    job.check()?;
    let teacher_shape = job.teacher.as_ref().and_then(|teacher| teacher.hidden_shape());
    let student = job.student.clone().with_precision(job.config.precision);
    let network = Network::new(student, &job.objectives, teacher_shape, job.config.seed);
    let checkpoints = Checkpoints::new(&job.checkpoint_dir, &job.network, job.fingerprint(&network));
    let mut moments = Moments::zeros(&network);
    let (network, done) = checkpoints.resume(network, &mut moments, progress)?;
    let metrics = Metrics::resume(&job.metrics_path, &job.network, done.step)?;
    let examples = job.config.examples_of(job.examples.len());
    let order = BatchOrder::new(job.config.seed, examples, job.config.batch_size)?;

    progress.start(&format!("training {}", job.network), job.config.steps, "steps");
    progress.resume(done.step);
    let steps = job.config.steps;
    let metrics_path = job.metrics_path.clone();
    let name = job.network.clone();
    let terms = Terms::new(job.objectives.clone(), job.columns(), teacher_shape)
        .drawing(job.config.seed, job.config.component_dropout);
    let device = job.student.device().inner();
    let pools = pools(job.config.slices_of(job.student.parameter_count()))?;
    // Else the weights as they began would stand beside the trained ones to the end.
    drop(job.student);
    let run = Run {
        pools,
        terms,
        device,
        name: job.network,
        teacher: job.teacher,
        examples: job.examples,
        config: job.config,
        order,
        checkpoints,
        metrics,
        moments,
        resumed: done.step,
        earlier: done.seconds,
        began: Instant::now(),
        done,
    };
    // On a thread of the pool, so that handing it work wakes the others only.
    let finished = on_pool(|| run.finish(network, progress));
    progress.finish();
    let (network, done) = finished?;
    Ok(TrainingOutcome {
        decoder: network.into_decoder().with_precision(Precision::F32),
        steps,
        tokens: done.tokens,
        seconds: done.seconds,
        curve: read_curve(&metrics_path, &name)?,
    })
}

/// The threads of each slice: the machine's, divided.
fn pools(slices: usize) -> Result<Vec<ThreadPool>, DistillError> {
    let threads = (rayon::current_num_threads() / slices).max(1);
    (0..slices)
        .map(|_| ThreadPoolBuilder::new().num_threads(threads).build())
        .collect::<Result<_, _>>()
        .map_err(|error| DistillError::Threads { slices, threads, reason: error.to_string() })
}

/// A training under way.
struct Run {
    name: String,
    teacher: Option<Box<dyn Teacher>>,
    examples: Arc<[TokenExample]>,
    terms: Terms,
    config: TrainingConfig,
    order: BatchOrder,
    checkpoints: Checkpoints,
    metrics: Metrics,
    device: Device,
    moments: Moments,
    done: Done,
    /// The threads of each slice.
    pools: Vec<ThreadPool>,
    /// The step of the checkpoint this process began from.
    resumed: u64,
    /// Seconds of training before this process.
    earlier: f64,
    began: Instant,
}

/// Figures of one step's loss and gradient.
struct StepGradient {
    loss: f64,
    values: Vec<f64>,
    gradient: GradientSum,
    norm: f64,
    /// Predictions of the step.
    tokens: usize,
    /// Tokens read in the step, scored or not.
    read: usize,
    /// Each objective's own gradient norm, where measured.
    own_norms: Vec<Option<f64>>,
}

impl Run {
    fn finish(
        mut self,
        mut network: Network,
        progress: &dyn Progress,
    ) -> Result<(Network, Done), DistillError> {
        let mut read = 0;
        while self.done.step < self.config.steps {
            if progress.cancelled() {
                self.save(&network)?;
                return Err(DistillError::Cancelled { network: self.name, step: self.done.step });
            }
            let step = self.done.step + 1;
            let figures = self.gradient(step, &network)?;
            let learning_rate;
            (network, learning_rate) = self.update(step, &figures, network)?;
            self.done =
                Done { step, tokens: self.done.tokens + figures.tokens as u64, seconds: self.seconds() };
            read += figures.read;
            let rate = read as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
            progress.figures(&format!(
                "loss {:.3}, learning rate {learning_rate:.1e}, {rate:.0} tokens/s",
                figures.loss
            ));
            if self.config.logs(step) {
                self.log(figures, learning_rate)?;
            }
            if step == self.config.steps {
                self.check_weights(&network)?;
            }
            let every = self.config.checkpoint_every;
            if step == self.config.steps || (every > 0 && step.is_multiple_of(every)) {
                self.save(&network)?;
            }
            progress.advance(1);
        }
        Ok((network, self.done))
    }

    fn seconds(&self) -> f64 {
        self.earlier + self.began.elapsed().as_secs_f64()
    }

    /// Writes a checkpoint, unless the step is the one this process began from.
    fn save(&self, network: &Network) -> Result<(), DistillError> {
        if self.done.step == self.resumed {
            return Ok(());
        }
        self.checkpoints.write(self.done, network, &self.moments)
    }

    /// The gradient of one step over all its micro-batches, each weighed by its share of the predictions.
    fn gradient(&self, step: u64, network: &Network) -> Result<StepGradient, DistillError> {
        let batches = self.batches(step, network)?;
        let total: usize = batches.iter().map(|batch| batch.targets.len()).sum();
        let (gradient, loss, values) = self.pass(network, &batches, total, None)?;
        let norm = gradient.norm();
        if let Err(diverged) = self.check_finite(step, &values, norm) {
            return Err(self.teachers_fault(step, &batches).unwrap_or(diverged));
        }
        let mut own_norms = vec![None; self.terms.len()];
        if self.terms.len() == 1 {
            own_norms[0] = Some(norm / self.terms.weight(0));
        } else if self.config.measures(step) {
            for (index, own) in own_norms.iter_mut().enumerate() {
                *own = Some(self.pass(network, &batches, total, Some(index))?.0.norm());
            }
        }
        let read = self.order.batch(step - 1).iter().map(|row| self.examples[*row].ids.len()).sum();
        Ok(StepGradient { loss, values, gradient, norm, tokens: total, read, own_norms })
    }

    /// The micro-batches of a step, with the teacher's answers, `slices` of them prepared at the same time.
    fn batches(&self, step: u64, network: &Network) -> Result<Vec<MicroBatch>, DistillError> {
        let rows = self.order.batch(step - 1);
        let parts = (self.config.accumulation * self.pools.len()).min(rows.len());
        let members: Vec<(Moment, Vec<&TokenExample>)> = (0..parts)
            .map(|part| (part, &rows[part * rows.len() / parts..(part + 1) * rows.len() / parts]))
            .map(|(part, rows)| {
                (Moment { step, part }, rows.iter().map(|row| &self.examples[*row]).collect())
            })
            .collect();
        let teacher = self.teacher.as_deref();
        self.sliced(&members, |(moment, members)| {
            self.terms.prepare(members, network, teacher, &self.device, *moment)
        })
    }

    /// Does `work` on every item, `slices` of them at the same time, and keeps their order.
    ///
    /// Each in a pool of its own: in a common one a thread that waits for its product may take up the other pass while
    /// it holds the gradient graph of the first.
    fn sliced<I: Sync, O: Send>(
        &self,
        items: &[I],
        work: impl Fn(&I) -> Result<O, DistillError> + Sync,
    ) -> Result<Vec<O>, DistillError> {
        let bodies = Bodies::current();
        let mut done = Vec::with_capacity(items.len());
        for group in items.chunks(self.pools.len()) {
            if let [only] = group {
                done.push(work(only)?);
                continue;
            }
            let results = std::thread::scope(|scope| {
                let threads: Vec<_> = group
                    .iter()
                    .zip(&self.pools)
                    .map(|(item, pool)| scope.spawn(|| pool.install(|| bodies.during(|| work(item)))))
                    .collect();
                threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
            });
            for result in results {
                done.push(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
        }
        Ok(done)
    }

    /// One forward and backward pass over all micro-batches, of the weighted sum or of one objective alone.
    fn pass(
        &self,
        network: &Network,
        batches: &[MicroBatch],
        total: usize,
        only: Option<usize>,
    ) -> Result<(GradientSum, f64, Vec<f64>), DistillError> {
        let mut gradient = GradientSum::default();
        let mut values = vec![0.0; self.terms.len()];
        for group in batches.chunks(self.pools.len()) {
            let passes = self.sliced(group, |batch| {
                let share = batch.targets.len() as f64 / total as f64;
                let replica = network.replica();
                let (loss, parts) = self.terms.evaluate(&replica, batch, only)?;
                Ok((GradientSum::of(&replica, (loss * share).backward()), share, parts))
            })?;
            for (fresh, share, parts) in passes {
                gradient.add(fresh);
                values.iter_mut().zip(parts).for_each(|(sum, part)| *sum += share * part);
            }
        }
        let loss = values.iter().enumerate().map(|(index, value)| self.terms.weight(index) * value).sum();
        Ok((gradient, loss, values))
    }

    fn check_finite(&self, step: u64, values: &[f64], norm: f64) -> Result<(), DistillError> {
        let named = self.terms.names().iter().cloned().zip(values.iter().copied());
        let strange =
            named.chain([("the gradient norm".to_string(), norm)]).find(|(_, value)| !value.is_finite());
        match strange {
            Some((what, value)) => {
                Err(DistillError::Diverged { network: self.name.clone(), step, what, value })
            }
            None => Ok(()),
        }
    }

    /// The error that names the teacher, when it is its answers that are not finite.
    fn teachers_fault(&self, step: u64, batches: &[MicroBatch]) -> Option<DistillError> {
        let what = batches.iter().find_map(MicroBatch::strange_answer)?;
        Some(DistillError::TeacherNotFinite { network: self.name.clone(), step, what: what.to_owned() })
    }

    /// Refuses weights that left the finite numbers in the last step, which no later loss would show.
    fn check_weights(&self, network: &Network) -> Result<(), DistillError> {
        let mut strange = None;
        network.visit(&mut |name, parameter| {
            if strange.is_none()
                && let Some(value) = parameter.to_vec().into_iter().find(|value| !value.is_finite())
            {
                strange = Some((format!("a weight of {name}"), f64::from(value)));
            }
        });
        match strange {
            Some((what, value)) => {
                Err(DistillError::Diverged { network: self.name.clone(), step: self.done.step, what, value })
            }
            None => Ok(()),
        }
    }

    /// Clips and applies AdamW; returns the network with its new weights and the learning rate used.
    fn update(
        &mut self,
        step: u64,
        figures: &StepGradient,
        network: Network,
    ) -> Result<(Network, f64), DistillError> {
        let config = &self.config;
        let factor = config.schedule.factor(step, config.steps, config.warmup_steps);
        let adamw = AdamW {
            learning_rate: config.learning_rate * factor,
            beta1: config.betas[0],
            beta2: config.betas[1],
            epsilon: config.eps,
            weight_decay: config.weight_decay,
        };
        let clip = clip_factor(figures.norm, config.clip_limit());
        let network = self.moments.update(network, &figures.gradient, &adamw, step, clip)?;
        Ok((network, adamw.learning_rate))
    }

    fn log(&mut self, figures: StepGradient, learning_rate: f64) -> Result<(), DistillError> {
        let terms = (0..self.terms.len()).map(|index| TermPoint {
            name: self.terms.names()[index].clone(),
            weight: self.terms.weight(index),
            value: figures.values[index],
            gradient_norm: figures.own_norms[index],
        });
        self.metrics.write(&MetricsLine {
            network: self.name.clone(),
            step: self.done.step,
            loss: figures.loss,
            learning_rate,
            tokens: self.done.tokens,
            seconds: self.done.seconds,
            gradient_norm: figures.norm,
            terms: terms.collect(),
        })
    }
}
