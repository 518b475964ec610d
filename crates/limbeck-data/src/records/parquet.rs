//! Parquet records: a few rows at a time, only the columns that records are made of.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use serde_json::{Map, Value};

use super::columns::{self, Columns, Misfit};
use super::{Place, Record, contain};
use crate::{DataError, file};

/// Rows decoded at a time: enough to spread the cost of a call, few enough that long texts fit.
const BATCH_ROWS: u64 = 64;
/// Bytes that a batch may come to: a dictionary's text may stand in every row.
const BATCH_BYTES: u64 = 64 << 20;

/// What a Parquet file may claim before it is not read: (bytes of footer, bytes of one column chunk
/// unpacked, values in one column chunk). Real files stay far below; a damaged one can claim anything.
pub fn parquet_file_limits() -> (u64, u64, u64) {
    (64 << 20, 4 << 30, 1 << 30)
}

fn damaged(path: &Path, reason: impl ToString) -> DataError {
    DataError::Damaged { path: path.to_path_buf(), format: "Parquet", reason: reason.to_string() }
}

/// Opens a Parquet file and checks what its footer claims against the file's length and
/// [`parquet_file_limits`], before anything is read by those numbers. Only columns whose outermost name is `wanted` are
/// looked at; with them comes their largest page, in bytes unpacked. The caller wraps this, and all reading, in
/// [`contain`].
pub(crate) fn open_checked(
    path: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<(ParquetRecordBatchReaderBuilder<File>, u64), DataError> {
    use std::io::{Read, Seek, SeekFrom};

    let mut file = file::open(path)?;
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
    let mut largest = 0;
    for (index, group) in builder.metadata().row_groups().iter().enumerate() {
        for column in group.columns() {
            if !column.column_path().parts().first().is_some_and(|root| wanted(root)) {
                continue;
            }
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
            let page = super::pages::check(&mut pages, column, start as u64)
                .map_err(|reason| damaged(path, format!("row group {index}, column `{name}`: {reason}")))?;
            largest = largest.max(page);
        }
    }
    Ok((builder, largest))
}

/// Reads the records of one Parquet file in order.
pub(super) struct ParquetReader {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    next_in_batch: usize,
    row: u64,
    limit: u64,
}

impl ParquetReader {
    /// `columns` remembers the names of the columns that are never looked at.
    pub(super) fn open(path: &Path, limit: u64, columns: &mut Columns) -> Result<Self, DataError> {
        contain(path, || Self::open_unguarded(path, limit, columns))
    }

    fn open_unguarded(path: &Path, limit: u64, columns: &mut Columns) -> Result<Self, DataError> {
        let ignore = columns.ignore.clone();
        let matters = |name: &str| Columns::matters(name) && !ignore.contains(name);
        let (builder, largest_page) = open_checked(path, matters)?;
        let names: Vec<&str> = builder.schema().fields().iter().map(|field| field.name().as_str()).collect();
        if let Some(Misfit { column, found, expected }) = columns::misfit_of_names(&names) {
            let (file, unit) = (path.to_path_buf(), "row");
            return Err(DataError::Record { file, unit, row: None, column, found, expected });
        }
        for name in names.iter().filter(|name| !Columns::matters(name)) {
            columns.note_unused(name);
        }
        let mask = ProjectionMask::roots(
            builder.parquet_schema(),
            names.iter().enumerate().filter(|(_, name)| matters(name)).map(|(index, _)| index),
        );
        let rows = (BATCH_BYTES / largest_page.max(1)).clamp(1, BATCH_ROWS);
        let batches = builder
            .with_projection(mask)
            .with_batch_size(rows as usize)
            .build()
            .map_err(|error| damaged(path, error))?;
        Ok(Self { path: path.to_path_buf(), batches, batch: None, next_in_batch: 0, row: 0, limit })
    }

    /// The next record and where it stands, or none at the end.
    pub(super) fn next(&mut self, columns: &mut Columns) -> Result<Option<(Record, Place)>, DataError> {
        let path = self.path.clone();
        contain(&path, || self.next_unguarded(columns))
    }

    fn next_unguarded(&mut self, columns: &mut Columns) -> Result<Option<(Record, Place)>, DataError> {
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
        let (file, row) = (self.path.clone(), self.row);
        let record = columns.record_of_object(object).map_err(|Misfit { column, found, expected }| {
            DataError::Record { file: file.clone(), unit: "row", row: Some(row), column, found, expected }
        })?;
        if record.size() > self.limit {
            let (what, size) = (format!("row {row}"), record.size());
            return Err(DataError::TooLarge { path: file, what, size, limit: self.limit });
        }
        Ok(Some((record, Place { file, unit: "row", row })))
    }
}

/// One value as JSON; of a type that no record is made of, only the type's name ([`columns::unreadable`]).
fn cell(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        // A column without any value has this type and no bitmap that says so.
        DataType::Null => Value::Null,
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
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
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
        other => columns::unreadable(&other.to_string()),
    }
}
