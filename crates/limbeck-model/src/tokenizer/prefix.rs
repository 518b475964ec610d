//! The space before a text, where `tokenizer_config.json` says other than `tokenizer.json`.

use serde_json::{Map, Value as Json};

/// The bytes of a `tokenizer.json` in which a space is put before texts as `add_prefix_space` of the configuration says.
///
/// Read as transformers reads it: by the classes of GPT-2 and Qwen2, whose byte-level pre-tokenizer has the setting, and by that of
/// Llama, where it is how its Metaspace begins, or a `Prepend` among the normalizers. Other classes take `tokenizer.json` as it is,
/// and so does a configuration without the key.
pub(super) fn as_stated(bytes: Vec<u8>, config: &Map<String, Json>) -> Vec<u8> {
    let Some(space) = config.get("add_prefix_space").and_then(Json::as_bool) else { return bytes };
    let class = config.get("tokenizer_class").and_then(Json::as_str).unwrap_or_default();
    let change: fn(&mut Json, bool) -> bool = match class.strip_suffix("Fast").unwrap_or(class) {
        "GPT2Tokenizer" | "Qwen2Tokenizer" => byte_level,
        "LlamaTokenizer" if !space => llama,
        _ => return bytes,
    };
    // What is no JSON is told by who reads it next.
    let Ok(mut value) = serde_json::from_slice::<Json>(&bytes) else { return bytes };
    let changed = change(&mut value, space);
    match serde_json::to_vec(&value) {
        Ok(written) if changed => written,
        _ => bytes,
    }
}

/// Sets the key of every byte-level pre-tokenizer. Whether one was other.
fn byte_level(tokenizer: &mut Json, space: bool) -> bool {
    let mut changed = false;
    for part in parts(tokenizer, "pre_tokenizer", "pretokenizers") {
        if kind(part) == Some("ByteLevel")
            && let Some(found) = part.get_mut("add_prefix_space")
        {
            changed |= found.as_bool() != Some(space);
            *found = space.into();
        }
    }
    changed
}

/// Takes away what puts a space before texts. Whether there was such.
fn llama(tokenizer: &mut Json, _: bool) -> bool {
    let mut changed = false;
    for part in parts(tokenizer, "pre_tokenizer", "pretokenizers") {
        if kind(part) == Some("Metaspace")
            && let Some(found) = part.get_mut("prepend_scheme")
        {
            changed |= found.as_str() != Some("never");
            *found = "never".into();
        }
    }
    if let Some(normalizer) = tokenizer.get_mut("normalizer") {
        if kind(normalizer) == Some("Prepend") {
            *normalizer = Json::Null;
            changed = true;
        } else if let Some(list) = normalizer.get_mut("normalizers").and_then(Json::as_array_mut) {
            let count = list.len();
            list.retain(|part| kind(part) != Some("Prepend"));
            changed |= list.len() != count;
        }
    }
    changed
}

fn kind(part: &Json) -> Option<&str> {
    part.get("type").and_then(Json::as_str)
}

/// A part of a tokenizer, or the parts that it is a sequence of.
fn parts<'a>(tokenizer: &'a mut Json, part: &str, list: &str) -> Vec<&'a mut Json> {
    let Some(part) = tokenizer.get_mut(part) else { return Vec::new() };
    if kind(part) == Some("Sequence") {
        return part.get_mut(list).and_then(Json::as_array_mut).into_iter().flatten().collect();
    }
    vec![part]
}
