//! Opening a data file: its kind by name, and unpacking of gzip on the way.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::DataError;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON: one value a line, or one array.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Plain text, one document.
    Text,
}

/// Kinds as an error message lists them.
pub(super) const KNOWN_KINDS: &str =
    ".jsonl, .ndjson, .json, .txt, .text, .md or .dict (each also with .gz or .dz behind), or .parquet";

/// The kind of a file by its name, or none.
pub(super) fn kind(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let (stem, packed) = match lower.strip_suffix(".gz").or_else(|| lower.strip_suffix(".dz")) {
        Some(stem) => (stem, true),
        None => (lower.as_str(), false),
    };
    match stem.rsplit_once('.')?.1 {
        "jsonl" | "ndjson" | "json" => Some(Kind::Json),
        "txt" | "text" | "md" | "dict" => Some(Kind::Text),
        "parquet" if !packed => Some(Kind::Parquet),
        _ => None,
    }
}

/// Opens a file for reading, unpacking gzip where its first two bytes say so (whatever it is called:
/// dictzip, the `.dz` of dictionaries, is gzip with an index in its header).
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, DataError> {
    let file = File::open(path).map_err(DataError::io("open", path))?;
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
