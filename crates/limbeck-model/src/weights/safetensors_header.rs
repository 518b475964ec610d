//! The header of a safetensors file: a JSON object of names, types, shapes and byte ranges.
//!
//! Layout (github.com/huggingface/safetensors, "Format"): 8 bytes little-endian header length N, N bytes of JSON, then the data
//! without gaps or overlaps to the end of the file.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::element_count;

/// Headers above this are refused, as the reference implementation does.
const MAX_HEADER: u64 = 100_000_000;

/// Where a tensor lies and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    /// Byte range in the whole file.
    pub(crate) range: Range<usize>,
}

/// What a header says.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) entries: BTreeMap<String, Entry>,
    /// `__metadata__`. safetensors' `save_model` notes there, for each name it left out because another tensor shares its memory,
    /// the name it kept.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A header as it stands in the file. Read straight into its types, so that it takes no more memory than a few times its bytes.
struct Raw {
    tensors: BTreeMap<String, RawEntry>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut raw = Raw { tensors: BTreeMap::new(), metadata: BTreeMap::new() };
        while let Some(name) = map.next_key::<String>()? {
            let in_name = |error| A::Error::custom(format!("tensor {name}: {error}"));
            if name == "__metadata__" {
                raw.metadata = map.next_value().map_err(in_name)?;
                continue;
            }
            let entry = map.next_value().map_err(in_name)?;
            if raw.tensors.contains_key(&name) {
                return Err(A::Error::custom(format!("tensor {name} occurs twice")));
            }
            raw.tensors.insert(name, entry);
        }
        Ok(raw)
    }
}

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// Bits of one element of a stored type, for the types the format knows with whole bytes.
fn bytes_per_element(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "F64" | "I64" | "U64" | "C64" => 8,
        "F32" | "I32" | "U32" => 4,
        "F16" | "BF16" | "I16" | "U16" => 2,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 1,
        _ => return None,
    })
}

/// Reads and checks the header of a whole file.
///
/// # Errors
/// A sentence that says what is wrong.
pub(crate) fn read(bytes: &[u8]) -> Result<Header, String> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("{} bytes are too few for the header length", bytes.len()));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(format!("header of {length} bytes; at most {MAX_HEADER} are allowed"));
    }
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let Some((header, data)) = rest.split_at_checked(length) else {
        return Err(format!("header of {length} bytes, but only {} bytes follow", rest.len()));
    };
    let Raw { tensors, metadata } =
        serde_json::from_slice(header).map_err(|error| format!("header: {error}"))?;
    let mut entries = BTreeMap::new();
    for (name, raw) in tensors {
        let (start, end) = raw.data_offsets;
        let width = bytes_per_element(&raw.dtype)
            .ok_or_else(|| format!("tensor {name}: unknown type {}", raw.dtype))?;
        let needed = element_count(&raw.shape).and_then(|count| count.checked_mul(width));
        let Some(needed) = needed else {
            return Err(format!("tensor {name}: shape {:?} overflows", raw.shape));
        };
        if start > end || end > data.len() {
            return Err(format!(
                "tensor {name}: bytes {start}..{end} are not within the {} bytes of data",
                data.len()
            ));
        }
        if end - start != needed {
            return Err(format!(
                "tensor {name}: shape {:?} of {} needs {needed} bytes, bytes {start}..{end} are {}",
                raw.shape,
                raw.dtype,
                end - start
            ));
        }
        let base = 8 + length;
        entries.insert(name, Entry { dtype: raw.dtype, shape: raw.shape, range: base + start..base + end });
    }
    check_cover(&entries, 8 + length, bytes.len())?;
    Ok(Header { entries, metadata })
}

/// The tensors must follow each other without gaps, from the end of the header to the end of the file.
fn check_cover(entries: &BTreeMap<String, Entry>, start: usize, end: usize) -> Result<(), String> {
    let mut ranges: Vec<(&Range<usize>, &str)> =
        entries.iter().map(|(name, entry)| (&entry.range, name.as_str())).collect();
    ranges.sort_by_key(|(range, _)| (range.start, range.end));
    let mut at = start;
    for (range, name) in ranges {
        if range.start != at {
            return Err(format!(
                "tensor {name} starts at byte {}, the one before it ends at {at}",
                range.start
            ));
        }
        at = range.end;
    }
    if at == end { Ok(()) } else { Err(format!("the tensors end at byte {at}, the file at {end}")) }
}
