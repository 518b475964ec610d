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

/// Seeds of the second confirmation begin after this.
const SECOND_CONFIRMATION: u64 = 300;

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
    /// The second confirmation, on seeds of its own.
    #[serde(default)]
    pub(super) second_confirmation: Option<SecondConfirmation>,
}

/// How the second confirmation is made and judged.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondConfirmation {
    /// Plain distillation for as long as the variant takes: the control of what is owed to time alone.
    pub(super) control: Variant,
    /// What stands between the sentences of the second task's sequences.
    pub(super) second_task: Distractors,
    /// The part of plain distillation's damage that is asked for.
    pub(super) at_most: f64,
    /// The largest loss of accuracy, and of agreement, that is no loss: a share of the examples.
    pub(super) margin: f64,
    /// Seeds before which nothing is looked at.
    pub(super) fewest_seeds: usize,
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
    /// The same variant once more on seeds 301, 302, .., by damages that it was not trained with, beside a control.
    #[serde(rename = "confirmation-2")]
    SecondConfirmation,
}

impl Phase {
    /// The seed of the n-th run.
    pub(super) fn seed(self, n: u64) -> u64 {
        match self {
            Phase::Test => n,
            Phase::Validation => VALIDATION + n,
            Phase::Confirmation => CONFIRMATION + n,
            Phase::SecondConfirmation => SECOND_CONFIRMATION + n,
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
    /// Steps, where they are not those of the others.
    #[serde(default)]
    pub(super) steps: Option<u64>,
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
    /// Refuses what would be refused after the trainings only.
    ///
    /// # Errors
    /// [`ReproduceError::Setting`] for a measure of nothing.
    pub(super) fn check(&self) -> Result<(), ReproduceError> {
        let Measures { prompts_per_template, batch_size, .. } = &self.measures;
        let counts =
            [("measures.prompts_per_template", prompts_per_template), ("measures.batch_size", batch_size)];
        match counts.into_iter().find(|(_, count)| **count == 0) {
            Some((key, _)) => {
                Err(ReproduceError::Setting { key, found: "0".to_owned(), right: "at least 1".to_owned() })
            }
            None => Ok(()),
        }
    }

    /// What is trained in this phase; the first is plain distillation.
    ///
    /// # Errors
    /// [`ReproduceError::Setting`] when the list does not begin with plain distillation, repeats a name, or lacks the variant to
    /// be confirmed.
    pub(super) fn variants_of_phase(&self) -> Result<Vec<&Variant>, ReproduceError> {
        let (key, list) = match self.phase {
            Phase::Test | Phase::Confirmation | Phase::SecondConfirmation => ("variants", &self.variants),
            Phase::Validation => ("candidates", &self.candidates),
        };
        let refuse =
            |found: String, right: &str| Err(ReproduceError::Setting { key, found, right: right.to_owned() });
        match list.first() {
            Some(first) if first.add.is_empty() && first.dropout.is_none() && first.steps.is_none() => {}
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
            Phase::SecondConfirmation => match &self.second_confirmation {
                Some(second) => Ok(vec![&list[0], self.to_confirm()?, &second.control]),
                None => Err(ReproduceError::Setting {
                    key: "phase",
                    found: "\"confirmation-2\"".to_owned(),
                    right: "another phase: this recipe has no [second_confirmation]".to_owned(),
                }),
            },
        }
    }

    /// The second confirmation, in its phase.
    pub(super) fn second(&self) -> Option<&SecondConfirmation> {
        self.second_confirmation.as_ref().filter(|_| self.phase == Phase::SecondConfirmation)
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
