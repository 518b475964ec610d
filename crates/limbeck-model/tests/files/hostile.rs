//! Damaged files end in an error: no panic, no allocation beyond what the file could hold.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use limbeck_model::weights::gguf::{GgufDtype, GgufFile, GgufSource, hf_config, save_gguf_pieces};
use limbeck_model::weights::{MappedFile, SafetensorsSource};
use limbeck_model::{Tokenizer, WeightSource};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::fixture;

const INPUTS: u64 = 10_000;
/// No single allocation may be larger, whatever the file claims; the largest input has some 150 KiB.
pub(crate) const LIMIT: usize = 64 << 20;

/// Notes the largest single allocation.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static WATCHING: Watching = Watching;

/// The largest single allocation so far, in bytes.
pub(crate) fn largest_allocation() -> usize {
    LARGEST.load(Ordering::Relaxed)
}

/// One of the damages files suffer, most of them in the first `head` bytes, where the structure is.
fn damage(bytes: &[u8], head: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let head = head.min(bytes.len());
    for _ in 0..rng.random_range(1..4) {
        let length = bytes.len();
        if length < 16 {
            break;
        }
        let at = rng.random_range(0..head.min(length - 8));
        match rng.random_range(0..8) {
            0 => bytes.truncate(rng.random_range(0..length)),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3 => {
                let extreme = *[0, 1, u64::MAX, u64::MAX / 2, 1 << 63, 1 << 40, u64::from(u32::MAX)]
                    .choose(rng)
                    .unwrap();
                bytes[at..at + 8].copy_from_slice(&extreme.to_le_bytes());
            }
            4 => bytes[at..at + 4].copy_from_slice(&rng.random_range(0..40u32).to_le_bytes()),
            5 => {
                let end = (at + rng.random_range(1..64)).min(length);
                bytes.drain(at..end);
            }
            6 => {
                let piece = bytes[at..(at + rng.random_range(1..64)).min(length)].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes[at..at + 8].copy_from_slice(&rng.random::<[u8; 8]>()),
        }
    }
    bytes
}

/// Runs `read` on damaged versions of `bytes` and returns how many it refused.
fn attack(
    bytes: &[u8],
    head: usize,
    seed: u64,
    inputs: u64,
    read: impl Fn(Vec<u8>) -> Result<(), String>,
) -> u64 {
    let mut refused = 0;
    let mut kinds = std::collections::BTreeSet::new();
    for input in 0..inputs {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(input);
        if let Err(message) = read(damage(bytes, head, &mut rng)) {
            refused += 1;
            assert!(!message.is_empty());
            let reason = message.rsplit(": ").next().unwrap_or_default();
            kinds.insert(reason.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
        }
    }
    assert!(kinds.len() > 5, "the damage is too uniform: {kinds:?}");
    let largest = largest_allocation();
    assert!(largest <= LIMIT, "an allocation of {largest} bytes");
    refused
}

fn tiny_gguf() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let from = fixture("tiny/llama3");
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
    config["vocab_size"] = 400.into();
    let tokenizer = Tokenizer::from_folder(&fixture("tokenizers/smollm")).unwrap();
    save_gguf_pieces(
        &path,
        &config,
        &mut SafetensorsSource::open(&from).unwrap(),
        &tokenizer,
        GgufDtype::Q8_0,
    )
    .unwrap();
    std::fs::read(&path).unwrap()
}

#[test]
fn damaged_gguf() {
    let bytes = tiny_gguf();
    let file = GgufFile::parse(MappedFile::from_bytes(Path::new("whole"), bytes.clone())).unwrap();
    let head = file.tensors().values().map(|info| info.range.start).min().unwrap();
    let refused = attack(&bytes, head, 1, INPUTS, |bytes| {
        let file = GgufFile::parse(MappedFile::from_bytes(Path::new("damaged"), bytes))
            .map_err(|error| error.to_string())?;
        hf_config(&file).map_err(|error| error.to_string())?;
        let mut source = GgufSource::new(file).map_err(|error| error.to_string())?;
        for name in source.names() {
            source.tensor(&name).map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    assert!(refused > INPUTS / 2, "{refused}");
}

#[test]
fn damaged_gguf_of_all_types() {
    let bytes = std::fs::read(fixture("gguf_blocks.gguf")).unwrap();
    attack(&bytes, 2500, 2, INPUTS, |bytes| {
        let file = GgufFile::parse(MappedFile::from_bytes(Path::new("damaged"), bytes))
            .map_err(|error| error.to_string())?;
        for name in file.tensors().keys() {
            file.tensor(name).map_err(|error| error.to_string())?;
        }
        Ok(())
    });
}

#[test]
fn damaged_tokenizers_in_gguf() {
    let bytes = tiny_gguf();
    attack(&bytes, 9000, 3, INPUTS / 20, |bytes| {
        let file = GgufFile::parse(MappedFile::from_bytes(Path::new("damaged"), bytes))
            .map_err(|error| error.to_string())?;
        let tokenizer = Tokenizer::from_gguf(&file).map_err(|error| error.to_string())?;
        tokenizer.encode("The teacher's 12 answers", true).map(|_| ()).map_err(|error| error.to_string())
    });
}

#[test]
fn damaged_safetensors() {
    let bytes = std::fs::read(fixture("tiny/llama3/model.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + 8;
    let refused = attack(&bytes, header, 4, INPUTS, |bytes| {
        let file = MappedFile::from_bytes(Path::new("damaged"), bytes);
        let mut source = SafetensorsSource::from_files(vec![file]).map_err(|error| error.to_string())?;
        for name in source.names() {
            source.tensor(&name).map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    assert!(refused > INPUTS / 2, "{refused}");
}

#[test]
fn damaged_tokenizer_json() {
    let bytes = std::fs::read(fixture("tokenizers/llama-bpe/tokenizer.json")).unwrap();
    attack(&bytes, bytes.len(), 5, INPUTS, |bytes| {
        let tokenizer = Tokenizer::from_json_bytes(&bytes, "damaged").map_err(|error| error.to_string())?;
        tokenizer.encode("The teacher's 12 answers", true).map(|_| ()).map_err(|error| error.to_string())
    });
}

/// Sizes that only fail when they are added up.
#[test]
fn safetensors_sizes_that_overflow_in_sum() {
    let huge = (1u64 << 61).to_string();
    let end = |times: u64| (u128::from(times) << 61).to_string();
    let header = format!(
        r#"{{"a":{{"dtype":"U8","shape":[{huge}],"data_offsets":[0,{huge}]}},"b":{{"dtype":"U8","shape":[{huge}],"data_offsets":[{huge},{}]}}}}"#,
        end(2)
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    let error =
        SafetensorsSource::from_files(vec![MappedFile::from_bytes(Path::new("x"), bytes)]).unwrap_err();
    assert!(error.to_string().contains("not within"), "{error}");
}
