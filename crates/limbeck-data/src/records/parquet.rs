//! Parquet records: a few rows at a time, only the columns that records are made of.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use serde_json::{Map, Value};

use super::columns::{self, Misfit};
use super::{Record, contain};
use crate::DataError;

/// Rows decoded at a time: enough to spread the cost of a call, few enough that long texts fit.
const BATCH_ROWS: usize = 64;

/// What a Parquet file may claim before it is not read: (bytes of footer, bytes of one column chunk
/// unpacked, values in one column chunk). Real files stay far below; a damaged one can claim anything.
pub fn parquet_file_limits() -> (u64, u64, u64) {
    (64 << 20, 4 << 30, 1 << 30)
}

fn damaged(path: &Path, reason: impl ToString) -> DataError {
    DataError::Damaged { path: path.to_path_buf(), format: "Parquet", reason: reason.to_string() }
}

/// Opens a Parquet file and checks what its footer claims against the file's length and
/// [`parquet_file_limits`], before anything is read by those numbers. The caller wraps this, and all
/// reading, in [`contain`].
pub(crate) fn open_checked(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, DataError> {
    use std::io::{Read, Seek, SeekFrom};

    let mut file = File::open(path).map_err(DataError::io("open", path))?;
    let length = file.metadata().map_err(DataError::io("look at", path))?.len();
    let (max_footer, max_chunk, max_values) = parquet_file_limits();
    if length < 12 {
        return Err(damaged(path, format!("{length} bytes, and the smallest such file has 12")));
    }
    let mut end = [0_u8; 8];
    file.seek(SeekFrom::End(-8))
        .and_then(|_| file.read_exact(&mut end))
        .map_err(DataError::io("read", path))?;
    if &end[4..] != b"PAR1" {
        return Err(damaged(path, "it does not end in `PAR1` (cut off, or another format)"));
    }
    let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    if footer > max_footer || footer + 12 > length {
        return Err(damaged(path, format!("its footer claims {footer} bytes of a file of {length}")));
    }
    // The embedded Arrow schema is not needed, and parsing it would only be one more way to fail.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|error| damaged(path, error))?;
    let mut pages = File::open(path).map_err(DataError::io("open", path))?;
    for (index, group) in builder.metadata().row_groups().iter().enumerate() {
        for column in group.columns() {
            let name = column.column_path().string();
            let wrong = |what: &str, value: i64| {
                damaged(path, format!("row group {index}, column `{name}` claims {value} {what}"))
            };
            let (packed, unpacked) = (column.compressed_size(), column.uncompressed_size());
            let values = column.num_values();
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let within = |value: i64, limit: u64| u64::try_from(value).is_ok_and(|value| value <= limit);
            if !within(packed, length) || !within(start, length - packed as u64) {
                return Err(wrong(&format!("bytes at {start} of a file of {length}"), packed));
            }
            if !within(unpacked, max_chunk) {
                return Err(wrong("bytes unpacked", unpacked));
            }
            if !within(values, max_values) {
                return Err(wrong("values", values));
            }
            super::pages::check(&mut pages, column, start as u64)
                .map_err(|reason| damaged(path, format!("row group {index}, column `{name}`: {reason}")))?;
        }
    }
    Ok(builder)
}

/// The columns of the first kind of record that the names allow (the order of the module's table).
fn needed(names: &[&str]) -> Vec<&'static str> {
    const KINDS: [&[&str]; 7] = [
        &["messages"],
        &["conversations"],
        &["input_ids", "loss_mask"],
        &["prompt", "completion"],
        &["instruction", "input", "output"],
        &["question", "answer"],
        &["text"],
    ];
    KINDS
        .iter()
        .find(|kind| names.contains(&kind[0]))
        .map(|kind| kind.iter().copied().filter(|name| names.contains(name)).collect())
        .unwrap_or_default()
}

/// Reads the records of one Parquet file in order.
pub(super) struct ParquetReader {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    next_in_batch: usize,
    row: u64,
}

impl ParquetReader {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        contain(path, || Self::open_unguarded(path))
    }

    fn open_unguarded(path: &Path) -> Result<Self, DataError> {
        let builder = open_checked(path)?;
        let names: Vec<&str> = builder.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let wanted = needed(&names);
        if wanted.is_empty() {
            // The message comes from the same place as for JSON: an object with these keys.
            let object: Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
            let misfit = columns::record_of_object(object).err();
            let (found, expected) = misfit.map(|misfit| (misfit.found, misfit.expected)).unwrap_or_default();
            return Err(DataError::Record {
                file: path.to_path_buf(),
                unit: "row",
                row: None,
                column: None,
                found,
                expected,
            });
        }
        for field in builder.schema().fields() {
            if wanted.contains(&field.name().as_str()) && !readable(field.data_type()) {
                return Err(DataError::Record {
                    file: path.to_path_buf(),
                    unit: "row",
                    row: None,
                    column: Some(field.name().clone()),
                    found: format!("values of type {}", columns::shorten(&field.data_type().to_string())),
                    expected: "text, whole numbers, true and false, or lists and objects of those".to_owned(),
                });
            }
        }
        let mask = ProjectionMask::roots(
            builder.parquet_schema(),
            names.iter().enumerate().filter(|(_, name)| wanted.contains(name)).map(|(index, _)| index),
        );
        let batches = builder
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| damaged(path, error))?;
        Ok(Self { path: path.to_path_buf(), batches, batch: None, next_in_batch: 0, row: 0 })
    }

    /// The next record, or none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DataError> {
        let path = self.path.clone();
        contain(&path, || self.next_unguarded())
    }

    fn next_unguarded(&mut self) -> Result<Option<Record>, DataError> {
        let batch = loop {
            match self.batch.take() {
                Some(batch) if self.next_in_batch < batch.num_rows() => break batch,
                _ => {}
            }
            match self.batches.next() {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(damaged(&self.path, format!("after row {}: {error}", self.row)));
                }
                Some(Ok(batch)) => {
                    self.batch = Some(batch);
                    self.next_in_batch = 0;
                }
            }
        };
        let index = self.next_in_batch;
        self.next_in_batch += 1;
        self.row += 1;
        let mut object = Map::new();
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            object.insert(field.name().clone(), cell(column.as_ref(), index));
        }
        self.batch = Some(batch);
        columns::record_of_object(object).map(Some).map_err(|Misfit { column, found, expected }| {
            DataError::Record {
                file: self.path.clone(),
                unit: "row",
                row: Some(self.row),
                column,
                found,
                expected,
            }
        })
    }
}

/// Whether [`cell`] can read values of this type.
fn readable(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::Boolean | DataType::Null => true,
        DataType::List(item) => readable(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| readable(field.data_type())),
        other => other.is_integer(),
    }
}

/// One value as JSON; a type that [`readable`] refuses is given as null.
fn cell(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(row).to_owned()),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|item| cell(items.as_ref(), item)).collect())
        }
        DataType::Struct(_) => {
            let values = array.as_struct();
            let mut object = Map::new();
            for (field, column) in values.fields().iter().zip(values.columns()) {
                object.insert(field.name().clone(), cell(column.as_ref(), row));
            }
            Value::Object(object)
        }
        _ => Value::Null,
    }
}
