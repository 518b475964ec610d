//! Tables of values between commas or tabs (RFC 4180), the first row their names.
//!
//! Every value is text; an empty one counts as absent, as it does for pandas and so for Hugging Face datasets.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use super::columns::{Columns, Misfit, shorten};
use super::{Place, Record, source};
use crate::DataError;

/// Reads the records of one table in order.
pub(super) struct CsvReader {
    path: PathBuf,
    reader: ::csv::Reader<Bounded>,
    names: Vec<String>,
    row: ::csv::ByteRecord,
    allowance: Arc<AtomicU64>,
    limit: u64,
}

/// A stream that ends with an error where one row reads more than its allowance: a quote that is never closed makes the
/// rest of the file one value.
struct Bounded {
    inner: Box<dyn BufRead + Send>,
    allowance: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.allowance.load(Ordering::Relaxed);
        match left.checked_sub(read as u64) {
            Some(left) => self.allowance.store(left, Ordering::Relaxed),
            None => return Err(std::io::Error::other("a row too long")),
        }
        Ok(read)
    }
}

/// What the reader may hold beyond a row.
const SLACK: u64 = 1 << 20;

impl CsvReader {
    pub(super) fn open(path: &Path, delimiter: u8, limit: u64) -> Result<Self, DataError> {
        let mut inner = source::open(path)?;
        if inner.fill_buf().map_err(DataError::io("read", path))?.starts_with(&[0xef, 0xbb, 0xbf]) {
            inner.consume(3);
        }
        let allowance = Arc::new(AtomicU64::new(limit + SLACK));
        let reader = ::csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(Bounded { inner, allowance: Arc::clone(&allowance) });
        let mut table = Self {
            path: path.to_path_buf(),
            reader,
            names: Vec::new(),
            row: ::csv::ByteRecord::new(),
            allowance,
            limit,
        };
        if table.advance()? {
            let line = table.line();
            for index in 0..table.row.len() {
                let name = table.text(index, line)?.trim().to_owned();
                if table.names.contains(&name) {
                    return Err(table.wrong(
                        line,
                        None,
                        format!("two columns `{}`", shorten(&name)),
                        "each once",
                    ));
                }
                table.names.push(name);
            }
        }
        Ok(table)
    }

    fn wrong(&self, line: u64, column: Option<&str>, found: String, expected: &str) -> DataError {
        DataError::Record {
            file: self.path.clone(),
            unit: "line",
            row: Some(line),
            column: column.map(str::to_owned),
            found,
            expected: expected.to_owned(),
        }
    }

    /// Reads the next row; whether there was one.
    fn advance(&mut self) -> Result<bool, DataError> {
        self.allowance.store(self.limit + SLACK, Ordering::Relaxed);
        let line = self.reader.position().line();
        self.reader.read_byte_record(&mut self.row).map_err(|error| match error.into_kind() {
            ::csv::ErrorKind::Io(error) if error.to_string() == "a row too long" => self.wrong(
                line,
                None,
                format!("a row of more than {} bytes", self.limit),
                "a shorter one (is a quotation mark not closed?)",
            ),
            ::csv::ErrorKind::Io(source) => DataError::Io { action: "read", path: self.path.clone(), source },
            other => self.wrong(line, None, format!("{other:?}"), "a table of values"),
        })
    }

    /// The line on which the row begins.
    fn line(&self) -> u64 {
        self.row.position().map_or(0, ::csv::Position::line)
    }

    fn text(&self, index: usize, line: u64) -> Result<&str, DataError> {
        let bytes = self.row.get(index).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let name = self.names.get(index).map(String::as_str);
            self.wrong(line, name, format!("byte 0x{:02x}", bytes[at]), "text in UTF-8")
        })
    }

    /// The next record and where it stands, or none at the end.
    pub(super) fn next(&mut self, columns: &mut Columns) -> Result<Option<(Record, Place)>, DataError> {
        if !self.advance()? {
            return Ok(None);
        }
        let line = self.line();
        if self.row.len() != self.names.len() {
            let found = format!("{} values", self.row.len());
            let expected = format!("{}, as many as the first row has names", self.names.len());
            return Err(self.wrong(line, None, found, &expected));
        }
        let mut object = Map::new();
        for (index, name) in self.names.iter().enumerate() {
            let text = self.text(index, line)?;
            let value = if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) };
            object.insert(name.clone(), value);
        }
        match columns.record_of_object(object) {
            Ok(record) => Ok(Some((record, Place { file: self.path.clone(), unit: "line", row: line }))),
            Err(Misfit { column, found, expected }) => {
                Err(self.wrong(line, column.as_deref(), found, &expected))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ReadOptions, read_records, stream_records};
    use super::*;

    fn completion(prompt: &str, completion: &str) -> Record {
        Record::Completion { prompt: prompt.to_owned(), completion: completion.to_owned() }
    }

    #[test]
    fn tables_are_read_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let expected = [completion("a, \"b\"\nc", "5"), completion("d", "NA")];
        for (name, text) in [
            ("a.csv", "prompt,completion,id\n\"a, \"\"b\"\"\nc\",5,1\nd,NA,\n"),
            ("b.csv", "\u{feff}id,completion,prompt\r\n1,5,\"a, \"\"b\"\"\nc\"\r\n,NA,d"),
            ("c.tsv", "prompt\tcompletion\n\"a, \"\"b\"\"\nc\"\t5\nd\tNA\n"),
        ] {
            assert_eq!(read_records(&write(name, text)).unwrap(), expected, "{name}");
        }
        assert_eq!(read_records(&write("d.csv", "prompt,completion\n")).unwrap(), []);
        assert_eq!(read_records(&write("e.csv", "")).unwrap(), []);
        let path = write("f.csv", "prompt,completion\n\"a\nb\",c\nd,e\n");
        let mut stream = stream_records(&path, &ReadOptions::default()).unwrap();
        assert_eq!(stream.by_ref().take(2).filter(Result::is_ok).count(), 2);
        assert_eq!(stream.place().unwrap().row, 4);
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let folder = tempfile::tempdir().unwrap();
        for (text, parts) in [
            (b"prompt,completion\na,b\nc\n".as_slice(), ["line 3", "1 values", "2, as many"]),
            (b"prompt,completion\na,\n", ["line 2", "column `completion`", "null"]),
            (b"prompt,prompt\na,b\n", ["line 1", "two columns `prompt`", "each once"]),
            (b"prompt,completion\na,\xff\n", ["line 2", "column `completion`", "0xff"]),
            (b"prompt;completion\na;b\n", ["line 2", "only `prompt;completion`", "`messages`"]),
        ] {
            let path = folder.path().join("a.csv");
            std::fs::write(&path, text).unwrap();
            let error = read_records(&path).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "`{part}` is not in: {error}");
            }
        }
        let path = folder.path().join("b.csv");
        std::fs::write(&path, format!("text\n\"{}", "x\n".repeat(2 << 20))).unwrap();
        let options = ReadOptions { max_record_bytes: 1000, ..ReadOptions::default() };
        let error = stream_records(&path, &options).unwrap().next().unwrap().unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("not closed"), "{error}");
    }
}
