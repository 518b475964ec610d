//! Content hashes (BLAKE3): what makes a run folder able to say that its inputs have not changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{DataError, file};

/// Deepest nesting of folders that is followed; past it a folder is taken for a loop of links.
const MAX_DEPTH: usize = 64;

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// BLAKE3 of `bytes`, 64 hexadecimal digits.
pub fn hash_bytes(bytes: &[u8]) -> String {
    hex(blake3::hash(bytes).as_bytes())
}

/// BLAKE3 of a token sequence: its ids as little-endian 32-bit numbers.
pub fn hash_tokens(ids: &[u32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(&id.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

fn digest_file(path: &Path) -> Result<blake3::Hash, DataError> {
    let file = file::open(path)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(DataError::io("read", path))?;
    Ok(hasher.finalize())
}

/// BLAKE3 of a file's content, 64 hexadecimal digits.
pub fn hash_file(path: &Path) -> Result<String, DataError> {
    Ok(hex(digest_file(path)?.as_bytes()))
}

/// BLAKE3 of a folder: over its files in the order of their relative paths (with `/`), of each the
/// path's length, the path and the BLAKE3 of the content. Temporary files of this program, its marker
/// ([`crate::atomic::MARKER`]) and empty folders do not count.
pub fn hash_folder(folder: &Path) -> Result<String, DataError> {
    let files = list_files(folder)?;
    hash_files(folder, &files)
}

/// The hash of [`hash_folder`] over the chosen files (relative paths with `/`, sorted by the caller).
pub(crate) fn hash_files(folder: &Path, files: &[String]) -> Result<String, DataError> {
    let mut hasher = blake3::Hasher::new();
    for name in files {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(digest_file(&folder.join(name))?.as_bytes());
    }
    Ok(hex(hasher.finalize().as_bytes()))
}

/// [`hash_file`] or [`hash_folder`], by what `path` is.
pub fn hash_path(path: &Path) -> Result<String, DataError> {
    let facts = fs::metadata(path).map_err(DataError::io("look at", path))?;
    if facts.is_dir() { hash_folder(path) } else { hash_file(path) }
}

/// Every file below `folder` as a relative path with `/`, sorted by bytes, without temporary files and markers of this
/// program. Links are followed, since a Hugging Face snapshot is made of them.
///
/// # Errors
/// Unreadable folders, names that are not UTF-8, folders nested beyond any use (a loop of links), pipes and devices.
pub fn list_files(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut files = Vec::new();
    let mut waiting: Vec<(PathBuf, String, usize)> = vec![(folder.to_path_buf(), String::new(), 0)];
    while let Some((path, prefix, depth)) = waiting.pop() {
        for entry in fs::read_dir(&path).map_err(DataError::io("list", &path))? {
            let entry = entry.map_err(DataError::io("list", &path))?;
            let full = entry.path();
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(DataError::Unsupported {
                    path: full,
                    found: "a file name that is not UTF-8".to_owned(),
                    expected: "names in UTF-8".to_owned(),
                });
            };
            if name == crate::atomic::MARKER || (name.starts_with('.') && name.ends_with(".tmp")) {
                continue;
            }
            let relative = format!("{prefix}{name}");
            let facts = fs::metadata(&full).map_err(DataError::io("look at", &full))?;
            if facts.is_dir() {
                if depth == MAX_DEPTH {
                    return Err(DataError::Unsupported {
                        path: full,
                        found: format!("folders nested more than {MAX_DEPTH} deep"),
                        expected: "a folder without loops of links".to_owned(),
                    });
                }
                waiting.push((full, format!("{relative}/"), depth + 1));
            } else if facts.is_file() {
                files.push(relative);
            } else if !relative.split('/').any(|part| part.starts_with('.')) {
                // In hidden folders programs keep their sockets; elsewhere one expects to be read.
                file::regular(&full)?;
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_hash_is_blake3s_own_test_vector() {
        let expected = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(hash_bytes(b""), expected);
        assert_eq!(hex(&hash_tokens(&[])), expected);
    }

    #[test]
    fn a_folder_hash_sees_names_contents_and_moves() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a.txt", "one");
        write("sub/b.txt", "two");
        let first = hash_folder(root.path()).unwrap();
        assert_eq!(list_files(root.path()).unwrap(), ["a.txt", "sub/b.txt"]);
        write(".writing-x.tmp", "not counted");
        assert_eq!(hash_path(root.path()).unwrap(), first);
        write("a.txt", "One");
        let changed = hash_folder(root.path()).unwrap();
        write("a.txt", "one");
        assert_eq!(hash_folder(root.path()).unwrap(), first);
        fs::rename(root.path().join("sub/b.txt"), root.path().join("sub/c.txt")).unwrap();
        let moved = hash_folder(root.path()).unwrap();
        assert!(first != changed && first != moved && changed != moved);
    }

    #[cfg(unix)]
    #[test]
    fn a_loop_of_links_is_an_error_not_a_hang() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        assert!(list_files(root.path()).is_err());
    }
}
