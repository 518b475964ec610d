//! Text to ids, with one rule for texts made of pieces: the whole is encoded, and offsets say which piece a token belongs to.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Tokenizer, TokenizerError};

/// Tokens that a post-processor puts around a text.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
}

/// A token and the bytes of the text that it stands for; empty for tokens put around the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpan {
    /// The token.
    pub id: u32,
    /// Bytes of the text.
    pub bytes: Range<usize>,
}

/// The tokens of a text made of pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// The token ids of the whole.
    pub ids: Vec<u32>,
    /// For every token the piece that its last byte is in.
    pub piece: Vec<usize>,
    /// Tokens that hold text of more than one piece.
    pub spanning: usize,
}

impl Tokenizer {
    /// The token ids of `text`. With `add_special`, the tokens the model expects around a text (such as a begin-of-sequence token)
    /// are added, unless the text has them written out at that place. Special tokens written out in the text become their ids.
    /// Nothing is cut or filled up, whatever truncation and padding the file asks for.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownWord`] for a closed vocabulary, [`TokenizerError::Failed`].
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let ids = self.bare(text)?;
        Ok(if add_special { self.behind(self.before(ids)) } else { ids })
    }

    /// The token ids of a text that is to be continued: as [`Tokenizer::encode`] with special tokens, but without those that would
    /// end it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.before(self.bare(text)?))
    }

    /// As [`Tokenizer::encode`], with the bytes that every token stands for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_spans(&self, text: &str, add_special: bool) -> Result<Vec<TokenSpan>, TokenizerError> {
        let spans = self.spans(text)?;
        if !add_special {
            return Ok(spans);
        }
        let ids: Vec<u32> = spans.iter().map(|span| span.id).collect();
        // Tokens to be put around the text that are written out in it keep the bytes they are written in.
        let (written, ended) = (self.written_before(&ids), self.written_behind(&ids));
        let put = |ids: &[u32], at: usize| ids.iter().map(|&id| TokenSpan { id, bytes: at..at }).collect();
        let before: Vec<TokenSpan> = put(self.around.before.get(written..).unwrap_or_default(), 0);
        let after: Vec<TokenSpan> = put(self.around.after.get(ended..).unwrap_or_default(), text.len());
        let (first, rest) = spans.split_at(written);
        Ok([first, before.as_slice(), rest, after.as_slice()].concat())
    }

    /// The tokens of pieces of text that follow one another: those of the whole text, as [`Tokenizer::encode`] gives them. A token
    /// that holds text of two pieces belongs to the later one, and is counted. Words of a closed vocabulary end with their piece.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_pieces(&self, pieces: &[&str], add_special: bool) -> Result<Pieces, TokenizerError> {
        let last = pieces.len().saturating_sub(1);
        if self.closed {
            let mut all = Pieces::default();
            for (index, piece) in pieces.iter().enumerate() {
                let ids = self.encode(piece, add_special && index == 0)?;
                all.piece.extend(ids.iter().map(|_| index));
                all.ids.extend(ids);
            }
            return Ok(all);
        }
        let whole = pieces.concat();
        let mut ends = Vec::with_capacity(pieces.len());
        let mut end = 0;
        for piece in pieces {
            end += piece.len();
            ends.push(end);
        }
        let mut all = Pieces::default();
        for TokenSpan { id, bytes } in self.encode_spans(&whole, add_special)? {
            let at = bytes.end.saturating_sub(1).max(bytes.start);
            all.ids.push(id);
            all.piece.push(ends.partition_point(|&end| end <= at).min(last));
            all.spanning += usize::from(ends.iter().any(|&end| bytes.start < end && end < bytes.end));
        }
        Ok(all)
    }

    /// Whether ids end with a token that ends a text, white space behind it aside.
    #[must_use]
    pub fn is_ended(&self, ids: &[u32]) -> bool {
        for id in ids.iter().rev() {
            if self.ends.contains(id) {
                return true;
            }
            if !self.decode_all(&[*id]).is_ok_and(|text| text.trim().is_empty()) {
                return false;
            }
        }
        false
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
        guarded(|| self.inner.decode(ids, skip_special)).map_err(|reason| self.failed(reason))
    }

    /// Ids of the text alone.
    fn bare(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        if self.closed {
            return Ok(self.closed_spans(text)?.into_iter().map(|span| span.id).collect());
        }
        let encoding =
            guarded(|| self.inner.encode_fast(text, false)).map_err(|reason| self.failed(reason))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Ids of the text alone, with offsets.
    fn spans(&self, text: &str) -> Result<Vec<TokenSpan>, TokenizerError> {
        if self.closed {
            return self.closed_spans(text);
        }
        let encoding = guarded(|| self.inner.encode(text, false)).map_err(|reason| self.failed(reason))?;
        let spans = encoding.get_ids().iter().zip(encoding.get_offsets());
        Ok(spans.map(|(&id, &(start, end))| TokenSpan { id, bytes: start..end.max(start) }).collect())
    }

    fn before(&self, ids: Vec<u32>) -> Vec<u32> {
        let written = self.written_before(&ids);
        self.around.before.iter().copied().chain(ids.into_iter().skip(written)).collect()
    }

    fn behind(&self, mut ids: Vec<u32>) -> Vec<u32> {
        let written = self.written_behind(&ids);
        ids.extend(self.around.after.iter().skip(written));
        ids
    }

    /// How many of the tokens to be put before a text it begins with.
    fn written_before(&self, ids: &[u32]) -> usize {
        self.around.before.iter().zip(ids).take_while(|(a, b)| a == b).count()
    }

    /// How many of the tokens to be put behind a text it ends with. Where they end the text, an end before its last white space
    /// counts as well.
    fn written_behind(&self, ids: &[u32]) -> usize {
        let after = &self.around.after;
        if after.iter().all(|id| self.ends.contains(id)) && self.is_ended(ids) {
            return after.len();
        }
        (1..=after.len()).rev().find(|&count| ids.ends_with(&after[..count])).unwrap_or(0)
    }
}

/// Runs a call into the tokenizer library. Some files that it accepts make it panic on a text; that is an error of the file.
pub(super) fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let said = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            Err(format!("the tokenizer cannot be used as it is written: {said}"))
        }
    }
}
