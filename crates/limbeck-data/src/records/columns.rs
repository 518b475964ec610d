//! From named values to a record: which columns make which kind, and what is wrong when they do not.
//!
//! A column that is null counts as absent. What would change what is trained and cannot be used is refused by name; every
//! other column that is passed over is remembered by name.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::turns::{self, Turns};
use super::{Record, masks};

/// What [`DataError::Record`](crate::DataError::Record) expects when no kind fits.
const KINDS: &str = "`messages`, `conversations`, `input_ids`, `prompt` and `completion`, `instruction` and `output`, `question` and `answer`, or `text`";

/// The columns that records are made of, in the order in which they are looked for.
const MAIN: [&str; 10] = [
    "messages",
    "conversations",
    "input_ids",
    "prompt",
    "completion",
    "instruction",
    "question",
    "answer",
    "text",
    "output",
];

/// Names of unused columns that are remembered at most.
const MAX_UNUSED: usize = 64;

/// A value that is not what it should be; the reader adds file and row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) column: Option<String>,
    pub(super) found: String,
    pub(super) expected: String,
}

impl Misfit {
    pub(super) fn new(
        column: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { column: Some(column.into()), found: found.into(), expected: expected.into() }
    }

    /// A value that means something which is not done: refused unless `data.ignore` names it.
    pub(super) fn unused(column: &str, place: impl Into<String>, value: &Value, cure: &str) -> Self {
        let or = if cure.is_empty() { String::new() } else { format!("{cure}, or ") };
        let expected = format!(
            "nothing there, for it would not be used: {or}data.ignore = [\"{column}\"] to pass it over"
        );
        Self::new(place, describe(value), expected)
    }
}

/// Makes records of values, and remembers what it passed over.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    /// Columns, and fields of turns, that are passed over on purpose.
    pub(super) ignore: BTreeSet<String>,
    /// Columns that were not used.
    pub(super) unused: BTreeSet<String>,
}

/// The columns of one row.
pub(super) struct Row {
    values: Map<String, Value>,
    nulls: Vec<String>,
}

impl Row {
    fn take(&mut self, column: &str) -> Option<Value> {
        self.values.remove(column)
    }

    fn has(&self, column: &str) -> bool {
        self.values.contains_key(column)
    }

    fn text(&mut self, column: &str, beside: &str) -> Result<String, Misfit> {
        match self.take(column) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(Misfit::new(column, describe(&other), "text")),
            None => {
                let found = if self.nulls.iter().any(|name| name == column) { "null" } else { "nothing" };
                Err(Misfit::new(column, found, format!("text {beside}").trim_end().to_owned()))
            }
        }
    }
}

impl Columns {
    /// Whether a column could matter; the others need not be read.
    pub(super) fn matters(name: &str) -> bool {
        MAIN.contains(&name)
            || USED.contains(&name)
            || OF_CONVERSATIONS.iter().chain(&OF_PROMPTS).chain(&OF_ALL).any(|(column, _)| *column == name)
            || WEIGHTS.contains(&name)
    }

    /// Makes a record of one JSON value.
    pub(super) fn record(&mut self, value: Value) -> Result<Record, Misfit> {
        match value {
            Value::String(text) => Ok(Record::Text { text }),
            Value::Object(object) => self.record_of_object(object),
            other => Err(Misfit {
                column: None,
                found: describe(&other),
                expected: format!("an object with {KINDS}"),
            }),
        }
    }

    /// Makes a record of named values.
    pub(super) fn record_of_object(&mut self, object: Map<String, Value>) -> Result<Record, Misfit> {
        let mut row = Row { values: Map::new(), nulls: Vec::new() };
        for (name, value) in object {
            if value.is_null() {
                row.nulls.push(name);
            } else if !self.ignore.contains(&name) {
                row.values.insert(name, value);
            }
        }
        let record = self.first_kind(&mut row)?;
        for name in row.values.keys() {
            self.note_unused(name);
        }
        Ok(record)
    }

    /// The first kind whose columns are there.
    fn first_kind(&mut self, row: &mut Row) -> Result<Record, Misfit> {
        for (column, who, what) in [("messages", "role", "content"), ("conversations", "from", "value")] {
            if let Some(value) = row.take(column) {
                let turns = Turns { column, who, what };
                let mut messages = turns.read(value, self)?;
                for system in ["system", "system_prompt"] {
                    if let Some(value) = row.take(system) {
                        turns::put_system(&mut messages, system, value)?;
                    }
                }
                refuse(row, &OF_CONVERSATIONS)?;
                refuse_of_all(row)?;
                return Ok(Record::Messages { messages });
            }
        }
        if let Some(value) = row.take("input_ids") {
            refuse_of_all(row)?;
            return masks::tokens(value, |column| row.take(column));
        }
        if row.has("prompt") || row.has("completion") {
            if let (Some(Value::Array(_)), Some(Value::Array(_))) =
                (row.values.get("prompt"), row.values.get("completion"))
            {
                return self.conversation_in_two(row);
            }
            let prompt = row.text("prompt", "beside `completion`")?;
            let completion = row.text("completion", "beside `prompt`")?;
            return self.completion(row, prompt, completion);
        }
        if row.has("instruction") {
            let mut prompt = row.text("instruction", "")?;
            let completion = row.text("output", "beside `instruction`")?;
            match row.take("input") {
                None => {}
                Some(Value::String(input)) if input.is_empty() => {}
                Some(Value::String(input)) => {
                    prompt.push_str("\n\n");
                    prompt.push_str(&input);
                }
                Some(other) => return Err(Misfit::new("input", describe(&other), "text, or nothing")),
            }
            return self.completion(row, prompt, completion);
        }
        if row.has("question") || row.has("answer") {
            let prompt = row.text("question", "beside `answer`")?;
            let completion = row.text("answer", "beside `question`")?;
            return self.completion(row, prompt, completion);
        }
        if row.has("text") {
            refuse_of_all(row)?;
            return Ok(Record::Text { text: row.text("text", "")? });
        }
        Err(none_fits(row))
    }

    fn completion(&mut self, row: &mut Row, prompt: String, completion: String) -> Result<Record, Misfit> {
        refuse(row, &OF_PROMPTS)?;
        refuse_of_all(row)?;
        if let Some(value @ Value::Bool(false)) = row.values.get("label") {
            return Err(Misfit::unused("label", "label", value, "leave out the completions marked as bad"));
        }
        Ok(Record::Completion { prompt, completion })
    }

    /// A conversation whose prompt and completion are lists of messages: only the completion's are learned.
    fn conversation_in_two(&mut self, row: &mut Row) -> Result<Record, Misfit> {
        let mut messages = Vec::new();
        for (column, learned) in [("prompt", false), ("completion", true)] {
            let turns = Turns { column, who: "role", what: "content" };
            let value = row.take(column).unwrap_or_default();
            let mut part = turns.read(value, self)?;
            if !learned {
                part.iter_mut().for_each(|message| message.weight = 0);
            }
            messages.extend(part);
        }
        for system in ["system", "system_prompt"] {
            if let Some(value) = row.take(system) {
                turns::put_system(&mut messages, system, value)?;
            }
        }
        refuse(row, &OF_CONVERSATIONS)?;
        refuse_of_all(row)?;
        Ok(Record::Messages { messages })
    }

    /// Remembers a column that was passed over.
    pub(super) fn note_unused(&mut self, name: &str) {
        if self.unused.len() < MAX_UNUSED && !self.unused.contains(name) {
            self.unused.insert(shorten(name));
        }
    }
}

/// Columns used beside the main ones.
const USED: [&str; 12] = [
    "input",
    "system",
    "system_prompt",
    "loss_mask",
    "labels",
    "attention_mask",
    "completion_mask",
    "assistant_masks",
    "assistant_mask",
    "position_ids",
    "label",
    "split",
];

/// Columns that mean something for a conversation, with what to do instead.
const OF_CONVERSATIONS: [(&str, &str); 13] = [
    ("tools", "write the tools into the system message"),
    ("functions", "write the tools into the system message"),
    ("documents", "write the documents into a message"),
    (
        "chat_template_kwargs",
        "write the conversation as `prompt` and `completion` as the template renders it",
    ),
    ("labels", "give `input_ids` with them"),
    ("loss_mask", "give `input_ids` with it"),
    ("completion_mask", "give `input_ids` with it"),
    ("assistant_masks", "give `input_ids` with it"),
    ("images", "texts alone are read"),
    ("image", "texts alone are read"),
    ("videos", "texts alone are read"),
    ("audio", "texts alone are read"),
    ("audios", "texts alone are read"),
];

/// Columns that mean something for a prompt.
const OF_PROMPTS: [(&str, &str); 12] = [
    ("system", "write the record as `messages`, or the system prompt into the prompt"),
    ("system_prompt", "write the record as `messages`, or the system prompt into the prompt"),
    ("history", "write the record as `messages`"),
    ("context", "write it into the prompt"),
    ("tools", "write the tools into the prompt"),
    ("functions", "write the tools into the prompt"),
    ("documents", "write the documents into the prompt"),
    ("chat_template_kwargs", "write the prompt as the template renders it"),
    ("labels", "give `input_ids` with them"),
    ("loss_mask", "give `input_ids` with it"),
    ("images", "texts alone are read"),
    ("image", "texts alone are read"),
];

/// Columns that weigh a whole record.
const WEIGHTS: [&str; 4] = ["weight", "weights", "sample_weight", "loss_weight"];

/// Columns that mean something for any record.
const OF_ALL: [(&str, &str); 1] = [("loss_weights", "every token weighs the same")];

/// Refuses the columns of a list that say something.
fn refuse(row: &Row, list: &[(&str, &str)]) -> Result<(), Misfit> {
    for (column, cure) in list {
        if let Some(value) = row.values.get(*column).filter(|value| !is_empty(value)) {
            return Err(Misfit::unused(column, *column, value, cure));
        }
    }
    Ok(())
}

/// Refuses what weighs a record, and rows of a split that is not for training.
fn refuse_of_all(row: &mut Row) -> Result<(), Misfit> {
    refuse(row, &OF_ALL)?;
    for column in WEIGHTS {
        let Some(value) = row.values.get(column) else { continue };
        // A figure that is 1 everywhere weighs nothing; a text is some other property of that name.
        if value.as_f64().is_some_and(|weight| weight != 1.0) || value.is_array() {
            return Err(Misfit::unused(
                column,
                column,
                value,
                "every record weighs the same; leave out or repeat records",
            ));
        }
    }
    if let Some(Value::String(split)) = row.values.get("split")
        && super::layout::is_held_out(split)
    {
        let value = Value::String(split.clone());
        return Err(Misfit::unused(
            "split",
            "split",
            &value,
            "keep the rows of each split in files of their own",
        ));
    }
    Ok(())
}

/// Whether a value says nothing: null, an empty text, list or object.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.iter().all(is_empty),
        Value::Object(object) => object.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The misfit of a row without any main column.
fn none_fits(row: &Row) -> Misfit {
    if let Some(name) = MAIN.iter().find(|name| row.nulls.iter().any(|null| null == *name)) {
        return Misfit::new(*name, "null", format!("a value there, or another of {KINDS}"));
    }
    let all: Vec<&String> = row.values.keys().chain(&row.nulls).collect();
    let mut names: Vec<String> = all.iter().take(12).map(|name| format!("`{}`", shorten(name))).collect();
    if all.len() > names.len() {
        names.push(format!("and {} more", all.len() - names.len()));
    }
    let found = if names.is_empty() { "no columns".to_owned() } else { format!("only {}", names.join(", ")) };
    Misfit { column: None, found, expected: KINDS.to_owned() }
}

/// The misfit of a table with columns of these names only, when none of them makes a record.
pub(super) fn misfit_of_names(names: &[&str]) -> Option<Misfit> {
    if names.iter().any(|name| MAIN.contains(name)) {
        return None;
    }
    let values = names.iter().map(|name| ((*name).to_owned(), Value::Bool(true))).collect();
    Some(none_fits(&Row { values, nulls: Vec::new() }))
}

/// The key of a value that only says of what type a table's value is; no key of a record can have a NUL in it and be used.
const TYPE: &str = "\0type";

/// A value of a type that no record is made of.
pub(super) fn unreadable(kind: &str) -> Value {
    Value::Object(Map::from_iter([(TYPE.to_owned(), Value::String(shorten(kind)))]))
}

/// A value in a few words, for error messages.
pub(super) fn describe(value: &Value) -> String {
    if let Some(Value::String(kind)) = value.get(TYPE) {
        return format!("a value of type {kind}");
    }
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {}", shorten(&number.to_string())),
        Value::String(text) => format!("the text `{}`", shorten(text)),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(object) => format!("an object with {} keys", object.len()),
    }
}

/// The beginning of a text from outside, without control characters.
pub(super) fn shorten(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut short: String = text.chars().take(40).map(clean).collect();
    if short.len() < text.len() && text.chars().nth(40).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    fn record(value: Value) -> Result<Record, Misfit> {
        Columns::default().record(value)
    }
    use serde_json::json;

    fn completion(prompt: &str, completion: &str) -> Record {
        Record::Completion { prompt: prompt.to_owned(), completion: completion.to_owned() }
    }

    #[test]
    fn every_known_shape_is_recognised() {
        assert_eq!(record(json!("x")).unwrap(), Record::Text { text: "x".into() });
        assert_eq!(record(json!({"text": "x", "id": 1})).unwrap(), Record::Text { text: "x".into() });
        assert_eq!(
            record(json!({"prompt": "a", "completion": "b", "text": "ab"})).unwrap(),
            completion("a", "b")
        );
        assert_eq!(record(json!({"question": "a", "answer": "b"})).unwrap(), completion("a", "b"));
        for (input, prompt) in [(json!(""), "do"), (json!(null), "do"), (json!("this"), "do\n\nthis")] {
            let value = json!({"instruction": "do", "input": input, "output": "done", "text": "all"});
            assert_eq!(record(value).unwrap(), completion(prompt, "done"));
        }
        let expected =
            Record::Messages { messages: vec![Message::new("user", "hi"), Message::new("assistant", "ho")] };
        let share =
            json!({"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]});
        let chat =
            json!({"messages": [{"role": "user", "content": "hi"}, {"content": "ho", "role": "assistant"}]});
        assert_eq!(record(share).unwrap(), expected);
        assert_eq!(record(chat).unwrap(), expected);
        assert_eq!(
            record(json!({"input_ids": [1, 2], "loss_mask": [0, true]})).unwrap(),
            Record::Tokens { input_ids: vec![1, 2], loss_mask: Some(vec![false, true]) }
        );
    }

    #[test]
    fn a_misfit_names_the_place_and_the_cure() {
        for (value, column, found, expected) in [
            (json!({"prompt": "a"}), Some("completion"), "nothing", "text beside `prompt`"),
            (json!({"text": 7}), Some("text"), "the number 7", "text"),
            (json!({"input_ids": [1, -2]}), Some("input_ids[1]"), "the number -2", "a whole number"),
            (json!({"input_ids": [1], "loss_mask": []}), Some("loss_mask"), "0 entries", "1, as many"),
            (json!({"messages": []}), Some("messages"), "an empty list", "at least one"),
            (
                json!({"messages": [{"role": "x", "content": ""}]}),
                Some("messages[0].role"),
                "`x`",
                "assistant",
            ),
            (json!({"conversations": [{"from": "gpt"}]}), Some("conversations[0].value"), "nothing", "text"),
            (json!({"body": 1, "id": 2}), None, "only `body`, `id`", "`messages`"),
            (json!({}), None, "no columns", "`messages`"),
            (json!([1]), None, "a list of 1", "an object"),
        ] {
            let misfit = record(value).unwrap_err();
            assert_eq!(misfit.column.as_deref(), column);
            assert!(misfit.found.contains(found), "{misfit:?}");
            assert!(misfit.expected.contains(expected), "{misfit:?}");
        }
    }

    #[test]
    fn a_record_survives_its_own_writing() {
        for value in [
            json!({"text": "x"}),
            json!({"prompt": "a", "completion": "b"}),
            json!({"messages": [{"role": "user", "content": "hi"}]}),
            json!({"messages": [{"role": "assistant", "content": "hi", "weight": 0}]}),
            json!({"input_ids": [1, 2]}),
            json!({"input_ids": [1, 2], "loss_mask": [false, true]}),
        ] {
            let read = record(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), value);
            assert_eq!(serde_json::from_value::<Record>(value).unwrap(), read);
        }
    }

    #[test]
    fn null_columns_are_absent_and_the_next_kind_is_taken() {
        let text = |value| record(value).unwrap();
        assert_eq!(text(json!({"messages": null, "text": "x"})), Record::Text { text: "x".into() });
        assert_eq!(
            text(json!({"prompt": null, "completion": null, "text": "x"})),
            Record::Text { text: "x".into() }
        );
        for (value, column) in
            [(json!({"text": null}), "text"), (json!({"prompt": "a", "completion": null}), "completion")]
        {
            let misfit = record(value).unwrap_err();
            assert_eq!((misfit.column.as_deref(), misfit.found.as_str()), (Some(column), "null"));
        }
    }

    #[test]
    fn what_would_change_the_training_is_used_or_refused_by_name() {
        let chat = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
        let used = record(json!({"system": "Be brief.", "messages": chat})).unwrap();
        let Record::Messages { messages } = used else { panic!("no conversation") };
        assert_eq!(messages[0], Message::new("system", "Be brief."));
        for (value, column) in [
            (json!({"messages": chat, "tools": [{"name": "look"}]}), "tools"),
            (
                json!({"messages": chat, "chat_template_kwargs": {"enable_thinking": false}}),
                "chat_template_kwargs",
            ),
            (json!({"messages": chat, "weight": 0.5}), "weight"),
            (json!({"system": "Be brief.", "instruction": "a", "output": "b"}), "system"),
            (json!({"instruction": "a", "output": "b", "history": [["hi", "ho"]]}), "history"),
            (json!({"question": "a", "answer": "b", "context": "c"}), "context"),
            (json!({"prompt": "a", "completion": "b", "label": false}), "label"),
            (json!({"text": "a", "split": "test"}), "split"),
            (json!({"messages": chat, "labels": [1]}), "labels"),
        ] {
            let misfit = record(value.clone()).unwrap_err();
            assert_eq!(misfit.column.as_deref(), Some(column));
            assert!(misfit.expected.contains(&format!("data.ignore = [\"{column}\"]")), "{misfit:?}");
            let mut ignoring = Columns { ignore: [column.to_owned()].into(), ..Columns::default() };
            assert!(ignoring.record(value).is_ok(), "{column}");
        }
        for value in [
            json!({"messages": chat, "tools": [], "images": null, "weight": 1.0}),
            json!({"instruction": "a", "output": "b", "history": [], "system": ""}),
            json!({"text": "a", "split": "train", "label": false}),
        ] {
            assert!(record(value.clone()).is_ok(), "{value}");
        }
    }

    #[test]
    fn unused_columns_are_remembered_once() {
        let mut columns = Columns::default();
        for row in 0..3 {
            columns.record(json!({"text": "x", "id": row, "score": 0.5, "gone": null})).unwrap();
        }
        assert_eq!(columns.unused.iter().collect::<Vec<_>>(), ["id", "score"]);
    }
}
