//! Parquet as another program writes it (fixtures/make_pyarrow.py).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use limbeck_data::records::{Record, read_records};

fn fixture(name: &str) -> Vec<Record> {
    read_records(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

#[test]
fn files_of_pyarrow_are_read() {
    let records = fixture("pyarrow.parquet");
    assert_eq!(records.len(), 3000);
    let Record::Completion { prompt, completion } = &records[2953] else { panic!("not a completion") };
    assert_eq!((prompt.as_str(), completion.as_str()), ("Count to 3.", "0 1 2"));
    let tokens = fixture("pyarrow_v2.parquet");
    let expected = Record::Tokens { input_ids: vec![2999, 0, 0, 0], loss_mask: None };
    assert_eq!((tokens.len(), &tokens[2999]), (3000, &expected));
}
