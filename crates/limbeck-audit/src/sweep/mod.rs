//! Removes every head and every MLP in turn, and measures what that does to the logit difference.
//!
//! [`effects`] is the general form: any [`Target`] replaced by any [`Ablation`]. [`sweep`] and [`sweeps`] are that for all
//! heads and MLPs of a network on its clean prompts.

mod ablation;
mod effects;
mod moments;
mod replacement;
mod restart;
mod target;

pub use ablation::{Ablation, Base};
pub use effects::{Effects, Plan, effects};
pub use target::Target;

use limbeck_data::progress::Progress;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::Decoder;

use crate::AuditError;

/// Logit differences of every prompt, whole and with each component removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Blocks.
    pub layers: usize,
    /// Query heads per block.
    pub heads: usize,
    /// `LD` of the whole network, one per prompt.
    pub full: Vec<f64>,
    /// Whether the whole network ranks a right answer first, one per prompt.
    pub correct: Vec<bool>,
    /// `LD` with a component removed, `[prompt, component]`; components by layer, heads before the MLP.
    pub ablated: Vec<f64>,
}

impl Sweep {
    /// Heads and MLPs.
    pub fn components(&self) -> usize {
        self.layers * (self.heads + 1)
    }

    /// Prompts measured.
    pub fn prompts(&self) -> usize {
        self.full.len()
    }

    /// The same of the prompts at `places` only.
    pub(crate) fn of(&self, places: &[usize]) -> Sweep {
        let rows =
            places.iter().flat_map(|&at| &self.ablated[at * self.components()..(at + 1) * self.components()]);
        Sweep {
            layers: self.layers,
            heads: self.heads,
            full: places.iter().map(|&at| self.full[at]).collect(),
            correct: places.iter().map(|&at| self.correct[at]).collect(),
            ablated: rows.copied().collect(),
        }
    }

    /// Writes `100 * sum(LD_ablated) / sum(LD_full)` over the chosen prompts (repetitions count), in percent, for
    /// every component: the ratio of the means.
    pub(crate) fn scores(&self, chosen: &[usize], scores: &mut [f64]) {
        scores_of(&self.full, &self.ablated, chosen, scores);
    }
}

/// Writes `100 * sum(LD_changed) / sum(LD_full)` over the chosen prompts for every target of `changed[prompt, target]`.
pub(crate) fn scores_of(full: &[f64], changed: &[f64], chosen: &[usize], scores: &mut [f64]) {
    let targets = scores.len();
    scores.fill(0.0);
    let mut whole = 0.0;
    for &prompt in chosen {
        whole += full[prompt];
        let row = &changed[prompt * targets..(prompt + 1) * targets];
        for (sum, value) in scores.iter_mut().zip(row) {
            *sum += value;
        }
    }
    for score in scores {
        *score *= 100.0 / whole;
    }
}

/// Sweeps over all components of `decoder` on the prompts of `task`, in the order of [`ContrastTask::prompts`].
///
/// Heads are query heads, also where several share keys and values, ablated at `hook_z` one at a time; MLPs
/// at `hook_mlp_out`.
///
/// # Errors
/// [`AuditError::NoDifference`] when the whole network's mean logit difference is zero or not a number, and what
/// [`effects`] says.
pub fn sweep(
    decoder: &Decoder,
    task: &ContrastTask,
    ablation: Ablation,
    batch_size: usize,
    label: &str,
    progress: &dyn Progress,
) -> Result<Sweep, AuditError> {
    sweeps(decoder, task, [ablation], batch_size, label, progress).map(|[sweep]| sweep)
}

/// Several sweeps with one pass over the untouched network.
///
/// # Errors
/// As [`sweep`].
pub fn sweeps<const N: usize>(
    decoder: &Decoder,
    task: &ContrastTask,
    ablations: [Ablation; N],
    batch_size: usize,
    label: &str,
    progress: &dyn Progress,
) -> Result<[Sweep; N], AuditError> {
    let (layers, heads) = (decoder.config().n_layers, decoder.config().n_heads);
    let targets = Target::components(layers, heads);
    let plan = Plan { targets: &targets, ablations: &ablations, base: Base::Clean, batch_size };
    let found = effects(decoder, task, &plan, label, progress)?;
    let sweeps: Vec<Sweep> = (found.into_iter())
        .map(|Effects { full, correct, changed, .. }| Sweep {
            layers,
            heads,
            full,
            correct,
            ablated: changed,
        })
        .collect();
    for sweep in &sweeps {
        let value = sweep.full.iter().sum::<f64>() / sweep.prompts().max(1) as f64;
        if value == 0.0 || !value.is_finite() {
            return Err(AuditError::NoDifference { prompts: sweep.prompts(), value });
        }
    }
    <[Sweep; N]>::try_from(sweeps).map_err(|found| AuditError::Mismatch {
        what: "sweeps",
        first: N,
        second: found.len(),
    })
}
