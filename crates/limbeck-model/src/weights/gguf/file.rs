//! The parsed head of a GGUF file, and access to its tensors.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::blocks::TensorType;
use super::cursor::Cursor;
use super::error::GgufError;
use super::split;
use super::value::Value;
use crate::weights::error::WeightsError;
use crate::weights::mapped::MappedFile;
use crate::weights::source::HostTensor;

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: usize = 32;

/// How a tensor is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Sizes, outermost dimension first (the reverse of the order in the file).
    pub shape: Vec<usize>,
    /// The stored type.
    pub kind: TensorType,
    /// The file it lies in, of a model split over several: from 0.
    pub part: usize,
    /// Its bytes in that whole file.
    pub range: Range<usize>,
}

/// A GGUF file, memory-mapped, its head checked: every tensor lies within the file, aligned and apart from the others. Or a model
/// split over several such files, as one.
#[derive(Debug, Clone)]
pub struct GgufFile {
    /// The file opened, or all parts in order.
    pub(super) files: Vec<MappedFile>,
    version: u32,
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) tensors: BTreeMap<String, TensorInfo>,
}

impl GgufFile {
    /// Opens and checks a file, and with any part of a split model (key `split.count`) all the others beside it.
    ///
    /// # Errors
    /// [`WeightsError::Io`], or [`WeightsError::Gguf`] with what is wrong.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = Self::parse(MappedFile::open(path)?).map_err(WeightsError::gguf(path))?;
        split::complete(path, file)
    }

    /// Checks bytes already mapped.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn parse(file: MappedFile) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(&file);
        let version = read_version(&mut cursor)?;
        if version == 1 {
            cursor.narrow();
        }
        // A tensor takes at least a name length, a rank, one dimension, a type and an offset; a key a length, a type and a byte.
        let width = cursor.length_width();
        let tensor_count = cursor.count(2 * width + 16, "tensor count")?;
        let key_count = cursor.count(width + 5, "key count")?;
        let metadata = read_metadata(&mut cursor, key_count)?;
        let alignment = alignment(&metadata)?;
        let raw = (0..tensor_count)
            .map(|_| RawTensor::read(&mut cursor, version))
            .collect::<Result<Vec<_>, _>>()?;
        let data_start = cursor.position().next_multiple_of(alignment).min(file.len());
        let mut tensors = BTreeMap::new();
        for raw in raw {
            let (name, info) = raw.check(data_start, file.len(), alignment)?;
            if tensors.insert(name.clone(), info).is_some() {
                return Err(GgufError::DuplicateTensor { tensor: name });
            }
        }
        check_overlaps(&tensors)?;
        Ok(Self { files: vec![file], version, metadata, tensors })
    }

    /// The format's version, 1 to 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// All keys and values.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// All tensors under their GGUF names.
    #[must_use]
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// Where the file lies; of a split model the first part.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), MappedFile::path)
    }

    /// Where the file lies that a tensor is in.
    #[must_use]
    pub fn path_of(&self, tensor: &str) -> &Path {
        let part = self.tensors.get(tensor).and_then(|info| self.files.get(info.part));
        part.map_or_else(|| self.path(), MappedFile::path)
    }

    /// BLAKE3 (hex) of the file's bytes; of a split model of all parts, each with its length before it.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            if self.files.len() > 1 {
                hasher.update(&(file.len() as u64).to_le_bytes());
            }
            hasher.update(file);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The stored bytes of a tensor.
    ///
    /// # Errors
    /// [`GgufError::MissingTensor`].
    pub fn raw(&self, name: &str) -> Result<&[u8], GgufError> {
        let info = self.tensors.get(name);
        info.and_then(|info| self.files.get(info.part)?.get(info.range.clone()))
            .ok_or_else(|| GgufError::MissingTensor { tensor: name.to_owned() })
    }

    /// A tensor as `f32`, in the order of the file.
    ///
    /// # Errors
    /// [`GgufError::MissingTensor`].
    pub fn tensor(&self, name: &str) -> Result<HostTensor, GgufError> {
        let info =
            self.tensors.get(name).ok_or_else(|| GgufError::MissingTensor { tensor: name.to_owned() })?;
        Ok(HostTensor { shape: info.shape.clone(), values: info.kind.dequantise(self.raw(name)?) })
    }

    /// `general.architecture`.
    ///
    /// # Errors
    /// [`GgufError::MissingKey`], [`GgufError::WrongValue`].
    pub fn architecture(&self) -> Result<&str, GgufError> {
        self.required("general.architecture", "a string", Value::as_str)
    }

    /// A value that may be absent, but not of another type.
    ///
    /// # Errors
    /// [`GgufError::WrongValue`].
    pub fn optional<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.metadata.get(key) else {
            return Ok(None);
        };
        let wrong = || GgufError::WrongValue { key: key.to_owned(), expected, found: value.describe() };
        read(value).map(Some).ok_or_else(wrong)
    }

    /// A value that must be there.
    ///
    /// # Errors
    /// [`GgufError::MissingKey`], [`GgufError::WrongValue`].
    pub fn required<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T, GgufError> {
        self.optional(key, expected, read)?.ok_or_else(|| GgufError::MissingKey { key: key.to_owned() })
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, GgufError> {
    let magic = cursor.take(cursor.remaining().min(4) as u64, "magic")?;
    if magic != MAGIC {
        return Err(GgufError::BadMagic { found: magic.to_vec() });
    }
    match cursor.u32("version")? {
        version @ 1..=3 => Ok(version),
        swapped if (1..=3).contains(&swapped.swap_bytes()) => Err(GgufError::BigEndian),
        found => Err(GgufError::UnsupportedVersion { found }),
    }
}

fn read_metadata(cursor: &mut Cursor<'_>, count: usize) -> Result<BTreeMap<String, Value>, GgufError> {
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.string("key")?;
        let value = Value::read(cursor, &key)?;
        if metadata.contains_key(&key) {
            return Err(GgufError::DuplicateKey { key });
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<usize, GgufError> {
    let Some(value) = metadata.get("general.alignment") else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    match value.as_u64().map(usize::try_from) {
        Some(Ok(alignment @ 1..=65536)) if alignment.is_power_of_two() => Ok(alignment),
        _ => Err(GgufError::BadAlignment { found: value.describe() }),
    }
}

/// A tensor description as it stands in the file.
struct RawTensor {
    name: String,
    shape: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl RawTensor {
    fn read(cursor: &mut Cursor<'_>, version: u32) -> Result<Self, GgufError> {
        let name = cursor.string("tensor name")?;
        let rank = cursor.u32("tensor rank")?;
        if !(1..=4).contains(&rank) {
            return Err(GgufError::BadRank { tensor: name, found: rank });
        }
        let mut shape = Vec::with_capacity(4);
        for _ in 0..rank {
            shape.push(if version == 1 {
                cursor.u32("dimension")?.into()
            } else {
                cursor.u64("dimension")?
            });
        }
        shape.reverse();
        Ok(Self { name, shape, kind: cursor.u32("tensor type")?, offset: cursor.u64("tensor offset")? })
    }

    fn check(
        self,
        data_start: usize,
        file_length: usize,
        alignment: usize,
    ) -> Result<(String, TensorInfo), GgufError> {
        let Self { name: tensor, shape, kind, offset } = self;
        let Some(kind) = TensorType::from_number(kind) else {
            return Err(GgufError::UnsupportedTensorType {
                tensor,
                found: kind,
                supported: TensorType::names(),
            });
        };
        if shape.contains(&0) {
            return Err(GgufError::EmptyTensor { tensor, shape });
        }
        let sizes: Option<Vec<usize>> = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
        let count = sizes.as_deref().and_then(crate::weights::element_count);
        let (Some(sizes), Some(count)) = (sizes, count) else {
            return Err(GgufError::ShapeOverflow { tensor, shape });
        };
        let row = sizes.last().copied().unwrap_or(0);
        if row % kind.block() != 0 {
            return Err(GgufError::PartialBlock { tensor, row, block: kind.block() });
        }
        let Some(size) = (count / kind.block()).checked_mul(kind.block_bytes()) else {
            return Err(GgufError::ShapeOverflow { tensor, shape });
        };
        if offset % alignment as u64 != 0 {
            return Err(GgufError::Misaligned { tensor, offset, alignment });
        }
        let available = file_length - data_start;
        let end = usize::try_from(offset).ok().and_then(|offset| Some((offset, offset.checked_add(size)?)));
        match end {
            Some((start, end)) if end <= available => Ok((
                tensor,
                TensorInfo { shape: sizes, kind, part: 0, range: data_start + start..data_start + end },
            )),
            _ => Err(GgufError::OutOfBounds { tensor, offset, size: size as u64, available }),
        }
    }
}

fn check_overlaps(tensors: &BTreeMap<String, TensorInfo>) -> Result<(), GgufError> {
    let mut ranges: Vec<(&Range<usize>, &String)> =
        tensors.iter().map(|(name, info)| (&info.range, name)).collect();
    ranges.sort_by_key(|(range, _)| range.start);
    for ((first_range, first), (second_range, second)) in ranges.iter().zip(ranges.iter().skip(1)) {
        if first_range.end > second_range.start {
            return Err(GgufError::Overlap { first: (*first).clone(), second: (*second).clone() });
        }
    }
    Ok(())
}
