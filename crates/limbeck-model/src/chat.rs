//! Chat templates: Jinja templates as models carry them, rendered the way transformers does.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, context};
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn.
    #[must_use]
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// The texts of special tokens, as templates name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `bos_token`; empty when the model has none.
    pub bos: String,
    /// `eos_token`; empty when the model has none.
    pub eos: String,
}

/// A template that cannot be used, or not for this conversation.
#[derive(Debug, ThisError)]
pub enum ChatError {
    /// The template is not valid Jinja.
    #[error("chat template: {0}")]
    Invalid(String),
    /// The template refused the conversation, or failed on it.
    #[error("chat template: {0}")]
    Failed(String),
}

/// The format with `<|im_start|>` and `<|im_end|>`, for models that carry no template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const NAME: &str = "chat";

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles a template. White space around blocks is trimmed, loop controls are allowed, and the string and dictionary methods
    /// of Python that templates use are there.
    ///
    /// # Errors
    /// [`ChatError::Invalid`] with line and reason.
    pub fn new(template: &str) -> Result<Self, ChatError> {
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().map_err(|error| ChatError::Invalid(format!("{error:#}")))?);
        environment.set_unknown_method_callback(python_method);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(NAME, template.to_owned())
            .map_err(|error| ChatError::Invalid(format!("{error:#}")))?;
        Ok(Self { environment })
    }

    /// The template of models that carry none: ChatML.
    ///
    /// # Errors
    /// None in practice; the template is a constant.
    pub fn chatml() -> Result<Self, ChatError> {
        Self::new(CHATML)
    }

    /// The text of a conversation, ready to be encoded without adding special tokens. With `add_generation_prompt` it ends where
    /// the assistant's answer begins.
    ///
    /// # Errors
    /// [`ChatError::Failed`] with what the template says.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        special: &SpecialTokens,
    ) -> Result<String, ChatError> {
        let failed = |error: Error| ChatError::Failed(format!("{error:#}"));
        let template = self.environment.get_template(NAME).map_err(failed)?;
        let turn = |message: &Message| context! { role => message.role.as_str(), content => message.content.as_str() };
        let messages: Value = messages.iter().map(turn).collect();
        let context = context! {
            messages, add_generation_prompt,
            bos_token => special.bos.as_str(), eos_token => special.eos.as_str(),
        };
        template.render(context).map_err(failed)
    }
}

/// `tojson` as transformers has it: nothing escaped for HTML, `, ` and `: ` between items.
fn to_json(value: &Value) -> Result<Value, Error> {
    let mut text = String::new();
    write_json(value, &mut text)?;
    Ok(Value::from_safe_string(text))
}

fn write_json(value: &Value, out: &mut String) -> Result<(), Error> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value.kind() {
        ValueKind::String => out.push_str(&quoted(value.as_str().unwrap_or_default())),
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool | ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_json(&item, out)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                out.push_str(&quoted(&key.to_string()));
                out.push_str(": ");
                write_json(&value.get_item(&key)?, out)?;
            }
            out.push('}');
        }
        kind => {
            return Err(Error::new(ErrorKind::BadSerialization, format!("{kind} has no JSON form")));
        }
    }
    Ok(())
}

/// The methods of Python's `str`, `dict` and `list` that chat templates call.
fn python_method(
    _state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => string_method(value.as_str().unwrap_or_default(), method, args),
        ValueKind::Map => map_method(value, method, args),
        ValueKind::Seq if method == "count" => {
            let (wanted,): (Value,) = from_args(args)?;
            Ok(Value::from(value.try_iter()?.filter(|item| *item == wanted).count()))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn string_method(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let is_in = |set: &Option<String>, letter: char| {
        set.as_ref().map_or(letter.is_whitespace(), |set| set.contains(letter))
    };
    Ok(match method {
        "strip" | "lstrip" | "rstrip" => {
            let (set,): (Option<String>,) = from_args(args)?;
            let mut rest = text;
            if method != "rstrip" {
                rest = rest.trim_start_matches(|letter| is_in(&set, letter));
            }
            if method != "lstrip" {
                rest = rest.trim_end_matches(|letter| is_in(&set, letter));
            }
            rest.into()
        }
        "startswith" | "endswith" => {
            let (wanted,): (Value,) = from_args(args)?;
            let test = |part: &str| {
                if method == "startswith" { text.starts_with(part) } else { text.ends_with(part) }
            };
            match wanted.as_str() {
                Some(part) => test(part),
                None => wanted.try_iter()?.any(|part| part.as_str().is_some_and(test)),
            }
            .into()
        }
        "split" => {
            let (separator, limit): (Option<String>, Option<i64>) = from_args(args)?;
            let parts = limit
                .and_then(|limit| usize::try_from(limit).ok())
                .map_or(usize::MAX, |limit| limit.saturating_add(1));
            match separator {
                Some(separator) if !separator.is_empty() => {
                    text.splitn(parts, &separator).map(Value::from).collect()
                }
                Some(_) => return Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
                None if parts == usize::MAX => text.split_whitespace().map(Value::from).collect(),
                None => {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        "split by white space takes no limit here",
                    ));
                }
            }
        }
        "splitlines" => text.lines().map(Value::from).collect(),
        "replace" => {
            let (from, to): (String, String) = from_args(args)?;
            text.replace(&from, &to).into()
        }
        "upper" => text.to_uppercase().into(),
        "lower" => text.to_lowercase().into(),
        "title" => title(text).into(),
        "capitalize" => {
            let mut letters = text.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            (first + &letters.as_str().to_lowercase()).into()
        }
        "find" => {
            let (part,): (String,) = from_args(args)?;
            let at =
                text.find(&part).and_then(|at| text.get(..at)).map(|before| before.chars().count() as i64);
            at.unwrap_or(-1).into()
        }
        "count" => {
            let (part,): (String,) = from_args(args)?;
            text.matches(&part).count().into()
        }
        "join" => {
            let (items,): (Value,) = from_args(args)?;
            let items: Vec<String> = items.try_iter()?.map(|item| item.to_string()).collect();
            items.join(text).into()
        }
        "isdigit" => (!text.is_empty() && text.chars().all(char::is_numeric)).into(),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

/// Every word's first letter large, the others small.
fn title(text: &str) -> String {
    let mut inside = false;
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        if inside {
            result.extend(letter.to_lowercase());
        } else {
            result.extend(letter.to_uppercase());
        }
        inside = letter.is_alphabetic();
    }
    result
}

fn map_method(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let pairs = || -> Result<Vec<(Value, Value)>, Error> {
        value.try_iter()?.map(|key| value.get_item(&key).map(|item| (key, item))).collect()
    };
    match method {
        "items" => Ok(pairs()?.into_iter().map(|(key, item)| Value::from(vec![key, item])).collect()),
        "keys" => Ok(pairs()?.into_iter().map(|(key, _)| key).collect()),
        "values" => Ok(pairs()?.into_iter().map(|(_, item)| item).collect()),
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            let found = value.get_item(&key)?;
            Ok(if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found })
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}
