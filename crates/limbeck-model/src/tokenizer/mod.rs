//! Tokenizers: from `tokenizer.json`, from a GGUF file, or over a closed list of words.

mod closed;
mod companions;
mod compare;
mod encode;
mod error;
mod from_gguf;
mod json;
mod pre;
mod prefix;
mod settings;
mod to_gguf;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub use closed::ClosedSpecials;
pub use compare::Compatibility;
pub use encode::{Pieces, TokenSpan};
pub use error::TokenizerError;
pub(crate) use settings::Settings;

use crate::weights::gguf::Value;

/// Text to token ids and back. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    /// The library's tokenizer, without truncation, padding, dropout and post-processor: see [`json::Kept`].
    inner: Arc<tokenizers::Tokenizer>,
    /// The file or model, for messages.
    origin: Arc<str>,
    /// Whether unknown words are errors and text is split at white space.
    closed: bool,
    size: usize,
    /// Tokens put before and behind a text.
    around: Arc<encode::Around>,
    /// Parts of the `tokenizer.json` that do not decide ids here, as they were written.
    kept: Arc<json::Kept>,
    specials: Specials,
    /// Tokens that end a text; the one of [`Tokenizer::eos`] first.
    ends: Vec<u32>,
    /// Chat templates by name; `default` is the usual one.
    templates: BTreeMap<String, String>,
    settings: Arc<Settings>,
    /// The `tokenizer.*` keys of the GGUF file this came from.
    gguf: Option<Arc<BTreeMap<String, Value>>>,
    canonical: Arc<OnceLock<compare::Canonical>>,
}

/// Ids of the tokens with a role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Specials {
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    pub(crate) pad: Option<u32>,
    pub(crate) unk: Option<u32>,
}

/// The name of the chat template that is used unless tools are given.
const DEFAULT: &str = "default";

impl Tokenizer {
    /// The largest token id plus one. A model's embedding may have more rows (padding).
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.size
    }

    /// The id of a token given as it stands in the vocabulary (byte-level BPE writes a space as `Ġ`).
    #[must_use]
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id as it stands in the vocabulary.
    #[must_use]
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The begin-of-sequence token.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.specials.bos
    }

    /// The end-of-sequence token: the one that texts are made to end with.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.specials.eos
    }

    /// Every token that ends a text, that of [`Tokenizer::eos`] first: generation stops at any of them.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The padding token.
    #[must_use]
    pub fn pad(&self) -> Option<u32> {
        self.specials.pad
    }

    /// The token of unknown text.
    #[must_use]
    pub fn unk(&self) -> Option<u32> {
        self.specials.unk
    }

    /// Forgets special tokens that a model with `rows` rows of embedding cannot take, and says so in a sentence each.
    pub(crate) fn drop_ids_beyond(&mut self, rows: usize) -> Vec<String> {
        let mut dropped = Vec::new();
        self.ends.retain(|id| (*id as usize) < rows);
        let Specials { bos, eos, pad, unk } = &mut self.specials;
        for (role, id) in [("bos", bos), ("eos", eos), ("pad", pad), ("unk", unk)] {
            if let Some(beyond) = id.take_if(|id| *id as usize >= rows) {
                dropped.push(format!(
                    "the {role} token {beyond} has no row in the embedding of {rows}; there is no {role} token"
                ));
            }
        }
        self.specials.eos = self.ends.first().copied();
        dropped
    }

    /// Whether words outside the vocabulary are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The chat template that came with the tokenizer.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        self.templates.get(DEFAULT).map(String::as_str)
    }

    /// The chat template for a conversation with tools: the one named `tool_use`, where there is one.
    #[must_use]
    pub fn tool_template(&self) -> Option<&str> {
        self.templates.get("tool_use").map(String::as_str).or_else(|| self.chat_template())
    }

    /// The same tokenizer with another chat template.
    #[must_use]
    pub fn with_chat_template(mut self, template: impl Into<String>) -> Self {
        self.templates = BTreeMap::from([(DEFAULT.to_owned(), template.into())]);
        self
    }

    /// The texts of special tokens under the names that chat templates use (`bos_token`, `eos_token`, ...); roles without a token
    /// are left out.
    #[must_use]
    pub fn special_names(&self) -> BTreeMap<String, String> {
        let mut names = self.settings.named.clone();
        let Specials { bos, eos, pad, unk } = self.specials;
        for (role, id) in [("bos", bos), ("eos", eos), ("pad", pad), ("unk", unk)] {
            if let Some(token) = id.and_then(|id| self.id_to_token(id)) {
                names.insert(format!("{role}_token"), token);
            }
        }
        names
    }

    /// What the files ask for and is not done, in sentences: truncation, padding, dropout.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.kept.notes(&self.origin)
    }

    /// The same tokenizer with these tokens as the ends of texts, the first as [`Tokenizer::eos`].
    pub(super) fn with_ends(mut self, ends: Vec<u32>) -> Self {
        self.specials.eos = ends.first().copied();
        self.ends = ends;
        self
    }

    /// The tokenizer a model of `rows` rows of embedding leaves with that began with this one and was trained on texts written by
    /// `teacher`: the teacher's, so that it encodes, ends and takes its turns as it learned to. The length of this one's context is
    /// kept. A model with too few rows for the teacher's tokens keeps its own vocabulary, with the teacher's roles, ends and templates.
    ///
    /// # Errors
    /// [`TokenizerError::NoEndToken`] when this vocabulary lacks a token that the teacher's texts end with.
    pub fn taught_by(&self, teacher: &Self, rows: usize) -> Result<Self, TokenizerError> {
        if teacher.vocab_size() <= rows {
            let mut taught = teacher.clone();
            taught.settings = Arc::new(teacher.settings.with_length_of(&self.settings).learned());
            return Ok(taught);
        }
        for &end in &teacher.ends {
            if self.id_to_token(end) != teacher.id_to_token(end) {
                let token = teacher.id_to_token(end).unwrap_or_default();
                return Err(TokenizerError::NoEndToken { token, id: end, size: self.vocab_size() });
            }
        }
        let same = |id: &u32| self.id_to_token(*id) == teacher.id_to_token(*id);
        let mut taught = self.clone().with_ends(teacher.ends.clone());
        let Specials { bos, pad, unk, .. } = teacher.specials;
        taught.specials.bos = bos.filter(same);
        taught.specials.pad = pad.filter(same).or(self.specials.pad);
        taught.specials.unk = unk.filter(same).or(self.specials.unk);
        taught.templates.clone_from(&teacher.templates);
        taught.settings = Arc::new(self.settings.learned());
        Ok(taught)
    }

    fn failed(&self, reason: impl ToString) -> TokenizerError {
        TokenizerError::Failed { origin: self.origin.to_string(), reason: reason.to_string() }
    }
}
