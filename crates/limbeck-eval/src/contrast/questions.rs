//! Simple questions: "The capital of France is" asks for Paris.
//!
//! The corrupted prompt asks the same of another subject of as many tokens, and that one's answer is the wrong one:
//! right and wrong are of one kind, and only the subject tells them apart. Every subject is asked about once.

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::facts::{CATEGORIES, Category};
use super::{ContrastTask, Draft, Maker, even_words_within, make};
use crate::{Encode, EvalError};

const TASK: &str = "simple_qa";

/// How questions are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wording {
    /// As a sentence to be finished.
    Sentence,
    /// As a sentence in other words.
    OtherSentence,
    /// As a question.
    Question,
}

/// What prompts to make.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuestionOptions {
    pub(super) seed: u64,
    pub(super) per_template: usize,
    pub(super) wording: Wording,
    /// A sentence said before the prompt.
    pub(super) before: Option<&'static str>,
}

impl QuestionOptions {
    pub(super) fn usual(seed: u64, per_template: usize) -> Self {
        QuestionOptions { seed, per_template, wording: Wording::Sentence, before: None }
    }
}

/// Makes the prompts, up to `per_template` of each category.
pub(super) fn generate(tokenizer: &dyn Encode, options: QuestionOptions) -> Result<ContrastTask, EvalError> {
    let even = CATEGORIES
        .iter()
        .map(|category| even_words_within(tokenizer, category.facts.iter().map(|fact| fact.0)));
    let questions = Questions { options, even: even.collect::<Result<_, _>>()? };
    make(&questions, tokenizer, options.per_template, options.seed)
}

struct Questions {
    options: QuestionOptions,
    /// Subjects of each category that are written in the same number of tokens.
    even: Vec<Vec<&'static str>>,
}

impl Questions {
    fn parts(&self, category: &Category, subject: &str) -> Vec<String> {
        let parts = match self.options.wording {
            Wording::Sentence => category.sentence,
            Wording::OtherSentence => category.other_sentence,
            Wording::Question => category.question,
        };
        let filled = parts.iter().map(|part| part.replace("{S}", subject));
        self.options.before.map(str::to_owned).into_iter().chain(filled).collect()
    }
}

impl Maker for Questions {
    fn task(&self) -> &'static str {
        TASK
    }

    fn templates(&self) -> Vec<String> {
        CATEGORIES.iter().map(|category| category.name.to_owned()).collect()
    }

    fn kinds(&self, template: usize) -> Vec<String> {
        let category = &CATEGORIES[template];
        category.facts.iter().map(|(subject, _)| (*subject).to_owned()).collect()
    }

    fn once(&self) -> bool {
        true
    }

    fn draw(&self, template: usize, kind: usize, rng: &mut ChaCha8Rng) -> Result<Draft, String> {
        let (category, even) = (&CATEGORIES[template], &self.even[template]);
        let (subject, right) = category.facts[kind];
        if !even.contains(&subject) {
            return Err(match even.len() {
                0 => "the tokenizer lacks the words".to_owned(),
                _ => "it is written in another number of tokens than most".to_owned(),
            });
        }
        let others: Vec<&(&str, &str)> =
            category.facts.iter().filter(|fact| even.contains(&fact.0) && fact.1 != right).collect();
        let Some((other, wrong)) = others.choose(rng) else {
            return Err("there is no other subject of as many tokens".to_owned());
        };
        Ok(Draft {
            clean: self.parts(category, subject),
            corrupted: self.parts(category, other),
            right: vec![right.to_owned()],
            wrong: vec![(*wrong).to_owned()],
            glue: " ",
        })
    }
}
