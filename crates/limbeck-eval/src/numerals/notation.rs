//! How numbers are written, in digits or in words, and how wide a tokenizer makes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sentences::sentence;
use crate::Encode;
use crate::contrast::ids_of;

/// Largest number of a sequence in digits.
const LARGEST: u32 = 10_000;

/// Numbers in words, from one.
const WORDS: [&str; 20] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notation {
    /// "Van done in 1."
    #[default]
    Digits,
    /// "Van done in one."
    Words,
}

impl Notation {
    /// The name of the task with numbers so written.
    pub(super) fn task(self) -> &'static str {
        match self {
            Notation::Digits => "numerals",
            Notation::Words => "number_words",
        }
    }

    /// The largest number there can be.
    pub(super) fn largest(self) -> u32 {
        match self {
            Notation::Digits => LARGEST,
            Notation::Words => WORDS.len() as u32,
        }
    }

    /// A number from 1, written. Past the last word it is written in digits.
    pub(super) fn write(self, number: u32) -> String {
        let word = number.checked_sub(1).and_then(|index| WORDS.get(index as usize));
        match (self, word) {
            (Notation::Words, Some(word)) => (*word).to_owned(),
            _ => number.to_string(),
        }
    }
}

/// Tokens of "in 7." with this number in it: what tells numbers of different widths apart. The error is the
/// tokenizer's word why it cannot write it.
pub(super) fn number_width(tokenizer: &dyn Encode, number: &str, apart: bool) -> Result<usize, String> {
    ids_of(tokenizer, &sentence(&format!("in {number}"), apart)).map(|ids| ids.len())
}

/// Whether the tokenizer takes whole words only, so that the full stop must stand apart to be one.
pub(super) fn wants_words(tokenizer: &dyn Encode) -> bool {
    let takes = |apart| tokenizer.encode_text(&sentence("in 1", apart)).is_ok();
    !takes(false) && takes(true)
}
