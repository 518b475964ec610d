//! Opening a data file: its kind by name, and unpacking of gzip on the way.

use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{DataError, file};

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON: one value a line, or one array.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Plain text, one document.
    Text,
    /// Values between commas or tabs, the first row their names.
    Csv {
        /// What stands between values.
        delimiter: u8,
    },
}

/// Kinds as an error message lists them.
pub(super) const KNOWN_KINDS: &str = ".jsonl, .ndjson, .json, .csv, .tsv, .txt, .text, .md or .dict (each also with .gz or .dz behind), or .parquet";

/// The kind of a file by its name, or none.
pub(super) fn kind(name: &str) -> Option<Kind> {
    ending(name).map(|(_, kind)| kind)
}

/// The name without what says its kind; the whole name when nothing does.
pub(super) fn stem(name: &str) -> &str {
    ending(name).map_or(name, |(stem, _)| stem)
}

fn ending(name: &str) -> Option<(&str, Kind)> {
    let lower = name.to_ascii_lowercase();
    let packed = lower.ends_with(".gz") || lower.ends_with(".dz");
    let plain = if packed { &lower[..lower.len() - 3] } else { lower.as_str() };
    let (stem, ending) = plain.rsplit_once('.')?;
    let kind = match ending {
        "jsonl" | "ndjson" | "json" => Kind::Json,
        "txt" | "text" | "md" | "dict" => Kind::Text,
        "csv" => Kind::Csv { delimiter: b',' },
        "tsv" => Kind::Csv { delimiter: b'\t' },
        "parquet" if !packed => Kind::Parquet,
        _ => return None,
    };
    Some((&name[..stem.len()], kind))
}

/// Opens a file for reading, unpacking gzip where its first two bytes say so (whatever it is called:
/// dictzip, the `.dz` of dictionaries, is gzip with an index in its header).
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, DataError> {
    let file = file::open(path)?;
    let mut reader = BufReader::with_capacity(1 << 17, file);
    let start = reader.fill_buf().map_err(DataError::io("read", path))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(BufReader::with_capacity(1 << 17, MultiGzDecoder::new(reader))))
    } else {
        Ok(Box::new(reader))
    }
}

/// Reads everything, up to `limit` bytes.
pub(super) fn read_all(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut bytes).map_err(DataError::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(DataError::TooLarge {
            path: path.to_path_buf(),
            what: "the text".to_owned(),
            size: bytes.len() as u64,
            limit,
        });
    }
    Ok(bytes)
}

/// Runs `work` and turns a panic inside into an error.
///
/// The parquet crate asserts in places what a damaged file can violate (its own documentation calls
/// that a bug, but new ones turn up); damaged input must not end the program. Nothing of the
/// reader is used again after a panic, so its broken state is never seen.
pub(crate) fn contain<T>(path: &Path, work: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "the reader gave up".to_owned());
        Err(DataError::Damaged { path: path.to_path_buf(), format: "Parquet", reason })
    })
}
