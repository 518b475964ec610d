//! The turns of a conversation: who speaks, what is said, and whether it is learned.

use serde_json::{Map, Value};

use super::Message;
use super::columns::{Columns, Misfit, describe, is_empty, shorten};

/// How a column names speaker and text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    pub(super) column: &'static str,
    pub(super) who: &'static str,
    pub(super) what: &'static str,
}

/// Fields of a turn that mean something and are not used, with what to do instead.
const MEANINGFUL: [(&str, &str); 9] = [
    ("tool_calls", "write the call into the content"),
    ("function_call", "write the call into the content"),
    ("reasoning_content", "write the reasoning into the content"),
    ("reasoning", "write the reasoning into the content"),
    ("thinking", "write the reasoning into the content"),
    ("refusal", "write the refusal into the content"),
    ("images", "texts alone are read"),
    ("audio", "texts alone are read"),
    ("prefix", "every turn is a whole one"),
];

impl Turns {
    /// Reads a list of turns.
    pub(super) fn read(self, value: Value, columns: &mut Columns) -> Result<Vec<Message>, Misfit> {
        let column = self.column;
        let shape = || format!("a list of objects with `{}` and `{}`", self.who, self.what);
        let Value::Array(list) = value else {
            return Err(Misfit::new(column, describe(&value), shape()));
        };
        if list.is_empty() {
            return Err(Misfit::new(column, "an empty list", "at least one message"));
        }
        let mut messages = Vec::with_capacity(list.len().min(1024));
        for (index, turn) in list.into_iter().enumerate() {
            let Value::Object(turn) = turn else {
                return Err(Misfit::new(format!("{column}[{index}]"), describe(&turn), shape()));
            };
            messages.push(self.turn(index, turn, columns)?);
        }
        Ok(messages)
    }

    fn turn(
        self,
        index: usize,
        mut turn: Map<String, Value>,
        columns: &mut Columns,
    ) -> Result<Message, Misfit> {
        let column = self.column;
        let place = |name: &str| format!("{column}[{index}].{name}");
        turn.retain(|name, value| {
            name == self.who || name == self.what || !(value.is_null() || columns.ignore.contains(name))
        });
        for (name, cure) in MEANINGFUL {
            if let Some(value) =
                turn.get(name).filter(|value| !is_empty(value) && **value != Value::Bool(false))
            {
                return Err(Misfit::unused(name, place(name), value, cure));
            }
        }
        // `conversations` of `role` and `content` are as common as those of `from` and `value`.
        let Turns { who, what, .. } = match turn.contains_key(self.who) || !turn.contains_key("role") {
            true => self,
            false => Turns { who: "role", what: "content", ..self },
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
        let mut weight = 1;
        for name in ["weight", "train", "training"] {
            if let Some(value) = turn.remove(name) {
                weight = weight.min(weight_of(&value).ok_or_else(|| {
                    Misfit::new(
                        place(name),
                        describe(&value),
                        format!(
                            "1 (learned) or 0 (not learned), or data.ignore = [\"{name}\"] to pass it over"
                        ),
                    )
                })?);
            }
        }
        for name in turn.keys() {
            columns.note_unused(&format!("{column}[].{name}"));
        }
        Ok(Message { role: role.to_owned(), content, weight })
    }
}

/// 1 or 0, as a number or as true and false.
fn weight_of(value: &Value) -> Option<u8> {
    match (value, value.as_f64()) {
        (Value::Bool(flag), _) => Some(u8::from(*flag)),
        (_, Some(0.0)) => Some(0),
        (_, Some(1.0)) => Some(1),
        _ => None,
    }
}

/// Puts the text of a system column before the conversation.
pub(super) fn put_system(messages: &mut Vec<Message>, column: &str, value: Value) -> Result<(), Misfit> {
    let Value::String(text) = value else {
        return if is_empty(&value) { Ok(()) } else { Err(Misfit::new(column, describe(&value), "text")) };
    };
    match messages.first() {
        _ if text.trim().is_empty() => Ok(()),
        Some(first) if first.role == "system" && first.content == text => Ok(()),
        Some(first) if first.role == "system" => Err(Misfit::new(
            column,
            format!("the text `{}`, beside a conversation with a system message of its own", shorten(&text)),
            format!("one of the two, or data.ignore = [\"{column}\"] to pass the column over"),
        )),
        _ => {
            messages.insert(0, Message::new("system", text));
            Ok(())
        }
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Record;
    use super::*;

    fn messages(value: Value) -> Result<Vec<Message>, Misfit> {
        match Columns::default().record(value)? {
            Record::Messages { messages } => Ok(messages),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn weights_of_turns_are_used() {
        let weights = |name: &str, value: Value| -> Result<Vec<u8>, Misfit> {
            let mut last = json!({"role": "assistant", "content": "b"});
            last[name] = value;
            let found = messages(json!({"messages": [{"role": "user", "content": "a"}, last]}))?;
            Ok(found.iter().map(|message| message.weight).collect())
        };
        for (name, value, weight) in [
            ("weight", json!(0), 0),
            ("weight", json!(1.0), 1),
            ("weight", json!(null), 1),
            ("train", json!(false), 0),
            ("training", json!(true), 1),
        ] {
            assert_eq!(weights(name, value).unwrap(), [1, weight]);
        }
        let misfit = weights("weight", json!(0.5)).unwrap_err();
        assert_eq!(misfit.column.as_deref(), Some("messages[1].weight"));
        assert!(misfit.found.contains("0.5") && misfit.expected.contains("data.ignore"), "{misfit:?}");
    }

    #[test]
    fn a_prompt_and_a_completion_of_messages_are_one_conversation() {
        let user = json!({"role": "user", "content": "a"});
        let said = json!({"role": "assistant", "content": "b"});
        let found = messages(json!({"prompt": [user, said], "completion": [said]})).unwrap();
        assert_eq!(found.iter().map(|message| message.weight).collect::<Vec<_>>(), [0, 0, 1]);
        let misfit = Columns::default().record(json!({"prompt": "a", "completion": [said]})).unwrap_err();
        assert_eq!(misfit.column.as_deref(), Some("completion"));
    }

    #[test]
    fn calls_and_reasoning_are_refused_by_their_place() {
        for (name, value) in [
            ("tool_calls", json!([{"name": "look"}])),
            ("function_call", json!({"name": "look"})),
            ("reasoning_content", json!("hm")),
        ] {
            let mut said = json!({"role": "assistant", "content": null});
            said[name] = value;
            let misfit = messages(json!({"messages": [{"role": "user", "content": "a"}, said]})).unwrap_err();
            assert_eq!(misfit.column.unwrap(), format!("messages[1].{name}"));
            assert!(misfit.expected.contains("write the"), "{}", misfit.expected);
        }
        let said = json!({"role": "assistant", "content": "b", "tool_calls": [], "name": "x"});
        assert!(messages(json!({"messages": [said]})).is_ok());
    }

    #[test]
    fn a_system_column_is_put_first_and_never_beside_another() {
        let chat = |first: &str| json!([{"from": first, "value": "a"}, {"from": "gpt", "value": "b"}]);
        let found = messages(json!({"system": "S", "conversations": chat("human")})).unwrap();
        assert_eq!((found[0].role.as_str(), found.len()), ("system", 3));
        assert_eq!(messages(json!({"system": "a", "conversations": chat("system")})).unwrap().len(), 2);
        assert_eq!(messages(json!({"system": "", "conversations": chat("human")})).unwrap().len(), 2);
        let misfit = messages(json!({"system": "S", "conversations": chat("system")})).unwrap_err();
        assert_eq!(misfit.column.as_deref(), Some("system"));
    }
}
