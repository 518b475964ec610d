//! Records: the units of training data before tokenization, and the readers that find them.
//!
//! | column names in the data | becomes |
//! |---|---|
//! | `messages` of `role`, `content` | [`Record::Messages`] |
//! | `conversations` of `from`, `value` (ShareGPT) | [`Record::Messages`], `human` and `gpt` as `user` and `assistant` |
//! | `input_ids`, optionally `loss_mask` | [`Record::Tokens`] |
//! | `prompt`, `completion` | [`Record::Completion`] |
//! | `instruction`, optionally `input`, and `output` (Alpaca) | [`Record::Completion`], prompt = instruction, blank line, input |
//! | `question`, `answer` | [`Record::Completion`] |
//! | `text`, or a bare string | [`Record::Text`] |
//!
//! The first line of the table that fits decides; a column that is null counts as absent. Beside them are used: `system` or
//! `system_prompt` (before a conversation), `weight` or `train` of a turn (0: not learned), and of `input_ids` the columns
//! `labels`, `loss_mask`, `completion_mask`, `assistant_masks` and `attention_mask`. A column that would change what is
//! trained and is not used (tools, calls, reasoning, a history, weights between 0 and 1, ...) is refused by name unless
//! [`ReadOptions::ignore`] has it; all others are named by [`RecordStream::unused`].

mod card;
mod columns;
mod csv;
mod dataset;
mod json;
mod jsonl;
mod layout;
mod masks;
mod pages;
mod parquet;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod turns;

pub use self::jsonl::{JsonRow, json_rows};
pub use self::parquet::parquet_file_limits;
pub use dataset::{DataSet, data_set};
pub use stream::{Place, RecordStream, read_records, stream_records};

pub(crate) use self::parquet::open_checked;
pub(crate) use source::contain;
pub(crate) use text::read_text;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One unit of data. Serialises as one JSON object with the keys of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// Running text, every token of it to be learned.
    Text {
        /// The text.
        text: String,
    },
    /// A prompt and what should follow it; only the completion is to be learned.
    Completion {
        /// What is given.
        prompt: String,
        /// What should follow.
        completion: String,
    },
    /// A conversation; the assistant's messages are to be learned.
    Messages {
        /// The messages in order.
        messages: Vec<Message>,
    },
    /// Tokens made elsewhere.
    Tokens {
        /// The token ids.
        input_ids: Vec<u32>,
        /// Which tokens are to be learned (as many as ids); all of them when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss_mask: Option<Vec<bool>>,
    },
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What is said.
    pub content: String,
    /// 0 when it is not to be learned although the assistant says it, else 1.
    #[serde(default = "learned", skip_serializing_if = "is_learned")]
    pub weight: u8,
}

impl Message {
    /// A message that is learned when the assistant says it.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), weight: learned() }
    }
}

fn learned() -> u8 {
    1
}

fn is_learned(weight: &u8) -> bool {
    *weight != 0
}

impl Record {
    /// Bytes this record holds, roughly: what the limits of reading count.
    pub fn size(&self) -> u64 {
        let bytes = match self {
            Self::Text { text } => text.len(),
            Self::Completion { prompt, completion } => prompt.len() + completion.len(),
            Self::Messages { messages } => {
                messages.iter().map(|message| message.role.len() + message.content.len() + 48).sum()
            }
            Self::Tokens { input_ids, loss_mask } => {
                input_ids.len() * 4 + loss_mask.as_ref().map_or(0, Vec::len)
            }
        };
        bytes as u64 + 64
    }
}

/// How much is read, and which files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Only files of a folder whose relative path fits: `*` and `?` within a name, `**` over folders,
    /// `|` between alternatives; without `/` the pattern is held against the file name. Default: every file of a known kind.
    pub glob: Option<String>,
    /// The configuration of a data set that has several.
    pub configuration: Option<String>,
    /// Columns, and fields of turns, that are passed over although they mean something.
    pub ignore: BTreeSet<String>,
    /// In a folder with texts and tables, which are read: texts where there are more of them, else always tables.
    pub prefer_texts: bool,
    /// Largest single record (line, element, row) in bytes. Default 16 MiB.
    pub max_record_bytes: u64,
    /// Largest text file in bytes. Default 64 MiB.
    pub max_text_bytes: u64,
    /// Largest sum over all records in bytes; more is an error. Default 16 GiB.
    pub max_total_bytes: u64,
    /// Stop after so many records. Default: no end.
    pub max_records: Option<u64>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            glob: None,
            configuration: None,
            ignore: BTreeSet::new(),
            prefer_texts: false,
            max_record_bytes: 16 << 20,
            max_text_bytes: 64 << 20,
            max_total_bytes: 16 << 30,
            max_records: None,
        }
    }
}
