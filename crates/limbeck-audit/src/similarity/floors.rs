//! What networks that learned nothing from the teacher score in alignment.
//!
//! Attention that looks everywhere alike and residual streams that carry the same embedding are alike in any two networks:
//! an `A` of 0.8 tells nothing until it stands beside that of networks without training.

use std::time::Instant;

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::{ContrastGroup, ContrastTask};
use limbeck_model::{Decoder, Parameter, SiteKind};
use limbeck_results::{AlignmentFloors, FloorKind, NetworkFloor};
use limbeck_stats::Bootstrap;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{AlignmentInput, AttentionMaps, Directions, alignment};
use crate::sweep::{Ablation, Sweep, sweep};
use crate::{AuditConfig, AuditError};

/// A network and its sweep by zero ablation over all prompts of the task.
pub(crate) type Placed<'a> = (&'a Decoder, &'a Sweep);

/// Alignment A by variant B of networks without training, beside that of student and baseline on the same prompts; `None`
/// where the configuration asks for no floors.
///
/// Untrained networks have the student's shape and fresh weights; shuffled ones its own weights, each matrix shuffled. A
/// network whose logit differences are all the same to the last bit is left out, with a note.
///
/// # Errors
/// As [`sweep`] and [`alignment`].
pub(crate) fn alignment_floors(
    teacher: &Placed,
    student: &Placed,
    baseline: Option<&Placed>,
    task: &ContrastTask,
    config: &AuditConfig,
    progress: &dyn Progress,
) -> Result<Option<AlignmentFloors>, AuditError> {
    let (seeds, batch) = (config.similarity.floors, config.batch_size);
    if seeds == 0 {
        return Ok(None);
    }
    let started = Instant::now();
    let places = spread(task.len(), config.similarity.floor_prompts);
    let few = chosen(task, &places);
    let taught = Known::new(teacher.0, &few, teacher.1.of(&places), batch, progress)?;
    let aligned = |network: &Known| -> Result<f64, AuditError> {
        // One resample: only the value is wanted.
        let bootstrap = Bootstrap::with_seed(config.seed).with_resamples(1);
        Ok(alignment(&taught.input(), &network.input(), &bootstrap)?.a.value)
    };
    let of = |placed: &Placed| -> Result<f64, AuditError> {
        aligned(&Known::new(placed.0, &few, placed.1.of(&places), batch, progress)?)
    };
    let mut networks = Vec::new();
    for kind in [FloorKind::Untrained, FloorKind::ShuffledWeights] {
        let mut a = Vec::new();
        for seed in 0..seeds as u64 {
            let decoder = match kind {
                FloorKind::Untrained => Decoder::init(student.0.config(), seed, &student.0.device())?.ready(),
                FloorKind::ShuffledWeights => shuffled(student.0, seed),
            };
            let label = format!("alignment's floor: {}, seed {seed}", kind.name());
            match sweep(&decoder, &few, Ablation::Zero, batch, &label, progress) {
                Ok(swept) => a.push(aligned(&Known::new(&decoder, &few, swept, batch, progress)?)?),
                Err(error @ AuditError::NoDifference { .. }) => {
                    progress.note(&format!("{label} left out: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        networks.push(NetworkFloor { kind, a });
    }
    let found = AlignmentFloors {
        prompts: few.len(),
        student: of(student)?,
        baseline: baseline.map(of).transpose()?,
        networks,
    };
    let seconds = started.elapsed().as_secs_f64();
    progress.note(&format!("alignment's floors: {} networks without training in {seconds:.1} s", 2 * seeds));
    Ok(Some(found))
}

/// What alignment needs of a network.
struct Known {
    maps: AttentionMaps,
    streams: Directions,
    sweep: Sweep,
}

impl Known {
    fn new(
        decoder: &Decoder,
        task: &ContrastTask,
        sweep: Sweep,
        batch_size: usize,
        progress: &dyn Progress,
    ) -> Result<Known, AuditError> {
        Ok(Known {
            maps: AttentionMaps::measure(decoder, task, batch_size, progress)?,
            streams: Directions::measure(decoder, task, SiteKind::ResidPost, batch_size, progress)?,
            sweep,
        })
    }

    fn input(&self) -> AlignmentInput<'_> {
        AlignmentInput { maps: &self.maps, streams: &self.streams, sweep: &self.sweep }
    }
}

/// At most `most` of `count` places, at even distances.
fn spread(count: usize, most: usize) -> Vec<usize> {
    if count <= most { (0..count).collect() } else { (0..most).map(|place| place * count / most).collect() }
}

/// The task with the prompts at `places` (ascending) only.
fn chosen(task: &ContrastTask, places: &[usize]) -> ContrastTask {
    let mut at = 0;
    let mut groups = Vec::new();
    for group in &task.groups {
        let here = at..at + group.prompts.len();
        let prompts: Vec<_> = (places.iter().filter(|place| here.contains(*place)))
            .map(|place| group.prompts[place - here.start].clone())
            .collect();
        at = here.end;
        if !prompts.is_empty() {
            groups.push(ContrastGroup { prompts, ..group.clone() });
        }
    }
    ContrastTask { groups, ..task.clone() }
}

/// The decoder with the entries of each matrix shuffled; vectors stay.
fn shuffled(decoder: &Decoder, seed: u64) -> Decoder {
    let device = decoder.device();
    let mut stream = 0;
    let changed = decoder.clone().map(&mut |_, parameter| {
        stream += 1;
        let shape = parameter.shape();
        if shape.len() == 1 {
            return parameter;
        }
        let mut values = parameter.to_vec();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        values.shuffle(&mut rng);
        Parameter::from_vec(&shape, values, &device)
    });
    changed.ready()
}
