//! What stands beside a tokenizer and goes out with it: settings of tokenizer and generation that decide nothing here.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::Tokenizer;

/// Settings as they were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Texts of tokens by role, as `eos_token`.
    pub(super) named: BTreeMap<String, String>,
    /// `tokenizer_config.json`, without what is told elsewhere.
    config: Map<String, Json>,
    /// `generation_config.json`, where there was one.
    generation: Option<Map<String, Json>>,
    /// `bos_token_id`, `eos_token_id` and `pad_token_id` of `config.json`.
    ids: Map<String, Json>,
    /// Whether the model learned to end its texts, so that every file must name the token.
    learned: bool,
}

/// Keys of `tokenizer_config.json` that name files and programs of the place it came from, or that are written anew.
const NOT_KEPT: [&str; 14] = [
    "added_tokens_decoder",
    "auto_map",
    "backend",
    "chat_template",
    "is_local",
    "local_files_only",
    "merges_file",
    "name_or_path",
    "special_tokens_map_file",
    "tokenizer_class",
    "tokenizer_file",
    "vocab_file",
    "processor_class",
    "_commit_hash",
];

impl Settings {
    pub(super) fn new(
        named: BTreeMap<String, String>,
        mut config: Map<String, Json>,
        generation: Json,
        model: &Json,
        folder: &Path,
    ) -> Self {
        config.retain(|key, _| !NOT_KEPT.contains(&key.as_str()));
        let there = folder.join("generation_config.json").is_file();
        let generation = match generation {
            Json::Object(generation) if there => Some(generation),
            _ => None,
        };
        let ids = ["bos", "eos", "pad"].into_iter().filter_map(|role| {
            let key = format!("{role}_token_id");
            let value = model.get(&key)?.clone();
            Some((key, value))
        });
        Self { named, config, generation, ids: ids.collect(), learned: false }
    }

    /// The same settings, of a model that learned to end its texts.
    pub(super) fn learned(&self) -> Self {
        Self { learned: true, ..self.clone() }
    }

    /// The same settings with the context length of another model's tokenizer.
    pub(super) fn with_length_of(&self, other: &Self) -> Self {
        const LENGTH: &str = "model_max_length";
        let mut changed = self.clone();
        match other.config.get(LENGTH) {
            Some(length) => changed.config.insert(LENGTH.to_owned(), length.clone()),
            None => changed.config.remove(LENGTH),
        };
        changed
    }
}

impl Tokenizer {
    /// A `tokenizer_config.json` for [`Tokenizer::to_tokenizer_json`]'s content: what was read, with today's tokens by role and
    /// templates. `max_length` is the context length written where none was read.
    #[must_use]
    pub fn to_tokenizer_config(&self, max_length: Option<u64>) -> Json {
        let mut config = self.settings.config.clone();
        config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        config.entry("clean_up_tokenization_spaces").or_insert(false.into());
        for (role, token) in self.special_names() {
            // A token with flags of its own stays as it was written.
            let there = config.get(&role).and_then(|value| value.get("content")).and_then(Json::as_str);
            let own = config.get("extra_special_tokens").is_some_and(|extra| extra.get(&role).is_some());
            if there != Some(&token) && !own {
                config.insert(role, token.into());
            }
        }
        if let Some(length) = max_length {
            config.entry("model_max_length").or_insert(length.into());
        }
        match (self.chat_template(), self.templates.len()) {
            (_, 0) => {}
            (Some(template), 1) => {
                config.insert("chat_template".into(), template.into());
            }
            _ => {
                let named =
                    self.templates.iter().map(|(name, text)| json!({ "name": name, "template": text }));
                config.insert("chat_template".into(), named.collect());
            }
        }
        Json::Object(config)
    }

    /// A `generation_config.json`: what was read, with today's end tokens.
    #[must_use]
    pub fn to_generation_config(&self) -> Json {
        let mut generation = self.settings.generation.clone().unwrap_or_else(|| {
            let mut made = Map::new();
            made.insert("_from_model_config".into(), true.into());
            for (role, id) in [("bos", self.bos()), ("pad", self.pad())] {
                if let Some(id) = id {
                    made.insert(format!("{role}_token_id"), id.into());
                }
            }
            made
        });
        self.put_ends(&mut generation);
        Json::Object(generation)
    }

    /// Puts the ids of tokens with a role into a model's configuration: as they were read, or as the tokenizer has them. Ids beyond its
    /// `vocab_size` are left out.
    pub fn put_ids(&self, config: &mut Json) {
        let Some(config) = config.as_object_mut() else {
            return;
        };
        let rows = config.get("vocab_size").and_then(Json::as_u64).unwrap_or(u64::MAX);
        let within = |value: &&Json| match value {
            Json::Array(ids) => ids.iter().all(|id| id.as_u64().is_some_and(|id| id < rows)),
            id => id.as_u64().is_none_or(|id| id < rows),
        };
        for (role, id) in [("bos", self.bos()), ("eos", self.eos()), ("pad", self.pad())] {
            let key = format!("{role}_token_id");
            let read = self.settings.ids.get(&key).filter(within).cloned();
            if let Some(value) = read.or_else(|| id.map(Json::from)) {
                config.insert(key, value);
            }
        }
        self.put_ends(config);
    }

    /// Writes the end tokens, unless those that stand there are among them: files of one model need not name the same ones. Of a model
    /// that learned to end its texts they name the token it learned.
    fn put_ends(&self, into: &mut Map<String, Json>) {
        const KEY: &str = "eos_token_id";
        let stands: Vec<u64> = match into.get(KEY) {
            Some(Json::Array(ids)) => ids.iter().filter_map(Json::as_u64).collect(),
            Some(id) => id.as_u64().into_iter().collect(),
            None => Vec::new(),
        };
        let ends: Vec<u64> = self.ends.iter().map(|&id| u64::from(id)).collect();
        let named = !self.settings.learned || ends.first().is_some_and(|first| stands.contains(first));
        let as_read = named && !stands.is_empty() && stands.iter().all(|id| ends.contains(id));
        if as_read || ends.is_empty() {
            return;
        }
        let value = if let [end] = ends.as_slice() { Json::from(*end) } else { Json::from(ends) };
        into.insert(KEY.to_owned(), value);
    }
}
