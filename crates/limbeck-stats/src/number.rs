//! Numbers in JSON: one that is not finite is written as `null` and read back as NaN.
//!
//! JSON has no NaN. Without this a single undefined figure would make a file that was written
//! but cannot be read.

use serde::{Deserialize, Deserializer, Serializer};

/// Writes `value`, or `null` when it is not finite.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
}

/// Reads a number; `null` is NaN.
///
/// # Errors
/// Those of the deserializer; a value that is neither a number nor `null`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The same for a list of numbers.
pub mod list {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes each value, or `null` for one that is not finite.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| value.is_finite().then_some(*value)))
    }

    /// Reads numbers; `null` is NaN.
    ///
    /// # Errors
    /// Those of the deserializer; a value that is neither a number nor `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }
}

/// The same for a pair of numbers.
pub mod pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes both values, `null` for one that is not finite.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(pair: &(f64, f64), serializer: S) -> Result<S::Ok, S::Error> {
        let written = |value: f64| value.is_finite().then_some(value);
        (written(pair.0), written(pair.1)).serialize(serializer)
    }

    /// Reads a pair; `null` is NaN.
    ///
    /// # Errors
    /// Those of the deserializer; a value that is neither a number nor `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(f64, f64), D::Error> {
        let (first, second) = <(Option<f64>, Option<f64>)>::deserialize(deserializer)?;
        Ok((first.unwrap_or(f64::NAN), second.unwrap_or(f64::NAN)))
    }
}
