//! The data stage: from a source to token examples, trained on and held out.

use std::path::Path;
use std::sync::Arc;

use limbeck_data::atomic::{read_json, write_json};
use limbeck_data::examples::{
    Split, TokenExample, load_examples, pack, save_examples, split_shuffled, split_tail,
};
use limbeck_data::locate::{Cache, Locator, fetch};
use limbeck_data::records::{ReadOptions, Record, stream_records};
use limbeck_eval::ShiftedSet;
use limbeck_eval::numerals::{TrainingOptions, TrainingSets, closed_vocabulary, training_sets};
use limbeck_model::{ModelError, Tokenizer, open_model, tokenizer::ClosedSpecials};
use limbeck_results::Input;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::records::{Encoded, example_of};
use super::{Pipeline, PipelineError, StageError};
use crate::recipe::{DataConfig, TeacherConfig};

/// Token examples of a run.
#[derive(Debug)]
pub(crate) struct Examples {
    pub(crate) training: Arc<[TokenExample]>,
    pub(crate) held_out: Vec<TokenExample>,
    pub(crate) shifts: Vec<ShiftedSet>,
}

/// `data/data.json`: what the files beside it hold.
#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    training: usize,
    held_out: usize,
    scored_tokens: usize,
    shifts: Vec<ShiftSummary>,
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
        let source = match self.recipe.data.source().map(str::to_owned) {
            None => None,
            Some(source) => Some(self.fetch_data(&source).map_err(|error| self.fail(STAGE, error))?),
        };
        let tokenizer_source = self.tokenizer_source().map_err(|error| self.fail(STAGE, error))?;
        let inputs = json!({
            "data": self.recipe.data,
            "seed": self.recipe.seed,
            "source": source.as_ref().map(|(_, hash)| hash),
            "tokenizer": tokenizer_source.as_ref().map(|(_, hash)| hash),
        });
        self.stage(STAGE, &inputs, |run, _| {
            let tokenizer = run.tokenizer()?;
            let path = source.as_ref().map(|(path, _)| path.as_path());
            let examples = build(&run.recipe.data, run.recipe.seed, path, &tokenizer, run.progress)?;
            let outputs = run.save_examples(&examples)?;
            run.examples = Some(Arc::new(examples));
            Ok(outputs)
        })
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

    fn fetch_data(&mut self, source: &str) -> Result<(std::path::PathBuf, String), StageError> {
        let locator: Locator = source.parse()?;
        let located = fetch(&locator, &Cache::from_env()?, self.progress)?;
        self.manifest.note_input(Input {
            role: "data".into(),
            locator: source.to_owned(),
            hash: located.hash.clone(),
        });
        Ok((located.path, located.hash))
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
        };
        write_json(&self.file(SUMMARY), &summary)?;
        Ok(outputs)
    }
}

fn shift_file(name: &str) -> String {
    format!("data/shift-{name}.jsonl")
}

fn build(
    config: &DataConfig,
    seed: u64,
    source: Option<&Path>,
    tokenizer: &Tokenizer,
    progress: &dyn limbeck_data::progress::Progress,
) -> Result<Examples, StageError> {
    let (mut split, shifts, max_examples) = match config {
        DataConfig::Numerals { examples, held_out, shifted, distractors } => {
            let options = TrainingOptions {
                seed,
                examples: *examples,
                held_out: *held_out,
                shifted: *shifted,
                distractors: *distractors,
            };
            let TrainingSets { training, held_out, shifts } = training_sets(tokenizer, &options)?;
            (Split { train: training, held_out }, shifts, None)
        }
        DataConfig::Text { glob, sequence_length, held_out, max_examples, .. } => {
            let mut documents = Vec::new();
            progress.start("reading text", 0, "documents");
            for record in records(source, glob.as_ref())? {
                documents.push(example_of(&record?, tokenizer)?.example.ids);
                progress.advance(1);
            }
            progress.finish();
            let parts = split_tail(documents, *held_out)?;
            let cut = |documents| pack(documents, *sequence_length, tokenizer.eos());
            let split = Split { train: cut(parts.train), held_out: cut(parts.held_out) };
            (split, Vec::new(), *max_examples)
        }
        DataConfig::Records { glob, sequence_length, held_out, max_examples, .. } => {
            let mut examples = Vec::new();
            let mut spanning = 0;
            progress.start("reading records", 0, "records");
            for record in records(source, glob.as_ref())? {
                let Encoded { mut example, spanning: across } = example_of(&record?, tokenizer)?;
                spanning += usize::from(across > 0);
                example.ids.truncate(*sequence_length);
                example.scored.truncate(*sequence_length);
                if example.scored_count() > 0 {
                    examples.push(example);
                }
                progress.advance(1);
            }
            progress.finish();
            if spanning > 0 {
                progress.note(&format!(
                    "{spanning} records have a token that holds text of prompt and answer: it is scored with the answer"
                ));
            }
            (split_shuffled(examples, *held_out, seed)?, Vec::new(), *max_examples)
        }
    };
    if let Some(most) = max_examples {
        split.train.truncate(most);
    }
    if split.train.is_empty() || split.held_out.is_empty() {
        return Err(StageError::TooLittle {
            reason: format!(
                "{} examples to train on and {} held out; both are needed: a larger source, a shorter \
                 data.sequence_length or another data.held_out",
                split.train.len(),
                split.held_out.len()
            ),
        });
    }
    Ok(Examples { training: split.train.into(), held_out: split.held_out, shifts })
}

fn records(
    source: Option<&Path>,
    glob: Option<&String>,
) -> Result<impl Iterator<Item = Result<Record, limbeck_data::DataError>>, StageError> {
    let options = ReadOptions { glob: glob.cloned(), ..ReadOptions::default() };
    Ok(stream_records(source.unwrap_or(Path::new("")), &options)?)
}
