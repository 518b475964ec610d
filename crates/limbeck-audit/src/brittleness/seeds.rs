//! Differences of brittleness over several trainings.

use limbeck_results::{AcrossSeeds, SeedDifference, Solves, solves};
use limbeck_stats::{Bootstrap, SMALLEST_SAMPLE, crossed_from_resamples, mean, severity};

use super::figures::{damages_of, same_prompts};
use super::order::worst_component;
use crate::intervals;
use crate::{AuditError, Sweep};

/// The sweeps of a student and its baseline, trained from one seed.
#[derive(Clone, Copy)]
pub(crate) struct SeedSweeps<'a> {
    pub(crate) student: &'a Sweep,
    pub(crate) baseline: Option<&'a Sweep>,
}

/// Severity and mean damage of a network, on all prompts and on every resample.
struct Drawn {
    /// Severity, mean damage.
    point: [f64; 2],
    /// The same by resample.
    resamples: Vec<[f64; 2]>,
    solves: bool,
}

/// What student, baseline and teacher differ by over `seeds`; `None` for a single training. `chance` is the accuracy that
/// reading no prompt reaches.
///
/// All networks see the same resamples of prompts, and seeds are drawn across them. A seed counts in a difference where
/// both networks solve the task.
///
/// # Errors
/// [`AuditError::Mismatch`] when the sweeps are of different prompts, [`AuditError::Stats`] when a resample has no logit
/// difference to lose a share of.
pub(crate) fn across_seeds(
    teacher: &Sweep,
    seeds: &[SeedSweeps],
    alpha: f64,
    chance: f64,
    bootstrap: &Bootstrap,
) -> Result<Option<AcrossSeeds>, AuditError> {
    if seeds.len() < 2 || teacher.prompts() < SMALLEST_SAMPLE {
        return Ok(None);
    }
    let draws: Vec<Vec<usize>> = bootstrap.draws(teacher.prompts())?.collect();
    let drawn = |sweep: &Sweep| -> Result<Drawn, AuditError> {
        same_prompts(teacher, sweep)?;
        Drawn::new(sweep, alpha, chance, &draws, bootstrap)
    };
    let taught = drawn(teacher)?;
    let mut against_teacher = Vec::with_capacity(seeds.len());
    let mut against_baseline = Vec::with_capacity(seeds.len());
    let (students, baselines): (Vec<Drawn>, Vec<Option<Drawn>>) = seeds
        .iter()
        .map(|seed| Ok((drawn(seed.student)?, seed.baseline.map(drawn).transpose()?)))
        .collect::<Result<Vec<_>, AuditError>>()?
        .into_iter()
        .unzip();
    for (student, baseline) in students.iter().zip(&baselines) {
        against_teacher.push((student, &taught));
        against_baseline.extend(baseline.as_ref().map(|baseline| (student, baseline)));
    }
    let prompts = teacher.prompts();
    let difference = |pairs: &[(&Drawn, &Drawn)], which| difference(pairs, which, prompts, bootstrap);
    Ok(Some(AcrossSeeds {
        seeds: seeds.len(),
        worst_components: seeds.iter().map(|seed| worst_component(seed.student)).collect(),
        severity_student_minus_teacher: difference(&against_teacher, 0)?,
        severity_student_minus_baseline: difference(&against_baseline, 0)?,
        mean_student_minus_teacher: difference(&against_teacher, 1)?,
        mean_student_minus_baseline: difference(&against_baseline, 1)?,
    }))
}

impl Drawn {
    fn new(
        sweep: &Sweep,
        alpha: f64,
        chance: f64,
        draws: &[Vec<usize>],
        bootstrap: &Bootstrap,
    ) -> Result<Drawn, AuditError> {
        let mut damages = vec![0.0; sweep.components()];
        let mut figures = |chosen: &[usize]| -> Result<[f64; 2], AuditError> {
            damages_of(sweep, chosen, &mut damages);
            Ok([severity(&damages, alpha)?, mean(&damages)?])
        };
        let everyone: Vec<usize> = (0..sweep.prompts()).collect();
        let accuracy = intervals::share_of(bootstrap, sweep.correct.iter().copied())?;
        let logit_difference = bootstrap.mean(&sweep.full)?;
        Ok(Drawn {
            point: figures(&everyone)?,
            resamples: draws.iter().map(|chosen| figures(chosen)).collect::<Result<_, _>>()?,
            solves: solves(&accuracy, chance, &logit_difference) == Solves::Yes,
        })
    }
}

/// The difference of figure `which` over the pairs that both solve the task; `None` for fewer than two.
fn difference(
    pairs: &[(&Drawn, &Drawn)],
    which: usize,
    prompts: usize,
    bootstrap: &Bootstrap,
) -> Result<Option<SeedDifference>, AuditError> {
    let kept: Vec<_> = pairs.iter().filter(|(ours, theirs)| ours.solves && theirs.solves).collect();
    if kept.len() < 2 {
        return Ok(None);
    }
    let by_seed: Vec<f64> =
        kept.iter().map(|(ours, theirs)| ours.point[which] - theirs.point[which]).collect();
    let resamples: Vec<Vec<f64>> = (0..bootstrap.resamples)
        .map(|draw| {
            let minus = |(ours, theirs): &&(&Drawn, &Drawn)| {
                ours.resamples[draw][which] - theirs.resamples[draw][which]
            };
            kept.iter().map(minus).collect()
        })
        .collect();
    let difference = crossed_from_resamples(&by_seed, &resamples, prompts, bootstrap.confidence)?.estimate;
    Ok(Some(SeedDifference { difference, by_seed, left_out: pairs.len() - kept.len() }))
}
