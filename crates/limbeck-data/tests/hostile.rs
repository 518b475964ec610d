//! Damaged input: thousands of mutated files of each kind must end in an error or a value, never in a panic
//! that escapes or in memory taken by a number from the file.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::builder::{ListBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use limbeck_data::examples::TokenExample;
use limbeck_data::records::read_records;
use limbeck_data::signals::{SignalHeader, SignalRow, SignalWriter, read_shard};
use parquet::arrow::ArrowWriter;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Counts what is allocated, so that the test sees a reservation even where the system never backs it.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only counters are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: the counters are the process's.
static TURN: Mutex<()> = Mutex::new(());

const MUTANTS: usize = 10_000;

/// Flips bits, writes extreme lengths, cuts off, removes, doubles and moves pieces: one to three of those.
fn mutate(original: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..random.random_range(1..=3) {
        if bytes.is_empty() {
            break;
        }
        // Half of the time near the end, where Parquet keeps what all else is found by.
        let from = if random.random_bool(0.5) { bytes.len() / 2 } else { 0 };
        let at = random.random_range(from..bytes.len());
        let length = random.random_range(1..=16.min(bytes.len() - at));
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => {
                const EXTREMES: [[u8; 4]; 5] =
                    [[0xff; 4], [0xff, 0xff, 0xff, 0x7f], [0; 4], [0, 0, 0, 0x80], [0xfe, 0xff, 0xff, 0x0f]];
                let value = EXTREMES[random.random_range(0..EXTREMES.len())];
                for (byte, new) in bytes[at..].iter_mut().zip(value) {
                    *byte = new;
                }
            }
            3 => {
                bytes.drain(at..at + length);
            }
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes[at] = random.random(),
        }
    }
    bytes
}

/// Reads every mutant; gives how many were refused. Panics where a reader panics or takes over `limit` bytes.
fn survive(path: &Path, seeds: &[Vec<u8>], limit: usize, read: &dyn Fn(&Path) -> bool) -> usize {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Contained panics are expected and would fill the output; they are only counted.
    let hook = std::panic::take_hook();
    let panics = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let mut random = ChaCha8Rng::seed_from_u64(20_251_121);
    let (mut refused, mut largest, mut escaped, mut greedy) = (0, 0, Vec::new(), Vec::new());
    for number in 0..MUTANTS {
        let mutant = mutate(&seeds[number % seeds.len()], &mut random);
        // A new file each time: some file systems flush one that is cut and written again.
        let _ = fs::remove_file(path);
        fs::write(path, &mutant).unwrap();
        let before = LIVE.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        match catch_unwind(AssertUnwindSafe(|| read(path))) {
            Ok(fine) => refused += usize::from(!fine),
            Err(_) => escaped.push(number),
        }
        let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
        largest = largest.max(peak);
        if peak > limit {
            greedy.push((number, peak));
        }
    }
    std::panic::set_hook(hook);
    let contained = panics.load(Ordering::Relaxed) - escaped.len();
    eprintln!(
        "{}: {refused} of {MUTANTS} refused, {contained} panics contained, at most {largest} bytes taken",
        path.display()
    );
    assert!(escaped.is_empty(), "panics escaped for mutants {escaped:?}");
    assert!(greedy.is_empty(), "more than {limit} bytes were taken for mutants {greedy:?}");
    refused
}

#[test]
fn damaged_json_lines_and_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"text\":\"some text\",\"id\":17}\n{\"prompt\":\"a\\n\",\"completion\":\"\\u00e9\"}\n\
        {\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"ho\"}]}\n\
        {\"input_ids\":[1,22,333],\"loss_mask\":[0,1,true]}\n";
    let array = format!("[{}]", lines.trim_end().replace('\n', ",\n"));
    let deep = "[".repeat(3000);
    let seeds = [lines.as_bytes().to_vec(), array.into_bytes(), format!("{{\"text\":{deep}").into_bytes()];
    let refused =
        survive(&folder.path().join("a.jsonl"), &seeds, 4 << 20, &|path| read_records(path).is_ok());
    assert!(refused > MUTANTS / 2, "only {refused} were refused");
}

#[test]
fn damaged_tables() {
    let folder = tempfile::tempdir().unwrap();
    let table = "prompt,completion,id\n\"a, \"\"b\"\"\nc\",5,1\nd,\u{e9},2\n".repeat(3);
    let seeds = [table.replacen("prompt", "\u{feff}prompt", 1).into_bytes()];
    let refused = survive(&folder.path().join("a.csv"), &seeds, 4 << 20, &|path| read_records(path).is_ok());
    assert!(refused > MUTANTS / 10, "only {refused} were refused");
}

#[test]
fn damaged_parquet_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let save = |columns: Vec<(&str, ArrayRef)>, compression| {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let properties =
            parquet::file::properties::WriterProperties::builder().set_compression(compression).build();
        let file = fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        fs::read(&path).unwrap()
    };
    let texts: Vec<String> = (0..40).map(|row| format!("the text of row {}", row % 7)).collect();
    let texts: ArrayRef = Arc::new(StringArray::from(texts));
    let mut ids = ListBuilder::new(UInt32Builder::new());
    for row in 0..40_u32 {
        ids.append_value((0..row).map(|id| Some(id * row)));
    }
    let ids: ArrayRef = Arc::new(ids.finish());
    let seeds = [
        save(vec![("text", Arc::clone(&texts))], parquet::basic::Compression::SNAPPY),
        save(
            vec![("prompt", Arc::clone(&texts)), ("completion", Arc::clone(&texts))],
            parquet::basic::Compression::UNCOMPRESSED,
        ),
        save(vec![("input_ids", Arc::clone(&ids))], parquet::basic::Compression::SNAPPY),
        save(vec![("input_ids", ids)], parquet::basic::Compression::ZSTD(Default::default())),
        save(vec![("text", Arc::clone(&texts))], parquet::basic::Compression::GZIP(Default::default())),
        save(vec![("text", Arc::clone(&texts))], parquet::basic::Compression::LZ4_RAW),
        save(vec![("text", texts)], parquet::basic::Compression::BROTLI(Default::default())),
    ];
    for seed in &seeds {
        fs::write(&path, seed).unwrap();
        assert_eq!(read_records(&path).unwrap().len(), 40);
    }
    let refused = survive(&path, &seeds, 64 << 20, &|path| read_records(path).is_ok());
    assert!(refused > MUTANTS / 2, "only {refused} were refused");
}

#[test]
fn damaged_signals() {
    let folder = tempfile::tempdir().unwrap();
    let header = SignalHeader::new("t", "t", "d", 30, 4, &[2.0]).unwrap();
    let mut writer = SignalWriter::open(folder.path(), header.clone(), 100).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for length in 2..22 {
        let example = TokenExample::all_scored((0..length).collect());
        let mut row = SignalRow::start(&example);
        for _ in 1..length {
            let logits: Vec<f32> = (0..30).map(|_| random.random_range(-5.0..5.0)).collect();
            row.push_logits(&header, &logits).unwrap();
        }
        writer.push(row).unwrap();
    }
    writer.finish().unwrap();
    let seed = fs::read(folder.path().join("signals-00000.parquet")).unwrap();
    let path = folder.path().join("mutant.parquet");
    fs::write(&path, &seed).unwrap();
    assert_eq!(read_shard(&path, &header).unwrap().len(), 20);
    let refused = survive(&path, &[seed], 64 << 20, &|path| read_shard(path, &header).is_ok());
    assert!(refused > MUTANTS / 2, "only {refused} were refused");
}
