//! SmolLM2-135M and every second layer of it, on English text with number sequences among it.

use std::path::PathBuf;

use limbeck_data::examples::{TokenExample, pack, split_tail};
use limbeck_data::locate::{Locator, fetch};
use limbeck_data::records::{ReadOptions, Record, stream_records};
use limbeck_eval::ShiftedSet;
use limbeck_eval::numerals::{Distractors, NumeralsOptions, generate, training_names};
use limbeck_model::{Decoder, ModelError, Tokenizer};
use limbeck_results::DataUsed;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::pair::Pair;
use super::settings::Common;
use crate::networks::load;
use crate::reproduce::ReproduceError;
use crate::reproduce::workbench::Workbench;

/// The recipe.
#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    #[serde(flatten)]
    pub(super) common: Common,
    /// Locator of the teacher.
    teacher: String,
    data: Data,
}

/// What students learn from and are scored on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    /// Locator of the text.
    text: String,
    /// Files of it.
    glob: String,
    /// Tokens of an example.
    sequence_length: usize,
    /// Examples of text to learn from.
    texts: usize,
    /// Number sequences to learn from, packed into examples.
    sequences: usize,
    /// First numbers of the sequences to learn from.
    starts: Vec<u32>,
    /// Share of the text that is scored, the end of every document.
    held_out: f64,
    /// Examples of text that are scored.
    scored_texts: usize,
    /// Number sequences that are scored, with the names, starts and distractors of the prompts.
    scored_sequences: usize,
}

/// Teacher and text, read once for all seeds.
pub(super) struct Sources {
    teacher: Decoder,
    teacher_key: String,
    tokenizer: Tokenizer,
    /// Documents to learn from, and their ends to score.
    documents: (Vec<Vec<u32>>, Vec<Vec<u32>>),
}

impl Sources {
    /// Fetches both.
    pub(super) fn fetch(settings: &Settings, bench: &Workbench<'_>) -> Result<Self, ReproduceError> {
        let teacher = load(&settings.teacher, &Default::default(), bench.progress)?;
        let locator: Locator = settings.data.text.parse()?;
        let text = fetch(&locator, bench.cache(), bench.progress)?;
        let used = |name: &str, source: &str, hash: &str| DataUsed {
            name: name.to_owned(),
            source: source.to_owned(),
            hash: hash.to_owned(),
        };
        bench.note_source(used("teacher", &settings.teacher, &teacher.hash));
        bench.note_source(used("text", &settings.data.text, &text.hash));
        let documents = documents(text.path, &settings.data.glob, &teacher.tokenizer)?;
        let parts = split_tail(documents, settings.data.held_out)?;
        Ok(Self {
            teacher: teacher.decoder,
            teacher_key: teacher.hash,
            tokenizer: teacher.tokenizer,
            documents: (parts.train, parts.held_out),
        })
    }
}

fn documents(path: PathBuf, glob: &str, tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>, ReproduceError> {
    let options = ReadOptions { glob: Some(glob.to_owned()), ..ReadOptions::default() };
    let mut documents = Vec::new();
    for record in stream_records(&path, &options)? {
        if let Record::Text { text } = record? {
            documents.push(tokenizer.encode(&text, true).map_err(ModelError::from)?);
        }
    }
    Ok(documents)
}

/// The pair of a seed, which decides the sequences and the order.
pub(super) fn pair(settings: &Settings, sources: &Sources, seed: u64) -> Result<Pair, ReproduceError> {
    let (data, tokenizer) = (&settings.data, &sources.tokenizer);
    let cut = |documents: &[Vec<u32>], most: usize| {
        let mut examples = pack(documents.to_vec(), data.sequence_length, tokenizer.eos());
        // From all over the text rather than from its beginning.
        examples.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        examples.truncate(most);
        examples
    };
    let mut training = cut(&sources.documents.0, data.texts);
    let drawn = |options: &NumeralsOptions| -> Result<Vec<Vec<u32>>, ReproduceError> {
        let task = generate(tokenizer, options)?;
        let mut sequences = Vec::new();
        for prompt in task.prompts() {
            let right = prompt.right.first().copied();
            sequences.push(prompt.clean.iter().copied().chain(right).collect());
        }
        Ok(sequences)
    };
    let templates = limbeck_eval::numerals::Template::ALL.len();
    let names: Vec<String> = training_names().into_iter().map(str::to_owned).collect();
    let mut sequences = Vec::new();
    for distractors in [Distractors::None, Distractors::Numbers] {
        sequences.extend(drawn(&NumeralsOptions {
            seed,
            per_template: data.sequences.div_ceil(2 * templates),
            starts: data.starts.clone(),
            distractors,
            names: Some(names.clone()),
            ..NumeralsOptions::default()
        })?);
    }
    sequences.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    training.extend(pack(sequences, data.sequence_length, tokenizer.eos()));
    let measures = &settings.common.measures;
    let prompts = drawn(&NumeralsOptions {
        per_template: data.scored_sequences.div_ceil(templates),
        seed: 5000 + seed,
        ..measures.numerals(seed)
    })?;
    let last_only = |ids: Vec<u32>| {
        let scored = (0..ids.len()).map(|at| at + 1 == ids.len()).collect();
        TokenExample { ids, scored }
    };
    let set = |name: &str, description: &str, examples| ShiftedSet {
        name: name.to_owned(),
        description: description.to_owned(),
        examples,
    };
    let scored = vec![
        set("text", "The ends of the documents.", cut(&sources.documents.1, data.scored_texts)),
        set(
            "sequences",
            "Number sequences of objects and starts that no training sequence has.",
            prompts.into_iter().map(last_only).collect(),
        ),
    ];
    let student = settings.common.student.build(&sources.teacher)?;
    let task = generate(tokenizer, &measures.numerals(seed))?;
    Ok(Pair::new(
        sources.teacher.clone(),
        sources.teacher_key.clone(),
        tokenizer.clone(),
        student,
        training.into(),
        scored,
        task,
    ))
}
