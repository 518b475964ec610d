//! Reading a file, or a folder of files, as one stream of records.

use std::fs;
use std::path::{Path, PathBuf};

use super::jsonl::JsonReader;
use super::parquet::ParquetReader;
use super::source::{self, KNOWN_KINDS, Kind};
use super::text::read_text;
use super::{ReadOptions, Record};
use crate::{DataError, hash, pattern};

/// The file being read.
enum Reader {
    Json(JsonReader),
    Parquet(Box<ParquetReader>),
    Text(Option<PathBuf>),
}

/// Records in order: of one file, or of a folder's files by relative path. After an error the stream ends.
pub struct RecordStream {
    waiting: std::vec::IntoIter<(PathBuf, Kind)>,
    reader: Option<Reader>,
    options: ReadOptions,
    source: PathBuf,
    records: u64,
    bytes: u64,
    ended: bool,
}

/// Opens `path`, a file or a folder, for reading records one by one.
///
/// # Errors
/// The path does not exist, a file is of no known kind, a folder has no data file. What is wrong inside
/// a file comes as an item of the stream.
pub fn stream_records(path: &Path, options: &ReadOptions) -> Result<RecordStream, DataError> {
    let facts = fs::metadata(path).map_err(DataError::io("open", path))?;
    let files = if facts.is_dir() { files_of_folder(path, options)? } else { vec![file_of_path(path)?] };
    Ok(RecordStream {
        waiting: files.into_iter(),
        reader: None,
        options: options.clone(),
        source: path.to_path_buf(),
        records: 0,
        bytes: 0,
        ended: false,
    })
}

/// Reads all records of a file or folder with the default options.
///
/// # Errors
/// As [`stream_records`], and the first thing wrong inside.
pub fn read_records(path: &Path) -> Result<Vec<Record>, DataError> {
    stream_records(path, &ReadOptions::default())?.collect()
}

fn file_of_path(path: &Path) -> Result<(PathBuf, Kind), DataError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    match source::kind(&name) {
        Some(kind) => Ok((path.to_path_buf(), kind)),
        None => Err(DataError::Unsupported {
            path: path.to_path_buf(),
            found: "a file of no known kind".to_owned(),
            expected: KNOWN_KINDS.to_owned(),
        }),
    }
}

fn files_of_folder(folder: &Path, options: &ReadOptions) -> Result<Vec<(PathBuf, Kind)>, DataError> {
    let names = hash::list_files(folder)?;
    let total = names.len();
    let files: Vec<(PathBuf, Kind)> = match &options.glob {
        Some(glob) => names
            .iter()
            .filter(|name| pattern::matches(glob, name))
            .map(|name| file_of_path(&folder.join(name)))
            .collect::<Result<_, _>>()?,
        None => {
            names.iter().filter_map(|name| source::kind(name).map(|kind| (folder.join(name), kind))).collect()
        }
    };
    if files.is_empty() {
        return Err(DataError::Unsupported {
            path: folder.to_path_buf(),
            found: match &options.glob {
                Some(glob) => format!("none of its {total} files fits `{glob}`"),
                None => format!("no data file among its {total} files"),
            },
            expected: KNOWN_KINDS.to_owned(),
        });
    }
    Ok(files)
}

impl RecordStream {
    fn read(&mut self) -> Result<Option<Record>, DataError> {
        loop {
            let record = match &mut self.reader {
                None => None,
                Some(Reader::Json(reader)) => reader.next()?,
                Some(Reader::Parquet(reader)) => reader.next()?,
                Some(Reader::Text(path)) => match path.take() {
                    Some(path) => {
                        Some(Record::Text { text: read_text(&path, self.options.max_record_bytes)? })
                    }
                    None => None,
                },
            };
            if record.is_some() {
                return Ok(record);
            }
            let Some((path, kind)) = self.waiting.next() else {
                return Ok(None);
            };
            self.reader = Some(match kind {
                Kind::Json => Reader::Json(JsonReader::open(&path, self.options.max_record_bytes)?),
                Kind::Parquet => Reader::Parquet(Box::new(ParquetReader::open(&path)?)),
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
