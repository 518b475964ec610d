//! Where heads look from the position of the answer, by what the tokens of the prompt are to the task.

use limbeck_eval::Encode;
use limbeck_eval::contrast::{ContrastPrompt, ContrastTask};
use limbeck_results::HeadPattern;

use super::Mass;
use crate::similarity::AttentionMaps;

const CLASSES: [HeadPattern; 6] = [
    HeadPattern::Changed,
    HeadPattern::Right,
    HeadPattern::Wrong,
    HeadPattern::Numbers,
    HeadPattern::Names,
    HeadPattern::Punctuation,
];

/// Attention of every head from the last position to each class of tokens, prompt by prompt; classes that no prompt has
/// are left out, and prompts without the class do not count.
pub(super) fn masses(maps: &AttentionMaps, task: &ContrastTask, tokenizer: &dyn Encode) -> Vec<Vec<Mass>> {
    let prompts: Vec<&ContrastPrompt> = task.prompts().collect();
    let mut found: Vec<Vec<Mass>> = vec![Vec::new(); maps.len()];
    for pattern in CLASSES {
        let places: Vec<Vec<usize>> =
            prompts.iter().map(|prompt| places(pattern, prompt, tokenizer)).collect();
        let having: Vec<usize> = (0..prompts.len()).filter(|&prompt| !places[prompt].is_empty()).collect();
        if having.is_empty() {
            continue;
        }
        let shares =
            having.iter().map(|&prompt| places[prompt].len() as f64 / prompts[prompt].clean.len() as f64);
        let uniform = shares.sum::<f64>() / having.len() as f64;
        for (head, of_head) in found.iter_mut().enumerate() {
            let mass = |&prompt: &usize| {
                let row = maps.last_row(prompt, head);
                places[prompt].iter().map(|&place| f64::from(row[place])).sum()
            };
            of_head.push(Mass { pattern, values: having.iter().map(mass).collect(), uniform });
        }
    }
    found
}

/// Positions of a prompt that belong to a class.
fn places(pattern: HeadPattern, prompt: &ContrastPrompt, tokenizer: &dyn Encode) -> Vec<usize> {
    let belongs = |place: usize| {
        let token = prompt.clean[place];
        match pattern {
            HeadPattern::Changed => prompt.corrupted.get(place) != Some(&token),
            HeadPattern::Right => prompt.right.contains(&token),
            HeadPattern::Wrong => prompt.wrong.contains(&token),
            // A token that cannot be written by itself (part of a character) is of no class.
            _ => tokenizer.decode_ids(&[token]).is_ok_and(|text| reads_as(pattern, text.trim())),
        }
    };
    (0..prompt.clean.len()).filter(|&place| belongs(place)).collect()
}

fn reads_as(pattern: HeadPattern, text: &str) -> bool {
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    match pattern {
        HeadPattern::Numbers => all(|c| c.is_ascii_digit()),
        HeadPattern::Names => all(char::is_alphabetic) && text.starts_with(char::is_uppercase),
        HeadPattern::Punctuation => all(|c| c.is_ascii_punctuation()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tokens_read_as() {
        for (pattern, yes, no) in [
            (HeadPattern::Numbers, "12", "1a"),
            (HeadPattern::Names, "Mary", "mary"),
            (HeadPattern::Punctuation, ".", "a."),
            (HeadPattern::Names, "X", "4"),
        ] {
            assert!(reads_as(pattern, yes) && !reads_as(pattern, no) && !reads_as(pattern, ""), "{yes} {no}");
        }
    }
}
