//! A tokenizer as GGUF metadata.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::from_gguf::{CONTROL, NORMAL, UNUSED, USER_DEFINED};
use super::pre::PreTokenizer;
use super::{Tokenizer, TokenizerError};
use crate::weights::gguf::{Array, Value};

impl Tokenizer {
    /// The `tokenizer.*` keys of a GGUF file for a model with `vocab` rows of embedding; missing tokens are filled up with unused
    /// ones named `[PADn]`. A tokenizer that came from a GGUF file gives back the keys it was read from.
    ///
    /// # Errors
    /// [`TokenizerError::NoGgufForm`] for closed vocabularies, models that are no byte-level BPE, and embeddings smaller than the
    /// vocabulary; [`TokenizerError::UnknownPreTokenizer`].
    pub fn gguf_metadata(&self, vocab: usize) -> Result<BTreeMap<String, Value>, TokenizerError> {
        let mut metadata = match &self.gguf {
            Some(kept) => (**kept).clone(),
            None => self.byte_level_metadata()?,
        };
        if let Some(template) = self.chat_template() {
            metadata.insert("tokenizer.chat_template".into(), Value::String(template.to_owned()));
        }
        fill(&mut metadata, vocab)?;
        Ok(metadata)
    }

    fn byte_level_metadata(&self) -> Result<BTreeMap<String, Value>, TokenizerError> {
        let json: Json = serde_json::from_str(&self.inner.to_string(false).map_err(super::failed)?)
            .map_err(super::failed)?;
        let no_form = |reason: &str| TokenizerError::NoGgufForm { reason: reason.to_owned() };
        let kind = json.pointer("/model/type").and_then(Json::as_str).unwrap_or_default();
        if kind != "BPE" || json.pointer("/decoder/type").and_then(Json::as_str) != Some("ByteLevel") {
            return Err(no_form(&format!("its model is {kind}, only byte-level BPE has one")));
        }
        let pre = json.get("pre_tokenizer").unwrap_or(&Json::Null);
        let rule = PreTokenizer::from_json(pre).ok_or_else(|| TokenizerError::UnknownPreTokenizer {
            origin: "tokenizer.json".to_owned(),
            found: pre.to_string(),
            known: PreTokenizer::names(),
        })?;
        let (tokens, kinds) = self.tokens_and_kinds(&json);
        let merges = json
            .pointer("/model/merges")
            .and_then(Json::as_array)
            .ok_or_else(|| no_form("it has no merges"))?;
        let merges: Option<Vec<String>> = merges.iter().map(joined).collect();
        let merges = merges.ok_or_else(|| no_form("its merges are no pairs"))?;

        let mut metadata = BTreeMap::new();
        let mut put = |name: &str, value: Value| metadata.insert(format!("tokenizer.ggml.{name}"), value);
        put("model", Value::String("gpt2".to_owned()));
        put("pre", Value::String(rule.name().to_owned()));
        put("tokens", Value::Array(Array::String(tokens)));
        put("token_type", Value::Array(Array::I32(kinds)));
        put("merges", Value::Array(Array::String(merges)));
        let unknown =
            json.pointer("/model/unk_token").and_then(Json::as_str).and_then(|token| self.token_to_id(token));
        for (name, id) in
            [("bos", self.bos()), ("eos", self.eos()), ("padding", self.pad()), ("unknown", unknown)]
        {
            if let Some(id) = id {
                put(&format!("{name}_token_id"), Value::U32(id));
            }
        }
        let with = self.encode("a", true)?;
        put("add_bos_token", Value::Bool(self.bos().is_some() && with.first().copied() == self.bos()));
        put("add_eos_token", Value::Bool(self.eos().is_some() && with.last().copied() == self.eos()));
        put("add_space_prefix", Value::Bool(false));
        Ok(metadata)
    }

    fn tokens_and_kinds(&self, json: &Json) -> (Vec<String>, Vec<i32>) {
        let mut kinds = vec![NORMAL; self.vocab_size()];
        for added in json.get("added_tokens").and_then(Json::as_array).into_iter().flatten() {
            let id = added.get("id").and_then(Json::as_u64).and_then(|id| usize::try_from(id).ok());
            let special = added.get("special").and_then(Json::as_bool).unwrap_or(false);
            if let Some(kind) = id.and_then(|id| kinds.get_mut(id)) {
                *kind = if special { CONTROL } else { USER_DEFINED };
            }
        }
        let tokens = (0..self.vocab_size()).map(|id| {
            self.id_to_token(id as u32).unwrap_or_else(|| {
                kinds[id] = UNUSED;
                format!("[PAD{id}]")
            })
        });
        (tokens.collect(), kinds)
    }
}

/// A merge as "left right".
fn joined(merge: &Json) -> Option<String> {
    if let Some(text) = merge.as_str() {
        return Some(text.to_owned());
    }
    let pair = merge.as_array()?;
    Some(format!("{} {}", pair.first()?.as_str()?, pair.get(1)?.as_str()?))
}

/// Brings the lists by token to `vocab` items.
fn fill(metadata: &mut BTreeMap<String, Value>, vocab: usize) -> Result<(), TokenizerError> {
    let Some(Value::Array(Array::String(tokens))) = metadata.get_mut("tokenizer.ggml.tokens") else {
        return Err(TokenizerError::NoGgufForm { reason: "tokenizer.ggml.tokens is missing".to_owned() });
    };
    let had = tokens.len();
    if had > vocab {
        return Err(TokenizerError::NoGgufForm {
            reason: format!("it has {had} tokens, the embedding {vocab} rows"),
        });
    }
    tokens.extend((had..vocab).map(|id| format!("[PAD{id}]")));
    match metadata.get_mut("tokenizer.ggml.token_type") {
        Some(Value::Array(Array::I32(kinds))) => kinds.resize(vocab, UNUSED),
        Some(Value::Array(Array::U32(kinds))) => kinds.resize(vocab, UNUSED.cast_unsigned()),
        _ => {}
    }
    if let Some(Value::Array(Array::F32(scores))) = metadata.get_mut("tokenizer.ggml.scores") {
        scores.resize(vocab, -10_000.0);
    }
    Ok(())
}
