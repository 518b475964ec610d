//! Whether two tokenizers are the same, and the content hash that says so.

use serde_json::Value as Json;

use super::Tokenizer;

/// What decides the ids of a text, apart from the pre-tokenizer: tokens by id, and merges in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Canonical {
    tokens: Vec<Option<String>>,
    merges: Vec<(String, String)>,
    hash: String,
}

/// How two tokenizers relate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compatibility {
    /// Equal tokens and merges.
    Same,
    /// Equal up to the smaller vocabulary; the larger one only has more tokens behind it.
    Padded {
        /// Size of the first vocabulary.
        first: usize,
        /// Size of the second vocabulary.
        second: usize,
    },
    /// Different; a sentence says where.
    Different(String),
}

impl Tokenizer {
    /// A hash of the content (BLAKE3, hex) over the tokens by id and the merges: the same whether the tokenizer was read from a
    /// `tokenizer.json` or from a GGUF file. Ids have the same meaning under equal hashes.
    #[must_use]
    pub fn hash(&self) -> String {
        self.canonical().hash.clone()
    }

    /// How this tokenizer relates to another.
    #[must_use]
    pub fn compatibility(&self, other: &Self) -> Compatibility {
        let (mine, theirs) = (self.canonical(), other.canonical());
        if mine == theirs {
            return Compatibility::Same;
        }
        let (first, second) = (mine.tokens.len(), theirs.tokens.len());
        let sizes = format!("{first} tokens against {second}");
        let show = |token: &Option<String>| {
            token.as_ref().map_or("no token".to_owned(), |token| format!("{token:?}"))
        };
        if let Some(id) = mine.tokens.iter().zip(&theirs.tokens).position(|(a, b)| a != b) {
            let (a, b) = (show(&mine.tokens[id]), show(&theirs.tokens[id]));
            return Compatibility::Different(format!(
                "{sizes}; the first different id is {id}: {a} against {b}"
            ));
        }
        if mine.merges != theirs.merges {
            let merges = format!("{} merges against {}", mine.merges.len(), theirs.merges.len());
            let at = mine.merges.iter().zip(&theirs.merges).position(|(a, b)| a != b);
            let first_different = at.map_or("one is the beginning of the other".to_owned(), |rank| {
                format!(
                    "the first different merge has rank {rank}: {:?} against {:?}",
                    mine.merges[rank], theirs.merges[rank]
                )
            });
            return Compatibility::Different(format!("{sizes}; {merges}; {first_different}"));
        }
        Compatibility::Padded { first, second }
    }

    /// The exact difference to another tokenizer, or `None` when ids mean the same in both (padded vocabularies included: see
    /// [`Tokenizer::compatibility`]).
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        match self.compatibility(other) {
            Compatibility::Same | Compatibility::Padded { .. } => None,
            Compatibility::Different(sentence) => Some(sentence),
        }
    }

    fn canonical(&self) -> &Canonical {
        self.canonical.get_or_init(|| {
            let mut tokens = vec![None; self.vocab_size()];
            for (token, id) in self.inner.get_vocab(true) {
                if let Some(slot) = tokens.get_mut(id as usize) {
                    *slot = Some(token);
                }
            }
            // Serialising is the only way to the merges; it cannot fail for a model that was read from JSON.
            let model = serde_json::to_value(self.inner.get_model()).unwrap_or(Json::Null);
            let merges = model.get("merges").and_then(Json::as_array);
            let merges: Vec<_> = merges.into_iter().flatten().filter_map(pair).collect();
            let mut hasher = blake3::Hasher::new();
            let mut put = |text: &str| {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            };
            put("limbeck tokenizer 1");
            for (id, token) in tokens.iter().enumerate() {
                if let Some(token) = token {
                    put(&id.to_string());
                    put(token);
                }
            }
            put("merges");
            for (left, right) in &merges {
                put(left);
                put(right);
            }
            let hash = hasher.finalize().to_hex().to_string();
            Canonical { tokens, merges, hash }
        })
    }
}

fn pair(merge: &Json) -> Option<(String, String)> {
    if let Some(text) = merge.as_str() {
        return text.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned()));
    }
    let items = merge.as_array()?;
    Some((items.first()?.as_str()?.to_owned(), items.get(1)?.as_str()?.to_owned()))
}
