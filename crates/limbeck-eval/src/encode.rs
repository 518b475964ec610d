//! What a task needs of a tokenizer.

use limbeck_model::{ModelError, Tokenizer};

use crate::EvalError;

/// Turns text into token ids and back. Any tokenizer will do; tests bring small ones.
pub trait Encode {
    /// Ids of `text` alone, without special tokens.
    ///
    /// # Errors
    /// What the tokenizer says of text that it cannot write.
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, EvalError>;
    /// Text of `ids`.
    ///
    /// # Errors
    /// What the tokenizer says of ids that it does not know.
    fn decode_ids(&self, ids: &[u32]) -> Result<String, EvalError>;
    /// Special tokens put before every text (a beginning-of-sequence token), empty where there are none.
    ///
    /// # Errors
    /// As [`Encode::encode_text`].
    fn leading(&self) -> Result<Vec<u32>, EvalError>;
}

impl Encode for Tokenizer {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, EvalError> {
        Ok(self.encode(text, false).map_err(ModelError::from)?)
    }

    fn decode_ids(&self, ids: &[u32]) -> Result<String, EvalError> {
        Ok(self.decode(ids).map_err(ModelError::from)?)
    }

    fn leading(&self) -> Result<Vec<u32>, EvalError> {
        // What the tokenizer's own template puts before a text; what it puts after (an end token) is not ours.
        let bare = self.encode("in", false).map_err(ModelError::from)?;
        let whole = self.encode("in", true).map_err(ModelError::from)?;
        let extra = whole.len().saturating_sub(bare.len());
        Ok((0..=extra)
            .find(|&at| whole.get(at..at + bare.len()) == Some(&bare[..]))
            .map(|at| whole[..at].to_vec())
            .unwrap_or_default())
    }
}
