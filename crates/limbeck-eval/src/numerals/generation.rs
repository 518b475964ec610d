//! Clean and corrupted prompts for any tokenizer.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAMES;
use super::notation::{Notation, number_width, wants_words};
use super::sentences::{ANIMALS, COLOURS, Distractors, Template, sentence};
use crate::contrast::{ContrastTask, DRAWS, Draft, Maker, even_words, make, require_words};
use crate::{Encode, EvalError};

/// Which prompts to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NumeralsOptions {
    /// Seed of names and corrupted numbers.
    pub seed: u64,
    /// Prompts per template.
    pub per_template: usize,
    /// Templates to use.
    pub templates: Vec<Template>,
    /// First number of each sequence; the prompts go through them in turn.
    pub starts: Vec<u32>,
    /// Numbers shown before the question; the answer is `start + shown`.
    pub shown: usize,
    /// How numbers are written.
    pub notation: Notation,
    /// Sentences between those of the sequence.
    pub distractors: Distractors,
    /// Names to use instead of the built-in list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
}

impl Default for NumeralsOptions {
    /// The paper's alignment set: 100 prompts for each of three templates, starts 1 to 8, four numbers shown.
    fn default() -> Self {
        NumeralsOptions {
            seed: 0,
            per_template: 100,
            templates: Template::ALL.to_vec(),
            starts: (1..=8).collect(),
            shown: 4,
            notation: Notation::Digits,
            distractors: Distractors::None,
            names: None,
        }
    }
}

/// Makes the prompts of the number-sequence task.
///
/// Names are those that the tokenizer writes in the same number of tokens. In the corrupted prompt every number
/// is replaced by a random one of as many tokens, among `1 ..= last start + shown`, such that no number is
/// followed by its successor; names stay. A start is left out, with the reason, when its two answers cannot
/// be told apart by one token.
///
/// # Errors
/// [`EvalError::Option`] for options that make no prompt; [`EvalError::Inexpressible`] when the tokenizer lacks
/// names or can express none of the starts.
pub fn generate(tokenizer: &dyn Encode, options: &NumeralsOptions) -> Result<ContrastTask, EvalError> {
    check(options)?;
    let task = options.notation.task();
    let list: Vec<&str> = match &options.names {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => NAMES.to_vec(),
    };
    let last = options.starts.iter().max().copied().unwrap_or(0) + options.shown as u32;
    let apart = wants_words(tokenizer);
    let mut by_width: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for number in 1..=last {
        if let Ok(width) = number_width(tokenizer, &options.notation.write(number), apart) {
            by_width.entry(width).or_default().push(number);
        }
    }
    let names = even_words(tokenizer, list.iter().copied())?;
    let sequences = Sequences {
        tokenizer,
        options,
        apart,
        names: require_words(task, "names", names, list.len(), options.shown + 1)?,
        by_width,
        animals: even_words(tokenizer, ANIMALS)?,
        colours: even_words(tokenizer, COLOURS)?,
    };
    if options.distractors != Distractors::None
        && (sequences.animals.is_empty() || sequences.colours.is_empty())
    {
        let reason = "it has no words for the distractors".to_owned();
        return Err(EvalError::Inexpressible { task, reason });
    }
    make(&sequences, tokenizer, options.per_template, options.seed)
}

fn check(options: &NumeralsOptions) -> Result<(), EvalError> {
    let refuse = |option, found: String, expected: String| Err(EvalError::Option { option, found, expected });
    if options.templates.is_empty() {
        return refuse("templates", "[]".into(), "there must be at least one template".into());
    }
    if !(1..=32).contains(&options.shown) {
        return refuse("shown", options.shown.to_string(), "1 to 32 numbers can be shown".into());
    }
    let most = options.notation.largest().saturating_sub(options.shown as u32);
    match options.starts.iter().find(|&&start| start == 0 || start > most) {
        _ if options.starts.is_empty() => {
            refuse("starts", "[]".into(), "there must be at least one start".into())
        }
        Some(start) => refuse("starts", start.to_string(), format!("a sequence starts between 1 and {most}")),
        None => Ok(()),
    }
}

/// What the making of every prompt has in common.
struct Sequences<'a> {
    tokenizer: &'a dyn Encode,
    options: &'a NumeralsOptions,
    /// Whether full stops are words of their own.
    apart: bool,
    names: Vec<&'a str>,
    by_width: BTreeMap<usize, Vec<u32>>,
    animals: Vec<&'a str>,
    colours: Vec<&'a str>,
}

impl Maker for Sequences<'_> {
    fn task(&self) -> &'static str {
        self.options.notation.task()
    }

    fn templates(&self) -> Vec<String> {
        self.options.templates.iter().map(|template| format!("{} in", template.verb())).collect()
    }

    fn kinds(&self, _template: usize) -> Vec<String> {
        self.options.starts.iter().map(|start| format!("start {start}")).collect()
    }

    fn draw(&self, template: usize, kind: usize, rng: &mut ChaCha8Rng) -> Result<Draft, String> {
        let (shown, start) = (self.options.shown, self.options.starts[kind]);
        let verb = self.options.templates[template].verb();
        let names: Vec<&str> = self.names.choose_multiple(rng, shown + 1).copied().collect();
        let numbers: Vec<u32> = (start..).take(shown).collect();
        let distractors: Vec<Option<String>> = (0..shown).map(|i| self.distractor(i, rng)).collect();
        let random = self.random_numbers(&numbers, rng)?;
        let write = |number: u32| self.options.notation.write(number);
        let parts = |numbers: &[u32]| -> Vec<String> {
            let mut parts = Vec::new();
            for (i, &number) in numbers.iter().enumerate() {
                parts.push(sentence(&format!("{} {verb} in {}", names[i], write(number)), self.apart));
                parts.extend(distractors[i].clone());
            }
            parts.push(format!("{} {verb} in", names[shown]));
            parts
        };
        let right = start + shown as u32;
        Ok(Draft {
            clean: parts(&numbers),
            corrupted: parts(&random),
            right: vec![write(right)],
            wrong: vec![write(right - 1)],
            glue: " ",
        })
    }
}

impl Sequences<'_> {
    /// Random numbers as wide as `numbers`, none followed by its successor.
    fn random_numbers(&self, numbers: &[u32], rng: &mut ChaCha8Rng) -> Result<Vec<u32>, String> {
        let none = || format!("no {} random numbers have as many tokens as {numbers:?}", numbers.len());
        let mut pools: Vec<&Vec<u32>> = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let width = number_width(self.tokenizer, &self.options.notation.write(number), self.apart)?;
            pools.push(self.by_width.get(&width).ok_or_else(none)?);
        }
        for _ in 0..DRAWS {
            let drawn: Vec<u32> =
                pools.iter().map(|pool| pool.choose(rng).copied()).collect::<Option<_>>().ok_or_else(none)?;
            if drawn.windows(2).all(|pair| pair[1] != pair[0] + 1) && drawn != numbers {
                return Ok(drawn);
            }
        }
        Err(none())
    }

    /// The sentence after the `i`-th of the sequence: one after every second.
    fn distractor(&self, i: usize, rng: &mut ChaCha8Rng) -> Option<String> {
        if i.is_multiple_of(2) || self.options.distractors == Distractors::None {
            return None;
        }
        let animal = self.animals.choose(rng)?;
        match self.options.distractors {
            Distractors::None => None,
            Distractors::Words => {
                self.colours.choose(rng).map(|colour| sentence(&format!("{animal} is {colour}"), self.apart))
            }
            Distractors::Numbers => {
                // Numbers of the narrowest width only, so that positions stay fixed.
                let number = self.options.notation.write(*self.by_width.values().next()?.choose(rng)?);
                Some(sentence(&format!("{animal} has {number}"), self.apart))
            }
        }
    }
}
