//! The files beside a `tokenizer.json`: tokens that only they name, roles, end tokens, chat templates and settings.
//!
//! Read as transformers 5 reads them: `added_tokens_decoder` of `tokenizer_config.json`, or else `special_tokens_map.json` (whose
//! values come before those of `tokenizer_config.json`) and `added_tokens.json`; then tokens with a role that are in no vocabulary.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tokenizers::AddedToken;

use super::encode::guarded;
use super::json::check_added;
use super::prefix;
use super::{DEFAULT, Settings, Specials, Tokenizer, TokenizerError};

/// Largest file of a tokenizer that is read. The largest published ones have about 40 MB.
const MOST_BYTES: u64 = 512 << 20;

/// What transformers is told of the tokenizer.
const CONFIG: &str = "tokenizer_config.json";

/// What generation is told.
const GENERATION: &str = "generation_config.json";

/// Roles that transformers knows by name.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl Tokenizer {
    /// Reads a `tokenizer.json`, and what there is beside it of `tokenizer_config.json`, `special_tokens_map.json`,
    /// `added_tokens.json`, `chat_template.jinja`, `additional_chat_templates`, `config.json` and `generation_config.json`: further
    /// tokens, tokens with a role, end tokens, chat templates and settings.
    ///
    /// # Errors
    /// [`TokenizerError::Io`], [`TokenizerError::TooLarge`], [`TokenizerError::Invalid`], [`TokenizerError::TokenId`].
    pub fn from_json_file(path: &Path) -> Result<Self, TokenizerError> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let mut beside = Companions::read(folder)?;
        let bytes = prefix::as_stated(read(path)?, &beside.config);
        let mut tokenizer = Self::from_json_bytes(&bytes, &path.display().to_string())?;
        tokenizer.add(&beside)?;
        tokenizer.templates = std::mem::take(&mut beside.templates);
        let id = |role: &str| {
            let role_name = format!("{role}_token");
            let named = beside.named.iter().find(|(known, _)| *known == role_name);
            let named = named.and_then(|(_, token)| tokenizer.token_to_id(&token.content));
            let stated =
                || model_ids(&beside.model, role).into_iter().find(|&id| tokenizer.id_to_token(id).is_some());
            named.or_else(stated)
        };
        // Settings of padding name the token where no role does.
        let padding = || tokenizer.token_to_id(tokenizer.kept.pad_token()?);
        let specials =
            Specials { pad: id("pad").or_else(padding), bos: id("bos"), eos: id("eos"), unk: id("unk") };
        // Generation takes its end tokens from generation_config.json, and from config.json where that says nothing.
        let of_generation = model_ids(&beside.generation, "eos");
        let stated = if of_generation.is_empty() { model_ids(&beside.model, "eos") } else { of_generation };
        let mut ends: Vec<u32> = Vec::new();
        for id in specials.eos.into_iter().chain(stated) {
            if !ends.contains(&id) && tokenizer.id_to_token(id).is_some() {
                ends.push(id);
            }
        }
        tokenizer.specials = Specials { eos: ends.first().copied(), ..specials };
        tokenizer.ends = ends;
        tokenizer.settings = Arc::new(beside.settings());
        Ok(tokenizer)
    }

    /// Reads the tokenizer of a Hugging Face folder.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json_file`].
    pub fn from_folder(folder: &Path) -> Result<Self, TokenizerError> {
        Self::from_json_file(&folder.join("tokenizer.json"))
    }

    /// Adds the tokens that only the files beside name.
    fn add(&mut self, beside: &Companions) -> Result<(), TokenizerError> {
        let known = self.inner.get_added_tokens_decoder();
        let listed: Vec<&AddedToken> = known.values().collect();
        let mut tokens: Vec<AddedToken> = Vec::new();
        for Stated { token, .. } in &beside.tokens {
            if !listed.contains(&token) {
                tokens.push(token.clone());
            }
        }
        for token in beside.named.iter().map(|(_, token)| token).chain(&beside.extra) {
            let content = &token.content;
            let there = listed.iter().any(|listed| listed.content == *content)
                || tokens.iter().any(|added| added.content == *content);
            if !there && !content.is_empty() {
                tokens.push(token.clone());
            }
        }
        for token in &mut tokens {
            token.special |= beside.named.iter().any(|(_, named)| named.content == token.content);
        }
        let all = known.values().chain(&tokens).map(|token| token.content.as_str());
        check_added(all).map_err(|reason| invalid(&beside.folder, reason))?;
        if !tokens.is_empty() || beside.split_specials {
            let mut inner = (*self.inner).clone();
            let split = beside.split_specials;
            guarded(|| {
                inner.add_tokens(&tokens);
                inner.set_encode_special_tokens(split);
                Ok(())
            })
            .map_err(|reason| self.failed(reason))?;
            self.size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
            self.inner = Arc::new(inner);
        }
        for Stated { token, id, file } in &beside.tokens {
            match self.token_to_id(&token.content) {
                Some(found) if u64::from(found) != *id => {
                    let (path, token) = (beside.folder.join(file), token.content.clone());
                    return Err(TokenizerError::TokenId { path, token, stated: *id, found });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A token that a file gives an id.
struct Stated {
    token: AddedToken,
    id: u64,
    file: &'static str,
}

/// What stands beside a `tokenizer.json`.
struct Companions {
    folder: PathBuf,
    /// `tokenizer_config.json`, with what `special_tokens_map.json` says over it.
    config: Map<String, Json>,
    model: Json,
    generation: Json,
    tokens: Vec<Stated>,
    /// Tokens by role, as `eos_token`, in the order in which they are added.
    named: Vec<(String, AddedToken)>,
    /// Further special tokens.
    extra: Vec<AddedToken>,
    templates: BTreeMap<String, String>,
    /// Whether special tokens written out in a text are text.
    split_specials: bool,
}

impl Companions {
    fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let mut config = read_object(&folder.join(CONFIG))?;
        let mut tokens = Vec::new();
        if let Some(listed) = config.get("added_tokens_decoder") {
            let wrong = |reason: String| invalid(&folder.join(CONFIG), reason);
            let listed =
                listed.as_object().ok_or_else(|| wrong("added_tokens_decoder is not an object".into()))?;
            for (id, token) in listed {
                let number = id
                    .parse::<u64>()
                    .map_err(|_| wrong(format!("added_tokens_decoder: {id:?} is not a token id")))?;
                let token = added(token, false).ok_or_else(|| {
                    wrong(format!("added_tokens_decoder: {id} is not a token with a content"))
                })?;
                tokens.push(Stated { token, id: number, file: CONFIG });
            }
        } else {
            config.extend(read_object(&folder.join("special_tokens_map.json"))?);
        }
        let (named, extra) = roles(&config).map_err(|reason| invalid(&folder.join(CONFIG), reason))?;
        if !config.contains_key("added_tokens_decoder") {
            const ADDED: &str = "added_tokens.json";
            for (content, id) in read_object(&folder.join(ADDED))? {
                let Some(id) = id.as_u64() else {
                    return Err(invalid(&folder.join(ADDED), format!("{content:?} has {id} as its id")));
                };
                let special =
                    named.iter().map(|(_, token)| token).chain(&extra).any(|token| token.content == content);
                tokens.push(Stated { token: AddedToken::from(content, special), id, file: ADDED });
            }
        }
        tokens.sort_by_key(|token| token.id);
        let split_specials = config.get("split_special_tokens").and_then(Json::as_bool) == Some(true);
        let generation = read_object(&folder.join(GENERATION))?;
        check_ids(&generation).map_err(|reason| invalid(&folder.join(GENERATION), reason))?;
        Ok(Self {
            templates: templates(folder, &config)?,
            model: Json::Object(read_object(&folder.join("config.json"))?),
            generation: Json::Object(generation),
            folder: folder.to_path_buf(),
            config,
            tokens,
            named,
            extra,
            split_specials,
        })
    }

    fn settings(self) -> Settings {
        let named = self.named.into_iter().map(|(role, token)| (role, token.content)).collect();
        Settings::new(named, self.config, self.generation, &self.model, &self.folder)
    }
}

/// Tokens by role, those of transformers' roles first, and further special ones; or what is no token.
fn roles(config: &Map<String, Json>) -> Result<(Vec<(String, AddedToken)>, Vec<AddedToken>), String> {
    let token = |key: &str, value: &Json| {
        added(value, true).ok_or_else(|| {
            format!("{key} is {}; it should be a token: a text, or an object with `content`", brief(value))
        })
    };
    let mut named = Vec::new();
    for role in ROLES {
        if let Some(value) = config.get(role).filter(|value| !value.is_null()) {
            named.push((role.to_owned(), token(role, value)?));
        }
    }
    // A role of a model's own is any other key that ends so and names a token; `add_bos_token` and its kin are settings.
    let own = config.iter().filter(|(key, _)| !ROLES.contains(&key.as_str()) && key.ends_with("_token"));
    named.extend(own.filter_map(|(key, value)| Some((key.clone(), added(value, true)?))));
    let mut extra = Vec::new();
    for key in ["extra_special_tokens", "additional_special_tokens"] {
        match config.get(key).filter(|value| !is_empty(value)) {
            None => continue,
            Some(Json::Array(tokens)) => {
                for value in tokens {
                    extra.push(token(key, value)?);
                }
            }
            Some(Json::Object(tokens)) => {
                for (role, value) in tokens {
                    named.push((role.clone(), token(&format!("{key}.{role}"), value)?));
                }
            }
            Some(other) => return Err(format!("{key} is {}; it should be a list of tokens", brief(other))),
        }
        break;
    }
    Ok((named, extra))
}

/// A value as messages show it: its beginning.
fn brief(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(items) => items.is_empty(),
        _ => false,
    }
}

/// A token as files write it: its text, or an object with `content` and flags.
fn added(value: &Json, special: bool) -> Option<AddedToken> {
    if let Some(content) = value.as_str() {
        return Some(AddedToken::from(content, true));
    }
    let flag = |name: &str| value.get(name).and_then(Json::as_bool);
    let special = flag("special").unwrap_or(special);
    Some(
        AddedToken::from(value.get("content")?.as_str()?, special)
            .single_word(flag("single_word").unwrap_or(false))
            .lstrip(flag("lstrip").unwrap_or(false))
            .rstrip(flag("rstrip").unwrap_or(false))
            .normalized(flag("normalized").unwrap_or(!special)),
    )
}

/// Refuses ids that are none: what generation is told to end at may not be passed over. A padding of -1 means none.
fn check_ids(generation: &Map<String, Json>) -> Result<(), String> {
    for key in ["bos_token_id", "eos_token_id", "pad_token_id"] {
        let Some(value) = generation.get(key).filter(|value| !value.is_null()) else { continue };
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let absent = |id: &Json| key == "pad_token_id" && id.as_i64() == Some(-1);
        let is_id = |id: &Json| id.as_u64().is_some_and(|id| u32::try_from(id).is_ok()) || absent(id);
        if let Some(wrong) = items.iter().find(|id| !is_id(id)) {
            return Err(format!("`{key}` is {wrong}, expected the id of a token or a list of them"));
        }
    }
    Ok(())
}

/// `{role}_token_id` of a configuration: a number or a list of them.
fn model_ids(config: &Json, role: &str) -> Vec<u32> {
    let value = config.get(format!("{role}_token_id"));
    let items = match value {
        Some(Json::Array(items)) => items.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    items.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

/// Chat templates by name: files come before `chat_template` of the configuration, a text or a list of named ones.
fn templates(folder: &Path, config: &Map<String, Json>) -> Result<BTreeMap<String, String>, TokenizerError> {
    let mut found = BTreeMap::new();
    let mut put = |name: &str, path: &Path| -> Result<(), TokenizerError> {
        let text = String::from_utf8(read(path)?).map_err(|error| invalid(path, error.to_string()))?;
        found.insert(name.to_owned(), text);
        Ok(())
    };
    let file = folder.join("chat_template.jinja");
    if file.is_file() {
        put(DEFAULT, &file)?;
    }
    let more = folder.join("additional_chat_templates");
    if more.is_dir() {
        let io = |source| TokenizerError::Io { path: more.clone(), source };
        for entry in std::fs::read_dir(&more).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|_| path.extension().is_some_and(|kind| kind == "jinja")) {
                put(name, &path)?;
            }
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    match config.get("chat_template") {
        Some(Json::String(text)) => {
            found.insert(DEFAULT.to_owned(), text.clone());
        }
        Some(Json::Array(named)) => {
            for item in named {
                let text = |key: &str| item.get(key).and_then(Json::as_str);
                if let (Some(name), Some(template)) = (text("name"), text("template")) {
                    found.insert(name.to_owned(), template.to_owned());
                }
            }
        }
        Some(Json::Object(named)) => {
            found.extend(
                named.iter().filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))),
            );
        }
        None | Some(Json::Null) => {}
        Some(other) => {
            let reason =
                format!("chat_template is {}; it should be a text, or templates by name", brief(other));
            return Err(invalid(&folder.join(CONFIG), reason));
        }
    }
    Ok(found)
}

fn invalid(path: &Path, reason: String) -> TokenizerError {
    TokenizerError::Invalid { origin: path.display().to_string(), reason }
}

/// The content of a file of bounded size.
fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let io = |source| TokenizerError::Io { path: path.to_path_buf(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(TokenizerError::TooLarge {
            path: path.to_path_buf(),
            bytes: std::fs::metadata(path).map_or(bytes.len() as u64, |about| about.len()),
            most: MOST_BYTES,
        });
    }
    Ok(bytes)
}

/// The object in a JSON file; an empty one where there is no file.
fn read_object(path: &Path) -> Result<Map<String, Json>, TokenizerError> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&read(path)?) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(invalid(path, "it is not a JSON object".to_owned())),
        Err(error) => Err(invalid(path, error.to_string())),
    }
}
