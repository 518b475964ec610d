//! Writing safetensors.

use std::path::Path;

use limbeck_data::atomic;

use super::element_count;
use super::error::WeightsError;
use super::fit::check_held;
use super::float::FloatFormat;
use super::source::WeightSource;

/// Writes all tensors of `source` into one file that appears complete or not at all.
///
/// `rename` gives each tensor its name in the file. The tensors follow in the order of [`WeightSource::names`], the header is
/// padded with spaces so that the data starts at a multiple of 8 bytes, and `__metadata__` says `{"format": "pt"}` as
/// transformers expects.
///
/// # Errors
/// What the source reports, [`WeightsError::NotHeld`] for values that the format cannot hold, or [`WeightsError::Io`].
pub fn write_safetensors(
    path: &Path,
    source: &mut dyn WeightSource,
    format: FloatFormat,
    rename: &dyn Fn(&str) -> String,
) -> Result<(), WeightsError> {
    let names = source.names();
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), serde_json::json!({ "format": "pt" }));
    let mut offset = 0usize;
    for name in &names {
        let shape = source.shape(name)?;
        let bytes = element_count(&shape).and_then(|count| count.checked_mul(format.width()));
        let end =
            bytes.and_then(|bytes| offset.checked_add(bytes)).ok_or_else(|| WeightsError::NotExportable {
                format: "safetensors",
                reason: format!("tensor {name} of shape {shape:?} overflows"),
            })?;
        header.insert(
            rename(name),
            serde_json::json!({ "dtype": format.safetensors_name(), "shape": shape, "data_offsets": [offset, end] }),
        );
        offset = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut refused = None;
    let written = atomic::write_atomic_with(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for name in &names {
            let bytes = source.tensor(name).and_then(|tensor| {
                let bytes = format.encode(&tensor.values);
                check_held(name, &tensor, &format.decode(&bytes), format.name())?;
                Ok(bytes)
            });
            match bytes {
                Ok(bytes) => out.write_all(&bytes)?,
                Err(error) => {
                    let message = error.to_string();
                    refused = Some(error);
                    return Err(std::io::Error::other(message));
                }
            }
        }
        Ok(())
    });
    // What stopped the writing is the reason, not the writing.
    match refused {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}
