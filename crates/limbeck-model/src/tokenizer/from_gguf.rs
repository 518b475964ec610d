//! Tokenizers from the metadata of a GGUF file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::closed::{added_token, surround};
use super::pre::PreTokenizer;
use super::{DEFAULT, Specials, Tokenizer, TokenizerError};
use crate::weights::gguf::{Array, GgufError, GgufFile, Value};

/// llama.cpp's kinds of token.
pub(super) const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
pub(super) const CONTROL: i32 = 3;
pub(super) const USER_DEFINED: i32 = 4;
pub(super) const UNUSED: i32 = 5;

/// Pieces longer than this cannot be in a SentencePiece vocabulary (its trainer stops at 16 by default).
const MAX_PIECE: usize = 256;

impl Tokenizer {
    /// Builds the tokenizer stored in a GGUF file: byte-level BPE (`tokenizer.ggml.model` gpt2) or SentencePiece BPE (llama).
    ///
    /// # Errors
    /// [`TokenizerError::Gguf`] for missing or wrong keys, [`TokenizerError::UnsupportedModel`],
    /// [`TokenizerError::UnknownPreTokenizer`], [`TokenizerError::DuplicateToken`], [`TokenizerError::Invalid`].
    pub fn from_gguf(file: &GgufFile) -> Result<Self, TokenizerError> {
        let stored = Stored::read(file)
            .map_err(|source| TokenizerError::Gguf { path: file.path().to_path_buf(), source })?;
        let origin = file.path().display().to_string();
        let vocab = stored.vocab(&origin)?;
        let json = match stored.model {
            "gpt2" => stored.byte_level(vocab, file)?,
            "llama" => stored.sentence_piece(vocab, &origin)?,
            other => {
                return Err(TokenizerError::UnsupportedModel {
                    path: file.path().to_path_buf(),
                    found: other.to_owned(),
                });
            }
        };
        let mut tokenizer = Self::from_json_bytes(json.to_string().as_bytes(), &origin)?;
        let Stored { bos, eos, pad, unknown: unk, .. } = stored;
        tokenizer.specials = Specials { bos, eos, pad, unk };
        for end in eos.into_iter().chain(stored.ends.iter().copied()) {
            if !tokenizer.ends.contains(&end) {
                tokenizer.ends.push(end);
            }
        }
        tokenizer.specials.eos = tokenizer.ends.first().copied();
        tokenizer.templates = stored.templates;
        let kept = file.metadata().iter().filter(|(key, _)| key.starts_with("tokenizer."));
        tokenizer.gguf = Some(Arc::new(kept.map(|(key, value)| (key.clone(), value.clone())).collect()));
        Ok(tokenizer)
    }
}

/// The tokenizer keys of a file.
struct Stored<'a> {
    model: &'a str,
    pre: Option<&'a str>,
    tokens: &'a [String],
    kinds: Vec<i32>,
    scores: Option<&'a [f32]>,
    merges: Option<&'a [String]>,
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    unknown: Option<u32>,
    add_bos: Option<bool>,
    add_eos: Option<bool>,
    add_space_prefix: Option<bool>,
    /// End of a turn and of a message.
    ends: Vec<u32>,
    templates: BTreeMap<String, String>,
}

impl<'a> Stored<'a> {
    fn read(file: &'a GgufFile) -> Result<Self, GgufError> {
        fn strings(value: &Value) -> Option<&[String]> {
            if let Value::Array(Array::String(items)) = value { Some(items) } else { None }
        }
        let tokens = file.required("tokenizer.ggml.tokens", "an array of strings", strings)?;
        let token_id = |name: &str| -> Result<Option<u32>, GgufError> {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let id = file.optional(&key, "a token id", |value| u32::try_from(value.as_u64()?).ok())?;
            match id {
                Some(id) if id as usize >= tokens.len() => {
                    Err(GgufError::WrongValue { key, expected: "the id of a token", found: id.to_string() })
                }
                id => Ok(id),
            }
        };
        let flag = |name: &str| file.optional(&format!("tokenizer.ggml.{name}"), "a bool", Value::as_bool);
        let of_all_tokens = |key: &str, found: usize| {
            let expected = "as long as tokenizer.ggml.tokens";
            if found == tokens.len() {
                Ok(())
            } else {
                Err(GgufError::WrongValue { key: key.to_owned(), expected, found: format!("{found} items") })
            }
        };
        let kinds =
            file.optional("tokenizer.ggml.token_type", "an array of integers", |value| match value {
                Value::Array(Array::I32(kinds)) => Some(kinds.clone()),
                Value::Array(Array::U32(kinds)) => {
                    Some(kinds.iter().map(|&kind| kind.cast_signed()).collect())
                }
                _ => None,
            })?;
        let kinds = kinds.unwrap_or_else(|| vec![NORMAL; tokens.len()]);
        of_all_tokens("tokenizer.ggml.token_type", kinds.len())?;
        let scores = file.optional("tokenizer.ggml.scores", "an array of f32", |value| {
            if let Value::Array(Array::F32(scores)) = value { Some(scores.as_slice()) } else { None }
        })?;
        if let Some(scores) = scores {
            of_all_tokens("tokenizer.ggml.scores", scores.len())?;
        }
        Ok(Self {
            model: file.required("tokenizer.ggml.model", "a string", Value::as_str)?,
            pre: file.optional("tokenizer.ggml.pre", "a string", Value::as_str)?,
            tokens,
            kinds,
            scores,
            merges: file.optional("tokenizer.ggml.merges", "an array of strings", strings)?,
            bos: token_id("bos")?,
            eos: token_id("eos")?,
            pad: token_id("padding")?,
            unknown: token_id("unknown")?,
            add_bos: flag("add_bos_token")?,
            add_eos: flag("add_eos_token")?,
            add_space_prefix: flag("add_space_prefix")?,
            ends: token_id("eot")?.into_iter().chain(token_id("eom")?).collect(),
            templates: templates(file)?,
        })
    }

    /// The tokens without the fillers at the end that converters add up to the rows of the embedding.
    fn used(&self) -> usize {
        let filler = |id: &usize| self.kinds[*id] == UNUSED && self.tokens[*id] == format!("[PAD{id}]");
        let fillers = (0..self.tokens.len()).rev().take_while(filler).count();
        self.tokens.len() - fillers
    }

    fn vocab(&self, origin: &str) -> Result<Map<String, Json>, TokenizerError> {
        let mut vocab = Map::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().take(self.used()).enumerate() {
            if let Some(first) = vocab.insert(token.clone(), id.into()) {
                return Err(TokenizerError::DuplicateToken {
                    origin: origin.to_owned(),
                    token: token.clone(),
                    first: first.as_u64().unwrap_or(0) as usize,
                    second: id,
                });
            }
        }
        Ok(vocab)
    }

    fn added_tokens(&self) -> Vec<Json> {
        let added = |kind: i32| matches!(kind, CONTROL | USER_DEFINED | UNKNOWN);
        let kinds = self.tokens.iter().zip(&self.kinds).take(self.used()).enumerate();
        kinds
            .filter(|(_, (token, kind))| added(**kind) && !token.is_empty())
            .map(|(id, (token, kind))| added_token(id as u32, token, *kind != USER_DEFINED))
            .collect()
    }

    fn post_processor(&self, bos_by_default: bool) -> Json {
        let token = |id: Option<u32>| id.and_then(|id| Some((self.tokens.get(id as usize)?, id)));
        let before = token(self.bos).filter(|_| self.add_bos.unwrap_or(bos_by_default));
        let after = token(self.eos).filter(|_| self.add_eos.unwrap_or(false));
        if before.is_none() && after.is_none() { Json::Null } else { surround(before, after) }
    }

    fn unknown_token(&self) -> Option<&String> {
        self.unknown.and_then(|id| self.tokens.get(id as usize))
    }

    fn byte_level(&self, vocab: Map<String, Json>, file: &GgufFile) -> Result<Json, TokenizerError> {
        let origin = file.path().display().to_string();
        let in_file = |source| TokenizerError::Gguf { path: file.path().to_path_buf(), source };
        let gpt2 = matches!(file.architecture(), Ok("gpt2"));
        let name = match self.pre {
            Some(name) => name,
            // Files from before the key existed; GPT-2 models have only ever had one rule.
            None if gpt2 => PreTokenizer::Gpt2.name(),
            None => {
                return Err(in_file(GgufError::MissingKey { key: "tokenizer.ggml.pre".to_owned() }));
            }
        };
        let rule = PreTokenizer::from_name(name).ok_or_else(|| TokenizerError::UnknownPreTokenizer {
            origin: origin.clone(),
            found: format!("{name:?}"),
            known: PreTokenizer::names(),
        })?;
        let stored = self
            .merges
            .ok_or_else(|| in_file(GgufError::MissingKey { key: "tokenizer.ggml.merges".to_owned() }))?;
        let mut merges = Vec::with_capacity(stored.len());
        for merge in stored {
            // The left part is never empty, so a space in first place belongs to it.
            let split = merge
                .char_indices()
                .skip(1)
                .find(|(_, letter)| *letter == ' ')
                .map(|(at, _)| merge.split_at(at));
            let (left, right) = split.ok_or_else(|| {
                let key = "tokenizer.ggml.merges".to_owned();
                in_file(GgufError::WrongValue {
                    key,
                    expected: "pairs with a space between",
                    found: format!("{merge:?}"),
                })
            })?;
            merges.push(json!([left, &right[1..]]));
        }
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": self.added_tokens(),
            "normalizer": rule.normalizer(),
            "pre_tokenizer": rule.json(),
            "post_processor": self.post_processor(rule.adds_bos()),
            "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
            "model": {
                "type": "BPE", "dropout": null, "unk_token": self.unknown_token(), "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": rule.ignores_merges(), "vocab": vocab, "merges": merges,
            },
        }))
    }

    /// SentencePiece's BPE joins the neighbouring pair whose piece scores highest. As merges: every way to cut a piece into two
    /// pieces, in order of falling score (as transformers converts such vocabularies).
    fn sentence_piece(&self, vocab: Map<String, Json>, origin: &str) -> Result<Json, TokenizerError> {
        let scores = self.scores.ok_or_else(|| TokenizerError::Invalid {
            origin: origin.to_owned(),
            reason: "tokenizer.ggml.scores is missing".to_owned(),
        })?;
        let merges = sentence_piece_merges(&self.tokens[..self.used()], &self.kinds, scores, origin)?;
        let replace =
            |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
        let mut normalizers = vec![replace(" ", "▁")];
        let mut decoders =
            vec![replace("▁", " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
        if self.add_space_prefix.unwrap_or(true) {
            normalizers.insert(0, json!({ "type": "Prepend", "prepend": "▁" }));
            decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
        }
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": self.added_tokens(),
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "pre_tokenizer": null,
            "post_processor": self.post_processor(true),
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": {
                "type": "BPE", "dropout": null, "unk_token": self.unknown_token().or(self.tokens.first()),
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
                "ignore_merges": false, "vocab": vocab, "merges": merges,
            },
        }))
    }
}

/// Chat templates: the usual one, and further ones under names.
fn templates(file: &GgufFile) -> Result<BTreeMap<String, String>, GgufError> {
    const KEY: &str = "tokenizer.chat_template";
    let mut found = BTreeMap::new();
    for key in file.metadata().keys() {
        let name = match key.strip_prefix(KEY) {
            Some("") => DEFAULT,
            Some(rest) if rest.len() > 1 && rest.starts_with('.') => &rest[1..],
            _ => continue,
        };
        if let Some(text) = file.optional(key, "a string", Value::as_str)? {
            found.insert(name.to_owned(), text.to_owned());
        }
    }
    Ok(found)
}

fn sentence_piece_merges(
    tokens: &[String],
    kinds: &[i32],
    scores: &[f32],
    origin: &str,
) -> Result<Vec<[String; 2]>, TokenizerError> {
    let normal: BTreeMap<&str, usize> = tokens
        .iter()
        .enumerate()
        .filter(|(id, _)| matches!(kinds[*id], NORMAL | USER_DEFINED))
        .map(|(id, token)| (token.as_str(), id))
        .collect();
    let lookup: HashMap<&str, usize> = normal.iter().map(|(token, id)| (*token, *id)).collect();
    let mut merges: Vec<(f32, usize, usize, &str, &str)> = Vec::new();
    for (&piece, &id) in &normal {
        if piece.len() > MAX_PIECE {
            let reason = format!(
                "token {id} has {} bytes; SentencePiece pieces have at most {MAX_PIECE}",
                piece.len()
            );
            return Err(TokenizerError::Invalid { origin: origin.to_owned(), reason });
        }
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(&left_id), Some(&right_id)) = (lookup.get(left), lookup.get(right)) {
                merges.push((scores[id], left_id, right_id, left, right));
            }
        }
    }
    merges.sort_by(|a, b| {
        b.0.total_cmp(&a.0).then(b.3.len().cmp(&a.3.len())).then((a.1, a.2).cmp(&(b.1, b.2)))
    });
    Ok(merges.into_iter().map(|(_, _, _, left, right)| [left.to_owned(), right.to_owned()]).collect())
}
