//! Small tokenizers of three kinds, and the task written with each.

use std::collections::BTreeSet;

use super::*;
use crate::contrast::{ContrastPrompt, ContrastTask};
use crate::{Encode, EvalError};

/// Which words a test tokenizer splits.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Every word and number is a token with its leading space, as in GPT-2.
    Words,
    /// A number is a lone space and single digits, as in SmolLM2.
    SpaceDigits,
    /// The last letter of "in" is joined with what follows it.
    Joined,
}

/// Tokens are pieces of text, numbered as they come.
struct Pieces {
    style: Style,
    bos: bool,
    known: std::sync::Mutex<Vec<String>>,
}

fn pieces(style: Style) -> Pieces {
    Pieces { style, bos: false, known: std::sync::Mutex::new(vec!["<bos>".into()]) }
}

impl Pieces {
    fn split(&self, text: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for c in text.chars() {
            let glue = match (out.last(), c) {
                (None, _) => false,
                (Some(last), ' ') => self.style == Style::Joined && last.ends_with("in"),
                (Some(last), c) if c.is_ascii_digit() => {
                    self.style != Style::SpaceDigits && last.chars().all(|l| l == ' ' || l.is_ascii_digit())
                        || self.style == Style::Joined && last.ends_with("in ")
                }
                (Some(last), c) => c.is_alphabetic() && last.chars().all(|l| l == ' ' || l.is_alphabetic()),
            };
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
        Ok(if self.bos { vec![0] } else { vec![] })
    }
}

/// A closed vocabulary that refuses unknown words.
struct Closed(Vec<String>);

impl Encode for Closed {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, EvalError> {
        text.split_whitespace()
            .map(|word| {
                self.0.iter().position(|known| known == word).map(|at| at as u32).ok_or_else(|| {
                    EvalError::Inexpressible { task: "test", reason: format!("unknown word `{word}`") }
                })
            })
            .collect()
    }
    fn decode_ids(&self, ids: &[u32]) -> Result<String, EvalError> {
        Ok(ids.iter().map(|&id| self.0[id as usize].as_str()).collect::<Vec<_>>().join(" "))
    }
    fn leading(&self) -> Result<Vec<u32>, EvalError> {
        Ok(vec![])
    }
}

fn small() -> NumeralsOptions {
    NumeralsOptions { per_template: 24, ..NumeralsOptions::default() }
}

/// What holds of every task, whatever the tokenizer.
fn check(tokenizer: &dyn Encode, task: &ContrastTask) {
    assert!(!task.is_empty());
    for group in &task.groups {
        assert!(group.corrupted.len() >= 32 && group.corrupted.iter().all(|ids| ids.len() == group.length));
        for prompt in &group.prompts {
            assert!(group.corrupted.contains(&prompt.corrupted));
            assert_eq!(prompt.clean.len(), group.length);
            assert_eq!(prompt.corrupted.len(), group.length);
            assert_ne!(prompt.right, prompt.wrong);
            assert_ne!(prompt.clean, prompt.corrupted);
            assert!(prompt.text.ends_with(&format!("{} in", group.name.split(' ').next().unwrap())));
            let numbers: Vec<u32> = numbers(&prompt.text);
            assert_eq!(numbers, (start(prompt)..start(prompt) + 4).collect::<Vec<_>>());
            let random = self::numbers(&prompt.corrupted_text);
            assert!(random.windows(2).all(|pair| pair[1] != pair[0] + 1), "{}", prompt.corrupted_text);
            let mut whole = prompt.clean.clone();
            whole.extend(&prompt.right);
            let text = tokenizer.decode_ids(&whole).unwrap();
            let answer = (start(prompt) + 4).to_string();
            assert!(numbers_in(&text).last().is_some_and(|last| answer.starts_with(last.as_str())), "{text}");
        }
    }
}

fn numbers_in(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn numbers(text: &str) -> Vec<u32> {
    numbers_in(text).iter().map(|number| number.parse().unwrap()).collect()
}

/// First number shown.
fn start(prompt: &ContrastPrompt) -> u32 {
    numbers(&prompt.text)[0]
}

#[test]
fn the_papers_prompt() {
    let tokenizer = pieces(Style::Words);
    let task = generate(&tokenizer, &small()).unwrap();
    check(&tokenizer, &task);
    assert_eq!(task.len(), 72);
    assert!(task.left_out.is_empty());
    assert_eq!(task.groups.len(), 3, "one layout per template");
    let prompt = &task.groups[0].prompts[0];
    let words: Vec<&str> = prompt.text.split(' ').collect();
    assert_eq!(words.len(), 4 * 4 + 3);
    assert_eq!((words[1], words[2], words[3]), ("done", "in", "1."));
    let starts: BTreeSet<u32> = task.prompts().map(start).collect();
    assert_eq!(starts, (1..=8).collect());
}

#[test]
fn a_lone_space_belongs_to_the_prompt() {
    let tokenizer = pieces(Style::SpaceDigits);
    let task = generate(&tokenizer, &small()).unwrap();
    check(&tokenizer, &task);
    assert!(task.left_out.is_empty());
    for group in &task.groups {
        for prompt in &group.prompts {
            let text = tokenizer.decode_ids(&prompt.clean).unwrap();
            // 7 8 9 10 -> 11 against 10: the shared first digit is in the prompt, and the second is asked for.
            let end = if start(prompt) >= 7 { "in 1" } else { "in " };
            assert!(text.ends_with(end), "{text:?}");
            let corrupted = tokenizer.decode_ids(&prompt.corrupted).unwrap();
            assert!(corrupted.ends_with(end), "{corrupted:?}");
        }
        let widths: BTreeSet<bool> = group.prompts.iter().map(|prompt| start(prompt) >= 7).collect();
        assert_eq!(widths.len(), 1, "a group has one layout");
    }
    let ten = task.prompts().find(|prompt| start(prompt) == 6).unwrap();
    assert_eq!(tokenizer.decode_ids(&[ten.right[0], ten.wrong[0]]).unwrap(), "19");
}

#[test]
fn a_tokenizer_that_joins_the_answer_is_refused() {
    let refused = generate(&pieces(Style::Joined), &small()).unwrap_err();
    assert!(refused.to_string().contains("joins the answer"), "{refused}");
}

#[test]
fn a_beginning_token_is_kept() {
    let mut tokenizer = pieces(Style::Words);
    tokenizer.bos = true;
    let task = generate(&tokenizer, &small()).unwrap();
    assert!(task.prompts().all(|prompt| prompt.clean[0] == 0 && prompt.corrupted[0] == 0));
}

#[test]
fn a_closed_vocabulary_uses_the_names_it_has() {
    let mut words = closed_vocabulary();
    words.retain(|word| !held_out_names().contains(&word.as_str()));
    let tokenizer = Closed(words);
    let task = generate(&tokenizer, &small()).unwrap();
    check(&tokenizer, &task);
    assert_eq!(task.groups.len(), 3);

    let few: Vec<String> =
        closed_vocabulary().into_iter().filter(|word| !NAMES[3..].contains(&word.as_str())).collect();
    let refused = generate(&Closed(few), &small()).unwrap_err();
    assert!(refused.to_string().contains("only 3 of 120 names"), "{refused}");

    let no_twelve: Vec<String> = closed_vocabulary().into_iter().filter(|word| word != "12").collect();
    let task = generate(&Closed(no_twelve), &small()).unwrap();
    assert_eq!(task.left_out.len(), 1);
    assert_eq!(task.left_out[0].0, "start 8");
    assert!(task.left_out[0].1.contains("12"), "{:?}", task.left_out);
}

#[test]
fn distractors_stand_in_fixed_places() {
    let tokenizer = pieces(Style::Words);
    for distractors in [Distractors::Words, Distractors::Numbers] {
        let task = generate(&tokenizer, &NumeralsOptions { distractors, ..small() }).unwrap();
        assert_eq!(task.groups.len(), 3);
        for prompt in task.prompts() {
            let sentences: Vec<&str> = prompt.text.split(". ").collect();
            assert_eq!(sentences.len(), 7);
            let middle = if distractors == Distractors::Words { " is " } else { " has " };
            assert!(sentences[2].contains(middle) && sentences[5].contains(middle), "{}", prompt.text);
        }
    }
}

#[test]
fn the_seed_decides() {
    let tokenizer = pieces(Style::Words);
    let one = generate(&tokenizer, &small()).unwrap();
    assert_eq!(one, generate(&tokenizer, &small()).unwrap());
    assert_ne!(one, generate(&tokenizer, &NumeralsOptions { seed: 1, ..small() }).unwrap());
}

#[test]
fn options_that_make_no_prompt_are_refused() {
    let tokenizer = pieces(Style::Words);
    for options in [
        NumeralsOptions { per_template: 0, ..small() },
        NumeralsOptions { templates: vec![], ..small() },
        NumeralsOptions { starts: vec![], ..small() },
        NumeralsOptions { starts: vec![0], ..small() },
        NumeralsOptions { starts: vec![u32::MAX], ..small() },
        NumeralsOptions { shown: 0, ..small() },
        NumeralsOptions { shown: 1_000_000, ..small() },
    ] {
        assert!(matches!(generate(&tokenizer, &options), Err(EvalError::Option { .. })), "{options:?}");
    }
}

#[test]
fn training_sets_do_not_overlap_and_shift_what_they_say() {
    let tokenizer = Closed(closed_vocabulary());
    let options =
        TrainingOptions { examples: 2_000, held_out: 200, shifted: 100, ..TrainingOptions::default() };
    let sets = training_sets(&tokenizer, &options).unwrap();
    assert_eq!((sets.training.len(), sets.held_out.len(), sets.shifts.len()), (2_000, 200, 3));
    let seen: BTreeSet<&Vec<u32>> = sets.training.iter().map(|example| &example.ids).collect();
    assert_eq!(seen.len(), 2_000);
    assert!(sets.held_out.iter().all(|example| !seen.contains(&example.ids)));

    let word = |id: u32| tokenizer.0[id as usize].clone();
    let mut trained_on = BTreeSet::new();
    let mut last_is_not_it = 0;
    for example in &sets.training {
        let words: Vec<String> = example.ids.iter().map(|&id| word(id)).collect();
        trained_on.extend(words.clone());
        // Scored: the numbers of the sequence after its first, each one more than the one before.
        let verb = &words[words.len() - 3];
        let own: Vec<u32> = words
            .windows(3)
            .filter(|w| &w[0] == verb && w[1] == "in")
            .map(|w| w[2].parse().unwrap())
            .collect();
        assert!(
            (4..=6).contains(&own.len()) && own.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{words:?}"
        );
        let scored: Vec<u32> =
            (0..words.len()).filter(|&i| example.scored[i]).map(|i| words[i].parse().unwrap()).collect();
        assert_eq!(scored, own[1..]);
        let before: Vec<u32> = words[..words.len() - 1].iter().filter_map(|word| word.parse().ok()).collect();
        last_is_not_it += usize::from(before.last() != Some(&(own[own.len() - 1] - 1)));
    }
    assert!(
        last_is_not_it > 100,
        "the task is to be more than adding one to the last number: {last_is_not_it}"
    );
    for example in &sets.held_out {
        assert_eq!(example.scored.iter().filter(|&&scored| scored).count(), 1);
        assert_eq!(example.scored.last(), Some(&true));
    }
    assert!(held_out_names().iter().all(|name| !trained_on.contains(*name)));
    for example in &sets.shifts[0].examples {
        assert!(example.ids.iter().all(|&id| !training_names().contains(&word(id).as_str())));
    }
    for example in &sets.shifts[1].examples {
        let start = example
            .ids
            .windows(3)
            .find(|w| word(w[0]) == word(example.ids[example.ids.len() - 3]) && word(w[1]) == "in");
        assert!(["11", "16", "21", "26", "31"].contains(&word(start.unwrap()[2]).as_str()));
    }
    for example in &sets.shifts[2].examples {
        let verb = word(example.ids[example.ids.len() - 3]);
        assert!(["seen", "sold", "found", "made"].contains(&verb.as_str()));
    }
}

#[test]
fn a_training_vocabulary_without_a_word_is_refused() {
    let words = closed_vocabulary().into_iter().filter(|word| word != "Fox").collect();
    assert!(training_sets(&Closed(words), &TrainingOptions::default()).is_err());
}
