//! Metadata values: the thirteen types of the format.

use super::cursor::Cursor;
use super::error::GgufError;

/// How deep arrays may be nested.
const MAX_DEPTH: usize = 4;

/// The number of a value type in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)] // The names are the types.
pub enum ValueType {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl ValueType {
    fn from_number(number: u32) -> Option<Self> {
        const ALL: [ValueType; 13] = [
            ValueType::U8,
            ValueType::I8,
            ValueType::U16,
            ValueType::I16,
            ValueType::U32,
            ValueType::I32,
            ValueType::F32,
            ValueType::Bool,
            ValueType::String,
            ValueType::Array,
            ValueType::U64,
            ValueType::I64,
            ValueType::F64,
        ];
        ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The names are the types.
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// A metadata array; all its items have one type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The names are the types.
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

impl Value {
    /// The value as an unsigned number, when it is an integer that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => u64::try_from(value).ok(),
            Self::I16(value) => u64::try_from(value).ok(),
            Self::I32(value) => u64::try_from(value).ok(),
            Self::I64(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    /// The value as a number, when it is a floating point number. An `f32` keeps its shortest decimal form, so that 1e-5 does not
    /// become 9.999999747378752e-6.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => value.to_string().parse().ok(),
            Self::F64(value) => Some(value),
            _ => None,
        }
    }

    /// The value as a number, whole or not.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Self::I8(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::I64(value) => Some(value as f64),
            _ => self.as_f64().or_else(|| self.as_u64().map(|value| value as f64)),
        }
    }

    /// The value as a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The value as a truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// A few words that show the value in a message.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Array(_) => "an array".to_owned(),
            Self::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
            other => format!("{other:?}"),
        }
    }

    /// Reads a value of a type given by number.
    pub(super) fn read(cursor: &mut Cursor<'_>, key: &str) -> Result<Self, GgufError> {
        Ok(match read_type(cursor, key)? {
            ValueType::U8 => Self::U8(u8::from_le_bytes(cursor.array("value")?)),
            ValueType::I8 => Self::I8(i8::from_le_bytes(cursor.array("value")?)),
            ValueType::U16 => Self::U16(u16::from_le_bytes(cursor.array("value")?)),
            ValueType::I16 => Self::I16(i16::from_le_bytes(cursor.array("value")?)),
            ValueType::U32 => Self::U32(u32::from_le_bytes(cursor.array("value")?)),
            ValueType::I32 => Self::I32(i32::from_le_bytes(cursor.array("value")?)),
            ValueType::F32 => Self::F32(f32::from_le_bytes(cursor.array("value")?)),
            ValueType::Bool => Self::Bool(read_bool(cursor)?),
            ValueType::String => Self::String(cursor.string("string value")?),
            ValueType::Array => Self::Array(Array::read(cursor, key, 1)?),
            ValueType::U64 => Self::U64(u64::from_le_bytes(cursor.array("value")?)),
            ValueType::I64 => Self::I64(i64::from_le_bytes(cursor.array("value")?)),
            ValueType::F64 => Self::F64(f64::from_le_bytes(cursor.array("value")?)),
        })
    }

    /// Appends the type's number and the value as versions 2 and 3 store them.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        fn put(out: &mut Vec<u8>, kind: ValueType, bytes: &[u8]) {
            out.extend((kind as u32).to_le_bytes());
            out.extend(bytes);
        }
        match self {
            Self::U8(value) => put(out, ValueType::U8, &value.to_le_bytes()),
            Self::I8(value) => put(out, ValueType::I8, &value.to_le_bytes()),
            Self::U16(value) => put(out, ValueType::U16, &value.to_le_bytes()),
            Self::I16(value) => put(out, ValueType::I16, &value.to_le_bytes()),
            Self::U32(value) => put(out, ValueType::U32, &value.to_le_bytes()),
            Self::I32(value) => put(out, ValueType::I32, &value.to_le_bytes()),
            Self::F32(value) => put(out, ValueType::F32, &value.to_le_bytes()),
            Self::Bool(value) => put(out, ValueType::Bool, &[u8::from(*value)]),
            Self::U64(value) => put(out, ValueType::U64, &value.to_le_bytes()),
            Self::I64(value) => put(out, ValueType::I64, &value.to_le_bytes()),
            Self::F64(value) => put(out, ValueType::F64, &value.to_le_bytes()),
            Self::String(text) => {
                put(out, ValueType::String, &[]);
                write_string(out, text);
            }
            Self::Array(array) => {
                put(out, ValueType::Array, &[]);
                array.write(out);
            }
        }
    }
}

impl Array {
    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(items) => items.len(),
            Self::I8(items) => items.len(),
            Self::U16(items) => items.len(),
            Self::I16(items) => items.len(),
            Self::U32(items) => items.len(),
            Self::I32(items) => items.len(),
            Self::F32(items) => items.len(),
            Self::Bool(items) => items.len(),
            Self::String(items) => items.len(),
            Self::Array(items) => items.len(),
            Self::U64(items) => items.len(),
            Self::I64(items) => items.len(),
            Self::F64(items) => items.len(),
        }
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(cursor: &mut Cursor<'_>, key: &str, depth: usize) -> Result<Self, GgufError> {
        if depth > MAX_DEPTH {
            return Err(GgufError::NestedTooDeep { key: key.to_owned(), limit: MAX_DEPTH });
        }
        fn numbers<const N: usize, T>(
            cursor: &mut Cursor<'_>,
            one: fn([u8; N]) -> T,
        ) -> Result<Vec<T>, GgufError> {
            let count = cursor.count(N, "array items")?;
            let bytes = cursor.take((count * N) as u64, "array items")?;
            Ok(bytes.as_chunks::<N>().0.iter().map(|item| one(*item)).collect())
        }
        Ok(match read_type(cursor, key)? {
            ValueType::U8 => Self::U8(numbers(cursor, u8::from_le_bytes)?),
            ValueType::I8 => Self::I8(numbers(cursor, i8::from_le_bytes)?),
            ValueType::U16 => Self::U16(numbers(cursor, u16::from_le_bytes)?),
            ValueType::I16 => Self::I16(numbers(cursor, i16::from_le_bytes)?),
            ValueType::U32 => Self::U32(numbers(cursor, u32::from_le_bytes)?),
            ValueType::I32 => Self::I32(numbers(cursor, i32::from_le_bytes)?),
            ValueType::F32 => Self::F32(numbers(cursor, f32::from_le_bytes)?),
            ValueType::U64 => Self::U64(numbers(cursor, u64::from_le_bytes)?),
            ValueType::I64 => Self::I64(numbers(cursor, i64::from_le_bytes)?),
            ValueType::F64 => Self::F64(numbers(cursor, f64::from_le_bytes)?),
            ValueType::Bool => {
                let count = cursor.count(1, "array items")?;
                Self::Bool((0..count).map(|_| read_bool(cursor)).collect::<Result<_, _>>()?)
            }
            ValueType::String => {
                let count = cursor.count(cursor.length_width(), "array of strings")?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(cursor.string("string in an array")?);
                }
                Self::String(items)
            }
            ValueType::Array => {
                let count = cursor.count(4 + cursor.length_width(), "array of arrays")?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(Self::read(cursor, key, depth + 1)?);
                }
                Self::Array(items)
            }
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let head = |out: &mut Vec<u8>, kind: ValueType| {
            out.extend((kind as u32).to_le_bytes());
            out.extend((self.len() as u64).to_le_bytes());
        };
        macro_rules! numbers {
            ($kind:ident, $items:expr) => {{
                head(out, ValueType::$kind);
                $items.iter().for_each(|item| out.extend(item.to_le_bytes()));
            }};
        }
        match self {
            Self::U8(items) => numbers!(U8, items),
            Self::I8(items) => numbers!(I8, items),
            Self::U16(items) => numbers!(U16, items),
            Self::I16(items) => numbers!(I16, items),
            Self::U32(items) => numbers!(U32, items),
            Self::I32(items) => numbers!(I32, items),
            Self::F32(items) => numbers!(F32, items),
            Self::U64(items) => numbers!(U64, items),
            Self::I64(items) => numbers!(I64, items),
            Self::F64(items) => numbers!(F64, items),
            Self::Bool(items) => {
                head(out, ValueType::Bool);
                out.extend(items.iter().map(|item| u8::from(*item)));
            }
            Self::String(items) => {
                head(out, ValueType::String);
                items.iter().for_each(|item| write_string(out, item));
            }
            Self::Array(items) => {
                head(out, ValueType::Array);
                items.iter().for_each(|item| item.write(out));
            }
        }
    }
}

/// Appends a string with its 64-bit length before it.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn read_type(cursor: &mut Cursor<'_>, key: &str) -> Result<ValueType, GgufError> {
    let number = cursor.u32("value type")?;
    ValueType::from_number(number)
        .ok_or_else(|| GgufError::UnknownValueType { key: key.to_owned(), found: number })
}

fn read_bool(cursor: &mut Cursor<'_>) -> Result<bool, GgufError> {
    let offset = cursor.position();
    match cursor.array::<1>("bool")? {
        [0] => Ok(false),
        [1] => Ok(true),
        [found] => Err(GgufError::BadBool { offset, found }),
    }
}
