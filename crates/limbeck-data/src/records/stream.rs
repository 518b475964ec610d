//! Reading a file, or a folder of files, as one stream of records.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::columns::Columns;
use super::csv::CsvReader;
use super::dataset::{DataFile, DataSet, data_set};
use super::jsonl::JsonReader;
use super::parquet::ParquetReader;
use super::source::Kind;
use super::text::read_text;
use super::{ReadOptions, Record};
use crate::DataError;

/// The file being read.
enum Reader {
    Json(JsonReader),
    Parquet(Box<ParquetReader>),
    Csv(Box<CsvReader>),
    Text(Option<PathBuf>),
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// How rows are counted there: "line", "row", "element".
    pub unit: &'static str,
    /// The row, counted from 1.
    pub row: u64,
}

/// Records in order: of one file, or of a folder's files by relative path. After an error the stream ends.
pub struct RecordStream {
    waiting: std::vec::IntoIter<DataFile>,
    reader: Option<Reader>,
    columns: Columns,
    place: Option<Place>,
    options: ReadOptions,
    source: PathBuf,
    records: u64,
    bytes: u64,
    ended: bool,
}

/// Opens `path`, a file or a folder, for reading the records one by one that are to be trained on.
///
/// # Errors
/// As [`data_set`]. What is wrong inside a file comes as an item of the stream.
pub fn stream_records(path: &Path, options: &ReadOptions) -> Result<RecordStream, DataError> {
    Ok(data_set(path, options)?.training(options))
}

impl DataSet {
    /// The records to train on.
    pub fn training(&self, options: &ReadOptions) -> RecordStream {
        RecordStream::new(self.train.clone(), self.root.clone(), options)
    }

    /// The records of a split that is kept from training; none when there is no such split.
    pub fn split(&self, name: &str, options: &ReadOptions) -> Option<RecordStream> {
        let (_, files) = self.held_out.iter().find(|(split, _)| split == name)?;
        Some(RecordStream::new(files.clone(), self.root.clone(), options))
    }
}

/// Reads all records of a file or folder with the default options.
///
/// # Errors
/// As [`stream_records`], and the first thing wrong inside.
pub fn read_records(path: &Path) -> Result<Vec<Record>, DataError> {
    stream_records(path, &ReadOptions::default())?.collect()
}

impl RecordStream {
    fn new(files: Vec<DataFile>, source: PathBuf, options: &ReadOptions) -> Self {
        Self {
            waiting: files.into_iter(),
            reader: None,
            columns: Columns { ignore: options.ignore.clone(), unused: BTreeSet::new() },
            place: None,
            options: options.clone(),
            source,
            records: 0,
            bytes: 0,
            ended: false,
        }
    }

    /// Where the record given last stands.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Columns, and fields of turns, that were passed over so far.
    pub fn unused(&self) -> &BTreeSet<String> {
        &self.columns.unused
    }

    /// Goes on behind a wrong record instead of ending there.
    pub fn go_on(&mut self) {
        self.ended = false;
    }

    fn read(&mut self) -> Result<Option<Record>, DataError> {
        loop {
            let columns = &mut self.columns;
            let found = match &mut self.reader {
                None => None,
                Some(Reader::Json(reader)) => reader.next(columns)?,
                Some(Reader::Parquet(reader)) => reader.next(columns)?,
                Some(Reader::Csv(reader)) => reader.next(columns)?,
                Some(Reader::Text(path)) => match path.take() {
                    Some(path) => {
                        let record = Record::Text { text: read_text(&path, self.options.max_text_bytes)? };
                        Some((record, Place { file: path, unit: "document", row: 1 }))
                    }
                    None => None,
                },
            };
            if let Some((record, place)) = found {
                self.place = Some(place);
                return Ok(Some(record));
            }
            let Some(DataFile { path, kind }) = self.waiting.next() else {
                return Ok(None);
            };
            let limit = self.options.max_record_bytes;
            self.reader = Some(match kind {
                Kind::Json => Reader::Json(JsonReader::open(&path, limit)?),
                Kind::Parquet => {
                    Reader::Parquet(Box::new(ParquetReader::open(&path, limit, &mut self.columns)?))
                }
                Kind::Csv { delimiter } => Reader::Csv(Box::new(CsvReader::open(&path, delimiter, limit)?)),
                Kind::Text => Reader::Text(Some(path)),
            });
        }
    }

    fn counted(&mut self) -> Result<Option<Record>, DataError> {
        if self.options.max_records.is_some_and(|most| self.records >= most) {
            return Ok(None);
        }
        let Some(record) = self.read()? else {
            return Ok(None);
        };
        self.records += 1;
        self.bytes = self.bytes.saturating_add(record.size());
        if self.bytes > self.options.max_total_bytes {
            return Err(DataError::TooLarge {
                path: self.source.clone(),
                what: format!("the sum of {} records", self.records),
                size: self.bytes,
                limit: self.options.max_total_bytes,
            });
        }
        Ok(Some(record))
    }
}

impl Iterator for RecordStream {
    type Item = Result<Record, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.counted().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}
