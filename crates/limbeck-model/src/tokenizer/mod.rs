//! Tokenizers: from `tokenizer.json`, from a GGUF file, or over a closed list of words.

mod closed;
mod compare;
mod error;
mod from_gguf;
mod json;
mod pre;
mod to_gguf;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub use closed::ClosedSpecials;
pub use compare::Compatibility;
pub use error::TokenizerError;

use crate::weights::gguf::Value;

/// Text to token ids and back. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    /// Whether unknown words are errors and text is split at white space.
    closed: bool,
    size: usize,
    specials: Specials,
    chat_template: Option<String>,
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
}

impl Tokenizer {
    fn new(
        inner: tokenizers::Tokenizer,
        closed: bool,
        specials: Specials,
        chat_template: Option<String>,
    ) -> Self {
        let largest = inner.get_vocab(true).into_values().max();
        Self {
            inner: Arc::new(inner),
            closed,
            size: largest.map_or(0, |id| id as usize + 1),
            specials,
            chat_template,
            gguf: None,
            canonical: Arc::default(),
        }
    }

    /// The token ids of `text`. With `add_special`, the tokens the model expects around a text (such as a begin-of-sequence token)
    /// are added. Special tokens written out in the text become their ids.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownWord`] for a closed vocabulary, [`TokenizerError::Failed`].
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        if self.closed {
            return self.encode_closed(text, add_special);
        }
        let encoding = self.inner.encode_fast(text, add_special).map_err(failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`, special tokens left out.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`], [`TokenizerError::Failed`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.decode_with(ids, true)
    }

    /// The text of `ids`, special tokens written out.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_all(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.decode_with(ids, false)
    }

    fn decode_with(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        if let Some(&id) = ids.iter().find(|&&id| self.id_to_token(id).is_none()) {
            return Err(TokenizerError::UnknownId { id, size: self.size });
        }
        self.inner.decode(ids, skip_special).map_err(failed)
    }

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

    /// The end-of-sequence token.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.specials.eos
    }

    /// The padding token.
    #[must_use]
    pub fn pad(&self) -> Option<u32> {
        self.specials.pad
    }

    /// Forgets special tokens that a model with `rows` rows of embedding cannot take, and says so in a sentence each.
    pub(crate) fn drop_ids_beyond(&mut self, rows: usize) -> Vec<String> {
        let mut dropped = Vec::new();
        let Specials { bos, eos, pad } = &mut self.specials;
        for (role, id) in [("bos", bos), ("eos", eos), ("pad", pad)] {
            if let Some(beyond) = id.take_if(|id| *id as usize >= rows) {
                dropped.push(format!(
                    "the {role} token {beyond} has no row in the embedding of {rows}; there is no {role} token"
                ));
            }
        }
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
        self.chat_template.as_deref()
    }

    /// The same tokenizer with another chat template.
    #[must_use]
    pub fn with_chat_template(mut self, template: impl Into<String>) -> Self {
        self.chat_template = Some(template.into());
        self
    }

    /// The content of a `tokenizer.json` that gives the same ids.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub fn to_tokenizer_json(&self) -> Result<String, TokenizerError> {
        self.inner.to_string(true).map_err(failed)
    }
}

fn failed(error: impl ToString) -> TokenizerError {
    TokenizerError::Failed { reason: error.to_string() }
}
