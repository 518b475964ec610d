//! The quickstart's pair: a teacher trained from scratch, every second layer of it as the student.

use limbeck_distill::TrainingConfig;
use limbeck_distill::objective::{CrossEntropy, ObjectiveConfig};
use limbeck_eval::ShiftedSet;
use limbeck_eval::numerals::{TrainingOptions, closed_vocabulary, generate, training_sets};
use limbeck_model::{Decoder, Tokenizer, tokenizer::ClosedSpecials};
use serde::Deserialize;

use super::networks::{DecoderJob, have};
use super::pair::Pair;
use super::settings::{Common, Measures};
use crate::memory::check_network;
use crate::recipe::Architecture;
use crate::reproduce::ReproduceError;
use crate::reproduce::workbench::Workbench;

/// The recipe.
#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    #[serde(flatten)]
    pub(super) common: Common,
    /// The examples; their seed is that of the run.
    data: TrainingOptions,
    teacher: Teacher,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Teacher {
    architecture: Architecture,
    training: TrainingConfig,
}

/// The pair of a seed: data, teacher and order are drawn from it.
pub(super) fn pair(settings: &Settings, seed: u64, bench: &Workbench<'_>) -> Result<Pair, ReproduceError> {
    let tokenizer = Tokenizer::closed(&closed_vocabulary(), &ClosedSpecials::default())
        .map_err(limbeck_model::ModelError::from)?;
    let sets = training_sets(&tokenizer, &TrainingOptions { seed, ..settings.data.clone() })?;
    let config = settings
        .teacher
        .architecture
        .decoder(tokenizer.vocab_size())
        .map_err(limbeck_model::ModelError::from)?;
    check_network("teacher", &config)?;
    let training: std::sync::Arc<[_]> = sets.training.into();
    let taught = have(
        DecoderJob {
            label: format!("teacher, seed {seed}"),
            begins: Decoder::init(&config, seed, &Default::default())?,
            tokenizer: &tokenizer,
            examples: training.clone(),
            objectives: vec![ObjectiveConfig::CrossEntropy(CrossEntropy::default())],
            config: TrainingConfig { seed, ..settings.teacher.training.clone() },
            teacher: None,
        },
        bench,
    )?;
    let student = settings.common.student.build(&taught.decoder)?;
    let mut scored = vec![ShiftedSet {
        name: "held_out".into(),
        description: "Drawn like the training examples, none of them among these.".into(),
        examples: sets.held_out,
    }];
    scored.extend(sets.shifts);
    let task = generate(&tokenizer, &settings.common.measures.numerals(seed))?;
    let mut second_task = None;
    if let Some(second) = settings.common.second() {
        let measures = Measures { distractors: second.second_task, ..settings.common.measures.clone() };
        second_task = Some(generate(&tokenizer, &measures.numerals(seed))?);
    }
    let pair = Pair::new(taught.decoder, taught.key, tokenizer, student, training, scored, task);
    Ok(Pair { second_task, ..pair })
}
