//! What holds of every task's prompts, whatever the tokenizer, and what each task promises beyond.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::{Numbers, Pieces};
use limbeck_eval::contrast::{
    ContrastOptions, ContrastPrompt, ContrastTask, KnownTask, TaskChoice, generate, shifts,
};
use limbeck_eval::numerals::{Distractors, closed_vocabulary};
use limbeck_eval::{Encode, EvalError};
use limbeck_model::Tokenizer;
use limbeck_model::tokenizer::ClosedSpecials;

fn options(per_template: usize) -> ContrastOptions {
    ContrastOptions { per_template, ..ContrastOptions::default() }
}

fn made(task: KnownTask, tokenizer: &Pieces, per_template: usize) -> ContrastTask {
    generate(&TaskChoice::Known(task), tokenizer, &options(per_template)).unwrap()
}

/// What the decoded tokens say.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

fn answers(tokenizer: &Pieces, tokens: &[u32]) -> Vec<String> {
    tokens.iter().map(|&token| tokenizer.decode_ids(&[token]).unwrap().trim().to_owned()).collect()
}

fn check(tokenizer: &Pieces, task: &ContrastTask) {
    assert!(!task.is_empty());
    for group in &task.groups {
        assert!(!group.prompts.is_empty());
        assert!(group.corrupted.len() >= 32, "{}: {}", group.name, group.corrupted.len());
        assert!(group.corrupted.iter().all(|ids| ids.len() == group.length));
        for (prompt, corrupted) in group.prompts.iter().zip(&group.corrupted) {
            assert_eq!(&prompt.corrupted, corrupted);
            assert_eq!((prompt.clean.len(), prompt.corrupted.len()), (group.length, group.length));
            assert_ne!(prompt.clean, prompt.corrupted);
            assert_eq!((prompt.clean[0], prompt.corrupted[0]), (0, 0), "the token that leads every text");
            assert!(!prompt.right.is_empty() && !prompt.wrong.is_empty());
            assert!(prompt.right.iter().all(|token| !prompt.wrong.contains(token)));
            // The tokens are those of the text, and of what all answers begin with.
            let decoded = tokenizer.decode_ids(&prompt.clean[1..]).unwrap();
            assert!(decoded.starts_with(&prompt.text), "{decoded}");
            let decoded = tokenizer.decode_ids(&prompt.corrupted[1..]).unwrap();
            assert!(decoded.starts_with(&prompt.corrupted_text), "{decoded}");
        }
    }
}

#[test]
fn every_task_and_every_shift_keeps_the_rules() {
    for numbers in [Numbers::Pairs, Numbers::Digits] {
        for known in KnownTask::ALL {
            let tokenizer = Pieces::new(numbers);
            let task = made(known, &tokenizer, 12);
            assert_eq!(task.name, known.name());
            check(&tokenizer, &task);
            let again = Pieces::new(numbers);
            assert_eq!(task, made(known, &again, 12), "{}: the same bits twice", known.name());
            let other = ContrastOptions { seed: 5, ..options(12) };
            assert_ne!(task, generate(&TaskChoice::Known(known), &again, &other).unwrap());

            let shifted = shifts(&TaskChoice::Known(known), &tokenizer, &options(12)).unwrap();
            assert!(shifted.tasks.len() >= 2 && shifted.left_out.is_empty(), "{:?}", shifted.left_out);
            let usual: BTreeSet<&str> = task.prompts().map(|prompt| prompt.text.as_str()).collect();
            for shift in &shifted.tasks {
                check(&tokenizer, &shift.task);
                let shared = shift.task.prompts().filter(|prompt| usual.contains(prompt.text.as_str()));
                assert_eq!(shared.count(), 0, "{}: {}", known.name(), shift.name);
            }
            let names: BTreeSet<&str> = shifted.tasks.iter().map(|shift| shift.name.as_str()).collect();
            assert_eq!(names.len(), shifted.tasks.len(), "every shift has a name of its own");
        }
    }
}

#[test]
fn number_words_count_on() {
    let tokenizer = Pieces::new(Numbers::Pairs);
    let counted =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    for prompt in made(KnownTask::NumberWords, &tokenizer, 16).prompts() {
        let said: Vec<usize> =
            words(&prompt.text).iter().filter_map(|word| counted.iter().position(|c| c == word)).collect();
        assert_eq!(said.len(), 4);
        assert!(said.windows(2).all(|pair| pair[1] == pair[0] + 1), "{}", prompt.text);
        assert_eq!(answers(&tokenizer, &prompt.right), [counted[said[3] + 1]]);
        assert_eq!(answers(&tokenizer, &prompt.wrong), [counted[said[3]]]);
        assert!(!prompt.corrupted_text.chars().any(|c| c.is_ascii_digit()), "{}", prompt.corrupted_text);
    }
}

#[test]
fn the_receiver_is_named_once_and_the_corrupted_prompt_names_three_others() {
    let tokenizer = Pieces::new(Numbers::Pairs);
    let task = made(KnownTask::Ioi, &tokenizer, 20);
    let mut first_names = 0;
    for prompt in task.prompts() {
        let said = words(&prompt.text);
        let count = |name: &str| said.iter().filter(|word| **word == name).count();
        let (right, wrong) = (answers(&tokenizer, &prompt.right), answers(&tokenizer, &prompt.wrong));
        assert_eq!((count(&right[0]), count(&wrong[0])), (1, 2), "{}", prompt.text);
        first_names += usize::from(said[1] == wrong[0]);
        let changed: Vec<&str> = words(&prompt.corrupted_text)
            .into_iter()
            .zip(&said)
            .filter(|(a, b)| a != *b)
            .map(|(a, _)| a)
            .collect();
        let distinct: BTreeSet<&&str> = changed.iter().collect();
        assert_eq!((changed.len(), distinct.len()), (3, 3), "{}", prompt.corrupted_text);
        assert!(changed.iter().all(|name| *name != right[0] && *name != wrong[0]));
    }
    assert_eq!(first_names, task.len() / 2, "either order as often as the other");
}

#[test]
fn years_above_the_start_are_right() {
    let tokenizer = Pieces::new(Numbers::Pairs);
    let task = made(KnownTask::GreaterThan, &tokenizer, 40);
    assert!(task.left_out.is_empty(), "{:?}", task.left_out);
    for prompt in task.prompts() {
        let year: u32 = words(&prompt.text).iter().find_map(|word| word.parse().ok()).unwrap();
        let (century, start) = (year / 100, year % 100);
        assert!(prompt.text.ends_with(&format!("to the year {century}")), "{}", prompt.text);
        assert!(prompt.corrupted_text.contains(&format!(" {century}01 ")), "{}", prompt.corrupted_text);
        let parse = |tokens| -> Vec<u32> {
            answers(&tokenizer, tokens).iter().map(|answer| answer.parse().unwrap()).collect()
        };
        let (right, wrong) = (parse(&prompt.right), parse(&prompt.wrong));
        assert!(right.iter().all(|&end| end > start) && wrong.iter().all(|&end| end <= start));
        assert_eq!(right.len() + wrong.len(), 100);
    }
}

#[test]
fn single_digits_ask_for_the_tens_and_say_so() {
    let tokenizer = Pieces::new(Numbers::Digits);
    let task = made(KnownTask::GreaterThan, &tokenizer, 40);
    assert!(task.left_out[0].1.contains("digits one by one"), "{:?}", task.left_out);
    for prompt in task.prompts() {
        let year: u32 = words(&prompt.text).iter().find_map(|word| word.parse().ok()).unwrap();
        let tens = year / 10 % 10;
        let parse = |tokens| -> BTreeSet<u32> {
            answers(&tokenizer, tokens).iter().map(|answer| answer.parse().unwrap()).collect()
        };
        assert_eq!(parse(&prompt.right), (tens + 1..10).collect());
        assert_eq!(parse(&prompt.wrong), (0..tens).collect());
    }
}

#[test]
fn years_in_one_piece_are_refused_with_the_reason() {
    let refused =
        generate(&TaskChoice::Known(KnownTask::GreaterThan), &Pieces::new(Numbers::Whole), &options(4));
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("greater_than") && said.contains("neither as two pairs"), "{said}");
}

#[test]
fn induction_breaks_who_follows_whom_and_nothing_else() {
    let tokenizer = Pieces::new(Numbers::Pairs);
    for prompt in made(KnownTask::Induction, &tokenizer, 20).prompts() {
        let (clean, corrupted) = (words(&prompt.text), words(&prompt.corrupted_text));
        let (first, again) = clean.split_at(8);
        assert_eq!(&first[..again.len()], again);
        assert_eq!(answers(&tokenizer, &prompt.right), [first[again.len()]]);
        let (other, rest) = corrupted.split_at(8);
        assert_eq!(rest, again);
        assert_eq!(BTreeSet::from_iter(other), BTreeSet::from_iter(first));
        assert!(other.windows(2).all(|pair| !first.windows(2).any(|known| known == pair)));
        let wrong = answers(&tokenizer, &prompt.wrong);
        assert_eq!(wrong.len(), 6);
        assert!(wrong.iter().all(|word| first.contains(&word.as_str()) && word != again[again.len() - 1]));
    }
}

#[test]
fn questions_are_asked_once_and_the_wrong_answer_is_the_other_subjects() {
    let tokenizer = Pieces::new(Numbers::Pairs);
    let task = made(KnownTask::SimpleQa, &tokenizer, 1_000);
    let texts: BTreeSet<&str> = task.prompts().map(|prompt| prompt.text.as_str()).collect();
    assert_eq!(texts.len(), task.len());
    assert_eq!(task.left_out.len(), 5, "fewer than asked for, said for each category: {:?}", task.left_out);
    let find = |text: &str| -> &ContrastPrompt { task.prompts().find(|prompt| prompt.text == text).unwrap() };
    let france = find("The capital of France is");
    assert_eq!(answers(&tokenizer, &france.right), ["Paris"]);
    let other = find(&france.corrupted_text);
    assert_eq!(france.wrong, other.right);
}

#[test]
fn a_closed_vocabulary_has_what_its_words_allow() {
    let tokenizer = Tokenizer::closed(&closed_vocabulary(), &ClosedSpecials::default()).unwrap();
    let options = options(4);
    for (task, expressible) in [
        (KnownTask::Numerals, true),
        (KnownTask::NumberWords, false),
        (KnownTask::Ioi, false),
        (KnownTask::GreaterThan, false),
        (KnownTask::Induction, true),
        (KnownTask::SimpleQa, false),
    ] {
        match generate(&TaskChoice::Known(task), &tokenizer, &options) {
            Ok(made) => assert!(expressible && made.len() == 12, "{task:?}"),
            Err(EvalError::Inexpressible { task: named, reason }) => {
                assert!(!expressible && named == task.name() && !reason.is_empty(), "{task:?}: {reason}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let shifted = shifts(&TaskChoice::default(), &tokenizer, &options).unwrap();
    let names: Vec<&str> = shifted.tasks.iter().map(|shift| shift.name.as_str()).collect();
    let all = ["other_names", "other_templates", "higher_starts", "word_distractors", "number_distractors"];
    assert_eq!(names, all, "the quickstart's vocabulary has words for every shift");
}

#[test]
fn a_shift_that_the_prompts_have_already_is_none() {
    let options = ContrastOptions { distractors: Distractors::Words, ..options(4) };
    let tokenizer = Pieces::new(Numbers::Pairs);
    let shifted = shifts(&TaskChoice::default(), &tokenizer, &options).unwrap();
    assert!(shifted.tasks.iter().all(|shift| shift.name != "word_distractors"));
    assert_eq!(shifted.tasks.len(), 4);
}

#[test]
fn options_that_a_task_does_not_have_are_refused() {
    let tokenizer = Pieces::new(Numbers::Pairs);
    let distracted = ContrastOptions { distractors: Distractors::Words, ..options(4) };
    let named = ContrastOptions { names: Some(vec!["Ann".into()]), ..options(4) };
    for (task, options, option) in [
        (KnownTask::Ioi, &distracted, "distractors"),
        (KnownTask::Induction, &distracted, "distractors"),
        (KnownTask::SimpleQa, &named, "names"),
        (KnownTask::GreaterThan, &named, "names"),
    ] {
        match generate(&TaskChoice::Known(task), &tokenizer, options) {
            Err(EvalError::Option { option: found, .. }) => assert_eq!(found, option),
            other => panic!("{other:?}"),
        }
    }
    let few = generate(&TaskChoice::Known(KnownTask::Ioi), &tokenizer, &named).unwrap_err().to_string();
    assert!(few.contains("only 1 of 1 names") && few.contains("needs 5"), "{few}");
    let none = generate(&TaskChoice::Known(KnownTask::Ioi), &tokenizer, &options(0));
    assert!(matches!(none, Err(EvalError::Option { option: "per_template", .. })));
}

#[test]
fn tasks_have_names() {
    for task in KnownTask::ALL {
        assert_eq!(task.name().parse::<TaskChoice>().unwrap(), TaskChoice::Known(task));
        assert_eq!(task.name().replace('_', "-").parse::<TaskChoice>().unwrap(), TaskChoice::Known(task));
        let json = serde_json::to_value(TaskChoice::Known(task)).unwrap();
        assert_eq!(json, task.name());
        assert_eq!(serde_json::from_value::<TaskChoice>(json).unwrap(), TaskChoice::Known(task));
    }
    let own: TaskChoice = "some/prompts.jsonl".parse().unwrap();
    let json = serde_json::json!({ "kind": "jsonl", "path": "some/prompts.jsonl" });
    assert_eq!(serde_json::to_value(&own).unwrap(), json);
    assert_eq!(serde_json::from_value::<TaskChoice>(json).unwrap(), own);
    let refused = "numeral".parse::<TaskChoice>().unwrap_err().to_string();
    assert!(refused.contains("numerals, number_words, ioi"), "{refused}");
}
