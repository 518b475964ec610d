//! A tokenizer in the manner of GPT-2's, which learns its vocabulary as it goes.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;

use limbeck_eval::{Encode, EvalError};

/// How numbers are written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Numbers {
    /// " 17" and "32".
    Pairs,
    /// A lone space and single digits.
    Digits,
    /// " 1732".
    Whole,
}

/// A word is a token with the space before it; every other character is one of its own.
pub struct Pieces {
    pub numbers: Numbers,
    known: Mutex<Vec<String>>,
}

impl Pieces {
    pub fn new(numbers: Numbers) -> Self {
        Pieces { numbers, known: Mutex::new(vec!["<begin>".into()]) }
    }

    fn split(&self, text: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for c in text.chars() {
            let glue = out.last().is_some_and(|last| {
                let digits = last.chars().filter(char::is_ascii_digit).count();
                let of_digits = last.chars().all(|l| l == ' ' || l.is_ascii_digit());
                match c {
                    ' ' => false,
                    c if c.is_ascii_digit() => match self.numbers {
                        Numbers::Digits => false,
                        Numbers::Pairs => of_digits && digits < 2,
                        Numbers::Whole => of_digits,
                    },
                    c => c.is_alphabetic() && last.chars().all(|l| l == ' ' || l.is_alphabetic()),
                }
            });
            match out.last_mut() {
                Some(last) if glue => last.push(c),
                _ => out.push(c.to_string()),
            }
        }
        out
    }
}

impl Encode for Pieces {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, EvalError> {
        let mut known = self.known.lock().unwrap();
        let ids = self.split(text).into_iter().map(|piece| {
            let at = known.iter().position(|k| *k == piece).unwrap_or_else(|| {
                known.push(piece);
                known.len() - 1
            });
            at as u32
        });
        Ok(ids.collect())
    }

    fn decode_ids(&self, ids: &[u32]) -> Result<String, EvalError> {
        let known = self.known.lock().unwrap();
        Ok(ids.iter().map(|&id| known[id as usize].as_str()).collect())
    }

    fn leading(&self) -> Result<Vec<u32>, EvalError> {
        Ok(vec![0])
    }
}
