//! Plain text: one document a file.

use std::path::Path;

use super::source;
use crate::DataError;

/// Reads a text file (gzip too): UTF-8, a byte order mark dropped, line ends made `\n`.
///
/// # Errors
/// Unreadable, longer than `limit`, or not UTF-8, with the place of the first wrong byte.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, DataError> {
    let bytes = source::read_all(path, limit)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
        DataError::Record {
            file: path.to_path_buf(),
            unit: "line",
            row: Some(line as u64),
            column: None,
            found: format!("byte 0x{:02x} at offset {place}", error.as_bytes()[place]),
            expected: "text in UTF-8".to_owned(),
        }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() })
}
