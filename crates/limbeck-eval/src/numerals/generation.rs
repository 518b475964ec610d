//! Clean and corrupted prompts for any tokenizer.

use std::collections::BTreeMap;

use rand::{SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAMES;
use super::layout::{even_words, express, layout, number_width, wants_words};
use super::sentences::{ANIMALS, COLOURS, Distractors, Template, sentence};
use crate::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use crate::{Encode, EvalError};

/// How many random sequences are drawn before a corrupted prompt is given up.
const DRAWS: usize = 1_000;

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
    let list: Vec<&str> = match &options.names {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => NAMES.to_vec(),
    };
    let names = even_words(tokenizer, list.iter().copied())?;
    if names.len() <= options.shown {
        return Err(EvalError::Inexpressible {
            task: "numerals",
            reason: format!(
                "only {} of {} names are written in the same number of tokens, and a prompt needs {}",
                names.len(),
                list.len(),
                options.shown + 1
            ),
        });
    }
    let last = options.starts.iter().max().copied().unwrap_or(0) + options.shown as u32;
    let apart = wants_words(tokenizer);
    let mut by_width: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for number in 1..=last {
        if let Some(width) = number_width(tokenizer, number, apart) {
            by_width.entry(width).or_default().push(number);
        }
    }
    let maker = Maker {
        tokenizer,
        options,
        apart,
        leading: tokenizer.leading()?,
        names,
        by_width,
        animals: even_words(tokenizer, ANIMALS)?,
        colours: even_words(tokenizer, COLOURS)?,
    };
    if options.distractors != Distractors::None && (maker.animals.is_empty() || maker.colours.is_empty()) {
        let reason = "it has no words for the distractors".to_owned();
        return Err(EvalError::Inexpressible { task: "numerals", reason });
    }
    maker.task()
}

fn check(options: &NumeralsOptions) -> Result<(), EvalError> {
    let refuse = |option, found: String, expected: &str| {
        Err(EvalError::Option { option, found, expected: expected.to_owned() })
    };
    if options.per_template == 0 {
        return refuse("per_template", "0".into(), "there must be at least one prompt");
    }
    if options.templates.is_empty() {
        return refuse("templates", "[]".into(), "there must be at least one template");
    }
    if !(1..=32).contains(&options.shown) {
        return refuse("shown", options.shown.to_string(), "1 to 32 numbers can be shown");
    }
    match options.starts.iter().find(|&&start| start == 0 || start > 10_000) {
        _ if options.starts.is_empty() => refuse("starts", "[]".into(), "there must be at least one start"),
        Some(start) => refuse("starts", start.to_string(), "a sequence starts between 1 and 10000"),
        None => Ok(()),
    }
}

/// Fewest corrupted prompts in a group.
const FEWEST_CORRUPTED: usize = 32;

/// What the making of every prompt has in common.
struct Maker<'a> {
    tokenizer: &'a dyn Encode,
    options: &'a NumeralsOptions,
    /// Whether full stops are words of their own.
    apart: bool,
    leading: Vec<u32>,
    names: Vec<&'a str>,
    by_width: BTreeMap<usize, Vec<u32>>,
    animals: Vec<&'a str>,
    colours: Vec<&'a str>,
}

impl Maker<'_> {
    fn task(&self) -> Result<ContrastTask, EvalError> {
        let mut left_out: Vec<(String, String)> = Vec::new();
        let mut starts = Vec::new();
        for &start in &self.options.starts {
            let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
            match self.prompt(self.options.templates[0], start, &mut rng)? {
                Ok(_) => starts.push(start),
                Err(reason) => left_out.push((format!("start {start}"), reason)),
            }
        }
        if starts.is_empty() {
            let reason = left_out.first().map(|(start, why)| format!("{start}: {why}")).unwrap_or_default();
            return Err(EvalError::Inexpressible { task: "numerals", reason });
        }
        let mut groups: BTreeMap<(Template, Vec<usize>), Vec<(u32, ContrastPrompt)>> = BTreeMap::new();
        for (index, &template) in self.options.templates.iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
            rng.set_stream(index as u64 + 1);
            for i in 0..self.options.per_template {
                let start = starts[i % starts.len()];
                match self.prompt(template, start, &mut rng)? {
                    Ok((layout, prompt)) => {
                        groups.entry((template, layout)).or_default().push((start, prompt));
                    }
                    Err(reason) => {
                        return Err(EvalError::Inexpressible {
                            task: "numerals",
                            reason: format!("start {start}: {reason}"),
                        });
                    }
                }
            }
        }
        let groups = groups.into_iter().enumerate().map(|(index, ((template, layout), prompts))| {
            Ok(ContrastGroup {
                name: format!(
                    "{} in, {} tokens",
                    template.verb(),
                    layout.last().map_or(0, |end| end + self.leading.len())
                ),
                length: layout.last().map_or(0, |end| end + self.leading.len()),
                corrupted: self.corrupted(index, template, &layout, &prompts)?,
                prompts: prompts.into_iter().map(|(_, prompt)| prompt).collect(),
            })
        });
        Ok(ContrastTask {
            name: "numerals".to_owned(),
            groups: groups.collect::<Result<_, EvalError>>()?,
            left_out,
        })
    }

    /// The corrupted prompts of a group, made up to [`FEWEST_CORRUPTED`].
    fn corrupted(
        &self,
        index: usize,
        template: Template,
        layout: &[usize],
        prompts: &[(u32, ContrastPrompt)],
    ) -> Result<Vec<Vec<u32>>, EvalError> {
        let mut corrupted: Vec<Vec<u32>> =
            prompts.iter().map(|(_, prompt)| prompt.corrupted.clone()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        // A stream of its own, past those of the templates.
        rng.set_stream((1 << 32) + index as u64);
        for draw in 0..DRAWS {
            if corrupted.len() >= FEWEST_CORRUPTED {
                break;
            }
            let start = prompts[draw % prompts.len()].0;
            if let Ok((found, prompt)) = self.prompt(template, start, &mut rng)?
                && found == layout
            {
                corrupted.push(prompt.corrupted);
            }
        }
        Ok(corrupted)
    }

    /// One prompt and its layout, or the reason why it cannot be written.
    fn prompt(
        &self,
        template: Template,
        start: u32,
        rng: &mut ChaCha8Rng,
    ) -> Result<Result<(Vec<usize>, ContrastPrompt), String>, EvalError> {
        let shown = self.options.shown;
        let names: Vec<&str> = self.names.choose_multiple(rng, shown + 1).copied().collect();
        let numbers: Vec<u32> = (start..).take(shown).collect();
        let distractors: Vec<Option<String>> = (0..shown).map(|i| self.distractor(i, rng)).collect();
        let Some(random) = self.random_numbers(&numbers, rng) else {
            return Ok(Err(format!("no {shown} random numbers have as many tokens as {numbers:?}")));
        };
        let pieces = |numbers: &[u32]| -> Vec<String> {
            let mut pieces = Vec::new();
            for (i, number) in numbers.iter().enumerate() {
                pieces.push(sentence(&format!("{} {} in {number}", names[i], template.verb()), self.apart));
                pieces.extend(distractors[i].clone());
            }
            pieces.push(format!("{} {} in", names[shown], template.verb()));
            pieces
        };
        let (clean, corrupted) = (pieces(&numbers), pieces(&random));
        let (text, corrupted_text) = (clean.join(" "), corrupted.join(" "));
        let right = start + shown as u32;
        let expressed = match express(self.tokenizer, &text, right, right - 1)? {
            Ok(expressed) => expressed,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut ends = layout(self.tokenizer, &clean)?;
        if ends != layout(self.tokenizer, &corrupted)? {
            return Ok(Err("the corrupted prompt does not fall on the same positions".to_owned()));
        }
        ends.push(expressed.ids.len());
        let mut corrupted_ids = self.leading.clone();
        corrupted_ids.extend(self.tokenizer.encode_text(&corrupted_text)?);
        corrupted_ids.extend(&expressed.shared);
        let mut clean_ids = self.leading.clone();
        clean_ids.extend(&expressed.ids);
        if clean_ids.len() != corrupted_ids.len() {
            return Ok(Err("clean and corrupted prompt differ in length".to_owned()));
        }
        let prompt = ContrastPrompt {
            clean: clean_ids,
            corrupted: corrupted_ids,
            right: vec![expressed.right],
            wrong: vec![expressed.wrong],
            text,
            corrupted_text,
        };
        Ok(Ok((ends, prompt)))
    }

    /// Random numbers as wide as `numbers`, none followed by its successor.
    fn random_numbers(&self, numbers: &[u32], rng: &mut ChaCha8Rng) -> Option<Vec<u32>> {
        let pool = |&number: &u32| self.by_width.get(&number_width(self.tokenizer, number, self.apart)?);
        let pools: Vec<&Vec<u32>> = numbers.iter().map(pool).collect::<Option<_>>()?;
        for _ in 0..DRAWS {
            let drawn: Vec<u32> =
                pools.iter().map(|pool| pool.choose(rng).copied()).collect::<Option<_>>()?;
            if drawn.windows(2).all(|pair| pair[1] != pair[0] + 1) && drawn != numbers {
                return Some(drawn);
            }
        }
        None
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
                let pool = self.by_width.values().next()?;
                let number = pool.choose(rng)?;
                Some(sentence(&format!("{animal} has {number}"), self.apart))
            }
        }
    }
}
