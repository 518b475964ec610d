//! JSON records: one value a line (JSONL), or one array of them; the first character decides.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::columns::{Columns, Misfit};
use super::json::ArrayElements;
use super::{Place, Record, source};
use crate::DataError;

/// Values (numbers, texts, keys, lists) of one record at most: each takes some 30 to 100 bytes once it is read, however
/// short it is written.
const MAX_VALUES: u64 = 2_000_000;

/// An upper bound of the values in a JSON text: what stands between separators, outside of texts.
fn count_values(text: &[u8]) -> u64 {
    let (mut values, mut quoted, mut escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' | b':' if !quoted => values += 1,
            _ => {}
        }
    }
    values
}

enum Form {
    Lines(Box<dyn BufRead + Send>),
    Array(ArrayElements),
}

/// Reads the records of one JSON file in order.
pub(super) struct JsonReader {
    path: PathBuf,
    form: Form,
    row: u64,
    limit: u64,
}

impl JsonReader {
    pub(super) fn open(path: &Path, limit: u64) -> Result<Self, DataError> {
        Self::new(path, source::open(path)?, limit)
    }

    /// `path` is for error messages only.
    fn new(path: &Path, mut reader: Box<dyn BufRead + Send>, limit: u64) -> Result<Self, DataError> {
        let start = reader.fill_buf().map_err(DataError::io("read", path))?;
        if start.starts_with(&[0xef, 0xbb, 0xbf]) {
            reader.consume(3);
        }
        let start = reader.fill_buf().map_err(DataError::io("read", path))?;
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        let form = if first == Some(&b'[') {
            let mut array = ArrayElements::new(reader, limit);
            array.open(path)?;
            Form::Array(array)
        } else {
            Form::Lines(reader)
        };
        Ok(Self { path: path.to_path_buf(), form, row: 0, limit })
    }

    /// The next record and where it stands, or none at the end.
    pub(super) fn next(&mut self, columns: &mut Columns) -> Result<Option<(Record, Place)>, DataError> {
        let Some(JsonRow { unit, row, value }) = self.next_value()? else { return Ok(None) };
        let file = self.path.clone();
        match columns.record(value) {
            Ok(record) => Ok(Some((record, Place { file, unit, row }))),
            Err(Misfit { column, found, expected }) => {
                Err(DataError::Record { file, unit, row: Some(row), column, found, expected })
            }
        }
    }

    /// The next value as it is, or none at the end.
    fn next_value(&mut self) -> Result<Option<JsonRow>, DataError> {
        let (text, unit) = match &mut self.form {
            Form::Array(array) => {
                self.row += 1;
                (array.next(&self.path, self.row)?, "element")
            }
            Form::Lines(reader) => (next_line(reader, &self.path, &mut self.row, self.limit)?, "line"),
        };
        let Some(text) = text else { return Ok(None) };
        let values = count_values(&text);
        if values > MAX_VALUES {
            return Err(DataError::Record {
                file: self.path.clone(),
                unit,
                row: Some(self.row),
                column: None,
                found: format!("{values} values"),
                expected: format!("at most {MAX_VALUES} in one record"),
            });
        }
        let value: Value = serde_json::from_slice(&text).map_err(|error| DataError::Record {
            file: self.path.clone(),
            unit,
            row: Some(self.row),
            column: None,
            // Within one line the parser's line number says nothing; its column does.
            found: if unit == "line" {
                error.to_string().replacen(" line 1 ", " ", 1)
            } else {
                error.to_string()
            },
            expected: "one complete JSON value, or a file with one array".to_owned(),
        })?;
        Ok(Some(JsonRow { unit, row: self.row, value }))
    }
}

/// One value of a JSON file, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonRow {
    /// How rows are counted in this file: "line" or "element".
    pub unit: &'static str,
    /// The row, counted from 1.
    pub row: u64,
    /// What stands there.
    pub value: Value,
}

/// The values of a JSON file in order, for readers with columns of their own: one value a line, or one array of
/// them. No value may have more than `limit` bytes.
///
/// # Errors
/// When the file cannot be opened; the iterator gives an error, and then ends, at what is not JSON or too large.
pub fn json_rows(
    path: &Path,
    limit: u64,
) -> Result<impl Iterator<Item = Result<JsonRow, DataError>>, DataError> {
    let mut reader = Some(JsonReader::open(path, limit)?);
    Ok(std::iter::from_fn(move || {
        let next = reader.as_mut()?.next_value().transpose();
        if !matches!(next, Some(Ok(_))) {
            reader = None;
        }
        next
    }))
}

/// The next line that is not blank.
fn next_line(
    reader: &mut Box<dyn BufRead + Send>,
    path: &Path,
    row: &mut u64,
    limit: u64,
) -> Result<Option<Vec<u8>>, DataError> {
    loop {
        let mut line = Vec::new();
        *row += 1;
        let read = reader
            .by_ref()
            .take(limit + 1)
            .read_until(b'\n', &mut line)
            .map_err(DataError::io("read", path))?;
        if read == 0 {
            return Ok(None);
        }
        if line.len() as u64 > limit {
            return Err(DataError::TooLarge {
                path: path.to_path_buf(),
                what: format!("line {row}"),
                size: line.len() as u64,
                limit,
            });
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Some(line));
        }
    }
}
