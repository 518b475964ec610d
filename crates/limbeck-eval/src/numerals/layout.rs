//! Where the answer stands, for a given tokenizer, and which words it can write evenly.

use std::collections::BTreeMap;

use super::sentences::sentence;
use crate::{Encode, EvalError};

/// A prompt as tokens, with the place of the answer settled.
pub(super) struct Expressed {
    /// Tokens up to the one before the answer token.
    pub(super) ids: Vec<u32>,
    /// Tokens at the end of `ids` that both answers begin with (a lone space, a shared first digit).
    pub(super) shared: Vec<u32>,
    /// First token in which the right answer differs from the wrong one.
    pub(super) right: u32,
    /// The wrong answer's token there.
    pub(super) wrong: u32,
}

/// Tokenises a prompt with each of its answers and finds the first token in which they differ.
///
/// Some tokenizers write " 5" as a space and a digit: then the space belongs to the prompt. Answers of
/// several tokens are compared at their first difference, and what they share before it joins the prompt.
/// The inner error is the reason why this pair of answers cannot be told apart.
pub(super) fn express(
    tokenizer: &dyn Encode,
    prompt: &str,
    right: u32,
    wrong: u32,
) -> Result<Result<Expressed, String>, EvalError> {
    let encoded: Result<Vec<Vec<u32>>, EvalError> =
        [prompt.to_owned(), format!("{prompt} {right}"), format!("{prompt} {wrong}")]
            .iter()
            .map(|text| tokenizer.encode_text(text))
            .collect();
    let [alone, with_right, with_wrong] = match encoded.map(<[Vec<u32>; 3]>::try_from) {
        Ok(Ok(encoded)) => encoded,
        Ok(Err(_)) => return Ok(Err("it gave no tokens".to_owned())),
        // A closed vocabulary refuses words it lacks.
        Err(error) => return Ok(Err(error.to_string())),
    };
    if !with_right.starts_with(&alone) || !with_wrong.starts_with(&alone) {
        return Ok(Err(format!("it joins the answer {right} or {wrong} with the word before it")));
    }
    let common = with_right.iter().zip(&with_wrong).take_while(|(a, b)| a == b).count();
    let (Some(&right_token), Some(&wrong_token)) = (with_right.get(common), with_wrong.get(common)) else {
        return Ok(Err(format!("the tokens of one of the answers {right} and {wrong} begin the other's")));
    };
    let text = tokenizer.decode_ids(&with_right)?;
    if !same_text(&text, &format!("{prompt} {right}")) {
        return Ok(Err(format!("it cannot write `{prompt} {right}`: that comes back as `{}`", text.trim())));
    }
    Ok(Ok(Expressed {
        ids: with_right[..common].to_vec(),
        shared: with_right[alone.len()..common].to_vec(),
        right: right_token,
        wrong: wrong_token,
    }))
}

/// Tokens of the text up to the end of each of its pieces: two prompts with the same layout have the same
/// part of the sentence at every position.
pub(super) fn layout(tokenizer: &dyn Encode, pieces: &[String]) -> Result<Vec<usize>, EvalError> {
    let mut text = String::new();
    let mut ends = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(piece);
        ends.push(tokenizer.encode_text(&text)?.len());
    }
    Ok(ends)
}

/// Of `words`, those that the tokenizer can write, in its most common number of tokens (the fewest on a tie),
/// both at the start of a text and within it.
pub(super) fn even_words<'a>(
    tokenizer: &dyn Encode,
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<&'a str>, EvalError> {
    let mut by_width: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    for word in words {
        let (first, later) = (format!("{word} in"), format!("in {word} in"));
        // A closed vocabulary refuses words it lacks: those are not for this tokenizer.
        let (Ok(first_ids), Ok(later_ids)) = (tokenizer.encode_text(&first), tokenizer.encode_text(&later))
        else {
            continue;
        };
        if same_text(&tokenizer.decode_ids(&first_ids)?, &first)
            && same_text(&tokenizer.decode_ids(&later_ids)?, &later)
        {
            by_width.entry((first_ids.len(), later_ids.len())).or_default().push(word);
        }
    }
    let largest = by_width.values().map(Vec::len).max().unwrap_or(0);
    Ok(by_width.into_values().find(|words| words.len() == largest).unwrap_or_default())
}

/// Tokens of "in 7." with this number in it: what tells numbers of different widths apart. `None` when the
/// tokenizer cannot write it.
pub(super) fn number_width(tokenizer: &dyn Encode, number: u32, apart: bool) -> Option<usize> {
    tokenizer.encode_text(&sentence(&format!("in {number}"), apart)).ok().map(|ids| ids.len())
}

/// Whether the tokenizer takes whole words only, so that the full stop must stand apart to be one.
pub(super) fn wants_words(tokenizer: &dyn Encode) -> bool {
    let takes = |apart| tokenizer.encode_text(&sentence("in 1", apart)).is_ok();
    !takes(false) && takes(true)
}

/// Whether two texts differ in spacing and capitals only, which closed vocabularies do not keep.
fn same_text(a: &str, b: &str) -> bool {
    let letters = |text: &str| {
        text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>()
    };
    letters(a) == letters(b)
}
