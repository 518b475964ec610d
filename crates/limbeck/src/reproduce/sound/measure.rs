//! What is measured on one network: what it can do, how faithful it is, how sound its inside.

use std::sync::{Arc, PoisonError};

use limbeck_audit::{Ablation, AlignmentInput, AttentionMaps, Directions, Sweep, alignment, sweeps};
use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::examples::hash_examples;
use limbeck_data::hash::hash_bytes;
use limbeck_eval::contrast::ContrastTask;
use limbeck_eval::{ScoringOptions, score};
use limbeck_model::{Decoder, SiteKind};
use limbeck_stats::{Bootstrap, damage, severity};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::networks::Trained;
use super::pair::Pair;
use super::settings::Common;
use crate::reproduce::ReproduceError;
use crate::reproduce::workbench::Workbench;

/// Raised when a change of the program changes what is measured.
const MEASURE_VERSION: u32 = 1;
/// Resamples of the alignment: none of them is used, the intervals are over seeds.
const ALIGNMENT_RESAMPLES: usize = 2;

/// Damages that the objective does not train with, which fills with means; the first is that of the main outcomes.
pub(super) const DAMAGES: [(&str, Ablation); 4] = [
    ("resample", Ablation::Resample { seed: 7 }),
    ("partner", Ablation::Partner),
    ("zero", Ablation::Zero),
    ("noise", Ablation::Noise { size: 1.0, seed: 7 }),
];

/// What one network does, prompt by prompt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Per scored set.
    pub(super) sets: Vec<SetScores>,
    /// Logit difference of every prompt.
    pub(super) full: Vec<f64>,
    /// The same with each component mean-ablated, `[prompt, component]`.
    pub(super) ablated: Vec<f64>,
    /// Alignment A with the teacher.
    pub(super) a: f64,
    /// `[task][damage]`, by damages that no objective saw; empty where the phase does not ask for them.
    #[serde(default)]
    pub(super) tasks: Vec<Vec<Damaged>>,
}

/// Logit differences of a network's prompts, untouched and with each component damaged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Damaged {
    /// Of every prompt.
    pub(super) full: Vec<f64>,
    /// With each component damaged, `[prompt, component]`.
    pub(super) changed: Vec<f64>,
}

impl Damaged {
    /// Mean damage over the components, `mean(min(1, max(0, 1 - LD_damaged / LD)))`, without a threshold; 1 where there is no
    /// logit difference to lose.
    pub(super) fn mean_damage(&self) -> f64 {
        damages(&self.full, &self.changed)
            .map_or(1.0, |damages| damages.iter().sum::<f64>() / damages.len().max(1) as f64 / 100.0)
    }

    /// The share of prompts on which the right answer is still preferred when the worst component is damaged.
    pub(super) fn worst_preference(&self) -> f64 {
        let (prompts, components) = (self.full.len(), components(&self.full, &self.changed));
        let right = |component: usize| {
            let kept = (0..prompts).filter(|prompt| self.changed[prompt * components + component] > 0.0);
            kept.count() as f64 / prompts.max(1) as f64
        };
        (0..components).map(right).fold(1.0, f64::min)
    }
}

fn components(full: &[f64], changed: &[f64]) -> usize {
    changed.len() / full.len().max(1)
}

/// Damage of each component in percentage points; `None` where there is no logit difference to lose.
fn damages(full: &[f64], changed: &[f64]) -> Option<Vec<f64>> {
    let count = components(full, changed);
    let whole: f64 = full.iter().sum();
    let of = |component: usize| changed.iter().skip(component).step_by(count.max(1)).sum::<f64>();
    (whole > 0.0).then(|| (0..count).map(|component| damage(100.0 * of(component) / whole)).collect())
}

/// Scores of one set, by example.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SetScores {
    pub(super) name: String,
    /// Share of an example's scored tokens that are right.
    pub(super) right: Vec<f64>,
    /// Share of them on which the network ranks the same token first as the teacher.
    pub(super) agrees: Vec<f64>,
}

/// What alignment needs of the inside of a network.
pub(super) struct Inside {
    maps: AttentionMaps,
    streams: Directions,
    mean: Sweep,
    zero: Sweep,
}

impl Inside {
    fn measure(
        decoder: &Decoder,
        pair: &Pair,
        common: &Common,
        bench: &Workbench<'_>,
    ) -> Result<Self, ReproduceError> {
        let (batch, progress) = (common.measures.batch_size, bench.progress);
        let ablations = [Ablation::Mean, Ablation::Zero];
        let [mean, zero] = sweeps(decoder, &pair.task, ablations, batch, "ablations", progress)?;
        Ok(Self {
            maps: AttentionMaps::measure(decoder, &pair.task, batch, progress)?,
            streams: Directions::measure(decoder, &pair.task, SiteKind::ResidPost, batch, progress)?,
            mean,
            zero,
        })
    }

    fn input(&self) -> AlignmentInput<'_> {
        AlignmentInput { maps: &self.maps, streams: &self.streams, sweep: &self.zero }
    }

    fn of_teacher(pair: &Pair, common: &Common, bench: &Workbench<'_>) -> Result<Arc<Self>, ReproduceError> {
        let mut place = pair.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inside) = place.as_ref() {
            return Ok(Arc::clone(inside));
        }
        let inside = Arc::new(Self::measure(&pair.teacher, pair, common, bench)?);
        *place = Some(Arc::clone(&inside));
        Ok(inside)
    }
}

/// Measures the teacher against itself.
pub(super) fn teacher(
    pair: &Pair,
    common: &Common,
    bench: &Workbench<'_>,
) -> Result<Measured, ReproduceError> {
    measured(pair, &pair.teacher, &pair.teacher_key, common, bench)
}

/// Measures a student against its teacher.
pub(super) fn student(
    pair: &Pair,
    student: &Trained,
    common: &Common,
    bench: &Workbench<'_>,
) -> Result<Measured, ReproduceError> {
    measured(pair, &student.decoder, &student.key, common, bench)
}

/// Found where an earlier run left it, or measured.
fn measured(
    pair: &Pair,
    decoder: &Decoder,
    key: &str,
    common: &Common,
    bench: &Workbench<'_>,
) -> Result<Measured, ReproduceError> {
    let sets: Vec<String> = pair.scored.iter().map(|set| hash_examples(&set.examples)).collect();
    let prompts: Vec<(&[u32], &[u32])> =
        pair.task.prompts().map(|prompt| (prompt.clean.as_slice(), prompt.corrupted.as_slice())).collect();
    let mut facts = json!([MEASURE_VERSION, key, pair.teacher_key, sets, prompts]);
    let tasks: Vec<&ContrastTask> = match &pair.second_task {
        Some(second) => vec![&pair.task, second],
        None => Vec::new(),
    };
    if let (Some(second), Some(facts)) = (tasks.get(1), facts.as_array_mut()) {
        let prompts: Vec<&[u32]> = second.prompts().map(|prompt| prompt.clean.as_slice()).collect();
        facts.push(json!([DAMAGES.map(|(name, _)| name), prompts]));
    }
    let name = &hash_bytes(facts.to_string().as_bytes())[..24];
    let file = bench.folder().join("measures").join(format!("{name}.json"));
    if file.is_file() {
        return Ok(read_json(&file)?);
    }
    let own;
    let theirs = Inside::of_teacher(pair, common, bench)?;
    let inside = if key == pair.teacher_key {
        theirs.as_ref()
    } else {
        own = Inside::measure(decoder, pair, common, bench)?;
        &own
    };
    let bootstrap = Bootstrap::default().with_resamples(ALIGNMENT_RESAMPLES);
    let a = alignment(&theirs.input(), &inside.input(), &bootstrap)?.a.value;
    let damaged = |task: &&ContrastTask| -> Result<Vec<Damaged>, ReproduceError> {
        let batch = common.measures.batch_size;
        let found =
            sweeps(decoder, task, DAMAGES.map(|(_, ablation)| ablation), batch, "damages", bench.progress)?;
        Ok(found.into_iter().map(|sweep| Damaged { full: sweep.full, changed: sweep.ablated }).collect())
    };
    let tasks = tasks.iter().map(damaged).collect::<Result<Vec<_>, _>>()?;
    let found = Measured {
        tasks,
        sets: scores(pair, decoder, common, bench)?,
        full: inside.mean.full.clone(),
        ablated: inside.mean.ablated.clone(),
        a,
    };
    write_json(&file, &found)?;
    Ok(found)
}

fn scores(
    pair: &Pair,
    decoder: &Decoder,
    common: &Common,
    bench: &Workbench<'_>,
) -> Result<Vec<SetScores>, ReproduceError> {
    let options = ScoringOptions { batch_size: common.measures.batch_size, ..ScoringOptions::default() };
    let networks = [("teacher", &pair.teacher), ("student", decoder)];
    let mut sets = Vec::new();
    for set in &pair.scored {
        let found = score(&networks, &set.examples, &options, &set.name, bench.progress)?;
        let share = |of: &[bool]| {
            let mut counts = vec![[0.0f64; 2]; set.examples.len()];
            for (&example, &yes) in found.example.iter().zip(of) {
                counts[example][0] += f64::from(u8::from(yes));
                counts[example][1] += 1.0;
            }
            counts.into_iter().map(|[yes, of]| yes / of.max(1.0)).collect::<Vec<f64>>()
        };
        let network = &found.networks[1];
        sets.push(SetScores {
            name: set.name.clone(),
            right: share(&network.correct),
            agrees: share(&network.agrees),
        });
    }
    Ok(sets)
}

impl Measured {
    /// Severity, `mean(max(0, m - 20) / 80)` over the components; 1 where the network has no logit difference to lose: it
    /// does not do the task at all.
    pub(super) fn severity(&self) -> f64 {
        damages(&self.full, &self.ablated).map_or(1.0, |damages| severity(&damages, 1.0).unwrap_or(f64::NAN))
    }

    /// What was measured on a task by a damage, when it was asked for.
    pub(super) fn damaged(&self, task: usize, damage: usize) -> Option<&Damaged> {
        self.tasks.get(task).and_then(|of| of.get(damage))
    }

    /// The figures in a line, for the log.
    pub(super) fn line(&self) -> String {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let sets: Vec<String> = self
            .sets
            .iter()
            .map(|set| format!("{} {:.3}/{:.3}", set.name, mean(&set.right), mean(&set.agrees)))
            .collect();
        format!(
            "severity {:.4}, A {:.3}, LD {:.2}, right/agrees {}",
            self.severity(),
            self.a,
            mean(&self.full),
            sets.join(", ")
        )
    }
}
