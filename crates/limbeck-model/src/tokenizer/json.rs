//! Tokenizers from the bytes of a `tokenizer.json`.

use std::sync::Arc;

use serde_json::Value as Json;
use tokenizers::models::ModelWrapper;
use tokenizers::{Encoding, PostProcessor, Token};

use super::encode::{Around, guarded};
use super::{Settings, Specials, Tokenizer, TokenizerError};

/// What a `tokenizer.json` says and this program does not do by it: kept to be written out again.
#[derive(Debug, Default)]
pub(super) struct Kept {
    truncation: Json,
    padding: Json,
    post_processor: Json,
    dropout: Json,
}

impl Kept {
    /// The token that settings of padding name.
    pub(super) fn pad_token(&self) -> Option<&str> {
        self.padding.get("pad_token").and_then(Json::as_str)
    }

    /// Sentences about what is set aside.
    pub(super) fn notes(&self, origin: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(length) = self.truncation.get("max_length") {
            notes.push(format!(
                "{origin}: its truncation to {length} tokens is set aside: all tokens are used"
            ));
        }
        if !self.padding.is_null() {
            notes.push(format!("{origin}: its padding is set aside: no tokens are added"));
        }
        if self.dropout.as_f64().is_some_and(|share| share != 0.0) {
            notes.push(format!(
                "{origin}: its BPE dropout of {} is switched off: a text always has the same tokens",
                self.dropout
            ));
        }
        notes
    }
}

impl Tokenizer {
    /// Builds a tokenizer from the bytes of a `tokenizer.json`; `origin` names it in messages.
    ///
    /// Truncation and padding are never done and BPE dropout is switched off ([`Tokenizer::notes`] says so); they stand in
    /// [`Tokenizer::to_tokenizer_json`] as they were.
    ///
    /// # Errors
    /// [`TokenizerError::Invalid`].
    pub fn from_json_bytes(bytes: &[u8], origin: &str) -> Result<Self, TokenizerError> {
        let invalid = |reason: String| TokenizerError::Invalid { origin: origin.to_owned(), reason };
        // Parsed twice: the first time to see plain mistakes as such and to keep out what the library takes on trust.
        let value: Json = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        check(&value).map_err(invalid)?;
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(bytes)).map_err(invalid)?;
        let around = around(&inner).map_err(invalid)?;
        let part = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
        let kept = Kept {
            truncation: part("/truncation"),
            padding: part("/padding"),
            post_processor: part("/post_processor"),
            dropout: part("/model/dropout"),
        };
        guarded(|| inner.with_truncation(None).map(|_| ())).map_err(invalid)?;
        inner.with_padding(None);
        // Post-processors also trim white space off the offsets; the tokens they add are put around texts by `encode`.
        inner.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        if !kept.dropout.is_null()
            && let ModelWrapper::BPE(model) = inner.get_model()
        {
            let mut model = model.clone();
            model.dropout = None;
            inner.with_model(model);
        }
        let closed = is_closed(&value);
        Ok(Self::new(inner, origin, closed, around, kept))
    }

    fn new(inner: tokenizers::Tokenizer, origin: &str, closed: bool, around: Around, kept: Kept) -> Self {
        let largest = inner.get_vocab(true).into_values().max();
        Self {
            inner: Arc::new(inner),
            origin: origin.into(),
            closed,
            size: largest.map_or(0, |id| id as usize + 1),
            around: Arc::new(around),
            kept: Arc::new(kept),
            specials: Specials::default(),
            ends: Vec::new(),
            templates: std::collections::BTreeMap::new(),
            settings: Arc::new(Settings::default()),
            gguf: None,
            canonical: Arc::default(),
        }
    }

    /// The content of a `tokenizer.json` that gives the same ids, with truncation, padding and dropout as they were read.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub fn to_tokenizer_json(&self) -> Result<String, TokenizerError> {
        let mut value = serde_json::to_value(&*self.inner).map_err(|error| self.failed(error))?;
        let Kept { truncation, padding, post_processor, dropout } = &*self.kept;
        for (name, part) in
            [("truncation", truncation), ("padding", padding), ("post_processor", post_processor)]
        {
            value[name] = part.clone();
        }
        if let Some(model) = value.get_mut("model").filter(|_| !dropout.is_null()) {
            model["dropout"] = dropout.clone();
        }
        serde_json::to_string_pretty(&value).map_err(|error| self.failed(error))
    }
}

/// The tokens a post-processor puts before and behind a text.
fn around(inner: &tokenizers::Tokenizer) -> Result<Around, String> {
    const TEXT: u32 = u32::MAX;
    let Some(processor) = inner.get_post_processor() else {
        return Ok(Around::default());
    };
    let text = Encoding::from_tokens(vec![Token::new(TEXT, "x".to_owned(), (0, 1))], 0);
    let ids = guarded(|| processor.process(text, None, true))?.get_ids().to_vec();
    let mut parts = ids.split(|&id| id == TEXT);
    let (Some(before), Some(after), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err("post_processor does not give a text back once".to_owned());
    };
    if let Some(id) = before.iter().chain(after).find(|&&id| inner.id_to_token(id).is_none()) {
        return Err(format!("post_processor adds the token {id}, which the vocabulary does not have"));
    }
    Ok(Around { before: before.to_vec(), after: after.to_vec() })
}

/// Ids within range and few enough to be true; no rule that lets a text grow without end.
fn check(value: &Json) -> Result<(), String> {
    let vocab = value.pointer("/model/vocab").ok_or("model.vocab is missing")?;
    let size = vocab.as_object().map(serde_json::Map::len).or_else(|| vocab.as_array().map(Vec::len));
    let size = size.ok_or("model.vocab is neither an object nor a list")?;
    let added = match value.get("added_tokens") {
        None | Some(Json::Null) => &[][..],
        Some(Json::Array(tokens)) => tokens,
        Some(_) => return Err("added_tokens is not a list".to_owned()),
    };
    // Real vocabularies have few gaps; an id far beyond their size would make every table by id huge.
    let limit = 2 * (size + added.len()) as u64 + 65_536;
    let ids = vocab.as_object().into_iter().flat_map(serde_json::Map::values);
    for id in ids.chain(added.iter().filter_map(|token| token.get("id"))) {
        if id.as_u64().is_none_or(|id| id > limit) {
            return Err(format!("{id} is not a token id for a vocabulary of {size}"));
        }
    }
    for part in ["normalizer", "pre_tokenizer", "decoder"] {
        let growth = growth(value.get(part).unwrap_or(&Json::Null));
        if growth > MOST_GROWTH {
            return Err(format!(
                "{part} makes a text up to {growth:.0} times as long; at most {MOST_GROWTH} is taken"
            ));
        }
    }
    check_added(added.iter().filter_map(|token| token.get("content")?.as_str()))?;
    check_templates(value.get("post_processor").unwrap_or(&Json::Null), limit)
}

/// Most bytes of an added token. Real ones have up to a few dozen.
const LONGEST_ADDED: usize = 1024;
/// Most that the squares of the lengths of the added tokens may come to: the library's search for them is built in a time that
/// grows so. Six thousand tokens of fifty bytes stay below.
const MOST_ADDED: u64 = 1 << 24;

/// Refuses added tokens, by their contents, that would take long to be made ready.
pub(super) fn check_added<'a>(contents: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut sum = 0;
    for content in contents {
        let length = content.len();
        if length > LONGEST_ADDED {
            let name = limbeck_data::text::name(content);
            return Err(format!(
                "the added token \"{name}\" has {length} bytes; at most {LONGEST_ADDED} are taken"
            ));
        }
        sum += (length as u64).pow(2);
    }
    match sum > MOST_ADDED {
        true => Err(format!(
            "the squares of the added tokens' lengths come to {sum}; at most {MOST_ADDED} is taken"
        )),
        false => Ok(()),
    }
}

/// How many times as long a text may become by the rules of normalizers and decoders. Real ones replace a space by three bytes.
const MOST_GROWTH: f64 = 64.0;

/// How many times as long a text of one byte can become by a rule, or by a list of them one after the other.
fn growth(rule: &Json) -> f64 {
    let text = |name: &str| rule.get(name).and_then(Json::as_str).map_or(0.0, |text| text.len() as f64);
    let of = |name: &str| rule.get(name).and_then(Json::as_array).into_iter().flatten().map(growth);
    let inner: f64 =
        ["normalizers", "pretokenizers", "decoders"].into_iter().flat_map(of).product::<f64>().max(1.0);
    let pattern =
        rule.pointer("/pattern/String").and_then(Json::as_str).map_or(1.0, |text| text.len() as f64);
    // What is put before a text once does not grow with it.
    let once = text("prepend") / 1024.0;
    inner * (text("content") / pattern.max(1.0)).max(1.0) * once.max(1.0)
}

/// Every special token a post-processor's template names must be defined, with ids in range: the library looks them up unchecked.
fn check_templates(processor: &Json, limit: u64) -> Result<(), String> {
    for inner in processor.get("processors").and_then(Json::as_array).into_iter().flatten() {
        check_templates(inner, limit)?;
    }
    let pieces = ["single", "pair"].into_iter().filter_map(|part| processor.get(part)?.as_array()).flatten();
    let defined = processor.get("special_tokens");
    for name in pieces.filter_map(|piece| piece.pointer("/SpecialToken/id")) {
        let token = name.as_str().and_then(|name| defined?.get(name));
        let ids = token.and_then(|token| token.get("ids")).and_then(Json::as_array);
        let in_range = |ids: &Vec<Json>| ids.iter().all(|id| id.as_u64().is_some_and(|id| id <= limit));
        if !ids.is_some_and(in_range) {
            return Err(format!("post_processor names {name}, which its special_tokens do not define"));
        }
    }
    Ok(())
}

/// A word-level model split at white space whose unknown word is not a word: every unknown word is an error.
fn is_closed(value: &Json) -> bool {
    let text = |pointer: &str| value.pointer(pointer).and_then(Json::as_str);
    let unknown = text("/model/unk_token").unwrap_or_default();
    text("/model/type") == Some("WordLevel")
        && text("/pre_tokenizer/type") == Some("WhitespaceSplit")
        && value.pointer("/model/vocab").and_then(|vocab| vocab.get(unknown)).is_none()
}
