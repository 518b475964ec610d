//! What the recipes of both pairs have in common.

use limbeck_distill::objective::ObjectiveConfig;
use limbeck_distill::soundness::ComponentDropout;
use limbeck_distill::{LayersStudent, TrainingConfig};
use limbeck_eval::numerals::{Distractors, NumeralsOptions, held_out_names};
use serde::{Deserialize, Serialize};

use crate::reproduce::ReproduceError;

/// Seeds of the validation phase begin after this, far from those of the test.
const VALIDATION: u64 = 100;

/// Seeds of the confirmation begin after this.
const CONFIRMATION: u64 = 200;

/// What both experiments are told.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Common {
    /// Whether variants are tested, or candidates compared to choose them.
    pub(super) phase: Phase,
    /// Which of the teacher's layers the student begins as.
    pub(super) student: LayersStudent,
    /// How every student is trained.
    pub(super) training: TrainingConfig,
    /// The objectives of plain distillation; part of every variant.
    pub(super) plain: Vec<ObjectiveConfig>,
    /// What is measured.
    pub(super) measures: Measures,
    /// Those that are tested. The first is plain distillation.
    pub(super) variants: Vec<Variant>,
    /// Those that are compared on validation seeds. The first is plain distillation.
    pub(super) candidates: Vec<Variant>,
    /// Name of the variant that is tested once more, alone and on seeds of its own.
    #[serde(default)]
    pub(super) confirmed: Option<String>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Variants on seeds 1, 2, ..
    Test,
    /// Candidates on seeds 101, 102, ..
    Validation,
    /// One variant that the test pointed at, on seeds 201, 202, ..: a single question, so that nothing is corrected for.
    Confirmation,
}

impl Phase {
    /// The seed of the n-th run.
    pub(super) fn seed(self, n: u64) -> u64 {
        match self {
            Phase::Test => n,
            Phase::Validation => VALIDATION + n,
            Phase::Confirmation => CONFIRMATION + n,
        }
    }
}

/// Plain distillation with something more.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    /// Its name.
    pub(super) name: String,
    /// Objectives beside those of plain distillation.
    #[serde(default)]
    pub(super) add: Vec<ObjectiveConfig>,
    /// Dropout of heads and MLPs.
    #[serde(default)]
    pub(super) dropout: Option<ComponentDropout>,
}

/// The prompts soundness is measured on, and how intervals are computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measures {
    /// Prompts per template.
    pub(super) prompts_per_template: usize,
    /// First numbers of the sequences.
    pub(super) starts: Vec<u32>,
    /// Sentences between those of the sequence.
    pub(super) distractors: Distractors,
    /// Prompts per forward pass.
    pub(super) batch_size: usize,
    /// Bootstrap resamples.
    pub(super) resamples: usize,
}

impl Measures {
    /// The number sequences soundness is measured on: about objects that no training example names.
    pub(super) fn numerals(&self, seed: u64) -> NumeralsOptions {
        NumeralsOptions {
            seed: 1000 + seed,
            per_template: self.prompts_per_template,
            starts: self.starts.clone(),
            distractors: self.distractors,
            names: Some(held_out_names().into_iter().map(str::to_owned).collect()),
            ..NumeralsOptions::default()
        }
    }
}

impl Common {
    /// What is trained in this phase; the first is plain distillation.
    ///
    /// # Errors
    /// [`ReproduceError::Setting`] when the list does not begin with plain distillation, repeats a name, or lacks the variant to
    /// be confirmed.
    pub(super) fn variants_of_phase(&self) -> Result<Vec<&Variant>, ReproduceError> {
        let (key, list) = match self.phase {
            Phase::Test | Phase::Confirmation => ("variants", &self.variants),
            Phase::Validation => ("candidates", &self.candidates),
        };
        let refuse =
            |found: String, right: &str| Err(ReproduceError::Setting { key, found, right: right.to_owned() });
        match list.first() {
            Some(first) if first.add.is_empty() && first.dropout.is_none() => {}
            first => {
                return refuse(
                    first.map_or("an empty list".to_owned(), |first| first.name.clone()),
                    "a list that begins with plain distillation: nothing added, no dropout",
                );
            }
        }
        for (index, variant) in list.iter().enumerate() {
            if list[..index].iter().any(|earlier| earlier.name == variant.name) {
                return refuse(variant.name.clone(), "names that differ");
            }
        }
        match self.phase {
            Phase::Test | Phase::Validation => Ok(list.iter().collect()),
            Phase::Confirmation => Ok(vec![&list[0], self.to_confirm()?]),
        }
    }

    /// The variant that `confirmed` names, which is not plain distillation.
    fn to_confirm(&self) -> Result<&Variant, ReproduceError> {
        let name = self.confirmed.as_deref().unwrap_or_default();
        self.variants.iter().skip(1).find(|variant| variant.name == name).ok_or_else(|| {
            ReproduceError::Setting {
                key: "confirmed",
                found: format!("{name:?}"),
                right: "the name of one of the variants after plain distillation".to_owned(),
            }
        })
    }
}
