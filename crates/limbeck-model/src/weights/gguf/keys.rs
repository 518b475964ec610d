//! The keys of an architecture: read by name, and none passed over.
//!
//! Every key `{architecture}.*` is one of four: read for the configuration, without influence on the network, allowed with the one
//! value that changes nothing, or unknown and therefore refused.

use super::error::GgufError;
use super::file::GgufFile;
use super::names::Architecture;
use super::value::Value;

/// Sizes beyond which a file is taken for damaged.
const LARGEST: u64 = 1 << 31;

/// Read by `config.rs`.
const READ: &[&str] = &[
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.scale",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.type",
];

/// Notes of converters, settings of training, and what acts only with another setting that is refused.
const IDLE: &[&str] = &[
    "decoder_start_token_id",
    "pooling_type",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "tensor_data_layout",
    "vocab_size",
];

/// Allowed with these values only: those that leave the network as it is. llama.cpp takes a scale of 0 for none.
const NEUTRAL: &[(&str, &[f64])] = &[
    ("attention.clamp_kqv", &[0.0]),
    ("attention.max_alibi_bias", &[0.0]),
    ("attention.output_scale", &[1.0]),
    ("attention.temperature_length", &[0.0]),
    ("attention.temperature_scale", &[0.0]),
    ("attn_logit_softcapping", &[0.0]),
    ("embedding_scale", &[0.0, 1.0]),
    ("expert_count", &[0.0]),
    ("expert_used_count", &[0.0]),
    ("final_logit_softcapping", &[0.0]),
    ("leading_dense_block_count", &[0.0]),
    ("logit_scale", &[0.0, 1.0]),
    ("residual_scale", &[0.0, 1.0]),
    ("rope.scaling.attn_factor", &[1.0]),
    ("rope.scaling.yarn_attn_factor", &[1.0]),
    ("rope.scaling.yarn_ext_factor", &[0.0]),
    ("rope.scaling.yarn_log_multiplier", &[0.0]),
];

/// Allowed with these truth values only.
const FLAGS: &[(&str, bool)] = &[("attention.causal", true), ("use_parallel_residual", false)];

/// Reads `{architecture}.{name}`.
pub(super) struct Keys<'a> {
    pub(super) file: &'a GgufFile,
    prefix: &'static str,
}

impl<'a> Keys<'a> {
    /// The keys of a file of this architecture.
    ///
    /// # Errors
    /// [`GgufError::UnknownKey`], [`GgufError::WrongValue`] for settings that the decoder does not compute.
    pub(super) fn of(file: &'a GgufFile, architecture: Architecture) -> Result<Self, GgufError> {
        let keys = Self { file, prefix: architecture.name() };
        for (key, value) in file.metadata() {
            let Some(name) = key.strip_prefix(keys.prefix).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            keys.judge(name, value)?;
        }
        Ok(keys)
    }

    fn judge(&self, name: &str, value: &Value) -> Result<(), GgufError> {
        if READ.contains(&name) || IDLE.contains(&name) {
            return Ok(());
        }
        if let Some((_, neutral)) = NEUTRAL.iter().find(|(key, _)| *key == name) {
            return match value.as_number() {
                Some(number) if neutral.contains(&number) => Ok(()),
                _ => Err(self.wrong(name, "absent: this decoder computes no such thing", value.describe())),
            };
        }
        if let Some((_, neutral)) = FLAGS.iter().find(|(key, _)| *key == name) {
            let expected = if *neutral { "true" } else { "false" };
            return match value.as_bool() == Some(*neutral) {
                true => Ok(()),
                false => Err(self.wrong(name, expected, value.describe())),
            };
        }
        Err(GgufError::UnknownKey { key: self.full(name), found: value.describe() })
    }

    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// A size of the network.
    pub(super) fn size(&self, name: &str) -> Result<u64, GgufError> {
        self.optional_size(name)?.ok_or_else(|| GgufError::MissingKey { key: self.full(name) })
    }

    pub(super) fn optional_size(&self, name: &str) -> Result<Option<u64>, GgufError> {
        let size = |value: &Value| value.as_u64().filter(|size| (1..LARGEST).contains(size));
        self.file.optional(&self.full(name), "a whole number from 1 to 2^31 - 1", size)
    }

    /// A positive number that 32 bits hold.
    pub(super) fn number(&self, name: &str) -> Result<f64, GgufError> {
        self.optional_number(name)?.ok_or_else(|| GgufError::MissingKey { key: self.full(name) })
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<f64>, GgufError> {
        let positive = |number: &f64| *number > 0.0 && (*number as f32).is_finite();
        let read = |value: &Value| value.as_number().filter(positive);
        self.file.optional(&self.full(name), "a positive 32-bit number", read)
    }

    /// Any number.
    pub(super) fn any_number(&self, name: &str) -> Result<Option<f64>, GgufError> {
        self.file.optional(&self.full(name), "a number", Value::as_number)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, GgufError> {
        self.file.optional(&self.full(name), "a string", Value::as_str)
    }

    /// Refuses a key that is there and not `value`.
    pub(super) fn must_be(&self, name: &str, value: u64, expected: &'static str) -> Result<(), GgufError> {
        match self.file.metadata().get(&self.full(name)) {
            Some(found) if found.as_u64() != Some(value) => Err(self.wrong(name, expected, found.describe())),
            _ => Ok(()),
        }
    }

    /// Refuses a key that is there.
    pub(super) fn must_not_be(&self, name: &str, expected: &'static str) -> Result<(), GgufError> {
        match self.file.metadata().get(&self.full(name)) {
            Some(found) => Err(self.wrong(name, expected, found.describe())),
            None => Ok(()),
        }
    }

    pub(super) fn wrong(&self, name: &str, expected: &'static str, found: impl ToString) -> GgufError {
        GgufError::WrongValue { key: self.full(name), expected, found: found.to_string() }
    }
}
