//! From named values to a record: which columns make which kind, and what is wrong when they do not.

use serde_json::{Map, Value};

use super::{Message, Record};

/// What [`DataError::Record`](crate::DataError::Record) expects when no kind fits.
const KINDS: &str = "`messages`, `conversations`, `input_ids`, `prompt` and `completion`, `instruction` and `output`, `question` and `answer`, or `text`";

/// A value that is not what it should be; the reader adds file and row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) column: Option<String>,
    pub(super) found: String,
    pub(super) expected: String,
}

impl Misfit {
    fn new(column: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { column: Some(column.into()), found: found.into(), expected: expected.into() }
    }
}

/// Makes a record of one JSON value.
pub(super) fn record(value: Value) -> Result<Record, Misfit> {
    match value {
        Value::String(text) => Ok(Record::Text { text }),
        Value::Object(object) => record_of_object(object),
        other => {
            Err(Misfit { column: None, found: describe(&other), expected: format!("an object with {KINDS}") })
        }
    }
}

/// Makes a record of named values.
pub(super) fn record_of_object(mut object: Map<String, Value>) -> Result<Record, Misfit> {
    if let Some(value) = object.remove("messages") {
        return Ok(Record::Messages { messages: messages("messages", value, "role", "content")? });
    }
    if let Some(value) = object.remove("conversations") {
        return Ok(Record::Messages { messages: messages("conversations", value, "from", "value")? });
    }
    if let Some(value) = object.remove("input_ids") {
        let input_ids = token_ids(value)?;
        let loss_mask = match object.remove("loss_mask") {
            None | Some(Value::Null) => None,
            Some(value) => Some(loss_mask(value, input_ids.len())?),
        };
        return Ok(Record::Tokens { input_ids, loss_mask });
    }
    if object.contains_key("prompt") || object.contains_key("completion") {
        let prompt = text(&mut object, "prompt", "beside `completion`")?;
        let completion = text(&mut object, "completion", "beside `prompt`")?;
        return Ok(Record::Completion { prompt, completion });
    }
    if object.contains_key("instruction") {
        let mut prompt = text(&mut object, "instruction", "")?;
        let completion = text(&mut object, "output", "beside `instruction`")?;
        match object.remove("input") {
            None | Some(Value::Null) => {}
            Some(Value::String(input)) if input.is_empty() => {}
            Some(Value::String(input)) => {
                prompt.push_str("\n\n");
                prompt.push_str(&input);
            }
            Some(other) => return Err(Misfit::new("input", describe(&other), "text, or nothing")),
        }
        return Ok(Record::Completion { prompt, completion });
    }
    if object.contains_key("question") || object.contains_key("answer") {
        let prompt = text(&mut object, "question", "beside `answer`")?;
        let completion = text(&mut object, "answer", "beside `question`")?;
        return Ok(Record::Completion { prompt, completion });
    }
    if object.contains_key("text") {
        return Ok(Record::Text { text: text(&mut object, "text", "")? });
    }
    let mut names: Vec<String> = object.keys().take(12).map(|name| format!("`{}`", shorten(name))).collect();
    if object.len() > names.len() {
        names.push(format!("and {} more", object.len() - names.len()));
    }
    let found = if names.is_empty() { "no columns".to_owned() } else { format!("only {}", names.join(", ")) };
    Err(Misfit { column: None, found, expected: KINDS.to_owned() })
}

fn text(object: &mut Map<String, Value>, column: &str, beside: &str) -> Result<String, Misfit> {
    match object.remove(column) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(Misfit::new(column, describe(&other), "text")),
        None => Err(Misfit::new(column, "nothing", format!("text {beside}").trim_end().to_owned())),
    }
}

fn messages(column: &str, value: Value, who: &str, what: &str) -> Result<Vec<Message>, Misfit> {
    let shape = || format!("a list of objects with `{who}` and `{what}`");
    let Value::Array(list) = value else {
        return Err(Misfit::new(column, describe(&value), shape()));
    };
    if list.is_empty() {
        return Err(Misfit::new(column, "an empty list", "at least one message"));
    }
    let mut messages = Vec::new();
    for (index, turn) in list.into_iter().enumerate() {
        let place = |name: &str| format!("{column}[{index}].{name}");
        let Value::Object(mut turn) = turn else {
            return Err(Misfit::new(format!("{column}[{index}]"), describe(&turn), shape()));
        };
        let mut take = |name: &str| match turn.remove(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(Misfit::new(place(name), describe(&other), "text")),
            None => Err(Misfit::new(place(name), "nothing", "text")),
        };
        let speaker = take(who)?;
        let content = take(what)?;
        let role = role(&speaker).ok_or_else(|| {
            Misfit::new(
                place(who),
                format!("`{}`", shorten(&speaker)),
                "system, user (human), assistant (gpt, model) or tool (function)",
            )
        })?;
        messages.push(Message { role: role.to_owned(), content });
    }
    Ok(messages)
}

/// The four roles, and the names that data sets have for them.
fn role(speaker: &str) -> Option<&'static str> {
    match speaker {
        "system" | "developer" => Some("system"),
        "user" | "human" => Some("user"),
        "assistant" | "gpt" | "model" | "bot" | "chatgpt" => Some("assistant"),
        "tool" | "function" | "observation" => Some("tool"),
        _ => None,
    }
}

fn token_ids(value: Value) -> Result<Vec<u32>, Misfit> {
    let Value::Array(list) = value else {
        return Err(Misfit::new("input_ids", describe(&value), "a list of token ids"));
    };
    list.into_iter()
        .enumerate()
        .map(|(index, value)| {
            value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
                Misfit::new(
                    format!("input_ids[{index}]"),
                    describe(&value),
                    "a whole number from 0 to 4294967295",
                )
            })
        })
        .collect()
}

fn loss_mask(value: Value, length: usize) -> Result<Vec<bool>, Misfit> {
    let Value::Array(list) = value else {
        return Err(Misfit::new("loss_mask", describe(&value), "a list of true and false, or 1 and 0"));
    };
    if list.len() != length {
        return Err(Misfit::new(
            "loss_mask",
            format!("{} entries", list.len()),
            format!("{length}, as many as `input_ids`"),
        ));
    }
    list.into_iter()
        .enumerate()
        .map(|(index, value)| match (&value, value.as_u64()) {
            (Value::Bool(flag), _) => Ok(*flag),
            (_, Some(0)) => Ok(false),
            (_, Some(1)) => Ok(true),
            _ => Err(Misfit::new(format!("loss_mask[{index}]"), describe(&value), "true, false, 1 or 0")),
        })
        .collect()
}

/// A value in a few words, for error messages.
pub(super) fn describe(value: &Value) -> String {
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
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
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
        let expected = Record::Messages {
            messages: vec![
                Message { role: "user".into(), content: "hi".into() },
                Message { role: "assistant".into(), content: "ho".into() },
            ],
        };
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
            json!({"input_ids": [1, 2]}),
            json!({"input_ids": [1, 2], "loss_mask": [false, true]}),
        ] {
            let read = record(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), value);
            assert_eq!(serde_json::from_value::<Record>(value).unwrap(), read);
        }
    }
}
