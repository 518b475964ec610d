//! The readers, against files written here.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder, UInt32Builder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};

use super::*;
use crate::DataError;

fn text(text: &str) -> Record {
    Record::Text { text: text.to_owned() }
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let nullable = |array: &ArrayRef| array.null_count() > 0 || *array.data_type() == DataType::Null;
    let columns = columns.into_iter().map(|(name, array)| (name, array.clone(), nullable(&array)));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn lines_arrays_and_packed_files_give_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let expected =
        vec![text("a, [\"]"), Record::Completion { prompt: "q\n".into(), completion: "r}".into() }];
    let lines =
        "\u{feff}{\"text\": \"a, [\\\"]\"}\r\n\n  {\"prompt\":\"q\\n\",\"completion\":\"r}\",\"id\":[1,{}]}";
    let array =
        " [\n {\"text\": \"a, [\\\"]\"} ,{\"prompt\":\"q\\n\",\"completion\":\"r}\",\"id\":[1,{}]}\n]\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(lines.as_bytes()).unwrap();
    for path in [
        write(folder.path(), "a.jsonl", lines),
        write(folder.path(), "b.json", lines),
        write(folder.path(), "c.json", array),
        write(folder.path(), "d.jsonl", array),
        write(folder.path(), "e.jsonl.gz", packed.finish().unwrap()),
    ] {
        assert_eq!(read_records(&path).unwrap(), expected, "{}", path.display());
    }
    assert_eq!(read_records(&write(folder.path(), "f.json", "[]")).unwrap(), []);
    assert_eq!(read_records(&write(folder.path(), "g.json", "")).unwrap(), []);
}

#[test]
fn errors_name_file_row_column_what_was_found_and_what_is_right() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, parts) in [
        (
            "a.jsonl",
            "{\"text\":\"x\"}\n{\"text\":1}\n",
            ["a.jsonl", "line 2", "column `text`", "the number 1", "text"],
        ),
        ("b.jsonl", "\n{\"text\":", ["b.jsonl", "line 2", "EOF", "column 8", "one complete JSON value"]),
        (
            "c.json",
            "[{\"text\":\"x\"}, {\"prompt\":\"y\"}]",
            ["c.json", "element 2", "`completion`", "nothing", "beside `prompt`"],
        ),
        ("d.json", "[{\"text\":\"x\"},]", ["d.json", "element 2", "`]`", "an element after `,`", ""]),
        ("e.json", "[{\"text\":\"x\"},", ["e.json", "element 2", "the end of the file", "`]`", ""]),
        ("f.json", "[1]x", ["f.json", "element 1", "the number 1", "an object with", ""]),
        ("g.jsonl", "{\"body\":\"x\"}", ["g.jsonl", "line 1", "only `body`", "`messages`", "`text`"]),
        ("h.txt", "a\n\u{0}b", ["", "", "", "", ""]),
    ] {
        let path = write(folder.path(), name, content);
        match read_records(&path) {
            Ok(records) => assert_eq!(records, [text("a\n\u{0}b")], "{name}"),
            Err(error) => {
                let error = error.to_string();
                for part in parts {
                    assert!(error.contains(part), "`{part}` is not in: {error}");
                }
            }
        }
    }
}

#[test]
fn every_codec_of_parquet_is_read() {
    use ::parquet::basic::Compression;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let rows: Vec<String> = (0..300).map(|row| format!("row {row}, {}", "rain ".repeat(row % 50))).collect();
    let expected: Vec<Record> = rows.iter().map(|row| text(row)).collect();
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
        Compression::GZIP(Default::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::BROTLI(Default::default()),
    ] {
        let column: ArrayRef = Arc::new(StringArray::from(rows.clone()));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let properties = ::parquet::file::properties::WriterProperties::builder();
        let properties = properties.set_compression(codec).build();
        let file = fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(read_records(&path).unwrap(), expected, "{codec:?}");
    }
}

#[test]
fn unused_fields_of_any_type_are_passed_over_in_tables_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let fields = vec![
        Field::new("role", DataType::Utf8, true),
        Field::new("content", DataType::Utf8, true),
        Field::new("weight", DataType::Float64, true),
        Field::new("day", DataType::Date32, true),
        Field::new("raw", DataType::Binary, true),
    ];
    let mut turns = ListBuilder::new(StructBuilder::from_fields(fields, 2));
    for (role, content, weight) in
        [("user", "hi", None), ("assistant", "ho", Some(1.0)), ("assistant", "he", Some(0.0))]
    {
        let turn = turns.values();
        turn.field_builder::<StringBuilder>(0).unwrap().append_value(role);
        turn.field_builder::<StringBuilder>(1).unwrap().append_value(content);
        turn.field_builder::<arrow_array::builder::Float64Builder>(2).unwrap().append_option(weight);
        turn.field_builder::<arrow_array::builder::Date32Builder>(3).unwrap().append_value(3);
        turn.field_builder::<arrow_array::builder::BinaryBuilder>(4).unwrap().append_value(b"x");
        turn.append(true);
    }
    turns.append(true);
    let days: ArrayRef = Arc::new(arrow_array::Date32Array::from(vec![7]));
    write_parquet(&path, vec![("messages", Arc::new(turns.finish())), ("when", days)]);
    let mut stream = stream_records(&path, &ReadOptions::default()).unwrap();
    let Record::Messages { messages } = stream.next().unwrap().unwrap() else { panic!("not messages") };
    assert_eq!(messages.iter().map(|message| message.weight).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(stream.unused().iter().collect::<Vec<_>>(), ["messages[].day", "messages[].raw", "when"]);
}

#[test]
fn a_folder_is_divided_and_what_is_left_out_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str| write(folder.path(), name, "{\"text\":\"x\"}\n");
    for name in ["data/train.jsonl", "data/valid.jsonl", "data/test.jsonl", "data/extra.jsonl"] {
        one(name);
    }
    for name in ["README.md", "LICENSE", "state.json", ".git/a.jsonl", "picture.png", "notes.txt"] {
        write(folder.path(), name, "no data");
    }
    let set = data_set(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(
        (set.training_files(), set.held_out_splits().collect::<Vec<_>>()),
        (1, vec!["validation", "test"])
    );
    let notes = set.notes().join("\n");
    for name in
        ["README.md", "LICENSE", "state.json", ".git/a.jsonl", "picture.png", "notes.txt", "extra.jsonl"]
    {
        assert!(notes.contains(name), "{name} is not in {notes}");
    }
    let options = |glob: &str| ReadOptions { glob: Some(glob.to_owned()), ..ReadOptions::default() };
    let files = |glob: &str| data_set(folder.path(), &options(glob)).map(|set| set.training_files());
    assert_eq!(files("data/test*").unwrap(), 1, "asked for by a pattern");
    assert_eq!(files("data/train.jsonl|data/test.jsonl").unwrap(), 2, "asked for by name");
    assert_eq!(files("README.md").unwrap(), 1, "asked for by name");
    write(folder.path(), "data/train.csv", "text\nx\n");
    let error = data_set(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("data/train.csv") && error.contains("data/train.jsonl"), "{error}");
    let only_test = tempfile::tempdir().unwrap();
    write(only_test.path(), "test.jsonl", "{\"text\":\"x\"}\n");
    let error = data_set(only_test.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("only test"), "{error}");
}

#[test]
fn a_record_of_countless_values_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.jsonl", format!("{{\"input_ids\":[{}1]}}", "1,".repeat(3_000_000)));
    let error = read_records(&path).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("values, expected at most 2000000"), "{error}");
    let text = format!("{{\"text\":\"{}\"}}", ",[{:".repeat(1_000_000));
    assert_eq!(read_records(&write(folder.path(), "b.jsonl", text)).unwrap().len(), 1);
}

#[test]
fn a_folder_is_read_in_order_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "b.jsonl", "{\"text\":\"2\"}\n{\"text\":\"3\"}");
    write(folder.path(), "a/x.txt", "1");
    write(folder.path(), "c.md", "4");
    write(folder.path(), "ignored.bin", [0xff]);
    let tables: Vec<Record> = ["2", "3"].into_iter().map(text).collect();
    assert_eq!(read_records(folder.path()).unwrap(), tables);
    let texts: Vec<Record> = ["1", "4"].into_iter().map(text).collect();
    let preferred = ReadOptions { prefer_texts: true, ..ReadOptions::default() };
    let found: Vec<Record> = stream_records(folder.path(), &preferred).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, texts);
    let options = |glob: &str| ReadOptions { glob: Some(glob.to_owned()), ..ReadOptions::default() };
    let chosen: Vec<Record> =
        stream_records(folder.path(), &options("*.md|a/*")).unwrap().map(Result::unwrap).collect();
    assert_eq!(chosen, [text("1"), text("4")]);
    for (glob, part) in [("*.xml", "none of its 4 files fits"), ("*.bin", "no known kind")] {
        let error = stream_records(folder.path(), &options(glob)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
    let options = ReadOptions { max_records: Some(2), ..ReadOptions::default() };
    assert_eq!(stream_records(folder.path(), &options).unwrap().count(), 2);
}

#[test]
fn limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(1000));
    let tight = ReadOptions { max_record_bytes: 500, max_text_bytes: 500, ..ReadOptions::default() };
    for path in [
        write(folder.path(), "a.jsonl", &long),
        write(folder.path(), "b.json", format!("[{long}]")),
        write(folder.path(), "c.txt", &long),
    ] {
        let error = stream_records(&path, &tight).unwrap().next().unwrap().unwrap_err();
        assert!(matches!(error, DataError::TooLarge { limit: 500, .. }), "{error}");
    }
    let total = ReadOptions { max_total_bytes: 2000, ..ReadOptions::default() };
    let path = write(folder.path(), "d.jsonl", format!("{long}\n{long}\n"));
    let items: Vec<_> = stream_records(&path, &total).unwrap().collect();
    assert_eq!(items.len(), 2);
    assert!(items[0].is_ok() && matches!(items[1], Err(DataError::TooLarge { limit: 2000, .. })));
}

#[test]
fn parquet_of_every_shape() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let strings = |list: &[&str]| Arc::new(StringArray::from(list.to_vec())) as ArrayRef;
    let many: Vec<String> = (0..500).map(|row| format!("row {row}")).collect();
    let many_refs: Vec<&str> = many.iter().map(String::as_str).collect();
    let floats: ArrayRef = Arc::new(arrow_array::Float32Array::from(vec![0.5; 500]));
    write_parquet(&path, vec![("score", floats), ("text", strings(&many_refs))]);
    assert_eq!(read_records(&path).unwrap(), many_refs.iter().map(|row| text(row)).collect::<Vec<_>>());

    write_parquet(
        &path,
        vec![
            ("instruction", strings(&["do", "do"])),
            ("input", strings(&["", "it"])),
            ("output", strings(&["x", "y"])),
        ],
    );
    assert_eq!(
        read_records(&path).unwrap()[1],
        Record::Completion { prompt: "do\n\nit".into(), completion: "y".into() }
    );

    let mut ids = ListBuilder::new(UInt32Builder::new());
    ids.append_value([Some(1), Some(7)]);
    ids.append_value([]);
    let mut mask = ListBuilder::new(arrow_array::builder::Int64Builder::new());
    mask.append_value([Some(0), Some(1)]);
    mask.append_value([]);
    write_parquet(&path, vec![("input_ids", Arc::new(ids.finish())), ("loss_mask", Arc::new(mask.finish()))]);
    assert_eq!(
        read_records(&path).unwrap(),
        [
            Record::Tokens { input_ids: vec![1, 7], loss_mask: Some(vec![false, true]) },
            Record::Tokens { input_ids: vec![], loss_mask: Some(vec![]) },
        ]
    );

    let fields = vec![Field::new("from", DataType::Utf8, true), Field::new("value", DataType::Utf8, true)];
    let mut turns = ListBuilder::new(StructBuilder::from_fields(fields, 2));
    for (from, value) in [("human", "hi"), ("gpt", "ho")] {
        turns.values().field_builder::<StringBuilder>(0).unwrap().append_value(from);
        turns.values().field_builder::<StringBuilder>(1).unwrap().append_value(value);
        turns.values().append(true);
    }
    turns.append(true);
    write_parquet(&path, vec![("conversations", Arc::new(turns.finish()))]);
    let Record::Messages { messages } = &read_records(&path).unwrap()[0] else { panic!("not messages") };
    assert_eq!((messages[1].role.as_str(), messages[1].content.as_str()), ("assistant", "ho"));
}

/// A column without any value has a type of its own in Parquet; it says as little as a null in JSON.
#[test]
fn parquet_columns_without_any_value_are_null() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let nothing = || Arc::new(arrow_array::NullArray::new(1)) as ArrayRef;
    write_parquet(&path, vec![("messages", nothing()), ("tools", nothing()), ("text", text("a"))]);
    assert_eq!(read_records(&path).unwrap(), [self::text("a")]);
    let turn = arrow_array::StructArray::from(
        [
            ("role", text("assistant")),
            ("content", text("b")),
            ("tool_calls", nothing()),
            ("weight", nothing()),
        ]
        .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array))
        .to_vec(),
    );
    let field = Arc::new(Field::new("item", arrow_array::Array::data_type(&turn).clone(), true));
    let turns = arrow_array::FixedSizeListArray::new(field, 1, Arc::new(turn), None);
    write_parquet(&path, vec![("messages", Arc::new(turns))]);
    let Record::Messages { messages } = &read_records(&path).unwrap()[0] else { panic!("not messages") };
    assert_eq!((messages[0].content.as_str(), messages[0].weight), ("b", 1));
}

#[test]
fn parquet_errors_name_row_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let check = |parts: &[&str]| {
        let error = read_records(&path).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    };
    write_parquet(&path, vec![("text", Arc::new(StringArray::from(vec![Some("a"), None])))]);
    check(&["a.parquet", "row 2", "column `text`", "null", "expected a value there"]);
    write_parquet(&path, vec![("text", Arc::new(Int64Array::from(vec![5])))]);
    check(&["row 1", "column `text`", "the number 5"]);
    write_parquet(&path, vec![("text", Arc::new(arrow_array::Float64Array::from(vec![5.5])))]);
    check(&["row 1", "column `text`", "the number 5.5"]);
    write_parquet(&path, vec![("text", Arc::new(arrow_array::Date32Array::from(vec![5])))]);
    check(&["row 1", "column `text`", "a value of type Date32"]);
    write_parquet(&path, vec![("body", Arc::new(Int64Array::from(vec![5])))]);
    check(&["only `body`", "`question` and `answer`"]);
    let whole = fs::read(&path).unwrap();
    for (content, part) in [
        (&whole[..whole.len() - 1], "does not end in `PAR1`"),
        (&whole[..8], "8 bytes"),
        (b"PAR1....\xff\xff\xff\x7fPAR1".as_slice(), "claims 2147483647 bytes"),
    ] {
        fs::write(&path, content).unwrap();
        check(&["a.parquet", part]);
    }
}
