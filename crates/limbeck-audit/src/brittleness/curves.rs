//! The curves of a network under noise and under removal.

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, NoTap};
use limbeck_results::{DamageCurve, DamageCurves, DamagePoint, KeptDifference, component_label};
use limbeck_stats::{Bootstrap, damage, mean};

use super::BrittlenessConfig;
use super::disturbance::{Responses, prompts_per_batch};
use super::noise::Noise;
use super::order;
use super::removal::Removal;
use crate::influence::component;
use crate::intervals;
use crate::means::Means;
use crate::rows::{Row, check_readable, rows};
use crate::{AuditError, Sweep};

/// What a network answered under every disturbance, prompt by prompt.
#[derive(Debug, Clone)]
pub struct DisturbedNetwork {
    /// `LD` of the whole network, one per prompt.
    full: Vec<f64>,
    noise: Disturbed,
    worst_first: Disturbed,
    random: Disturbed,
    /// Labels in the order of `worst_first`, as many as the most removed.
    order: Vec<String>,
}

/// Answers under one kind of disturbance.
#[derive(Debug, Clone)]
struct Disturbed {
    sizes: Vec<f64>,
    draws: Vec<Responses>,
}

/// Disturbs `decoder` as `config` says, on prompts of `task` spread evenly over it; `sweep` (mean ablation over the
/// same task) gives the order of the worst components.
///
/// # Errors
/// [`AuditError::Config`] for values that make no measurement, [`AuditError::Mismatch`] when the sweep is of another
/// network, [`AuditError::Vocabulary`] and [`AuditError::Length`] for prompts that the network cannot read,
/// [`AuditError::Cancelled`] on request.
#[allow(clippy::too_many_arguments)]
pub fn disturb(
    decoder: &Decoder,
    task: &ContrastTask,
    sweep: &Sweep,
    config: &BrittlenessConfig,
    seed: u64,
    batch_size: usize,
    label: &str,
    progress: &dyn Progress,
) -> Result<DisturbedNetwork, AuditError> {
    config.check()?;
    check_readable(decoder, task)?;
    let (layers, heads) = (decoder.config().n_layers, decoder.config().n_heads);
    let components = layers * (heads + 1);
    if sweep.components() != components {
        return Err(AuditError::Mismatch {
            what: "components",
            first: sweep.components(),
            second: components,
        });
    }
    let rows = spread(rows(task), config.prompts);
    let means = (task.groups.iter())
        .map(|group| Means::measure(decoder, &group.corrupted, batch_size))
        .collect::<Result<Vec<Means>, AuditError>>()?;
    let counts: Vec<usize> = config.removed.iter().copied().filter(|count| *count < components).collect();
    let run = Run { decoder, rows: &rows, means: &means, heads, batch_size, progress };
    let passes =
        1 + config.noise_sizes.len() * config.noise_draws + counts.len() * (1 + config.random_orders);
    progress.start(label, (rows.len() * passes) as u64, "prompts");
    let found = run.all(config, &counts, components, sweep, seed);
    progress.finish();
    found
}

/// At most `most` of the rows, at even distances.
fn spread(rows: Vec<Row<'_>>, most: usize) -> Vec<Row<'_>> {
    let count = rows.len();
    if count <= most {
        return rows;
    }
    (0..most).map(|place| rows[place * count / most]).collect()
}

/// What every disturbance of one network shares.
struct Run<'a> {
    decoder: &'a Decoder,
    rows: &'a [Row<'a>],
    means: &'a [Means],
    heads: usize,
    batch_size: usize,
    progress: &'a dyn Progress,
}

impl Run<'_> {
    fn all(
        &self,
        config: &BrittlenessConfig,
        counts: &[usize],
        components: usize,
        sweep: &Sweep,
        seed: u64,
    ) -> Result<DisturbedNetwork, AuditError> {
        let mut whole = Responses::new(1);
        for rows in self.rows.chunks(self.batch_size) {
            whole.extend(self.decoder, rows, &mut NoTap, self.progress)?;
        }
        let full = whole.difference.swap_remove(0);
        let value = full.iter().sum::<f64>() / full.len().max(1) as f64;
        if value == 0.0 || !value.is_finite() {
            return Err(AuditError::NoDifference { prompts: full.len(), value });
        }
        let worst = order::worst_first(sweep);
        let random = (0..config.random_orders as u64).map(|draw| order::random(components, seed, draw));
        let most = counts.last().copied().unwrap_or(0);
        let labels = worst[..most].iter().map(|&index| {
            let (_, layer, head) = component(index, self.heads);
            component_label(layer, head)
        });
        Ok(DisturbedNetwork {
            full,
            order: labels.collect(),
            noise: self.noise(&config.noise_sizes, config.noise_draws as u64, seed)?,
            random: self.removal(counts, &random.collect::<Vec<_>>())?,
            worst_first: self.removal(counts, &[worst])?,
        })
    }

    fn noise(&self, sizes: &[f64], draws: u64, seed: u64) -> Result<Disturbed, AuditError> {
        let per_batch = prompts_per_batch(self.batch_size, sizes.len());
        let draws = (0..draws).map(|draw| {
            let mut found = Responses::new(sizes.len());
            for (index, rows) in self.rows.chunks(per_batch).enumerate() {
                let first = index * per_batch;
                let mut tap = Noise { sizes, prompts: first..first + rows.len(), seed, draw };
                found.extend(self.decoder, rows, &mut tap, self.progress)?;
            }
            Ok(found)
        });
        Ok(Disturbed { sizes: sizes.to_vec(), draws: draws.collect::<Result<_, AuditError>>()? })
    }

    fn removal(&self, counts: &[usize], orders: &[Vec<usize>]) -> Result<Disturbed, AuditError> {
        let per_batch = prompts_per_batch(self.batch_size, counts.len());
        let draws = orders.iter().map(|order| {
            let sets: Vec<&[usize]> = counts.iter().map(|&count| &order[..count]).collect();
            let mut found = Responses::new(sets.len());
            for rows in self.rows.chunks(per_batch) {
                if sets.is_empty() {
                    break;
                }
                let mut tap = Removal { sets: &sets, rows, means: self.means, heads: self.heads };
                found.extend(self.decoder, rows, &mut tap, self.progress)?;
            }
            Ok(found)
        });
        let sizes = counts.iter().map(|&count| count as f64).collect();
        Ok(Disturbed { sizes, draws: draws.collect::<Result<_, AuditError>>()? })
    }
}

impl DisturbedNetwork {
    /// The curves, with 95% bootstrap intervals that resample prompts.
    ///
    /// # Errors
    /// [`AuditError::Stats`] when a resample has no logit difference to lose a share of.
    pub fn curves(&self, bootstrap: &Bootstrap) -> Result<DamageCurves, AuditError> {
        Ok(DamageCurves {
            prompts: self.full.len(),
            noise: self.noise.curve(&self.full, bootstrap)?,
            worst_first: self.worst_first.curve(&self.full, bootstrap)?,
            random: self.random.curve(&self.full, bootstrap)?,
            order: self.order.clone(),
        })
    }
}

/// What `first` keeps minus what `second` keeps, paired over prompts, at the sizes that both have.
///
/// # Errors
/// [`AuditError::Mismatch`] when they were not disturbed on the same number of prompts, [`AuditError::Stats`] as for
/// [`DisturbedNetwork::curves`].
pub fn kept_difference(
    first: &DisturbedNetwork,
    second: &DisturbedNetwork,
    bootstrap: &Bootstrap,
) -> Result<KeptDifference, AuditError> {
    if first.full.len() != second.full.len() {
        return Err(AuditError::Mismatch {
            what: "prompts",
            first: first.full.len(),
            second: second.full.len(),
        });
    }
    let of = |part: fn(&DisturbedNetwork) -> &Disturbed| {
        let (ours, theirs) = (part(first), part(second));
        let sizes = ours.sizes.len().min(theirs.sizes.len());
        let (mine, other) = (ours.mean_differences(), theirs.mean_differences());
        bootstrap.statistic(first.full.len(), |chosen| {
            kept(&mine[..sizes], &first.full, chosen) - kept(&other[..sizes], &second.full, chosen)
        })
    };
    Ok(KeptDifference {
        noise: of(|network| &network.noise)?,
        worst_first: of(|network| &network.worst_first)?,
        random: of(|network| &network.random)?,
    })
}

impl Disturbed {
    /// `LD` at every size, `[size, prompt]`, mean over the draws.
    fn mean_differences(&self) -> Vec<Vec<f64>> {
        let share = 1.0 / self.draws.len().max(1) as f64;
        (0..self.sizes.len())
            .map(|size| {
                let columns: Vec<&Vec<f64>> = self.draws.iter().map(|draw| &draw.difference[size]).collect();
                (0..columns.first().map_or(0, |column| column.len()))
                    .map(|prompt| columns.iter().map(|column| column[prompt]).sum::<f64>() * share)
                    .collect()
            })
            .collect()
    }

    /// Share of draws that are exact, `[size, prompt]`.
    fn exactness(&self, size: usize, prompts: usize) -> Vec<f64> {
        let share = 1.0 / self.draws.len().max(1) as f64;
        let exact =
            |prompt: usize| self.draws.iter().filter(|draw| draw.correct[size][prompt]).count() as f64;
        (0..prompts).map(|prompt| exact(prompt) * share).collect()
    }

    fn curve(&self, full: &[f64], bootstrap: &Bootstrap) -> Result<DamageCurve, AuditError> {
        let differences = self.mean_differences();
        let whole = mean_of(full);
        let points = self.sizes.iter().zip(&differences).enumerate().map(|(place, (&size, disturbed))| {
            let draws = self.draws.iter().map(|draw| 100.0 * mean_of(&draw.difference[place]) / whole);
            let draws: Vec<f64> = draws.collect();
            Ok(DamagePoint {
                size,
                score: bootstrap.ratio_of_means(disturbed, full)?.map(|ratio| 100.0 * ratio),
                accuracy: intervals::share(bootstrap, &self.exactness(place, full.len()))?,
                lowest_draw: draws.iter().copied().fold(f64::INFINITY, f64::min),
                highest_draw: draws.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            })
        });
        Ok(DamageCurve {
            draws: self.draws.len(),
            points: points.collect::<Result<_, AuditError>>()?,
            kept: bootstrap.statistic(full.len(), |chosen| kept(&differences, full, chosen))?,
        })
    }
}

fn mean_of(values: &[f64]) -> f64 {
    mean(values).unwrap_or(f64::NAN)
}

/// Mean over the sizes of the score clamped to 0 and 100, over the chosen prompts; of no sizes 100.
fn kept(differences: &[Vec<f64>], full: &[f64], chosen: &[usize]) -> f64 {
    if differences.is_empty() {
        return 100.0;
    }
    let sum = |values: &[f64]| chosen.iter().map(|&prompt| values[prompt]).sum::<f64>();
    let whole = sum(full);
    let scores = differences.iter().map(|disturbed| 100.0 - damage(100.0 * sum(disturbed) / whole));
    scores.sum::<f64>() / differences.len() as f64
}
