//! A tokenizer as GGUF metadata.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::from_gguf::{CONTROL, NORMAL, UNUSED, USER_DEFINED};
use super::pre::PreTokenizer;
use super::{DEFAULT, Tokenizer, TokenizerError};
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
        self.put_ends_and_templates(&mut metadata)?;
        fill(&mut metadata, vocab)?;
        Ok(metadata)
    }

    /// End tokens and chat templates as they are today, over those of a file that the tokenizer was read from.
    fn put_ends_and_templates(&self, metadata: &mut BTreeMap<String, Value>) -> Result<(), TokenizerError> {
        const ENDS: [&str; 3] = ["eos", "eot", "eom"];
        if self.ends().len() > ENDS.len() {
            let reason = format!("it has {} end tokens, GGUF has keys for {}", self.ends().len(), ENDS.len());
            return Err(TokenizerError::NoGgufForm { reason });
        }
        let key = |name: &str| format!("tokenizer.ggml.{name}_token_id");
        let stored: Vec<u64> = ENDS.iter().filter_map(|name| metadata.get(&key(name))?.as_u64()).collect();
        let today = |id: &u64| self.ends().iter().any(|end| u64::from(*end) == *id);
        let complete = self.ends().iter().all(|end| stored.contains(&u64::from(*end)));
        let first = stored.first().copied() == self.eos().map(u64::from);
        if !(first && complete && stored.iter().all(today)) {
            for (at, name) in ENDS.into_iter().enumerate() {
                match self.ends().get(at) {
                    Some(&end) => metadata.insert(key(name), Value::U32(end)),
                    None => metadata.remove(&key(name)),
                };
            }
        }
        metadata.retain(|key, _| !key.starts_with("tokenizer.chat_template"));
        for (name, template) in &self.templates {
            let key = match name.as_str() {
                DEFAULT => "tokenizer.chat_template".to_owned(),
                name => format!("tokenizer.chat_template.{name}"),
            };
            metadata.insert(key, Value::String(template.clone()));
        }
        let named: Vec<String> = self.templates.keys().filter(|name| *name != DEFAULT).cloned().collect();
        if !named.is_empty() {
            metadata.insert("tokenizer.chat_templates".to_owned(), Value::Array(Array::String(named)));
        }
        Ok(())
    }

    fn byte_level_metadata(&self) -> Result<BTreeMap<String, Value>, TokenizerError> {
        let json = serde_json::to_value(&*self.inner).map_err(|error| self.failed(error))?;
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
        let normalizer = json.get("normalizer").unwrap_or(&Json::Null);
        if !normalizer.is_null() && *normalizer != rule.normalizer() {
            return Err(no_form(&format!("{} does not go with its normalizer {normalizer}", rule.name())));
        }
        let flag =
            |name: &str| json.pointer("/model").and_then(|model| model.get(name)).and_then(Json::as_bool);
        if flag("ignore_merges").unwrap_or(false) != rule.ignores_merges()
            || flag("byte_fallback") == Some(true)
        {
            return Err(no_form(&format!(
                "{} does not go with its ignore_merges or byte_fallback",
                rule.name()
            )));
        }
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
        let of_model = json.pointer("/model/unk_token").and_then(Json::as_str);
        let unknown = self.unk().or_else(|| of_model.and_then(|token| self.token_to_id(token)));
        for (name, id) in [("bos", self.bos()), ("padding", self.pad()), ("unknown", unknown)] {
            if let Some(id) = id {
                put(&format!("{name}_token_id"), Value::U32(id));
            }
        }
        for (tokens, role) in [(&self.around.before, self.bos()), (&self.around.after, self.eos())] {
            if !tokens.is_empty() && Some(tokens.as_slice()) != role.as_ref().map(std::slice::from_ref) {
                let ids = format!("{tokens:?}");
                return Err(no_form(&format!(
                    "it puts the tokens {ids} around a text, GGUF only knows bos and eos"
                )));
            }
        }
        put("add_bos_token", Value::Bool(!self.around.before.is_empty()));
        put("add_eos_token", Value::Bool(!self.around.after.is_empty()));
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
