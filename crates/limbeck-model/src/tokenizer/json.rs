//! Tokenizers from Hugging Face files.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Specials, Tokenizer, TokenizerError};

impl Tokenizer {
    /// Reads a `tokenizer.json`, and beside it, when there, `tokenizer_config.json`, `chat_template.jinja` and `config.json` for
    /// special tokens and chat template.
    ///
    /// # Errors
    /// [`TokenizerError::Io`], [`TokenizerError::Invalid`].
    pub fn from_json_file(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = read(path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let config = read_optional_json(&folder.join("tokenizer_config.json"))?;
        let model = read_optional_json(&folder.join("config.json"))?;
        let jinja = folder.join("chat_template.jinja");
        let template = if jinja.is_file() {
            Some(String::from_utf8_lossy(&read(&jinja)?).into_owned())
        } else {
            template_of(&config)
        };
        let tokenizer = Self::from_json_bytes(&bytes, &path.display().to_string())?;
        let id = |role: &str| {
            let token = config.get(format!("{role}_token"));
            let content = token.and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()));
            content
                .and_then(|content| tokenizer.token_to_id(content))
                .or_else(|| model_id(&model, role).filter(|id| tokenizer.id_to_token(*id).is_some()))
        };
        let specials = Specials { bos: id("bos"), eos: id("eos"), pad: id("pad") };
        Ok(Self { specials, chat_template: template, ..tokenizer })
    }

    /// Reads the tokenizer of a Hugging Face folder.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json_file`].
    pub fn from_folder(folder: &Path) -> Result<Self, TokenizerError> {
        Self::from_json_file(&folder.join("tokenizer.json"))
    }

    /// Builds a tokenizer from the bytes of a `tokenizer.json`; `origin` names it in messages.
    ///
    /// # Errors
    /// [`TokenizerError::Invalid`].
    pub fn from_json_bytes(bytes: &[u8], origin: &str) -> Result<Self, TokenizerError> {
        let invalid = |reason: String| TokenizerError::Invalid { origin: origin.to_owned(), reason };
        // Parsed twice: the first time to see plain mistakes as such and to keep out what the library takes on trust.
        let value: Json = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        check(&value).map_err(invalid)?;
        let inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| invalid(error.to_string()))?;
        let closed = is_closed(&value);
        Ok(Self::new(inner, closed, Specials::default(), None))
    }

    /// A `tokenizer_config.json` for [`Tokenizer::to_tokenizer_json`]'s content.
    #[must_use]
    pub fn to_tokenizer_config(&self, max_length: Option<u64>) -> Json {
        let mut config =
            json!({ "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false });
        for (role, id) in [("bos", self.bos()), ("eos", self.eos()), ("pad", self.pad())] {
            if let Some(token) = id.and_then(|id| self.id_to_token(id)) {
                config[format!("{role}_token")] = token.into();
            }
        }
        if let Some(length) = max_length {
            config["model_max_length"] = length.into();
        }
        if let Some(template) = self.chat_template() {
            config["chat_template"] = template.into();
        }
        config
    }
}

/// Ids within range and few enough to be true.
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
    check_templates(value.get("post_processor").unwrap_or(&Json::Null), limit)
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

/// `{role}_token_id` of a config.json: a number or the first of a list.
fn model_id(config: &Json, role: &str) -> Option<u32> {
    let value = config.get(format!("{role}_token_id"))?;
    let value = value.as_array().map_or(Some(value), |list| list.first())?;
    u32::try_from(value.as_u64()?).ok()
}

/// `chat_template`: a text, or a list of named ones of which `default` counts.
fn template_of(config: &Json) -> Option<String> {
    let value = config.get("chat_template")?;
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let named =
        value.as_array()?.iter().find(|item| item.get("name").and_then(Json::as_str) == Some("default"))?;
    named.get("template").and_then(Json::as_str).map(str::to_owned)
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    std::fs::read(path).map_err(|source| TokenizerError::Io { path: path.to_path_buf(), source })
}

fn read_optional_json(path: &Path) -> Result<Json, TokenizerError> {
    if !path.is_file() {
        return Ok(Json::Null);
    }
    serde_json::from_slice(&read(path)?).map_err(|error| TokenizerError::Invalid {
        origin: path.display().to_string(),
        reason: error.to_string(),
    })
}
