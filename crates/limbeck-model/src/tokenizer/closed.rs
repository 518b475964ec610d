//! Closed vocabularies: one token a word, for synthetic tasks.

use serde_json::json;

use super::{Specials, TokenSpan, Tokenizer, TokenizerError};

/// Words with a role in a closed vocabulary. They are added in front of the others when they are not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClosedSpecials {
    /// Put before a text when special tokens are asked for.
    pub bos: Option<String>,
    /// Ends a text.
    pub eos: Option<String>,
    /// Fills a batch.
    pub pad: Option<String>,
}

/// The word that stands for unknown ones in the file format; never in the vocabulary, so that they are errors.
const NO_WORD: &str = "<unk>";

impl Tokenizer {
    /// A tokenizer over the given words, ids in their order, special words first. Text is split at white space, and decoding puts
    /// one space between words.
    ///
    /// # Errors
    /// [`TokenizerError::BadWord`] for an empty word, one with white space in it, or `<unk>`;
    /// [`TokenizerError::DuplicateToken`].
    pub fn closed(words: &[String], specials: &ClosedSpecials) -> Result<Self, TokenizerError> {
        let roles = [&specials.pad, &specials.bos, &specials.eos];
        let mut all: Vec<&str> = Vec::with_capacity(words.len() + 3);
        for word in roles.into_iter().flatten() {
            if !all.contains(&word.as_str()) && !words.contains(word) {
                all.push(word);
            }
        }
        all.extend(words.iter().map(String::as_str));
        let mut vocab = serde_json::Map::new();
        for (id, word) in all.iter().enumerate() {
            let reason = match *word {
                "" => Some("it is empty"),
                NO_WORD => Some("the name is taken for unknown words"),
                _ if word.chars().any(char::is_whitespace) => Some("it contains white space"),
                _ => None,
            };
            if let Some(reason) = reason {
                return Err(TokenizerError::BadWord { word: (*word).to_owned(), reason });
            }
            if let Some(first) = vocab.insert((*word).to_owned(), id.into()) {
                return Err(TokenizerError::DuplicateToken {
                    origin: "closed vocabulary".to_owned(),
                    token: (*word).to_owned(),
                    first: first.as_u64().unwrap_or(0) as usize,
                    second: id,
                });
            }
        }
        let id = |word: &Option<String>| Some(vocab.get(word.as_ref()?)?.as_u64()? as u32);
        let ids =
            Specials { bos: id(&specials.bos), eos: id(&specials.eos), pad: id(&specials.pad), unk: None };
        let mut added: Vec<(u32, &String)> =
            [(ids.pad, &specials.pad), (ids.bos, &specials.bos), (ids.eos, &specials.eos)]
                .into_iter()
                .filter_map(|(id, word)| Some((id?, word.as_ref()?)))
                .collect();
        added.sort_unstable();
        added.dedup();
        let added: Vec<_> = added.into_iter().map(|(id, word)| added_token(id, word, true)).collect();
        let post = specials
            .bos
            .as_ref()
            .zip(ids.bos)
            .map_or(serde_json::Value::Null, |(word, id)| surround(Some((word, id)), None));
        let json = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
            "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": post, "decoder": null,
            "model": { "type": "WordLevel", "vocab": vocab, "unk_token": NO_WORD },
        });
        let tokenizer = Self::from_json_bytes(json.to_string().as_bytes(), "closed vocabulary")?;
        let ends = ids.eos.into_iter().collect();
        Ok(Self { specials: ids, ends, ..tokenizer })
    }

    pub(super) fn closed_spans(&self, text: &str) -> Result<Vec<TokenSpan>, TokenizerError> {
        let words = text.split_whitespace().enumerate();
        words
            .map(|(index, word)| {
                let start = word.as_ptr() as usize - text.as_ptr() as usize;
                match self.token_to_id(word) {
                    Some(id) => Ok(TokenSpan { id, bytes: start..start + word.len() }),
                    None => Err(TokenizerError::UnknownWord {
                        word: word.to_owned(),
                        position: index + 1,
                        size: self.vocab_size(),
                    }),
                }
            })
            .collect()
    }
}

/// An entry of `added_tokens`.
pub(super) fn added_token(id: u32, content: &str, special: bool) -> serde_json::Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": special,
    })
}

/// A post-processor that puts tokens around a text.
pub(super) fn surround(before: Option<(&String, u32)>, after: Option<(&String, u32)>) -> serde_json::Value {
    let special = |token: &String, part: u8| json!({ "SpecialToken": { "id": token, "type_id": part } });
    let around = |name: &str, part: u8| {
        let mut items = Vec::new();
        items.extend(before.map(|(token, _)| special(token, part)));
        items.push(json!({ "Sequence": { "id": name, "type_id": part } }));
        items.extend(after.map(|(token, _)| special(token, part)));
        items
    };
    let mut tokens = serde_json::Map::new();
    for (token, id) in before.into_iter().chain(after) {
        tokens.insert(token.clone(), json!({ "id": token, "ids": [id], "tokens": [token] }));
    }
    let pair: Vec<_> = around("A", 0).into_iter().chain(around("B", 1)).collect();
    json!({ "type": "TemplateProcessing", "single": around("A", 0), "pair": pair, "special_tokens": tokens })
}
