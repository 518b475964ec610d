//! Rotary settings of a `config.json`: where files put them, which of two counts, and how they are written.
//!
//! As transformers 5 reads them (`RotaryEmbeddingConfigMixin`): `rope_scaling`, when it says anything, stands for
//! `rope_parameters`; the base is that inside, else `rope_theta` beside it, else 10000. What this decoder does not compute is refused by key.

use serde_json::{Value, json};

use super::keys::Keys;
use super::{Llama3Scaling, Position, RopeScaling};
use crate::error::ConfigError;

/// The base where a file is silent.
const THETA: f64 = 10_000.0;
/// Keys of `rope_type = "llama3"` beside the base.
const LLAMA3: [&str; 4] =
    ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"];

/// The positions of a configuration with rotary ones.
pub(super) fn rotary(keys: &Keys<'_>) -> Result<Position, ConfigError> {
    for key in ["partial_rotary_factor", "rotary_pct"] {
        keys.must_be(key, 1.0, "1 (only whole heads are rotated)")?;
    }
    let mut found = None;
    for name in ["rope_scaling", "rope_parameters"] {
        if let Some(rope) = keys.object(name)?
            && !rope.is_empty()
        {
            found = Some((name, rope));
            break;
        }
    }
    let beside = keys.number_or("rope_theta", THETA)?;
    let Some((name, rope)) = found else {
        return Ok(Position::Rotary { theta: single("rope_theta", beside)?, scaling: None });
    };
    let at = |key: &str| format!("{name}.{key}");
    let theta = single(&at("rope_theta"), rope.number_or("rope_theta", beside)?)?;
    let kind = match rope.present("rope_type") {
        true => rope.text("rope_type")?,
        false => rope.text_or("type", "default")?,
    };
    let of_kind: &[&str] = match kind {
        "default" | "linear" => &["factor"],
        "llama3" => &LLAMA3,
        _ => {
            let key = if rope.present("rope_type") { "rope_type" } else { "type" };
            return Err(rope.wrong(key, "default, linear or llama3"));
        }
    };
    let common = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];
    if let Some(key) = rope.names().find(|key| !common.contains(key) && !of_kind.contains(key)) {
        let expected = format!("absent (rotary positions of type {kind} have no such setting)");
        return Err(rope.wrong(key, &expected));
    }
    rope.must_be("partial_rotary_factor", 1.0, "1 (only whole heads are rotated)")?;
    let scaling = match kind {
        "llama3" => Some(RopeScaling::Llama3(llama3(keys, &rope)?)),
        // A factor of 1 scales nothing.
        "linear" => Some(single(&at("factor"), rope.number("factor")?)?)
            .filter(|factor| *factor != 1.0)
            .map(|factor| RopeScaling::Linear { factor }),
        _ => {
            rope.must_be("factor", 1.0, "1, or beside `rope_type` that says how positions are scaled")?;
            None
        }
    };
    Ok(Position::Rotary { theta, scaling })
}

fn llama3(keys: &Keys<'_>, rope: &Keys<'_>) -> Result<Llama3Scaling, ConfigError> {
    let original = "original_max_position_embeddings";
    let scaling = Llama3Scaling {
        factor: rope.number("factor")?,
        low_freq_factor: rope.number("low_freq_factor")?,
        high_freq_factor: rope.number("high_freq_factor")?,
        // Beside, inside, or the model's own context, in transformers' order.
        original_max_positions: match (keys.present(original), rope.present(original)) {
            (true, _) => keys.size(original)?,
            (false, true) => rope.size(original)?,
            (false, false) => keys.size("max_position_embeddings")?,
        },
    };
    if scaling.high_freq_factor <= scaling.low_freq_factor {
        let expected = format!("above low_freq_factor = {}", scaling.low_freq_factor);
        return Err(rope.wrong("high_freq_factor", &expected));
    }
    Ok(scaling)
}

/// A number that the decoder's 32-bit arithmetic can take powers of and divide by.
fn single(key: &str, number: f64) -> Result<f64, ConfigError> {
    let rounded = number as f32;
    match rounded.is_finite() && rounded > 0.0 {
        true => Ok(number),
        false => Err(ConfigError::value(key, &json!(number).to_string(), "a positive 32-bit number")),
    }
}

/// The value of `rope_scaling` that every version of transformers with this type reads.
pub(super) fn rope_scaling(scaling: RopeScaling) -> Value {
    match scaling {
        RopeScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        RopeScaling::Llama3(s) => json!({
            "rope_type": "llama3",
            "factor": s.factor,
            "low_freq_factor": s.low_freq_factor,
            "high_freq_factor": s.high_freq_factor,
            "original_max_position_embeddings": s.original_max_positions,
        }),
    }
}
