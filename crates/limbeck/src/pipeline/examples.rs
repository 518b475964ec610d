//! The data stage: from a source to token examples, trained on and held out.

use std::sync::Arc;

use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::examples::{TokenExample, load_examples, save_examples};
use limbeck_data::locate::{Cache, Locator, fetch};
use limbeck_eval::ShiftedSet;
use limbeck_eval::numerals::{TrainingOptions, TrainingSets, closed_vocabulary, training_sets};
use limbeck_model::{ModelError, Tokenizer, open_model, tokenizer::ClosedSpecials};
use limbeck_results::Input;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::losses::Losses;
use super::sources::{Fetched, Gathered, Reading};
use super::{Pipeline, PipelineError, StageError};
use crate::recipe::{CorpusConfig, DataConfig, TeacherConfig};

/// Token examples of a run.
#[derive(Debug)]
pub(crate) struct Examples {
    pub(crate) training: Arc<[TokenExample]>,
    pub(crate) held_out: Vec<TokenExample>,
    pub(crate) shifts: Vec<ShiftedSet>,
    pub(crate) losses: Losses,
    /// What was left out of the data, and how it was told apart; a sentence each.
    pub(crate) notes: Vec<String>,
}

/// `data/data.json`: what the files beside it hold.
#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    training: usize,
    held_out: usize,
    scored_tokens: usize,
    shifts: Vec<ShiftSummary>,
    #[serde(default)]
    losses: Losses,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ShiftSummary {
    name: String,
    description: String,
    examples: usize,
}

const STAGE: &str = "data";
const SUMMARY: &str = "data/data.json";
const TRAINING: &str = "data/training.jsonl";
const HELD_OUT: &str = "data/held_out.jsonl";

impl Pipeline<'_> {
    /// Makes the examples, unless they lie in the run folder already.
    pub(super) fn make_examples(&mut self) -> Result<(), PipelineError> {
        let sources = self.fetch_sources().map_err(|error| self.fail(STAGE, error))?;
        let tokenizer_source = self.tokenizer_source().map_err(|error| self.fail(STAGE, error))?;
        let inputs = json!({
            "data": self.recipe.data,
            "seed": self.recipe.seed,
            "sources": sources.iter().map(|source| &source.hash).collect::<Vec<_>>(),
            "tokenizer": tokenizer_source.as_ref().map(|(_, hash)| hash),
        });
        self.stage(STAGE, &inputs, |run, _| {
            let examples = run.build(&sources, 1)?;
            for note in &examples.notes {
                run.remark(format!("data: {note}"));
            }
            let outputs = run.save_examples(&examples)?;
            run.examples = Some(Arc::new(examples));
            Ok(outputs)
        })
    }

    /// Fetches the places the data comes from.
    pub(super) fn fetch_sources(&mut self) -> Result<Vec<Fetched>, StageError> {
        let places = self.recipe.data.corpus().map(CorpusConfig::places).unwrap_or_default();
        // Those of an earlier recipe with more sources go.
        self.manifest.inputs.retain(|input| input.role.split(' ').next() != Some("data"));
        let mut sources = Vec::new();
        for (index, (_, entry)) in places.into_iter().enumerate() {
            let locator: Locator = entry.source.parse()?;
            let located = fetch(&locator, &Cache::from_env(), self.progress)?;
            let role = if index == 0 { "data".to_owned() } else { format!("data {}", index + 1) };
            let (locator, hash) = (entry.source.clone(), located.hash.clone());
            self.manifest.note_input(Input { role, locator, hash });
            sources.push(Fetched { entry, path: located.path, hash: located.hash });
        }
        Ok(sources)
    }

    /// Makes the examples of fetched sources; so many wrong records are gathered before reading ends.
    pub(super) fn build(&mut self, sources: &[Fetched], most_errors: usize) -> Result<Examples, StageError> {
        let tokenizer = self.tokenizer()?;
        let (corpus, packed) = match &self.recipe.data {
            DataConfig::Numerals { examples, held_out, shifted, distractors } => {
                let options = TrainingOptions {
                    seed: self.recipe.seed,
                    examples: *examples,
                    held_out: *held_out,
                    shifted: *shifted,
                    distractors: *distractors,
                };
                let TrainingSets { training, held_out, shifts } = training_sets(&tokenizer, &options)?;
                let (losses, notes) = (Losses::default(), Vec::new());
                return Ok(Examples { training: training.into(), held_out, shifts, losses, notes });
            }
            DataConfig::Text(corpus) => (corpus.clone(), true),
            DataConfig::Records(corpus) => (corpus.clone(), false),
        };
        let shapes = self.shapes()?;
        let reading = Reading {
            corpus: &corpus,
            packed,
            tokenizer: &tokenizer,
            rows: shapes.teacher.vocab_size.min(shapes.student.vocab_size),
            seed: self.recipe.seed,
            most_errors,
            progress: self.progress,
        };
        let Gathered { train, held_out, losses, notes, .. } = reading.gather(sources)?;
        if train.is_empty() || held_out.is_empty() {
            return Err(StageError::TooLittle {
                reason: format!(
                    "{} examples to train on and {} held out of {} records; both are needed: a larger source, a \
                     shorter data.sequence_length or another data.held_out{}",
                    train.len(),
                    held_out.len(),
                    losses.read,
                    losses.sentence().map(|lost| format!(" ({lost})")).unwrap_or_default()
                ),
            });
        }
        let longest = train.iter().chain(&held_out).map(TokenExample::len).max().unwrap_or(0);
        for (network, positions) in
            [("teacher", shapes.teacher.max_positions), ("student", shapes.student.max_positions)]
        {
            if longest > positions {
                return Err(StageError::TooLittle {
                    reason: format!(
                        "data.sequence_length = {} lets examples of {longest} tokens in, and the {network} has \
                         {positions} positions: set it to {positions} or less",
                        corpus.sequence_length
                    ),
                });
            }
        }
        Ok(Examples { training: train.into(), held_out, shifts: Vec::new(), losses, notes })
    }

    /// The examples, read back when this process did not make them.
    pub(super) fn examples(&mut self) -> Result<Arc<Examples>, StageError> {
        if let Some(examples) = &self.examples {
            return Ok(Arc::clone(examples));
        }
        let summary: Summary = read_json(&self.file(SUMMARY))?;
        let shifts = summary
            .shifts
            .into_iter()
            .map(|shift| {
                let examples = load_examples(&self.file(&shift_file(&shift.name)))?;
                Ok(ShiftedSet { name: shift.name, description: shift.description, examples })
            })
            .collect::<Result<Vec<_>, StageError>>()?;
        let examples = Arc::new(Examples {
            training: load_examples(&self.file(TRAINING))?.into(),
            held_out: load_examples(&self.file(HELD_OUT))?,
            shifts,
            losses: summary.losses,
            notes: summary.notes,
        });
        self.examples = Some(Arc::clone(&examples));
        Ok(examples)
    }

    /// The tokenizer of teacher and data.
    pub(super) fn tokenizer(&mut self) -> Result<Tokenizer, StageError> {
        match self.tokenizer_source()? {
            Some((path, _)) => Ok(open_model(&path).map_err(ModelError::from)?.tokenizer),
            None => Ok(Tokenizer::closed(&closed_vocabulary(), &ClosedSpecials::default())
                .map_err(ModelError::from)?),
        }
    }

    /// The model whose tokenizer is used, with its hash; none for a closed vocabulary.
    fn tokenizer_source(&mut self) -> Result<Option<(std::path::PathBuf, String)>, StageError> {
        let locator = match &self.recipe.teacher {
            TeacherConfig::Trained { tokenizer: Some(source), .. } => Some(source.as_str()),
            other => other.first_source(),
        };
        let Some(locator) = locator.map(str::to_owned) else {
            return Ok(None);
        };
        let located = self.locate(&locator)?;
        Ok(Some((located.path, located.hash)))
    }

    fn save_examples(&self, examples: &Examples) -> Result<Vec<String>, StageError> {
        save_examples(&self.file(TRAINING), &examples.training)?;
        save_examples(&self.file(HELD_OUT), &examples.held_out)?;
        let mut outputs = vec![SUMMARY.to_owned(), TRAINING.to_owned(), HELD_OUT.to_owned()];
        let mut shifts = Vec::new();
        for shift in &examples.shifts {
            let file = shift_file(&shift.name);
            save_examples(&self.file(&file), &shift.examples)?;
            outputs.push(file);
            shifts.push(ShiftSummary {
                name: shift.name.clone(),
                description: shift.description.clone(),
                examples: shift.examples.len(),
            });
        }
        let summary = Summary {
            training: examples.training.len(),
            held_out: examples.held_out.len(),
            scored_tokens: examples.training.iter().map(TokenExample::scored_count).sum(),
            shifts,
            losses: examples.losses.clone(),
            notes: examples.notes.clone(),
        };
        write_json(&self.file(SUMMARY), &summary)?;
        Ok(outputs)
    }
}

fn shift_file(name: &str) -> String {
    format!("data/shift-{name}.jsonl")
}
