//! Chat templates: Jinja templates as models carry them, rendered the way transformers does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use thiserror::Error as ThisError;

use crate::jinja::{JinjaError, Limits, Output, Template, Value};

mod turns;

pub use turns::assistant_turns;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
    /// Further keys that templates look at, such as `tool_calls` or `reasoning_content`; those that are null are left out.
    #[serde(flatten)]
    pub more: Map<String, Json>,
}

impl Message {
    /// A turn.
    #[must_use]
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), more: Map::new() }
    }
}

/// What a template is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conversation {
    /// The turns.
    pub messages: Vec<Message>,
    /// Whether the text ends where the assistant's answer begins.
    pub add_generation_prompt: bool,
    /// Texts of special tokens, as [`crate::Tokenizer::special_names`] gives them.
    pub special: BTreeMap<String, String>,
    /// Descriptions of tools, as a list; absent when there are none.
    pub tools: Option<Json>,
    /// Further variables, such as `enable_thinking`.
    pub variables: BTreeMap<String, Json>,
}

impl Conversation {
    /// Turns without special tokens and tools.
    #[must_use]
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }
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
    /// A turn cannot be found in the text.
    #[error(
        "chat template: turn {turn} (the assistant's) has no stretch of the text of its own, for the template leaves it out, changes \
         what is said, or says it elsewhere; write the records as prompt and completion, or mark what the assistant says by \
         {{% generation %}}"
    )]
    Rewrites {
        /// The turn, counted from 1.
        turn: usize,
    },
}

/// The format with `<|im_start|>` and `<|im_end|>`, for models that carry no template.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    template: Template,
}

/// The text of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text, ready to be encoded without adding special tokens.
    pub text: String,
    /// Bytes of what the assistant says, of a template that marks it by `{% generation %}`; none of other templates.
    pub generated: Option<Vec<Range<usize>>>,
}

impl ChatTemplate {
    /// Compiles a template. White space around blocks is trimmed, loop controls and `{% generation %}` are there, and the filters,
    /// tests and methods of Python that transformers' environment has.
    ///
    /// # Errors
    /// [`ChatError::Invalid`] with line and reason.
    pub fn new(template: &str) -> Result<Self, ChatError> {
        let template = Template::new(template).map_err(|error| ChatError::Invalid(error.to_string()))?;
        Ok(Self { template })
    }

    /// The template of models that carry none: ChatML.
    ///
    /// # Errors
    /// None in practice; the template is a constant.
    pub fn chatml() -> Result<Self, ChatError> {
        Self::new(CHATML)
    }

    /// The text of a conversation. `strftime_now` takes the time of the call, in UTC.
    ///
    /// # Errors
    /// [`ChatError::Failed`] with what the template says, or that it takes too many steps, too much memory or too deep a nesting.
    pub fn render(&self, conversation: &Conversation) -> Result<Rendered, ChatError> {
        self.render_turns(conversation, conversation.messages.len(), conversation.add_generation_prompt)
    }

    /// The text of the first turns.
    fn render_turns(
        &self,
        conversation: &Conversation,
        turns: usize,
        add_generation_prompt: bool,
    ) -> Result<Rendered, ChatError> {
        let messages = conversation.messages.iter().take(turns);
        self.render_messages(conversation, messages, add_generation_prompt)
    }

    /// The text of these turns, with everything else that the conversation gives a template.
    fn render_messages<'a>(
        &self,
        conversation: &Conversation,
        messages: impl Iterator<Item = &'a Message>,
        add_generation_prompt: bool,
    ) -> Result<Rendered, ChatError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let messages: Vec<Json> = messages.map(plain).collect();
        let mut variables: Vec<(String, Value)> = Vec::new();
        for (name, text) in &conversation.special {
            variables.push((name.clone(), Value::text(text)));
        }
        for (name, value) in &conversation.variables {
            variables.push((name.clone(), Value::from_json(value)));
        }
        let tools = conversation.tools.as_ref().map_or(Value::None, Value::from_json);
        variables.extend([
            ("messages".to_owned(), Value::from_json(&Json::Array(messages))),
            ("add_generation_prompt".to_owned(), Value::from_json(&add_generation_prompt.into())),
            ("tools".to_owned(), tools),
            ("documents".to_owned(), Value::None),
        ]);
        let failed = |error: JinjaError| ChatError::Failed(error.to_string());
        let Output { text, generated } =
            self.template.render(variables, now, Limits::default()).map_err(failed)?;
        Ok(Rendered { text, generated })
    }
}

/// A turn as templates see it, with the reasoning under the names that templates read it by.
fn plain(message: &Message) -> Json {
    let names = ["reasoning_content", "thinking", "reasoning"];
    let reasoning =
        names.into_iter().find_map(|key| message.more.get(key).filter(|value| !value.is_null()).cloned());
    let mut turn = Map::new();
    if let Some(reasoning) = &reasoning {
        turn.insert("thinking".into(), reasoning.clone());
    }
    turn.insert("role".into(), message.role.as_str().into());
    turn.insert("content".into(), message.content.as_str().into());
    let more = message.more.iter().filter(|(_, value)| !value.is_null());
    turn.extend(more.map(|(key, value)| (key.clone(), value.clone())));
    if let Some(reasoning) = reasoning {
        turn.insert("reasoning_content".into(), reasoning);
    }
    Json::Object(turn)
}
