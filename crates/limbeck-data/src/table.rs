//! Tables for others to compute with: JSON lines or Parquet, by the file's ending.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, UInt32Builder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value, json};

use crate::DataError;
use crate::atomic::AtomicFile;

/// The values of a column, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Text.
    Text(Vec<String>),
    /// Lists of token ids.
    Tokens(Vec<Vec<u32>>),
    /// Whole numbers.
    Count(Vec<u64>),
    /// Numbers; one that is not finite is written as null.
    Number(Vec<f64>),
    /// Yes or no, or null where the question does not arise.
    Flag(Vec<Option<bool>>),
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// One JSON object a line.
    JsonLines,
    /// Parquet, compressed by Snappy.
    Parquet,
}

impl TableFormat {
    /// The format that the ending of `path` says: `.jsonl` or `.parquet`.
    ///
    /// # Errors
    /// [`DataError::Unsupported`] for another ending.
    pub fn of(path: &Path) -> Result<TableFormat, DataError> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("jsonl") => Ok(TableFormat::JsonLines),
            Some("parquet") => Ok(TableFormat::Parquet),
            other => Err(DataError::Unsupported {
                path: path.to_path_buf(),
                found: other.map_or_else(|| "no ending".to_owned(), |ending| format!("the ending .{ending}")),
                expected: ".jsonl or .parquet".to_owned(),
            }),
        }
    }
}

/// Writes named columns of equal length atomically, in the format that the ending of `path` says.
///
/// # Errors
/// [`DataError::Unsupported`] for another ending, [`DataError::Io`] when the file cannot be written or the columns differ
/// in length.
pub fn write_table(path: &Path, columns: &[(&str, Column)]) -> Result<(), DataError> {
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    if let Some((name, column)) = columns.iter().find(|(_, column)| column.len() != rows) {
        let found = format!("column {name} has {} rows, the first {rows}", column.len());
        return Err(failed(path, &found));
    }
    match TableFormat::of(path)? {
        TableFormat::JsonLines => write_lines(path, columns, rows),
        TableFormat::Parquet => write_parquet(path, columns),
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> DataError {
    DataError::Io {
        action: "write",
        path: path.to_path_buf(),
        source: std::io::Error::other(error.to_string()),
    }
}

fn write_lines(path: &Path, columns: &[(&str, Column)], rows: usize) -> Result<(), DataError> {
    let mut file = AtomicFile::create(path)?;
    for row in 0..rows {
        let fields = columns.iter().map(|(name, column)| ((*name).to_owned(), column.json(row)));
        let line = Value::Object(fields.collect::<Map<String, Value>>());
        writeln!(file, "{line}").map_err(DataError::io("write", path))?;
    }
    file.commit()
}

fn write_parquet(path: &Path, columns: &[(&str, Column)]) -> Result<(), DataError> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = (columns.iter())
        .map(|(name, column)| {
            let array = column.array();
            let optional = matches!(column, Column::Number(_) | Column::Flag(_));
            (Field::new(*name, array.data_type().clone(), optional), array)
        })
        .unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|error| failed(path, &error))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("limbeck".to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(AtomicFile::create(path)?, schema, Some(properties))
        .map_err(|error| failed(path, &error))?;
    writer.write(&batch).map_err(|error| failed(path, &error))?;
    writer.into_inner().map_err(|error| failed(path, &error))?.commit()
}

impl Column {
    /// Rows.
    fn len(&self) -> usize {
        match self {
            Column::Text(values) => values.len(),
            Column::Tokens(values) => values.len(),
            Column::Count(values) => values.len(),
            Column::Number(values) => values.len(),
            Column::Flag(values) => values.len(),
        }
    }

    fn json(&self, row: usize) -> Value {
        match self {
            Column::Text(values) => json!(values[row]),
            Column::Tokens(values) => json!(values[row]),
            Column::Count(values) => json!(values[row]),
            Column::Number(values) => json!(values[row]),
            Column::Flag(values) => json!(values[row]),
        }
    }

    fn array(&self) -> ArrayRef {
        match self {
            Column::Text(values) => Arc::new(StringArray::from_iter_values(values)),
            Column::Tokens(values) => {
                let item = Field::new("item", DataType::UInt32, false);
                let mut builder = ListBuilder::new(UInt32Builder::new()).with_field(item);
                for value in values {
                    builder.values().append_slice(value);
                    builder.append(true);
                }
                Arc::new(builder.finish())
            }
            Column::Count(values) => Arc::new(UInt64Array::from_iter_values(values.iter().copied())),
            Column::Number(values) => {
                let known = values.iter().map(|value| value.is_finite().then_some(*value));
                Arc::new(known.collect::<Float64Array>())
            }
            Column::Flag(values) => Arc::new(values.iter().copied().collect::<BooleanArray>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn columns() -> Vec<(&'static str, Column)> {
        vec![
            ("text", Column::Text(vec!["a\n\"b\"".into(), "é".into()])),
            ("tokens", Column::Tokens(vec![vec![1, 2], vec![]])),
            ("prompt", Column::Count(vec![0, 1])),
            ("value", Column::Number(vec![0.1 + 0.2, f64::NAN])),
            ("correct", Column::Flag(vec![Some(true), None])),
        ]
    }

    #[test]
    fn both_formats_hold_the_same_rows() {
        let folder = tempfile::tempdir().unwrap();
        let lines = folder.path().join("table.jsonl");
        write_table(&lines, &columns()).unwrap();
        let text = std::fs::read_to_string(&lines).unwrap();
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            rows,
            [
                json!({"text": "a\n\"b\"", "tokens": [1, 2], "prompt": 0, "value": 0.1 + 0.2, "correct": true}),
                json!({"text": "é", "tokens": [], "prompt": 1, "value": null, "correct": null}),
            ]
        );
        let parquet = folder.path().join("table.parquet");
        write_table(&parquet, &columns()).unwrap();
        let file = std::fs::File::open(&parquet).unwrap();
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let batch = reader.next().unwrap().unwrap();
        assert_eq!(batch.column(0).as_string::<i32>().value(1), "é");
        assert_eq!(batch.column(1).as_list::<i32>().value(0).as_primitive::<UInt32Type>().values(), &[1, 2]);
        assert_eq!(batch.column(2).as_primitive::<UInt64Type>().values(), &[0, 1]);
        assert_eq!(batch.column(3).as_primitive::<Float64Type>().value(0), 0.1 + 0.2);
        assert!(batch.column(4).as_boolean().value(0));
        for column in [3, 4] {
            assert!(batch.column(column).is_null(1), "column {column}");
        }
    }

    #[test]
    fn other_endings_and_uneven_columns_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["table.csv", "table"] {
            let refused = write_table(&folder.path().join(name), &columns());
            assert!(matches!(refused, Err(DataError::Unsupported { .. })), "{name}");
        }
        let uneven = [("a", Column::Count(vec![1])), ("b", Column::Count(vec![]))];
        assert!(write_table(&folder.path().join("table.jsonl"), &uneven).is_err());
    }
}
