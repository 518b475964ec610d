//! The page headers of a Parquet file, walked before anything is decoded by what they claim.
//!
//! The parquet crate reserves memory by a page's own claim of its unpacked size and value count, up to
//! 2 GiB each, so four damaged bytes could take all memory. Here each header is read (Thrift's compact
//! protocol, only the fields of sizes and counts) and held against the column chunk's claims, which in turn are
//! held against the bytes that are really there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

/// Largest page, unpacked: writers make pages of about a megabyte.
const MAX_PAGE: u64 = 64 << 20;
/// Constant columns pack thousands of values into a byte; so many for each byte, and so many in any case.
const MAX_VALUES_PER_BYTE: u64 = 8192;
const FREE_VALUES: u64 = 1 << 24;
/// Slack in bytes for writers that count headers otherwise.
const SLACK: u64 = 64 << 10;
/// Longest page header: it may hold the page's smallest and largest value.
const MAX_HEADER: u64 = 1 << 20;

/// How many bytes a byte can unpack to; `None` where a codec has no bound, so that only [`MAX_PAGE`] holds.
fn max_expansion(codec: Compression) -> Option<u64> {
    match codec {
        // Snappy has at most 22; 32 leaves room for headers.
        Compression::UNCOMPRESSED | Compression::SNAPPY => Some(32),
        Compression::LZ4 | Compression::LZ4_RAW => Some(256),
        Compression::GZIP(_) => Some(1100),
        _ => None,
    }
}

/// Checks one column chunk and gives its largest page, in bytes unpacked; the text says what is impossible.
pub(super) fn check(file: &mut File, chunk: &ColumnChunkMetaData, start: u64) -> Result<u64, String> {
    let packed = chunk.compressed_size().unsigned_abs();
    let unpacked = chunk.uncompressed_size().unsigned_abs();
    let values = chunk.num_values().unsigned_abs();
    let expansion = max_expansion(chunk.compression());
    if expansion.is_some_and(|most| unpacked > packed.saturating_mul(most) + SLACK) {
        return Err(format!("{packed} bytes cannot unpack to {unpacked}"));
    }
    if values > unpacked.saturating_mul(MAX_VALUES_PER_BYTE) + FREE_VALUES {
        return Err(format!("{unpacked} bytes cannot hold {values} values"));
    }
    let (mut at, end) = (start, start + packed);
    let (mut seen_values, mut seen_bytes, mut largest) = (0_u64, 0_u64, 0_u64);
    while at < end && seen_values < values {
        let page = read_header(file, at, end)?;
        at += page.header + page.packed;
        if at > end {
            return Err(format!("a page of {} bytes passes the end of its column", page.packed));
        }
        if page.unpacked > MAX_PAGE {
            return Err(format!("a page of {} bytes unpacked; at most {MAX_PAGE} are read", page.unpacked));
        }
        largest = largest.max(page.unpacked);
        seen_bytes += page.unpacked;
        if seen_bytes > unpacked + SLACK {
            return Err(format!("pages claim {seen_bytes} bytes unpacked of {unpacked}"));
        }
        if let Some(count) = page.dictionary_values
            && count > page.unpacked
        {
            return Err(format!("a dictionary of {} bytes claims {count} values", page.unpacked));
        }
        seen_values += page.values;
        if seen_values > values {
            return Err(format!("pages claim {seen_values} values of {values}"));
        }
    }
    Ok(largest)
}

/// What a page header claims.
#[derive(Debug, Default)]
struct Page {
    header: u64,
    packed: u64,
    unpacked: u64,
    values: u64,
    dictionary_values: Option<u64>,
}

fn read_header(file: &mut File, at: u64, end: u64) -> Result<Page, String> {
    // Nearly every header is short; a long one is read again in full.
    for window in [256, MAX_HEADER] {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.take(window.min(end - at)).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if let Some(page) = parse(&bytes)? {
            return Ok(page);
        }
    }
    Err("a page header does not end".to_owned())
}

/// Parses a header; none: it goes on past these bytes.
fn parse(bytes: &[u8]) -> Result<Option<Page>, String> {
    let mut thrift = Compact { bytes, at: 0 };
    match thrift.page() {
        Ok(mut page) => {
            page.header = thrift.at as u64;
            Ok(Some(page))
        }
        Err(Stop::Short) => Ok(None),
        Err(Stop::Wrong(reason)) => Err(format!("a page header is damaged: {reason}")),
    }
}

/// Why parsing stopped.
enum Stop {
    Short,
    Wrong(&'static str),
}

/// Thrift's compact protocol, as much of it as skipping needs.
struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Deepest nesting that is skipped; page headers have two levels.
const MAX_NESTING: usize = 8;

impl Compact<'_> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Wrong("a number does not end"))
    }

    /// A size or count: a signed 32-bit number that must not be negative.
    fn count(&mut self) -> Result<u64, Stop> {
        let zigzag = self.varint()?;
        let value = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        match i32::try_from(value) {
            Ok(value) if value >= 0 => Ok(value as u64),
            _ => Err(Stop::Wrong("a size is negative or too large")),
        }
    }

    fn skip_bytes(&mut self, count: u64) -> Result<(), Stop> {
        let count = usize::try_from(count).map_err(|_| Stop::Short)?;
        self.at = self.at.checked_add(count).filter(|at| *at <= self.bytes.len()).ok_or(Stop::Short)?;
        Ok(())
    }

    /// The next field: (number, type), or none at the end of the struct.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Stop> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => {
                let zigzag = self.varint()?;
                (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
            }
            delta => last.saturating_add(i64::from(delta)),
        };
        Ok(Some((*last, byte & 15)))
    }

    fn skip(&mut self, kind: u8, nesting: usize) -> Result<(), Stop> {
        if nesting > MAX_NESTING {
            return Err(Stop::Wrong("nested too deep"));
        }
        match kind {
            1 | 2 => Ok(()),
            3 => self.skip_bytes(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.skip_bytes(8),
            8 => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..length {
                    // A list's true and false take a byte each; a bound on the loop is the bytes left.
                    if matches!(head & 15, 1 | 2) {
                        self.skip_bytes(1)?
                    } else {
                        self.skip(head & 15, nesting + 1)?
                    }
                }
                Ok(())
            }
            12 => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, nesting + 1)?;
                }
                Ok(())
            }
            _ => Err(Stop::Wrong("an unknown type")),
        }
    }

    /// The `PageHeader` struct of parquet.thrift: 2 unpacked size, 3 packed size, 5 data page, 7 dictionary
    /// page, 8 data page v2; in the last three, field 1 is the number of values.
    fn page(&mut self) -> Result<Page, Stop> {
        let mut page = Page::default();
        let (mut sizes, mut last) = (0, 0);
        while let Some((number, kind)) = self.field(&mut last)? {
            match (number, kind) {
                (2, 5) => {
                    page.unpacked = self.count()?;
                    sizes |= 1;
                }
                (3, 5) => {
                    page.packed = self.count()?;
                    sizes |= 2;
                }
                (5 | 7 | 8, 12) => {
                    let mut last = 0;
                    let mut values = None;
                    while let Some((inner, kind)) = self.field(&mut last)? {
                        if (inner, kind) == (1, 5) {
                            values = Some(self.count()?)
                        } else {
                            self.skip(kind, 2)?
                        }
                    }
                    let values = values.ok_or(Stop::Wrong("no number of values"))?;
                    if number == 7 { page.dictionary_values = Some(values) } else { page.values += values }
                }
                (_, kind) => self.skip(kind, 1)?,
            }
        }
        if sizes == 3 { Ok(page) } else { Err(Stop::Wrong("no sizes")) }
    }
}
