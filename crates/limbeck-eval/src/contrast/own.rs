//! A task of the user's own: JSON lines with `clean`, `corrupted`, `right` and `wrong`.
//!
//! ```text
//! {"clean": "The cat sat on the", "corrupted": "The man lived in the", "right": " mat", "wrong": [" house", " sea"]}
//! ```
//!
//! Answers are put behind the prompt exactly as written, so that a word brings its space with it. Lines with a
//! further key `shift` are not of the task but of its shifted version of that name; other keys are ignored.

use std::collections::BTreeMap;
use std::path::Path;

use limbeck_data::DataError;
use limbeck_data::records::{JsonRow, json_rows};
use serde_json::Value;

use super::draft::{Draft, Unfit};
use super::{ContrastGroup, ContrastPrompt, ContrastTask};
use crate::{Encode, EvalError};

/// Largest line in bytes.
const MAX_LINE: u64 = 1 << 20;
/// Most lines.
const MAX_LINES: usize = 100_000;

/// The prompts of a file, checked but not yet written by any tokenizer.
#[derive(Debug, Clone)]
pub(super) struct OwnPrompts<'a> {
    path: &'a Path,
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    unit: &'static str,
    row: u64,
    draft: Draft,
    shift: Option<String>,
}

/// Reads and checks a file.
///
/// # Errors
/// [`EvalError::Data`] naming file, line and key: what is not JSON, lacks a key, has another type, is empty, has
/// the same answer right and wrong, the same prompt clean and corrupted, or a word as answer right behind
/// another; a file without prompts; lines and files that are too large.
pub(super) fn read(path: &Path) -> Result<OwnPrompts<'_>, EvalError> {
    let mut lines = Vec::new();
    for row in json_rows(path, MAX_LINE)? {
        if lines.len() == MAX_LINES {
            return Err(
                misfit(path, "line", None, None, format!("more than {MAX_LINES} lines"), "fewer").into()
            );
        }
        lines.push(line(path, row?)?);
    }
    if lines.iter().all(|line| line.shift.is_some()) {
        let found = if lines.is_empty() { "no prompts" } else { "no prompts that are of no shift" };
        let expected = "a line with `clean`, `corrupted`, `right` and `wrong` for each prompt";
        return Err(misfit(path, "line", None, None, found.to_owned(), expected).into());
    }
    Ok(OwnPrompts { path, lines })
}

fn misfit(
    file: &Path,
    unit: &'static str,
    row: Option<u64>,
    column: Option<&str>,
    found: String,
    expected: &str,
) -> DataError {
    let (file, column) = (file.to_owned(), column.map(str::to_owned));
    DataError::Record { file, unit, row, column, found, expected: expected.to_owned() }
}

fn line(path: &Path, row: JsonRow) -> Result<Line, DataError> {
    let JsonRow { unit, row, value } = row;
    let fail = |key: Option<&str>, found: String, expected: &str| {
        misfit(path, unit, Some(row), key, found, expected)
    };
    let Value::Object(object) = &value else {
        return Err(fail(None, describe(Some(&value)), "an object"));
    };
    let texts = |key: &str, many: bool| -> Result<Vec<String>, DataError> {
        let expected = if many {
            "a text, or an array of texts, none of them empty"
        } else {
            "a text that is not empty"
        };
        let values = match object.get(key) {
            Some(Value::Array(values)) if many && !values.is_empty() => values.iter().collect(),
            other => vec![other.unwrap_or(&Value::Null)],
        };
        let text = |value: &Value| match value {
            Value::String(text) if !text.trim().is_empty() => Ok(text.clone()),
            other => Err(fail(Some(key), describe(object.get(key).map(|_| other)), expected)),
        };
        values.into_iter().map(text).collect()
    };
    let (clean, corrupted) = (texts("clean", false)?, texts("corrupted", false)?);
    let (right, wrong) = (texts("right", true)?, texts("wrong", true)?);
    if clean == corrupted {
        return Err(fail(
            Some("corrupted"),
            "the clean prompt again".into(),
            "a prompt without what tells the answer",
        ));
    }
    if let Some(both) = right.iter().find(|answer| wrong.contains(answer)) {
        return Err(fail(Some("wrong"), format!("`{both}`, a right answer"), "answers that are not right"));
    }
    let ends_in_letter = clean[0].chars().next_back().is_some_and(char::is_alphabetic);
    for (key, answers) in [("right", &right), ("wrong", &wrong)] {
        let begins = |answer: &&String| answer.chars().next().is_some_and(char::is_alphabetic);
        if let Some(answer) = answers.iter().find(begins).filter(|_| ends_in_letter) {
            let found = format!("`{answer}` right behind the last letter of the prompt");
            return Err(fail(Some(key), found, "a space before the answer"));
        }
    }
    let shift = match object.get("shift") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if !name.trim().is_empty() => Some(name.clone()),
        other => return Err(fail(Some("shift"), describe(other), "the name of a shift")),
    };
    Ok(Line { unit, row, draft: Draft { clean, corrupted, right, wrong, glue: "" }, shift })
}

/// What a value is, in a word or two.
fn describe(value: Option<&Value>) -> String {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(text)) if text.trim().is_empty() => "an empty text",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(values)) if values.is_empty() => "an empty array",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
    .to_owned()
}

impl OwnPrompts<'_> {
    /// Names of the shifts, in the order of the file.
    pub(super) fn shifts(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.lines.iter().filter_map(|line| line.shift.as_ref()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The prompts of the task, or of one of its shifts, grouped by their length; of each length the first
    /// `per_length`.
    ///
    /// # Errors
    /// [`EvalError::Data`] naming the line and key that this tokenizer cannot write.
    pub(super) fn task(
        &self,
        tokenizer: &dyn Encode,
        shift: Option<&str>,
        per_length: usize,
    ) -> Result<ContrastTask, EvalError> {
        let leading = tokenizer.leading()?;
        let mut groups: BTreeMap<usize, Vec<ContrastPrompt>> = BTreeMap::new();
        let mut further: BTreeMap<usize, usize> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.shift.as_deref() == shift) {
            let written = line.draft.write(tokenizer, &leading).map_err(|Unfit { key, reason }| {
                let expected = "a prompt and answers that the teacher's tokenizer keeps apart, clean and corrupted \
                                in as many tokens";
                misfit(self.path, line.unit, Some(line.row), Some(key), reason, expected)
            })?;
            let group = groups.entry(written.prompt.clean.len()).or_default();
            if group.len() < per_length {
                group.push(written.prompt);
            } else {
                *further.entry(written.prompt.clean.len()).or_default() += 1;
            }
        }
        let groups = groups
            .into_iter()
            .map(|(length, prompts)| ContrastGroup::new(format!("{length} tokens"), prompts));
        let left_out = further.into_iter().map(|(length, count)| {
            let reason = format!("{per_length} prompts of {length} tokens are taken already");
            (format!("{count} prompts"), reason)
        });
        let name = self
            .path
            .file_name()
            .map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(ContrastTask { name, groups: groups.collect(), left_out: left_out.collect() })
    }
}
