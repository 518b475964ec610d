//! Pre-tokenizers of byte-level BPE: the name in GGUF and the rule in `tokenizer.json`.

use serde_json::{Value as Json, json};

/// Split rule of Llama 3 (its tokenizer.json; the same as llama.cpp's "llama-bpe").
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Split rule of Qwen2 and Qwen3: as Llama 3's, with digits one by one.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A rule by which text is cut before merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreTokenizer {
    /// GPT-2's words, numbers and punctuation.
    Gpt2,
    /// GPT-2's, after cutting out every digit by itself.
    SmolLm,
    /// Llama 3's, numbers in threes; whole words in the vocabulary need no merges.
    Llama3,
    /// Qwen2's, digits one by one, text in normal form C.
    Qwen2,
}

impl PreTokenizer {
    pub(super) const ALL: [Self; 4] = [Self::Gpt2, Self::SmolLm, Self::Llama3, Self::Qwen2];

    /// The value of `tokenizer.ggml.pre`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gpt2 => "gpt-2",
            Self::SmolLm => "smollm",
            Self::Llama3 => "llama-bpe",
            Self::Qwen2 => "qwen2",
        }
    }

    /// From `tokenizer.ggml.pre`, with the other names llama.cpp gives the same rule.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "llama3" | "llama-v3" => Some(Self::Llama3),
            "deepseek-r1-qwen" => Some(Self::Qwen2),
            _ => Self::ALL.into_iter().find(|rule| rule.name() == name),
        }
    }

    /// All names, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// `pre_tokenizer` of a tokenizer.json.
    pub(super) fn json(self) -> Json {
        let bytes = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
        let split = |rule: &str| {
            let split = json!({ "type": "Split", "pattern": { "Regex": rule }, "behavior": "Isolated", "invert": false });
            json!({ "type": "Sequence", "pretokenizers": [split, bytes(false)] })
        };
        match self {
            Self::Gpt2 => bytes(true),
            Self::SmolLm => {
                let digits = json!({ "type": "Digits", "individual_digits": true });
                json!({ "type": "Sequence", "pretokenizers": [digits, bytes(true)] })
            }
            Self::Llama3 => split(LLAMA3),
            Self::Qwen2 => split(QWEN2),
        }
    }

    /// `normalizer` of a tokenizer.json.
    pub(super) fn normalizer(self) -> Json {
        if self == Self::Qwen2 { json!({ "type": "NFC" }) } else { Json::Null }
    }

    /// Whether a word that is a token is taken whole.
    pub(super) fn ignores_merges(self) -> bool {
        self == Self::Llama3
    }

    /// Whether llama.cpp puts the begin token first unless told otherwise.
    pub(super) fn adds_bos(self) -> bool {
        self == Self::Llama3
    }

    /// The rule a tokenizer.json's `pre_tokenizer` states, `trim_offsets` aside.
    pub(super) fn from_json(value: &Json) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| essence(&rule.json()) == essence(value))
    }
}

/// The steps of a pre-tokenizer without what does not change the ids.
fn essence(value: &Json) -> Vec<Json> {
    let steps =
        value.get("pretokenizers").and_then(Json::as_array).cloned().unwrap_or_else(|| vec![value.clone()]);
    steps
        .into_iter()
        .map(|mut step| {
            if let Some(step) = step.as_object_mut() {
                step.remove("trim_offsets");
                step.entry("use_regex").or_insert(true.into());
            }
            step
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_recognised() {
        for rule in PreTokenizer::ALL {
            assert_eq!(PreTokenizer::from_json(&rule.json()), Some(rule));
            assert_eq!(PreTokenizer::from_name(rule.name()), Some(rule));
        }
        assert_eq!(PreTokenizer::from_json(&json!({ "type": "WhitespaceSplit" })), None);
    }
}
