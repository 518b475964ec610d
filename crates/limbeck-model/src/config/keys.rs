//! Typed access to the keys of a `config.json`, with errors that name the key.

use serde_json::{Map, Value};

use crate::error::ConfigError;

/// Sizes beyond which a configuration is taken for damaged.
const LARGEST: u64 = 1 << 31;
/// Letters of a value that a message shows.
const SHOWN: usize = 60;

/// The keys of a JSON object. A key that is `null` counts as absent.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    /// The key of the object itself, with a dot after it; empty for the whole file.
    prefix: String,
}

impl<'a> Keys<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, ConfigError> {
        let map = value.as_object().ok_or(ConfigError::NotAnObject)?;
        Ok(Self { map, prefix: String::new() })
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn present(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All keys that are present.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.map.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// A value as a message shows it.
    pub(super) fn found(&self, key: &str) -> String {
        let text = self.map.get(key).map(Value::to_string).unwrap_or_default();
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{} ...", &text[..end]),
            None => text,
        }
    }

    /// The error of a key that holds what it should not.
    pub(super) fn wrong(&self, key: &str, expected: &str) -> ConfigError {
        ConfigError::value(&format!("{}{key}", self.prefix), &self.found(key), expected)
    }

    fn required(&self, key: &str) -> Result<&'a Value, ConfigError> {
        self.get(key).ok_or_else(|| ConfigError::Missing { key: format!("{}{key}", self.prefix) })
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, ConfigError> {
        let value = self.required(key)?.as_u64().filter(|&n| n > 0 && n < LARGEST);
        value.map(|n| n as usize).ok_or_else(|| self.wrong(key, "a whole number from 1 to 2^31 - 1"))
    }

    pub(super) fn size_or(&self, key: &str, default: usize) -> Result<usize, ConfigError> {
        if self.present(key) { self.size(key) } else { Ok(default) }
    }

    pub(super) fn count(&self, key: &str) -> Result<u64, ConfigError> {
        self.required(key)?.as_u64().ok_or_else(|| self.wrong(key, "a whole number that is not negative"))
    }

    /// A positive number that the decoder's 32-bit arithmetic can hold.
    pub(super) fn number(&self, key: &str) -> Result<f64, ConfigError> {
        let value = self.required(key)?.as_f64().filter(|n| *n <= f64::from(f32::MAX) && *n > 0.0);
        value.ok_or_else(|| self.wrong(key, "a positive number below 3.4e38"))
    }

    pub(super) fn number_or(&self, key: &str, default: f64) -> Result<f64, ConfigError> {
        if self.present(key) { self.number(key) } else { Ok(default) }
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str, ConfigError> {
        self.required(key)?.as_str().ok_or_else(|| self.wrong(key, "a string"))
    }

    pub(super) fn text_or(&self, key: &str, default: &'a str) -> Result<&'a str, ConfigError> {
        if self.present(key) { self.text(key) } else { Ok(default) }
    }

    pub(super) fn flag_or(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.get(key) {
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(key, "true or false")),
            None => Ok(default),
        }
    }

    /// Refuses a flag that has the value which is not computed.
    pub(super) fn refuse(&self, key: &str, unsupported: bool) -> Result<(), ConfigError> {
        match self.flag_or(key, !unsupported)? == unsupported {
            true => Err(self.wrong(key, &(!unsupported).to_string())),
            false => Ok(()),
        }
    }

    /// Refuses a number that is there and another than `neutral`.
    pub(super) fn must_be(&self, key: &str, neutral: f64, expected: &str) -> Result<(), ConfigError> {
        match self.get(key) {
            Some(value) if value.as_f64() != Some(neutral) => Err(self.wrong(key, expected)),
            _ => Ok(()),
        }
    }

    /// Refuses a key that is there, unless it says no: `false`, 0, an empty text, list or object.
    pub(super) fn must_be_off(&self, key: &str) -> Result<(), ConfigError> {
        let off = |value: &Value| match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
        };
        match self.get(key) {
            Some(value) if !off(value) => {
                Err(self.wrong(key, "absent (this decoder computes no such thing)"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn object(&self, key: &str) -> Result<Option<Keys<'a>>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let map = value.as_object().ok_or_else(|| self.wrong(key, "an object"))?;
        Ok(Some(Keys { map, prefix: format!("{}{key}.", self.prefix) }))
    }

    /// The strings of a list.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        texts.ok_or_else(|| self.wrong(key, "a list of strings"))
    }
}
