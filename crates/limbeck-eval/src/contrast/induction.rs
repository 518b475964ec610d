//! Induction: random words, and the first of them again: what came after the last one the first time?
//!
//! After Olsson et al. 2022 (arXiv 2209.11895). Right is the word that followed, wrong are all other words of the prompt but the last. The corrupted prompt holds
//! the same words, but the first time in an order in which none is followed by the same one as before: only which
//! follows which is broken, not which words there are.

use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::words::single_words;
use super::{ContrastTask, DRAWS, Draft, Maker, even_words, make};
use crate::numerals::NAMES;
use crate::{Encode, EvalError};

const TASK: &str = "induction";

/// Words of a sequence, and how many of them are said again.
pub(super) type Shape = (usize, usize);

/// The usual sequences.
pub(super) const SHAPES: &[Shape] = &[(8, 3), (8, 5), (8, 7)];

/// Longer ones.
pub(super) const LONGER_SHAPES: &[Shape] = &[(16, 6), (16, 10), (16, 14)];

/// Common words; those that the tokenizer writes as one token are used, together with [`NAMES`].
const WORDS: [&str; 60] = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school",
    "state", "family", "group", "country", "problem", "hand", "part", "place", "case", "week", "company",
    "system", "question", "work", "number", "night", "point", "home", "water", "room", "mother", "area",
    "money", "story", "fact", "month", "lot", "study", "job", "business", "issue", "side", "kind", "head",
    "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law", "city", "name",
    "team", "minute",
];

/// What prompts to make.
#[derive(Debug, Clone)]
pub(super) struct InductionOptions {
    pub(super) seed: u64,
    pub(super) per_template: usize,
    pub(super) shapes: &'static [Shape],
    pub(super) words: Vec<&'static str>,
}

impl InductionOptions {
    pub(super) fn usual(seed: u64, per_template: usize) -> Self {
        let words = WORDS.into_iter().chain(NAMES).collect();
        InductionOptions { seed, per_template, shapes: SHAPES, words }
    }
}

/// Makes the prompts.
pub(super) fn generate(
    tokenizer: &dyn Encode,
    options: &InductionOptions,
) -> Result<ContrastTask, EvalError> {
    // As wide at the start of a text as within it, too: there a word may have no space before it.
    let words = even_words(tokenizer, single_words(tokenizer, options.words.iter().copied())?)?;
    let needed = options.shapes.iter().map(|shape| shape.0).max().unwrap_or(0);
    if words.len() < needed {
        let reason = format!(
            "only {} of {} words are one token each, and a prompt needs {needed}",
            words.len(),
            options.words.len()
        );
        return Err(EvalError::Inexpressible { task: TASK, reason });
    }
    make(&Sequences { shapes: options.shapes, words }, tokenizer, options.per_template, options.seed)
}

struct Sequences<'a> {
    shapes: &'a [Shape],
    words: Vec<&'a str>,
}

impl Maker for Sequences<'_> {
    fn task(&self) -> &'static str {
        TASK
    }

    fn templates(&self) -> Vec<String> {
        self.shapes.iter().map(|(words, again)| format!("{words} words, {again} again")).collect()
    }

    fn kinds(&self, _template: usize) -> Vec<String> {
        vec!["random words".to_owned()]
    }

    fn draw(&self, template: usize, _kind: usize, rng: &mut ChaCha8Rng) -> Result<Draft, String> {
        let (count, again) = self.shapes[template];
        let words: Vec<&str> = self.words.choose_multiple(rng, count).copied().collect();
        let follows = |pair: &[&str]| words.windows(2).any(|known| known == pair);
        let mut shuffled = words.clone();
        let broken = (0..DRAWS).any(|_| {
            shuffled.shuffle(rng);
            !shuffled.windows(2).any(follows)
        });
        if !broken {
            return Err(format!("no order of {count} words breaks all pairs"));
        }
        let parts = |first: &[&str]| -> Vec<String> {
            first.iter().chain(&words[..again]).map(|&word| word.to_owned()).collect()
        };
        Ok(Draft {
            clean: parts(&words),
            corrupted: parts(&shuffled),
            right: vec![words[again].to_owned()],
            wrong: words[again + 1..]
                .iter()
                .chain(&words[..again - 1])
                .map(|&word| word.to_owned())
                .collect(),
            glue: " ",
        })
    }
}
