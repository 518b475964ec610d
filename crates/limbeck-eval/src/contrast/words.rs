//! Which words a tokenizer can write, and which of them evenly.

use std::collections::BTreeMap;

use crate::{Encode, EvalError};

/// Of `words`, those that the tokenizer can write, in its most common number of tokens (the fewest on a tie),
/// both at the start of a text and within it.
pub(crate) fn even_words<'a>(
    tokenizer: &dyn Encode,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<&'a str>, EvalError> {
    even_among(tokenizer, words, |word| vec![format!("{word} in"), format!("in {word} in")])
}

/// The same for words that never stand at the start of a text, where some tokenizers write them otherwise.
pub(crate) fn even_words_within<'a>(
    tokenizer: &dyn Encode,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<&'a str>, EvalError> {
    even_among(tokenizer, words, |word| vec![format!("in {word} in")])
}

fn even_among<'a>(
    tokenizer: &dyn Encode,
    words: impl IntoIterator<Item = &'a str>,
    places: impl Fn(&str) -> Vec<String>,
) -> Result<Vec<&'a str>, EvalError> {
    let mut by_width: BTreeMap<Vec<usize>, Vec<&str>> = BTreeMap::new();
    'words: for word in words {
        let mut widths = Vec::new();
        for text in places(word) {
            // A closed vocabulary refuses words it lacks: those are not for this tokenizer.
            let Ok(ids) = tokenizer.encode_text(&text) else { continue 'words };
            if !same_text(&tokenizer.decode_ids(&ids)?, &text) {
                continue 'words;
            }
            widths.push(ids.len());
        }
        by_width.entry(widths).or_default().push(word);
    }
    let largest = by_width.values().map(Vec::len).max().unwrap_or(0);
    Ok(by_width.into_values().find(|words| words.len() == largest).unwrap_or_default())
}

/// Refuses a task for which too few of the words there are, `known`, are written evenly.
pub(crate) fn require_words<'a>(
    task: &'static str,
    what: &str,
    even: Vec<&'a str>,
    known: usize,
    needed: usize,
) -> Result<Vec<&'a str>, EvalError> {
    if even.len() >= needed {
        return Ok(even);
    }
    let reason = format!(
        "only {} of {known} {what} are written in the same number of tokens, and a prompt needs {needed}",
        even.len()
    );
    Err(EvalError::Inexpressible { task, reason })
}

/// Of `words`, those that are one token within a text.
pub(crate) fn single_words<'a>(
    tokenizer: &dyn Encode,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<&'a str>, EvalError> {
    let mut single = Vec::new();
    for word in words {
        let (before, with) = ("in", format!("in {word}"));
        // A closed vocabulary refuses words it lacks.
        let (Ok(before), Ok(ids)) = (tokenizer.encode_text(before), tokenizer.encode_text(&with)) else {
            continue;
        };
        let one = ids.len() == before.len() + 1 && ids.starts_with(&before);
        if one && same_text(&tokenizer.decode_ids(&ids)?, &with) {
            single.push(word);
        }
    }
    Ok(single)
}

/// Whether two texts differ in spacing and capitals only, which closed vocabularies do not keep.
pub(crate) fn same_text(a: &str, b: &str) -> bool {
    let letters = |text: &str| {
        text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>()
    };
    letters(a) == letters(b)
}
