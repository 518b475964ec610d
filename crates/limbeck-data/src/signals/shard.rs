//! One Parquet shard: rows to columns and back, every row checked.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, ListBuilder, PrimitiveBuilder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{SignalHeader, SignalRow};
use crate::atomic::AtomicFile;
use crate::records::{contain, open_checked};
use crate::{DataError, hash};

/// Rows of one row group: what is decoded to get at one example.
pub(super) const GROUP_ROWS: usize = 8;

fn schema() -> Schema {
    let list =
        |name, kind| Field::new(name, DataType::List(Arc::new(Field::new("item", kind, false))), false);
    Schema::new(vec![
        Field::new("key", DataType::FixedSizeBinary(32), false),
        Field::new("length", DataType::UInt32, false),
        list("positions", DataType::UInt32),
        list("ids", DataType::UInt32),
        list("log_probs", DataType::Float32),
        list("normalisers", DataType::Float32),
        list("tails", DataType::Float32),
    ])
}

fn lists<T: ArrowPrimitiveType>(rows: &[SignalRow], take: impl Fn(&SignalRow) -> &[T::Native]) -> ArrayRef {
    let item = Field::new("item", T::DATA_TYPE, false);
    let mut builder = ListBuilder::new(PrimitiveBuilder::<T>::new()).with_field(item);
    for row in rows {
        builder.values().append_slice(take(row));
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// Writes a shard atomically.
pub(super) fn write_shard(path: &Path, rows: &[SignalRow]) -> Result<(), DataError> {
    let failed = |error: &dyn std::fmt::Display| DataError::Io {
        action: "write",
        path: path.to_path_buf(),
        source: std::io::Error::other(error.to_string()),
    };
    let mut keys = FixedSizeBinaryBuilder::with_capacity(rows.len(), 32);
    let mut lengths = UInt32Builder::new();
    for row in rows {
        keys.append_value(row.key).map_err(|error| failed(&error))?;
        lengths.append_value(row.length);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys.finish()),
        Arc::new(lengths.finish()),
        lists::<UInt32Type>(rows, |row| &row.positions),
        lists::<UInt32Type>(rows, |row| &row.ids),
        lists::<Float32Type>(rows, |row| &row.log_probs),
        lists::<Float32Type>(rows, |row| &row.normalisers),
        lists::<Float32Type>(rows, |row| &row.tails),
    ];
    let schema = Arc::new(schema());
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| failed(&error))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        // Ids and log-probabilities hardly repeat; a dictionary would only be built and thrown away.
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by("limbeck".to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(AtomicFile::create(path)?, schema, Some(properties))
        .map_err(|error| failed(&error))?;
    writer.write(&batch).map_err(|error| failed(&error))?;
    writer.into_inner().map_err(|error| failed(&error))?.commit()
}

/// Opens a shard, all of it or one row group, checking that its columns are a signal shard's.
fn open(path: &Path, group: Option<usize>) -> Result<ParquetRecordBatchReader, DataError> {
    let damaged =
        |reason: String| DataError::Damaged { path: path.to_path_buf(), format: "signal shard", reason };
    let (mut builder, _) = open_checked(path, |_| true)?;
    let expected = schema();
    let same = builder.schema().fields().len() == expected.fields().len()
        && builder.schema().fields().iter().zip(expected.fields()).all(|(found, wanted)| {
            let kinds = match (found.data_type(), wanted.data_type()) {
                (DataType::List(found), DataType::List(wanted)) => found.data_type() == wanted.data_type(),
                (found, wanted) => found == wanted,
            };
            found.name() == wanted.name() && kinds
        });
    if !same {
        let found: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        return Err(damaged(format!("its columns are not those of signals: {}", found.join(", "))));
    }
    if let Some(group) = group {
        let groups = builder.metadata().num_row_groups();
        if group >= groups {
            return Err(damaged(format!("row group {group} of {groups}")));
        }
        builder = builder.with_row_groups(vec![group]);
    }
    builder.with_batch_size(GROUP_ROWS).build().map_err(|error| damaged(error.to_string()))
}

/// Reads and checks all rows of a shard.
///
/// # Errors
/// Not a shard of signals, damaged, or with a row that contradicts the header or itself.
pub fn read_shard(path: &Path, header: &SignalHeader) -> Result<Vec<SignalRow>, DataError> {
    read(path, header, None)
}

/// Reads and checks one row group of a shard.
pub(super) fn read_group(
    path: &Path,
    header: &SignalHeader,
    group: usize,
) -> Result<Vec<SignalRow>, DataError> {
    read(path, header, Some(group))
}

/// Reads the keys of a shard's rows only, group by group.
pub(super) fn read_keys(path: &Path) -> Result<Vec<Vec<[u8; 32]>>, DataError> {
    contain(path, || {
        let groups = open_checked(path, |_| true)?.0.metadata().num_row_groups();
        let mut keys = Vec::new();
        for group in 0..groups {
            let (builder, _) = open_checked(path, |_| true)?;
            let mask = parquet::arrow::ProjectionMask::roots(builder.parquet_schema(), [0]);
            let batches = builder
                .with_row_groups(vec![group])
                .with_projection(mask)
                .build()
                .map_err(|error| damaged(path, error))?;
            let mut of_group = Vec::new();
            for batch in batches {
                let batch = batch.map_err(|error| damaged(path, error))?;
                let column = batch.columns().first().and_then(|column| column.as_fixed_size_binary_opt());
                let Some(column) = column else {
                    return Err(damaged(path, "its first column is not the key"));
                };
                for row in 0..column.len() {
                    of_group.push(key(path, column.value(row))?);
                }
            }
            keys.push(of_group);
        }
        Ok(keys)
    })
}

fn damaged(path: &Path, reason: impl ToString) -> DataError {
    DataError::Damaged { path: path.to_path_buf(), format: "signal shard", reason: reason.to_string() }
}

fn key(path: &Path, bytes: &[u8]) -> Result<[u8; 32], DataError> {
    bytes.try_into().map_err(|_| damaged(path, format!("a key of {} bytes", bytes.len())))
}

fn list<T: ArrowPrimitiveType>(column: &ArrayRef, row: usize) -> Option<Vec<T::Native>> {
    let list = column.as_list_opt::<i32>()?;
    if list.is_null(row) {
        return None;
    }
    let values = list.value(row);
    let values = values.as_primitive_opt::<T>()?;
    (values.null_count() == 0).then(|| values.values().to_vec())
}

fn read(path: &Path, header: &SignalHeader, group: Option<usize>) -> Result<Vec<SignalRow>, DataError> {
    contain(path, || {
        let mut rows = Vec::new();
        let base = group.unwrap_or(0) * GROUP_ROWS;
        for batch in open(path, group)? {
            let batch = batch.map_err(|error| damaged(path, error))?;
            let columns = batch.columns();
            for index in 0..batch.num_rows() {
                let number = (base + rows.len() + 1) as u64;
                let wrong =
                    |reason: String| DataError::SignalRow { path: path.to_path_buf(), row: number, reason };
                let parts = || {
                    Some(SignalRow {
                        key: columns[0]
                            .as_fixed_size_binary_opt()
                            .filter(|keys| !keys.is_null(index))
                            .and_then(|keys| keys.value(index).try_into().ok())?,
                        length: columns[1]
                            .as_primitive_opt::<UInt32Type>()
                            .filter(|lengths| !lengths.is_null(index))?
                            .value(index),
                        positions: list::<UInt32Type>(&columns[2], index)?,
                        ids: list::<UInt32Type>(&columns[3], index)?,
                        log_probs: list::<Float32Type>(&columns[4], index)?,
                        normalisers: list::<Float32Type>(&columns[5], index)?,
                        tails: list::<Float32Type>(&columns[6], index)?,
                    })
                };
                let row = parts().ok_or_else(|| wrong("a value is missing".to_owned()))?;
                if let Some(reason) = row.contradiction(header) {
                    return Err(wrong(format!("example {}: {reason}", &hash::hex(&row.key)[..12])));
                }
                rows.push(row);
            }
        }
        Ok(rows)
    })
}
