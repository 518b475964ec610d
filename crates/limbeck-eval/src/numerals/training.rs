//! Examples that the quickstart's networks learn the number-sequence task from.
//!
//! An example is a sequence of three to five numbered sentences and a question, all with one verb, among
//! sentences that have nothing to do with it: "Fox is red.", "Owl was sold.", "Bee has 17.", and, hardest, numbered
//! sentences with another verb of the task: "Cat born in 30.". The last number before the question is
//! therefore often not the one to count on from: a network has to find the sentences of its own verb.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use limbeck_data::examples::TokenExample;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sentences::{ANIMALS, COLOURS, Template};
use super::training_words::{LARGEST, held_out_names, training_names};
use crate::{Encode, EvalError, ShiftedSet};

/// Numbers shown before the question.
const SHOWN: RangeInclusive<usize> = 3..=5;
/// Starts never seen in training. The audit's starts, 1 to 8, are not among them.
const HELD_OUT_STARTS: [u32; 5] = [11, 16, 21, 26, 31];
/// Draws after which a set of distinct examples is given up.
const DRAWS_PER_EXAMPLE: usize = 100;

/// How many examples to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingOptions {
    /// Seed of all sets.
    pub seed: u64,
    /// Training examples.
    pub examples: usize,
    /// Held-out examples, none of them a training example.
    pub held_out: usize,
    /// Examples of each shifted set.
    pub shifted: usize,
    /// Most distractors in an example.
    pub distractors: usize,
}

impl Default for TrainingOptions {
    fn default() -> Self {
        TrainingOptions { seed: 0, examples: 20_000, held_out: 500, shifted: 250, distractors: 3 }
    }
}

/// The sets of the training task.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSets {
    /// To learn from: every number of the sequence after its first is scored, the answer among them.
    pub training: Vec<TokenExample>,
    /// To measure on, drawn alike: the answer alone is scored.
    pub held_out: Vec<TokenExample>,
    /// Unseen names, unseen starts, unseen templates: the answer alone is scored.
    pub shifts: Vec<ShiftedSet>,
}

/// Draws the sets. A tokenizer over [`super::closed_vocabulary`] expresses them; any other that writes each
/// of its words as one token does too.
///
/// # Errors
/// [`EvalError::Inexpressible`] when the tokenizer writes a word in more than one token or changes it;
/// [`EvalError::Option`] when so many distinct examples do not exist.
pub fn training_sets(tokenizer: &dyn Encode, options: &TrainingOptions) -> Result<TrainingSets, EvalError> {
    let usual = Kind {
        names: training_names(),
        verbs: Template::ALL.map(Template::verb).to_vec(),
        starts: usual_starts(),
        distractors: options.distractors,
    };
    let mut drawn = BTreeSet::new();
    let mut draw = |set: u64, kind: &Kind, count: usize, every_number: bool| {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(set);
        distinct(tokenizer, kind, count, every_number, &mut rng, &mut drawn)
    };
    let training = draw(0, &usual, options.examples, true)?;
    let held_out = draw(1, &usual, options.held_out, false)?;
    let names = Kind { names: held_out_names(), ..usual.clone() };
    let starts = Kind { starts: HELD_OUT_STARTS.to_vec(), ..usual.clone() };
    let other_verbs = Template::OTHERS.map(Template::verb);
    let templates = Kind { verbs: other_verbs.to_vec(), ..usual };
    let shifts = vec![
        ShiftedSet {
            name: "unseen_names".into(),
            description: "The sentences are about objects that no training example names.".into(),
            examples: draw(2, &names, options.shifted, false)?,
        },
        ShiftedSet {
            name: "unseen_starts".into(),
            description: format!(
                "The sequences start at {HELD_OUT_STARTS:?}, where no training sequence starts."
            ),
            examples: draw(3, &starts, options.shifted, false)?,
        },
        ShiftedSet {
            name: "unseen_templates".into(),
            description: format!(
                "The verbs are {other_verbs:?}, which in training never belong to a sequence."
            ),
            examples: draw(4, &templates, options.shifted, false)?,
        },
    ];
    Ok(TrainingSets { training, held_out, shifts })
}

fn usual_starts() -> Vec<u32> {
    (1..=LARGEST - *SHOWN.end() as u32).filter(|start| !HELD_OUT_STARTS.contains(start)).collect()
}

/// What the examples of one set are made of.
#[derive(Clone)]
struct Kind {
    names: Vec<&'static str>,
    verbs: Vec<&'static str>,
    starts: Vec<u32>,
    distractors: usize,
}

fn distinct(
    tokenizer: &dyn Encode,
    kind: &Kind,
    count: usize,
    every_number: bool,
    rng: &mut ChaCha8Rng,
    drawn: &mut BTreeSet<Vec<u32>>,
) -> Result<Vec<TokenExample>, EvalError> {
    let leading = tokenizer.leading()?;
    let mut words = WordIds::default();
    let mut examples = Vec::new();
    for draw in 0.. {
        if examples.len() == count {
            break;
        }
        if draw == count.saturating_mul(DRAWS_PER_EXAMPLE) {
            return Err(EvalError::Option {
                option: "examples",
                found: count.to_string(),
                expected: format!("only {} distinct examples turned up in {draw} draws", examples.len()),
            });
        }
        let sentences = example(kind, rng);
        let example = tokens(tokenizer, &leading, &sentences, every_number, &mut words)?;
        if drawn.insert(example.ids.clone()) {
            examples.push(example);
        }
    }
    Ok(examples)
}

/// A sentence as words, and which of them may be scored.
struct Sentence {
    words: Vec<String>,
    /// Whether the last but one word (the last, in the question) is a number of the sequence after its first.
    counts_on: bool,
    /// Whether it is the question with its answer.
    question: bool,
}

/// One example: distractors before the sentences of the sequence and before the question.
fn example(kind: &Kind, rng: &mut ChaCha8Rng) -> Vec<Sentence> {
    let shown = rng.random_range(SHOWN);
    let verb = kind.verbs.choose(rng).copied().unwrap_or_default();
    let start = kind.starts.choose(rng).copied().unwrap_or(1);
    let names: Vec<&str> = kind.names.choose_multiple(rng, shown + 1).copied().collect();
    let mut before = vec![0usize; shown + 1];
    for _ in 0..rng.random_range(0..=kind.distractors) {
        before[rng.random_range(0..=shown)] += 1;
    }
    let mut sentences = Vec::new();
    for (i, name) in names.iter().enumerate() {
        for _ in 0..before[i] {
            sentences.push(Sentence { words: distractor(verb, rng), counts_on: false, question: false });
        }
        let number = (start + i as u32).to_string();
        let mut words: Vec<String> = [*name, verb, "in", &number].map(str::to_owned).to_vec();
        let question = i == shown;
        if !question {
            words.push(".".to_owned());
        }
        sentences.push(Sentence { words, counts_on: i > 0, question });
    }
    sentences
}

/// A sentence that has nothing to do with the sequence told with `verb`.
fn distractor(verb: &str, rng: &mut ChaCha8Rng) -> Vec<String> {
    let animal = ANIMALS.choose(rng).copied().unwrap_or_default();
    let number = rng.random_range(1..=LARGEST).to_string();
    let colour = COLOURS.choose(rng).copied().unwrap_or_default();
    let other = Template::OTHERS.choose(rng).map_or("", |template| template.verb());
    let rivals: Vec<&str> =
        Template::ALL.map(Template::verb).into_iter().filter(|rival| *rival != verb).collect();
    let rival = rivals.choose(rng).copied().unwrap_or_default();
    let words: &[&str] = match rng.random_range(0..10) {
        0..4 => &[animal, rival, "in", &number, "."],
        4..6 => &[animal, "has", &number, "."],
        6..8 => &[animal, "is", colour, "."],
        _ => &[animal, "was", other, "."],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

fn tokens(
    tokenizer: &dyn Encode,
    leading: &[u32],
    sentences: &[Sentence],
    every_number: bool,
    words: &mut WordIds,
) -> Result<TokenExample, EvalError> {
    let mut ids = leading.to_vec();
    let mut scored = vec![false; ids.len()];
    for sentence in sentences {
        let number = sentence.words.len() - if sentence.question { 1 } else { 2 };
        for (i, word) in sentence.words.iter().enumerate() {
            ids.push(words.id(tokenizer, word)?);
            scored.push(i == number && sentence.counts_on && (sentence.question || every_number));
        }
    }
    Ok(TokenExample { ids, scored })
}

/// Ids of the words met so far.
#[derive(Default)]
struct WordIds(std::collections::BTreeMap<String, u32>);

impl WordIds {
    fn id(&mut self, tokenizer: &dyn Encode, word: &str) -> Result<u32, EvalError> {
        if let Some(&id) = self.0.get(word) {
            return Ok(id);
        }
        match tokenizer.encode_text(word)?.as_slice() {
            [id] if tokenizer.decode_ids(&[*id])?.trim() == word => {
                self.0.insert(word.to_owned(), *id);
                Ok(*id)
            }
            ids => Err(EvalError::Inexpressible {
                task: "numerals training",
                reason: format!("`{word}` is not one token that comes back as itself, but {ids:?}"),
            }),
        }
    }
}
