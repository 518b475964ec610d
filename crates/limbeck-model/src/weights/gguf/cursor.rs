//! A reader over bytes that never reads beyond them and never allocates more than they can hold.

use super::error::GgufError;

/// Position in a file whose lengths are 32-bit (version 1) or 64-bit.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    wide: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, wide: true }
    }

    /// Lengths are 32-bit from here on.
    pub(super) fn narrow(&mut self) {
        self.wide = false;
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: u64, what: &'static str) -> Result<&'a [u8], GgufError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let Some(taken) = taken else {
            return Err(GgufError::Truncated { what, offset: self.at, needed: count, available: rest.len() });
        };
        self.at += taken.len();
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count or length in the width of the file's version.
    pub(super) fn length(&mut self, what: &'static str) -> Result<u64, GgufError> {
        if self.wide { self.u64(what) } else { self.u32(what).map(u64::from) }
    }

    /// Bytes of a count or length.
    pub(super) fn length_width(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// A count of things of at least `least` bytes each, checked against what is left, so that it is safe to reserve for.
    pub(super) fn count(&mut self, least: usize, what: &'static str) -> Result<usize, GgufError> {
        let count = self.length(what)?;
        let available = self.remaining();
        match usize::try_from(count) {
            Ok(small) if small <= available / least.max(1) => Ok(small),
            _ => Err(GgufError::ImpossibleCount { what, count, available }),
        }
    }

    /// A string with its length before it.
    pub(super) fn string(&mut self, what: &'static str) -> Result<String, GgufError> {
        let length = self.length(what)?;
        let offset = self.at;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| GgufError::NotUtf8 { what, offset })
    }
}
