//! Prompts of the user's own: read as written, and every mistake named with file, line and key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::Write;

use common::{Numbers, Pieces};
use limbeck_data::DataError;
use limbeck_eval::contrast::{ContrastOptions, ContrastTask, OwnTask, TaskChoice, generate, shifts};
use limbeck_eval::{Encode, EvalError};

const GOOD: &str = r#"{"clean": "The cat sat on the", "corrupted": "The man ran to the", "right": " mat", "wrong": [" house", " sea"], "id": 7}"#;

struct File {
    _place: tempfile::TempDir,
    choice: TaskChoice,
}

fn file(content: &[u8]) -> File {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("own.jsonl");
    std::fs::File::create(&path).unwrap().write_all(content).unwrap();
    File { _place: place, choice: TaskChoice::Own(OwnTask::Jsonl { path }) }
}

fn options() -> ContrastOptions {
    ContrastOptions::default()
}

fn read(content: &str) -> Result<ContrastTask, EvalError> {
    let file = file(content.as_bytes());
    generate(&file.choice, &Pieces::new(Numbers::Pairs), &options())
}

#[test]
fn prompts_are_grouped_by_length_and_answers_taken_as_written() {
    let shorter =
        r#"{"clean": "the year 17", "corrupted": "the month 17", "right": ["33", "34"], "wrong": "31"}"#;
    let content = format!("\n{GOOD}\n\n{shorter}\n{}\n", GOOD.replace("cat", "dog"));
    let file = file(content.as_bytes());
    let tokenizer = Pieces::new(Numbers::Pairs);
    file.choice.check(&options()).unwrap();
    let task = generate(&file.choice, &tokenizer, &options()).unwrap();
    assert_eq!((task.name.as_str(), task.len(), task.groups.len()), ("own.jsonl", 3, 2));
    let lengths: Vec<usize> = task.groups.iter().map(|group| group.length).collect();
    assert_eq!(lengths, [4, 6], "with the token that leads every text");
    let text = |ids: &[u32]| tokenizer.decode_ids(ids).unwrap();
    assert_eq!(text(&task.groups[0].prompts[0].right), "3334");
    let cat = &task.groups[1].prompts[0];
    assert_eq!(
        (text(&cat.clean[1..]).as_str(), cat.text.as_str()),
        ("The cat sat on the", "The cat sat on the")
    );
    assert_eq!((text(&cat.right), text(&cat.wrong)), (" mat".to_owned(), " house sea".to_owned()));
    assert_eq!(task.groups[1].corrupted.len(), 2);

    let few = ContrastOptions { per_template: 1, ..options() };
    let task = generate(&file.choice, &tokenizer, &few).unwrap();
    assert_eq!(task.len(), 2);
    assert!(
        task.left_out[0].0.contains("1 prompts") && task.left_out[0].1.contains("6 tokens"),
        "{:?}",
        task.left_out
    );
}

#[test]
fn lines_of_a_shift_are_not_of_the_task() {
    let shifted = GOOD.replace("\"id\": 7", "\"shift\": \"dogs\"").replace("cat", "dog");
    let file = file(format!("{shifted}\n{GOOD}\n").as_bytes());
    let tokenizer = Pieces::new(Numbers::Pairs);
    assert_eq!(generate(&file.choice, &tokenizer, &options()).unwrap().len(), 1);
    let found = shifts(&file.choice, &tokenizer, &options()).unwrap();
    assert_eq!((found.tasks.len(), found.tasks[0].name.as_str(), found.tasks[0].task.len()), (1, "dogs", 1));
    assert!(found.tasks[0].task.prompts().all(|prompt| prompt.text.contains("dog")));
    let none = shifts(&self::file(GOOD.as_bytes()).choice, &tokenizer, &options()).unwrap();
    assert!(none.tasks.is_empty() && none.left_out[0].1.contains("`shift`"));
}

#[test]
fn mistakes_are_named_with_file_line_and_key() {
    let replaced = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        format!("{GOOD}\n{}", GOOD.replace(from, to))
    };
    let cases = [
        (replaced("\"clean\"", "\"claen\""), Some("clean"), "found nothing"),
        (replaced("\"corrupted\"", "\"corupted\""), Some("corrupted"), "found nothing"),
        (replaced("\"right\"", "\"rigth\""), Some("right"), "found nothing"),
        (replaced("\"wrong\"", "\"worng\""), Some("wrong"), "found nothing"),
        (replaced("The cat sat on the", " "), Some("clean"), "an empty text"),
        (replaced("\" mat\"", "\"\""), Some("right"), "an empty text"),
        (replaced("\" mat\"", "[]"), Some("right"), "an empty array"),
        (replaced("\" mat\"", "[\" mat\", 3]"), Some("right"), "a number"),
        (replaced("\" mat\"", "null"), Some("right"), "null"),
        (replaced("\"The cat sat on the\"", "[\"The cat sat on the\"]"), Some("clean"), "an array"),
        (replaced(" mat", " sea"), Some("wrong"), "a right answer"),
        (replaced("The man ran to the", "The cat sat on the"), Some("corrupted"), "the clean prompt again"),
        (
            replaced("The man ran to the", "The old man ran to the"),
            Some("corrupted"),
            "6 tokens and the clean one 5",
        ),
        (replaced("\" mat\"", "\"mat\""), Some("right"), "right behind the last letter"),
        (replaced("\" sea\"", "\"sea\""), Some("wrong"), "right behind the last letter"),
        (replaced("\" mat\"", "\" house cat\""), Some("wrong"), "begin with the token ` house`"),
        (replaced("\"id\": 7", "\"shift\": 3"), Some("shift"), "a number"),
        (format!("{GOOD}\n{{\"clean\": "), None, "EOF"),
        (format!("{GOOD}\n[1, 2]"), None, "an array"),
        (format!("{GOOD}\n\"text\""), None, "an object"),
    ];
    for (content, key, said) in cases {
        match read(&content) {
            Err(EvalError::Data(error @ DataError::Record { .. })) => {
                let text = error.to_string();
                assert!(text.contains(said), "{said}: {text}");
                let DataError::Record { file, row, column, .. } = error else { continue };
                assert!(file.ends_with("own.jsonl"));
                assert_eq!((row, column.as_deref()), (Some(2), key), "{text}");
            }
            other => panic!("{content}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_that_joins_the_prompt_is_refused() {
    // The tokenizer writes 173 as " 17" and "3", but 1733 as " 17" and "33".
    let content = r#"{"clean": "the year 173", "corrupted": "the month 173", "right": "3", "wrong": "4"}"#;
    match read(content) {
        Err(EvalError::Data(error @ DataError::Record { column: Some(_), row: Some(1), .. })) => {
            assert!(error.to_string().contains("column `right`: found it joins the answer `3`"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_that_are_none_are_refused() {
    let missing = TaskChoice::Own(OwnTask::Jsonl { path: "no/such/file.jsonl".into() });
    assert!(missing.check(&options()).unwrap_err().to_string().contains("no/such/file.jsonl"));
    for content in ["", "\n  \n\n", "[]"] {
        let error = read(content).unwrap_err().to_string();
        assert!(error.contains("no prompts"), "{error}");
    }
    let only_shift = GOOD.replace("\"id\": 7", "\"shift\": \"x\"");
    assert!(read(&only_shift).unwrap_err().to_string().contains("of no shift"));
    for bytes in
        [&b"\xff\xfe{}\n"[..], b"{\"clean\": \"\xc3\x28\"}", b"\x00\x01\x02", b"{\"a\": 1} {\"b\": 2}"]
    {
        let error = file(bytes).choice.check(&options()).unwrap_err().to_string();
        assert!(error.contains("own.jsonl, line 1"), "{error}");
    }
    let long = format!("{GOOD}\n{{\"clean\": \"{}\"}}", "x".repeat(2 << 20));
    let error = read(&long).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("limit"), "{error}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&format!("{GOOD}\n{deep}")).is_err());
    let many: String = (0..100_001).map(|_| format!("{GOOD}\n")).collect();
    assert!(read(&many).unwrap_err().to_string().contains("more than 100000 lines"));
}
