//! Reading arrays of numpy: `.npy` inside `.npz` (numpy.lib.format, versions 1 to 3).

use std::collections::BTreeMap;
use std::path::Path;

use super::idx::bounded;
use crate::{DataError, file};

/// Values of an array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Sizes of the dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The values; integers up to 2^53 are exact.
    pub values: Vec<f64>,
}

/// Bytes of an array at most.
const MAX_ARRAY: u64 = 128 << 20;

/// Reads the arrays of these names from an `.npz` file.
///
/// # Errors
/// No zip file, a name that is missing, or an array that is no little-endian, row-major array of numbers whose length is
/// what its header says.
pub fn read_npz(path: &Path, names: &[&str]) -> Result<BTreeMap<String, Array>, DataError> {
    let damaged = |reason: String| DataError::Damaged { path: path.to_path_buf(), format: "npz", reason };
    let file = file::open(path)?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| damaged(error.to_string()))?;
    let mut arrays = BTreeMap::new();
    for name in names {
        let entry = archive
            .by_name(&format!("{name}.npy"))
            .map_err(|error| damaged(format!("array `{name}`: {error}")))?;
        // Every value becomes one of eight bytes, whatever it takes in the file.
        let (claimed, packed) = (entry.size(), entry.compressed_size());
        if claimed > MAX_ARRAY {
            let (what, limit) = (format!("array `{name}`"), MAX_ARRAY);
            return Err(DataError::TooLarge { path: path.to_path_buf(), what, size: claimed, limit });
        }
        let bytes = bounded(path, entry, claimed, packed)?;
        let array = parse(&bytes).map_err(|reason| damaged(format!("array `{name}`: {reason}")))?;
        arrays.insert((*name).to_owned(), array);
    }
    Ok(arrays)
}

/// An array from the content of an `.npy` file.
fn parse(bytes: &[u8]) -> Result<Array, String> {
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err("it does not begin with the magic bytes of numpy".to_owned());
    }
    let version = bytes.get(6).copied().unwrap_or_default();
    let (length, start) = match version {
        1 => (bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))), 10),
        2 | 3 => (bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize), 12),
        other => return Err(format!("format version {other}; 1 to 3 are read")),
    };
    let end = length.and_then(|length| length.checked_add(start));
    let header = end.and_then(|end| bytes.get(start..end)).ok_or("its header is cut off")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text".to_owned())?;
    if !field(header, "fortran_order").is_some_and(|value| value.starts_with("False")) {
        return Err("it is not in row-major order".to_owned());
    }
    let shape = shape_of(header).ok_or_else(|| format!("no shape in its header {header:?}"))?;
    let count = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let kind = field(header, "descr").and_then(|value| value.split(['\'', '"']).nth(1)).unwrap_or_default();
    let data = &bytes[end.unwrap_or_default()..];
    if let Some((count, width)) = count.zip(width_of(kind))
        && count.checked_mul(width) != Some(data.len())
    {
        return Err(format!(
            "{} values of {width} bytes in {} bytes, where its header says {shape:?}",
            data.len() / width,
            data.len()
        ));
    }
    let values = numbers(kind, data).ok_or_else(|| {
        format!(
            "values of type {kind:?}; little-endian integers of 1 to 8 bytes and floats of 4 or 8 are read"
        )
    })?;
    if count != Some(values.len()) {
        return Err(format!("{} values, where its header says {shape:?}", values.len()));
    }
    Ok(Array { shape, values })
}

/// What follows `'name':` in the header, a Python dictionary.
fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let key = format!("'{name}':");
    Some(header[header.find(&key)? + key.len()..].trim_start())
}

fn shape_of(header: &str) -> Option<Vec<usize>> {
    let inside = field(header, "shape")?.strip_prefix('(')?;
    let inside = &inside[..inside.find(')')?];
    inside.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

/// Bytes of a value of numpy's type.
fn width_of(kind: &str) -> Option<usize> {
    matches!(kind, "<f4" | "<f8" | "<i8" | "<i4" | "<i2" | "|i1" | "<u8" | "<u4" | "<u2" | "|u1" | "|b1")
        .then(|| kind[2..].parse().ok())?
}

fn numbers(kind: &str, data: &[u8]) -> Option<Vec<f64>> {
    macro_rules! read {
        ($type:ty) => {{
            const WIDTH: usize = size_of::<$type>();
            let whole = data.len().is_multiple_of(WIDTH);
            let number = |part: &[u8]| part.try_into().map(<$type>::from_le_bytes).unwrap_or_default() as f64;
            whole.then(|| data.chunks_exact(WIDTH).map(number).collect())
        }};
    }
    match kind {
        "<f4" => read!(f32),
        "<f8" => read!(f64),
        "<i8" => read!(i64),
        "<i4" => read!(i32),
        "<i2" => read!(i16),
        "|i1" => read!(i8),
        "<u8" => read!(u64),
        "<u4" => read!(u32),
        "<u2" => read!(u16),
        "|u1" | "|b1" => read!(u8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn arrays_of_floats_and_integers_are_read() {
        let floats: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n";
        assert_eq!(
            parse(&npy(header, &floats)).unwrap(),
            Array { shape: vec![1, 2], values: vec![1.5, -2.0] }
        );
        let integers: Vec<u8> = [-7_i64].iter().flat_map(|v| v.to_le_bytes()).collect();
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }\n";
        assert_eq!(parse(&npy(header, &integers)).unwrap().values, [-7.0]);
    }

    #[test]
    fn damage_is_named() {
        let good = "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n";
        for (bytes, said) in [
            (b"PK".to_vec(), "magic"),
            (npy(good, &[0; 8]), "1 values"),
            (npy(good, &[0; 9]), "9 bytes"),
            (npy(&good.replace("False", "True"), &[0; 16]), "row-major"),
            (npy(&good.replace("<i8", ">i8"), &[0; 16]), ">i8"),
            (npy(&good.replace("(2,)", "(99999999999, 99999999999)"), &[0; 16]), "header says"),
            (npy(good, &[0; 16])[..20].to_vec(), "cut off"),
        ] {
            let error = parse(&bytes).unwrap_err();
            assert!(error.contains(said), "{error} should say {said}");
        }
    }
}
