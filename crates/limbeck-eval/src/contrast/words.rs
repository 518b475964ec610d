//! Which words a tokenizer can write, and which of them evenly.

use std::collections::BTreeMap;

use crate::{Encode, EvalError};

/// Of `words`, those that the tokenizer can write, in its most common number of tokens (the fewest on a tie),
/// both at the start of a text and within it.
pub(crate) fn even_words<'a>(
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

/// [`even_words`], or an error when there are fewer than a prompt needs.
pub(crate) fn enough_words<'a>(
    tokenizer: &dyn Encode,
    task: &'static str,
    what: &str,
    words: &[&'a str],
    needed: usize,
) -> Result<Vec<&'a str>, EvalError> {
    let even = even_words(tokenizer, words.iter().copied())?;
    if even.len() >= needed {
        return Ok(even);
    }
    let reason = format!(
        "only {} of {} {what} are written in the same number of tokens, and a prompt needs {needed}",
        even.len(),
        words.len()
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
