//! Models split over several files: NAME-00001-of-00003.gguf and so on, with the keys `split.no` (from 0) and `split.count` in each.
//!
//! The first part holds the metadata, every part some of the tensors (llama.cpp, gguf-split). Whichever part is opened, all are
//! read, and the result is as if there were one file.

use std::path::{Path, PathBuf};

use super::error::GgufError;
use super::file::GgufFile;
use super::value::Value;
use crate::weights::error::WeightsError;
use crate::weights::mapped::MappedFile;

const NUMBER: &str = "split.no";
const COUNT: &str = "split.count";
const TENSORS: &str = "split.tensors.count";
/// More parts have no name: the names' numbers have five digits.
const MOST: u64 = 99_999;
/// Missing parts that a message names.
const NAMED: usize = 5;

/// Which part of how many, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    number: usize,
    count: usize,
}

impl Place {
    /// What a file says of itself; `None` when it stands alone.
    fn of(file: &GgufFile) -> Result<Option<Self>, GgufError> {
        let expected = "a whole number of parts, at most 99999";
        let count = file.optional(COUNT, expected, |value| value.as_u64().filter(|count| *count <= MOST))?;
        let Some(count @ 2..) = count else { return Ok(None) };
        let expected = "below split.count";
        let number = file.required(NUMBER, expected, |value| value.as_u64().filter(|no| *no < count))?;
        Ok(Some(Self { number: number as usize, count: count as usize }))
    }
}

/// The files of the split model that a file is by its name one of, in order; `None` for any other name. Whether they are there is not
/// looked at.
#[must_use]
pub fn split_parts(path: &Path) -> Option<Vec<PathBuf>> {
    let (rest, count) = path.file_name()?.to_str()?.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| match text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<usize>().ok(),
        false => None,
    };
    let (number, count) = (digits(number)?, digits(count)?);
    let name = |part: usize| path.with_file_name(format!("{stem}-{part:05}-of-{count:05}.gguf"));
    (number >= 1 && number <= count && count > 1).then(|| (1..=count).map(name).collect())
}

/// A file as it is when it stands alone, or with all the other parts beside it.
pub(super) fn complete(path: &Path, file: GgufFile) -> Result<GgufFile, WeightsError> {
    let in_file = |error| WeightsError::gguf(path)(error);
    let Some(place) = Place::of(&file).map_err(in_file)? else { return Ok(file) };
    let (number, count) = (place.number + 1, place.count);
    let parts = split_parts(path).filter(|parts| parts.len() == count);
    let Some(parts) = parts.filter(|parts| parts.get(place.number).is_some_and(|part| part == path)) else {
        return Err(in_file(GgufError::SplitName { number, count }));
    };
    let missing: Vec<String> =
        parts.iter().filter(|part| !part.is_file()).map(|part| name_of(part)).collect();
    if !missing.is_empty() {
        let mut shown = missing.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if missing.len() > NAMED {
            shown += &format!(" and {} more", missing.len() - NAMED);
        }
        return Err(in_file(GgufError::SplitParts { number, count, missing: shown }));
    }
    let mut whole: Option<GgufFile> = None;
    for (part, path) in parts.iter().enumerate() {
        let name = name_of(path);
        let next = GgufFile::parse(MappedFile::open(path)?).map_err(WeightsError::gguf(path))?;
        let found = Place::of(&next).map_err(WeightsError::gguf(path))?;
        if found != Some(Place { number: part, count }) {
            let reason = format!("its {NUMBER} and {COUNT} should be {part} and {count}");
            return Err(in_file(GgufError::SplitStranger { part: name, reason }));
        }
        match &mut whole {
            None => whole = Some(next),
            Some(whole) => join(whole, next, part, &name).map_err(in_file)?,
        }
    }
    let mut whole = whole.unwrap_or(file);
    let expected = "the number of tensors in all parts";
    let tensors = whole.tensors.len() as u64;
    let counted = whole.optional(TENSORS, expected, |value| value.as_u64().filter(|count| *count == tensors));
    counted.map_err(in_file)?;
    whole.metadata.retain(|key, _| !key.starts_with("split."));
    Ok(whole)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Adds the tensors of a further part, and what it says beyond the parts before.
fn join(whole: &mut GgufFile, next: GgufFile, part: usize, name: &str) -> Result<(), GgufError> {
    for (key, value) in next.metadata {
        match whole.metadata.get(&key) {
            Some(first) if key != NUMBER && !same(first, &value) => {
                let reason = format!("its key {key} is another than the first part's");
                return Err(GgufError::SplitStranger { part: name.to_owned(), reason });
            }
            Some(_) => {}
            None => {
                whole.metadata.insert(key, value);
            }
        }
    }
    for (tensor, mut info) in next.tensors {
        info.part = part;
        if whole.tensors.insert(tensor.clone(), info).is_some() {
            return Err(GgufError::DuplicateTensor { tensor });
        }
    }
    whole.files.extend(next.files);
    Ok(())
}

/// Equal, as written: of numbers whatever their width.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_number().is_some_and(|a| b.as_number() == Some(a))
}
