//! Token examples: what training, evaluation and capture run over.

mod order;
mod packing;
mod split;

pub use order::BatchOrder;
pub use packing::pack;
pub use split::{Split, split_shuffled, split_tail};

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{DataError, atomic, hash};

/// Longest line of an example file, in bytes: 16 MiB hold more than a million tokens.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// A token sequence and which of its tokens are scored.
///
/// `scored[i]` says whether token `i`, as a target predicted from the tokens before it, counts in the
/// loss. `scored[0]` is always false, since nothing predicts the first token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenExample {
    /// The token ids.
    pub ids: Vec<u32>,
    /// One flag per token.
    pub scored: Vec<bool>,
}

impl TokenExample {
    /// An example of `ids` and as many flags.
    ///
    /// # Errors
    /// When the lengths differ or the first token is marked as scored.
    pub fn new(ids: Vec<u32>, scored: Vec<bool>) -> Result<Self, DataError> {
        if ids.len() != scored.len() {
            return Err(DataError::Argument {
                name: "scored",
                found: format!("{} flags", scored.len()),
                expected: format!("{} flags, one per token", ids.len()),
            });
        }
        if scored.first() == Some(&true) {
            return Err(DataError::Argument {
                name: "scored",
                found: "true for the first token".to_owned(),
                expected: "false there, since no token before it predicts it".to_owned(),
            });
        }
        Ok(Self { ids, scored })
    }

    /// An example with every token but the first scored: plain text.
    pub fn all_scored(ids: Vec<u32>) -> Self {
        let scored = (0..ids.len()).map(|position| position > 0).collect();
        Self { ids, scored }
    }

    /// A prompt, not scored, followed by a completion, scored (all but a leading first token).
    pub fn completion(prompt: &[u32], completion: &[u32]) -> Self {
        let ids: Vec<u32> = prompt.iter().chain(completion).copied().collect();
        let scored = (0..ids.len()).map(|position| position > 0 && position >= prompt.len()).collect();
        Self { ids, scored }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Positions of the scored tokens, ascending.
    pub fn scored_positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.scored.iter().enumerate().filter(|(_, scored)| **scored).map(|(position, _)| position)
    }

    /// Number of scored tokens.
    pub fn scored_count(&self) -> usize {
        self.scored.iter().filter(|scored| **scored).count()
    }

    /// Content hash of the ids ([`hash::hash_tokens`]): the key of its captured signals.
    pub fn key(&self) -> [u8; 32] {
        hash::hash_tokens(&self.ids)
    }
}

/// Content hash of a data set: over every example's ids and flags, in order.
pub fn hash_examples(examples: &[TokenExample]) -> String {
    let mut hasher = blake3::Hasher::new();
    for example in examples {
        hasher.update(&(example.ids.len() as u64).to_le_bytes());
        for (id, scored) in example.ids.iter().zip(&example.scored) {
            hasher.update(&id.to_le_bytes());
            hasher.update(&[u8::from(*scored)]);
        }
    }
    hash::hex(hasher.finalize().as_bytes())
}

/// Writes one JSON object a line, atomically.
pub fn save_examples(path: &Path, examples: &[TokenExample]) -> Result<(), DataError> {
    atomic::write_atomic_with(path, |writer| {
        for example in examples {
            serde_json::to_writer(&mut *writer, example)?;
            writer.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Reads what [`save_examples`] wrote.
///
/// # Errors
/// Unreadable; or a line that is not an example, with its number.
pub fn load_examples(path: &Path) -> Result<Vec<TokenExample>, DataError> {
    let wrong = |row: u64, found: String| DataError::Record {
        file: path.to_path_buf(),
        unit: "line",
        row: Some(row),
        column: None,
        found,
        expected: r#"{"ids":[..],"scored":[..]} with as many flags as ids, the first false"#.to_owned(),
    };
    let mut reader = BufReader::new(File::open(path).map_err(DataError::io("open", path))?);
    let mut examples = Vec::new();
    let mut line = Vec::new();
    for row in 1.. {
        line.clear();
        let read = std::io::Read::take(&mut reader, MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut line)
            .map_err(DataError::io("read", path))?;
        if read == 0 {
            break;
        }
        if line.len() as u64 > MAX_LINE_BYTES {
            return Err(DataError::TooLarge {
                path: path.to_path_buf(),
                what: format!("line {row}"),
                size: line.len() as u64,
                limit: MAX_LINE_BYTES,
            });
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let example: TokenExample =
            serde_json::from_slice(&line).map_err(|error| wrong(row, error.to_string()))?;
        let example =
            TokenExample::new(example.ids, example.scored).map_err(|error| wrong(row, error.to_string()))?;
        examples.push(example);
    }
    Ok(examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_is_never_scored() {
        assert!(TokenExample::new(vec![1, 2], vec![true, true]).is_err());
        assert!(TokenExample::new(vec![1, 2], vec![false]).is_err());
        assert_eq!(TokenExample::all_scored(vec![5, 6, 7]).scored, [false, true, true]);
        assert_eq!(TokenExample::completion(&[1, 2], &[3]).scored, [false, false, true]);
        assert_eq!(TokenExample::completion(&[], &[3, 4]).scored, [false, true]);
        let example = TokenExample::completion(&[1, 2], &[3, 4]);
        assert_eq!(example.scored_positions().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(example.scored_count(), 2);
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("examples.jsonl");
        let examples =
            vec![TokenExample::all_scored(vec![1, 2, u32::MAX]), TokenExample::completion(&[4], &[])];
        save_examples(&path, &examples).unwrap();
        assert_eq!(load_examples(&path).unwrap(), examples);
        for (text, line) in [
            ("{\"ids\":[1],\"scored\":[false]}\n{\"ids\":[1],\"scored\":[true]}\n", "line 2"),
            ("{\"ids\":[1,2],\"scored\":[false]}\n", "line 1"),
            ("\n{\"ids\":[-1],\"scored\":[false]}", "line 2"),
            ("{\"ids\":[1],\"scored\":[false],\"more\":1}", "line 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = load_examples(&path).unwrap_err().to_string();
            assert!(error.contains(line) && error.contains("examples.jsonl"), "{error}");
        }
    }

    #[test]
    fn the_data_hash_sees_ids_flags_and_borders() {
        let base = hash_examples(&[TokenExample::completion(&[1], &[2, 3])]);
        assert_ne!(base, hash_examples(&[TokenExample::all_scored(vec![1, 2, 4])]));
        assert_ne!(base, hash_examples(&[TokenExample::completion(&[1, 2], &[3])]));
        let split = [TokenExample::all_scored(vec![1]), TokenExample::all_scored(vec![2, 3])];
        assert_ne!(base, hash_examples(&split));
    }
}
