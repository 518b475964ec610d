//! What is measured on one network: what it can do, how faithful it is, how sound its inside.

use std::sync::{Arc, PoisonError};

use limbeck_audit::{Ablation, AlignmentInput, AttentionMaps, Directions, Sweep, alignment, sweeps};
use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::examples::hash_examples;
use limbeck_data::hash::hash_bytes;
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
    let facts = json!([MEASURE_VERSION, key, pair.teacher_key, sets, prompts]);
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
    let found = Measured {
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
    /// Heads and MLPs.
    pub(super) fn components(&self) -> usize {
        self.ablated.len() / self.full.len().max(1)
    }

    /// Severity, `mean(max(0, m - 20) / 80)` over the components, of the chosen prompts; 1 where the network has no
    /// logit difference to lose: it does not do the task at all.
    pub(super) fn severity(&self, chosen: &[usize]) -> f64 {
        let count = self.components();
        let mut sums = vec![0.0; count];
        let mut whole = 0.0;
        for &prompt in chosen {
            whole += self.full[prompt];
            let row = &self.ablated[prompt * count..(prompt + 1) * count];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        if whole <= 0.0 {
            return 1.0;
        }
        let damages: Vec<f64> = sums.iter().map(|sum| damage(100.0 * sum / whole)).collect();
        severity(&damages, 1.0).unwrap_or(f64::NAN)
    }

    /// The figures in a line, for the log.
    pub(super) fn line(&self) -> String {
        let everyone: Vec<usize> = (0..self.full.len()).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let sets: Vec<String> = self
            .sets
            .iter()
            .map(|set| format!("{} {:.3}/{:.3}", set.name, mean(&set.right), mean(&set.agrees)))
            .collect();
        format!(
            "severity {:.4}, A {:.3}, LD {:.2}, right/agrees {}",
            self.severity(&everyone),
            self.a,
            mean(&self.full),
            sets.join(", ")
        )
    }
}
