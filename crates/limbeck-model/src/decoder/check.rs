//! Whether sequences fit a decoder: asked before a forward pass, which itself trusts its input.

use super::Decoder;
use crate::error::ModelError;

impl Decoder {
    /// Refuses sequences with tokens outside the vocabulary, empty ones, and ones longer than
    /// `max_positions`.
    pub fn check<R: AsRef<[u32]>>(&self, rows: &[R]) -> Result<(), ModelError> {
        let most = self.config.max_positions;
        let vocab_size = self.config.vocab_size;
        for (row, ids) in rows.iter().enumerate() {
            let ids = ids.as_ref();
            if ids.is_empty() || ids.len() > most {
                let found = ids.len();
                return Err(ModelError::Length { row, found, most });
            }
            if let Some(position) = ids.iter().position(|&id| id as usize >= vocab_size) {
                let id = ids[position];
                return Err(ModelError::Token { id, row, position, vocab_size });
            }
        }
        Ok(())
    }
}
