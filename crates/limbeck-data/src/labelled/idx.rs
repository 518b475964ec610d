//! Reading idx files: the format of MNIST (LeCun, Cortes, Burges), plain or gzipped.
//!
//! A file is a magic number (two zero bytes, the type of a value, the number of dimensions), the size of each
//! dimension as a big-endian 32-bit number, and the values.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{Features, Image, LabelledSet, Split};
use crate::{DataError, file};

/// Magic number of unsigned bytes in three dimensions: images.
const IMAGES: u32 = 0x0000_0803;
/// Magic number of unsigned bytes in one dimension: labels.
const LABELS: u32 = 0x0000_0801;
/// The longest content this program is willing to hold: a million images of 28 x 28 pixels.
const LIMIT: u64 = 800 << 20;
/// How many bytes a packed byte may come to where the content is larger than [`FREE`]: images pack five- to tenfold, and
/// what packs better than a hundredfold is a trap.
const MAX_EXPANSION: u64 = 100;
/// Bytes of content that are read however well they are packed.
const FREE: u64 = 64 << 20;

/// How many images a folder must hold, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdxSizes {
    /// Training images.
    pub training: usize,
    /// Test images.
    pub test: usize,
}

/// Reads a folder with the four files of MNIST and its likes: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
/// `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, each plain or with `.gz`, at the top or in one folder below.
///
/// # Errors
/// A file that is missing, has another magic number, is shorter or longer than its header says, holds fewer images than
/// `sizes`, other numbers of images and labels, or a label of `classes` or more.
pub fn read_idx_folder(
    folder: &Path,
    name: &str,
    classes: usize,
    sizes: Option<IdxSizes>,
) -> Result<Split, DataError> {
    let part = |prefix: &str, wanted: Option<usize>| {
        let images = find(folder, &format!("{prefix}-images"), "idx3-ubyte")?;
        let labels = find(folder, &format!("{prefix}-labels"), "idx1-ubyte")?;
        read_idx_set(&images, &labels, name, classes, 255, wanted)
    };
    let split = Split {
        training: part("train", sizes.map(|s| s.training))?,
        test: part("t10k", sizes.map(|s| s.test))?,
    };
    if split.training.image() != split.test.image() {
        return Err(DataError::Unsupported {
            path: folder.to_path_buf(),
            found: "training and test images of different size".to_owned(),
            expected: "one size".to_owned(),
        });
    }
    Ok(split)
}

/// Reads a file of images and its file of labels. A pixel of value `white` is 1 to a network; `images` is how many there
/// must be, where that is known.
///
/// # Errors
/// As [`read_idx_folder`].
pub fn read_idx_set(
    images: &Path,
    labels: &Path,
    name: &str,
    classes: usize,
    white: u8,
    wanted: Option<usize>,
) -> Result<LabelledSet, DataError> {
    let pixels = read(images)?;
    let classes_of = read(labels)?;
    set_of_bytes((images, &pixels), (labels, &classes_of), name, classes, white, wanted)
}

/// As [`read_idx_set`], of contents already in memory; the paths are for messages.
pub(super) fn set_of_bytes(
    images: (&Path, &[u8]),
    labels: (&Path, &[u8]),
    name: &str,
    classes: usize,
    white: u8,
    wanted: Option<usize>,
) -> Result<LabelledSet, DataError> {
    let (sizes, pixels) = parse(images.0, images.1, IMAGES, "images")?;
    let (label_sizes, values) = parse(labels.0, labels.1, LABELS, "labels")?;
    let (count, rows, columns) = (sizes[0], sizes[1], sizes[2]);
    if let Some(wanted) = wanted
        && count != wanted
    {
        return Err(record(images.0, None, format!("{count} images"), format!("{wanted} images of {name}")));
    }
    if label_sizes[0] != count {
        let expected = format!("{count}, as many as there are images in {}", images.0.display());
        return Err(record(labels.0, None, format!("{} labels", label_sizes[0]), expected));
    }
    if let Some(row) = values.iter().position(|&label| usize::from(label) >= classes) {
        let expected = format!("a label from 0 to {}", classes.saturating_sub(1));
        return Err(record(labels.0, Some(row), values[row].to_string(), expected));
    }
    let features = Features::Bytes { values: pixels.to_vec(), white };
    let labels = values.iter().map(|&label| u32::from(label)).collect();
    LabelledSet::new(name, features, rows * columns, Some(Image { rows, columns }), labels, classes)
}

/// The sizes of the dimensions and the values, after checking magic number and length.
fn parse<'a>(
    path: &Path,
    bytes: &'a [u8],
    magic: u32,
    what: &'static str,
) -> Result<(Vec<usize>, &'a [u8]), DataError> {
    let number = |at: usize| {
        bytes.get(4 * at..4 * at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    };
    let found = number(0).ok_or_else(|| {
        record(
            path,
            None,
            format!("{} bytes", bytes.len()),
            "an idx file, which begins with 4 bytes".to_owned(),
        )
    })?;
    if found != magic {
        let expected = format!("{magic:#010x}, the magic number of {what} (unsigned bytes)");
        return Err(record(path, None, format!("the magic number {found:#010x}"), expected));
    }
    let dimensions = (magic & 0xff) as usize;
    let sizes: Option<Vec<usize>> = (1..=dimensions).map(|at| number(at).map(|size| size as usize)).collect();
    let header = 4 + 4 * dimensions;
    let sizes = sizes.ok_or_else(|| {
        record(path, None, format!("{} bytes", bytes.len()), format!("a header of {header} bytes"))
    })?;
    let count = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let values = &bytes[header..];
    if count != Some(values.len()) || sizes.contains(&0) {
        let shape: Vec<String> = sizes.iter().map(usize::to_string).collect();
        let found = format!("{} bytes of {what}", values.len());
        return Err(record(path, None, found, format!("{} bytes, as the header says", shape.join(" x "))));
    }
    Ok((sizes, values))
}

fn record(path: &Path, row: Option<usize>, found: String, expected: String) -> DataError {
    DataError::Record {
        file: path.to_path_buf(),
        unit: "label",
        row: row.map(|row| row as u64 + 1),
        column: None,
        found,
        expected,
    }
}

/// A file's content, unpacked when it is gzipped (told by its first two bytes, not by its name). The header's sizes are
/// held against the file's length before anything is read by them.
fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let length = file::regular(path)?.len();
    let mut first = [0_u8; 2];
    let gzipped = match file::open(path)?.read(&mut first).map_err(DataError::io("read", path))? {
        2 => first == [0x1f, 0x8b],
        _ => false,
    };
    let file = BufReader::new(file::open(path)?);
    if !gzipped {
        return bounded(path, file, length, length);
    }
    let mut stream = MultiGzDecoder::new(file);
    let mut header = Vec::new();
    stream.by_ref().take(HEADER).read_to_end(&mut header).map_err(|error| unpacking(path, error))?;
    let claimed = claimed(&header).unwrap_or(header.len() as u64);
    bounded(path, std::io::Cursor::new(header).chain(stream), claimed, length)
}

/// Longest header: magic number and three sizes.
const HEADER: u64 = 16;

/// Bytes that the header of an idx file of images or labels says it has, itself included; none for other files.
fn claimed(header: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let four = header.get(4 * at..4 * at + 4)?;
        Some(u64::from(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
    };
    match u32::try_from(number(0)?).ok()? {
        IMAGES => {
            Some(16_u64.saturating_add(number(1)?.saturating_mul(number(2)?).saturating_mul(number(3)?)))
        }
        LABELS => Some(8 + number(1)?),
        _ => None,
    }
}

/// The content of a stream that claims `claimed` bytes and is packed into `packed`; at most a byte more is read, so that
/// a content that is too long shows.
///
/// # Errors
/// A claim beyond what this program holds, or beyond what so few packed bytes can be.
pub(super) fn bounded(
    path: &Path,
    stream: impl Read,
    claimed: u64,
    packed: u64,
) -> Result<Vec<u8>, DataError> {
    let limit = LIMIT.min(packed.saturating_mul(MAX_EXPANSION).max(FREE));
    if claimed > limit {
        let (what, size) = (format!("its content, from {packed} bytes,"), claimed);
        return Err(DataError::TooLarge { path: path.to_path_buf(), what, size, limit });
    }
    let mut bytes = Vec::new();
    stream.take(claimed + 1).read_to_end(&mut bytes).map_err(|error| unpacking(path, error))?;
    Ok(bytes)
}

fn unpacking(path: &Path, error: std::io::Error) -> DataError {
    DataError::Damaged { path: path.to_path_buf(), format: "gzip", reason: error.to_string() }
}

/// A file named `{stem}-{kind}` or `{stem}.{kind}`, plain or gzipped, in the folder or one below.
fn find(folder: &Path, stem: &str, kind: &str) -> Result<PathBuf, DataError> {
    let names = [format!("{stem}-{kind}"), format!("{stem}.{kind}")];
    let mut places = vec![folder.to_path_buf()];
    if let Ok(entries) = std::fs::read_dir(folder) {
        let mut below: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        below.sort();
        places.extend(below);
    }
    let candidates = places
        .iter()
        .flat_map(|place| names.iter().flat_map(|name| [place.join(name), place.join(format!("{name}.gz"))]));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| DataError::Unsupported {
        path: folder.to_path_buf(),
        found: format!("no {} (nor with .gz)", names[0]),
        expected: "a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte \
                   and t10k-labels-idx1-ubyte, each plain or with .gz"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn header(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// A folder with 3 training and 2 test images of 2 x 2 pixels; `change` may spoil a file before it is written.
    fn folder(change: impl Fn(&str, &mut Vec<u8>)) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (prefix, count) in [("train", 3_u32), ("t10k", 2)] {
            let mut images = header(&[IMAGES, count, 2, 2]);
            images.extend((0..count * 4).map(|value| value as u8));
            let mut labels = header(&[LABELS, count]);
            labels.extend((0..count).map(|value| value as u8));
            for (name, mut bytes) in [
                (format!("{prefix}-images-idx3-ubyte"), images),
                (format!("{prefix}-labels-idx1-ubyte"), labels),
            ] {
                change(&name, &mut bytes);
                std::fs::write(place.path().join(name), bytes).unwrap();
            }
        }
        place
    }

    fn read_it(place: &Path, classes: usize) -> Result<Split, DataError> {
        read_idx_folder(place, "it", classes, Some(IdxSizes { training: 3, test: 2 }))
    }

    #[test]
    fn a_folder_is_read_plain_and_gzipped() {
        let place = folder(|_, _| {});
        let split = read_it(place.path(), 3).unwrap();
        assert_eq!(split.training.labels(), [0, 1, 2]);
        assert_eq!((split.test.len(), split.test.width()), (2, 4));
        let mut row = [0.0; 4];
        split.training.write_row(2, &mut row);
        assert_eq!(row, [8.0 / 255.0, 9.0 / 255.0, 10.0 / 255.0, 11.0 / 255.0]);
        let below = place.path().join("data");
        std::fs::create_dir(&below).unwrap();
        for name in ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"] {
            let plain = place.path().join(format!("{name}-ubyte"));
            let file = File::create(below.join(format!("{name}-ubyte.gz"))).unwrap();
            let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            packed.write_all(&std::fs::read(&plain).unwrap()).unwrap();
            packed.finish().unwrap();
            std::fs::remove_file(plain).unwrap();
        }
        assert_eq!(read_it(place.path(), 3).unwrap(), split);
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        type Change = fn(&str, &mut Vec<u8>);
        let cases: [(Change, &str); 7] = [
            (
                |name, bytes| {
                    if name == "train-images-idx3-ubyte" {
                        bytes[3] = 1
                    }
                },
                "0x00000801",
            ),
            (
                |name, bytes| {
                    if name.starts_with("t10k-images") {
                        bytes.truncate(20)
                    }
                },
                "4 bytes of images",
            ),
            (
                |name, bytes| {
                    if name.starts_with("t10k-images") {
                        bytes.truncate(7)
                    }
                },
                "a header of 16 bytes",
            ),
            (
                |name, bytes| {
                    if name.starts_with("train-labels") {
                        bytes.truncate(2)
                    }
                },
                "2 bytes",
            ),
            (
                |name, bytes| {
                    if name.starts_with("train-labels") {
                        bytes[9] = 200
                    }
                },
                "label 2: found 200",
            ),
            (
                |name, bytes| {
                    if name.starts_with("t10k-images") {
                        bytes[4] = 0xff
                    }
                },
                "as the header says",
            ),
            (
                |name, bytes| {
                    if name.starts_with("t10k-images") {
                        bytes.drain(16..20);
                        bytes[7] = 1;
                    }
                },
                "1 images",
            ),
        ];
        for (change, said) in cases {
            let place = folder(change);
            let error = read_it(place.path(), 3).unwrap_err().to_string();
            assert!(error.contains(said), "{error} should say {said}");
        }
    }

    /// A header that claims gigabytes, and a stream that unpacks to more than its header says.
    #[test]
    fn packed_files_take_no_more_than_they_claim_and_can_be() {
        let gzip = |bytes: &[u8]| {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(bytes).unwrap();
            packed.finish().unwrap()
        };
        for (numbers, zeros, said) in [
            ([IMAGES, u32::MAX, u32::MAX, u32::MAX], 100, "the limit is"),
            ([IMAGES, 1 << 20, 100, 100], 100, "the limit is"),
            ([IMAGES, 3, 2, 2], 100, "as the header says"),
            ([IMAGES, 1, 1 << 13, 1 << 13], 1 << 20, "the limit is"),
        ] {
            let place = folder(|name, bytes| {
                if name.starts_with("train-images") {
                    let mut content = header(&numbers);
                    content.extend(vec![0; zeros]);
                    *bytes = gzip(&content);
                }
            });
            let error = read_it(place.path(), 3).unwrap_err().to_string();
            assert!(error.contains("train-images") && error.contains(said), "{error} should say {said}");
        }
    }

    #[test]
    fn counts_that_differ_and_missing_files_are_named() {
        let place = folder(|name, bytes| {
            if name.starts_with("train-labels") {
                bytes.pop();
                bytes[7] = 2;
            }
        });
        let error = read_it(place.path(), 3).unwrap_err().to_string();
        assert!(
            error.contains("2 labels") && error.contains("found") && error.contains("expected 3"),
            "{error}"
        );
        let error = read_it(tempfile::tempdir().unwrap().path(), 3).unwrap_err().to_string();
        assert!(error.contains("no train-images-idx3-ubyte"), "{error}");
    }
}
