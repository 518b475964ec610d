//! Values of templates, which are Python's, and Python's text of them.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::rc::{Rc, Weak};

use serde_json::Value as Json;

use super::Outcome;
use super::ast::{ForLoop, MacroBody};
use super::scope::{Budget, Scope};

/// A value. Lists and dictionaries do not change once made: transformers' environment forbids it.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// What a name that was not set gives, with what it was called.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<Nested<Value>>),
    Tuple(Rc<Nested<Value>>),
    Dict(Rc<Nested<(Value, Value)>>),
    Namespace(Rc<RefCell<Vec<(String, Value)>>>),
    Loop(Rc<LoopState>),
    Macro(Rc<Macro>),
    /// A function of the environment, or a kind made by one.
    Function(&'static str),
    Cycler(Rc<Cycler>),
    Joiner(Rc<(Rc<str>, Cell<bool>)>),
    /// A method of a value, not yet called.
    Method(Rc<(Value, String)>),
}

/// Items of a list or dictionary, with what they would take as a text and how deep they go: one item can stand in many lists, so
/// that neither is found by going through them in bounded time.
#[derive(Debug)]
pub(crate) struct Nested<T> {
    items: Vec<T>,
    size: usize,
    depth: usize,
}

impl<T> std::ops::Deref for Nested<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

/// Depth of what may not stand in a list or dictionary: values that can come to hold themselves.
const NOT_INSIDE: usize = 10_000;

/// Where a loop is.
#[derive(Debug)]
pub(crate) struct LoopState {
    pub(super) items: Rc<Nested<Value>>,
    pub(super) index: Cell<usize>,
    pub(super) depth: usize,
    pub(super) changed: RefCell<Option<Vec<Value>>>,
    /// The loop's own body, for `loop(...)` of a recursive one, and where it stands.
    pub(super) recursive: Option<(Rc<ForLoop>, Rc<Scope>)>,
}

/// A macro and the scope it was written in. Macros stand in that scope themselves, so that only `caller` holds on to it.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(super) body: Rc<MacroBody>,
    pub(super) scope: Weak<Scope>,
    pub(super) held: Option<Rc<Scope>>,
}

#[derive(Debug)]
pub(crate) struct Cycler {
    pub(super) items: Vec<Value>,
    pub(super) at: Cell<usize>,
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    pub(super) fn list(items: Vec<Value>) -> Self {
        Self::List(nested(items))
    }

    pub(super) fn tuple(items: Vec<Value>) -> Self {
        Self::Tuple(nested(items))
    }

    pub(super) fn dict(items: Vec<(Value, Value)>) -> Self {
        let parts = || items.iter().flat_map(|(key, item)| [key, item]);
        let size = parts().fold(2, |sum: usize, item| sum.saturating_add(item.text_size()).saturating_add(4));
        let depth = parts().map(Self::inside).max().unwrap_or(0) + 1;
        Self::Dict(Rc::new(Nested { items, size, depth }))
    }

    /// Lists and dictionaries inside one another.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::List(items) | Self::Tuple(items) => items.depth,
            Self::Dict(items) => items.depth,
            Self::Method(method) => method.0.depth() + 1,
            _ => 0,
        }
    }

    /// Depth as an item.
    fn inside(&self) -> usize {
        if self.is_plain() { self.depth() } else { NOT_INSIDE }
    }

    /// Whether a value cannot come to hold itself.
    pub(super) fn is_plain(&self) -> bool {
        match self {
            Self::Namespace(_) | Self::Loop(_) | Self::Cycler(_) => false,
            Self::Macro(found) => found.held.is_none(),
            Self::Method(method) => method.0.is_plain(),
            _ => true,
        }
    }

    /// Whether it can be the key of a dictionary.
    pub(super) fn is_key(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Tuple(_) | Self::Dict(_))
    }

    pub(super) fn undefined(name: impl AsRef<str>) -> Self {
        Self::Undefined(name.as_ref().into())
    }

    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            Json::Object(items) => {
                Self::dict(items.iter().map(|(key, item)| (Self::text(key), Self::from_json(item))).collect())
            }
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Namespace(_) => "Namespace",
            Self::Loop(_) => "LoopContext",
            Self::Macro(_) => "Macro",
            Self::Cycler(_) => "Cycler",
            Self::Joiner(_) => "Joiner",
            Self::Function(_) | Self::Method(_) => "function",
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::Dict(items) => !items.is_empty(),
            _ => true,
        }
    }

    /// As a number that `range`, an index or a width takes.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            other => other.as_int().map(|value| value as f64),
        }
    }

    pub(super) fn as_text(&self) -> Option<&Rc<str>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Number of items, as `len` has it.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::Undefined(_) => Some(0),
            Self::Text(text) => Some(text.chars().count()),
            Self::List(items) | Self::Tuple(items) => Some(items.len()),
            Self::Dict(items) => Some(items.len()),
            Self::Loop(state) => Some(state.items.len()),
            _ => None,
        }
    }

    /// The items that a loop goes over.
    pub(super) fn items(&self, budget: &Budget) -> Outcome<Rc<Nested<Value>>> {
        match self {
            Self::Undefined(_) => Ok(nested(Vec::new())),
            Self::List(items) | Self::Tuple(items) => Ok(Rc::clone(items)),
            Self::Text(text) => {
                budget.items(text.len())?;
                Ok(nested(text.chars().map(|letter| Self::text(letter.encode_utf8(&mut [0; 4]))).collect()))
            }
            Self::Dict(items) => {
                budget.items(items.len())?;
                Ok(nested(items.iter().map(|(key, _)| key.clone()).collect()))
            }
            Self::Loop(state) => Ok(Rc::clone(&state.items)),
            other => Err(format!("{} cannot be gone over", other.kind())),
        }
    }

    /// The item of a dictionary.
    pub(super) fn entry(&self, key: &Value) -> Option<&Value> {
        let Self::Dict(items) = self else {
            return None;
        };
        let is_key = key.is_key();
        items.iter().find(|(known, _)| is_key && known == key).map(|(_, item)| item)
    }

    /// Bytes of [`Value::to_text`], at least roughly, without making it.
    pub(super) fn text_size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(items) | Self::Tuple(items) => items.size,
            Self::Dict(items) => items.size,
            _ => 24,
        }
    }

    /// Python's `str`.
    pub(super) fn to_text(&self) -> Rc<str> {
        match self {
            Self::Text(text) => Rc::clone(text),
            Self::Undefined(_) => "".into(),
            other => {
                let mut out = String::new();
                other.write_repr(&mut out);
                out.into()
            }
        }
    }

    /// Python's `repr`.
    pub(super) fn write_repr(&self, out: &mut String) {
        let list = |items: &[Value], out: &mut String| {
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                item.write_repr(out);
            }
        };
        match self {
            Self::Undefined(_) => out.push_str("Undefined"),
            Self::None => out.push_str("None"),
            Self::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Float(value) => out.push_str(&float_text(*value)),
            Self::Text(text) => write_text_repr(text, out),
            Self::List(items) => {
                out.push('[');
                list(items, out);
                out.push(']');
            }
            Self::Tuple(items) => {
                out.push('(');
                list(items, out);
                out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Self::Dict(items) => {
                out.push('{');
                for (index, (key, item)) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    key.write_repr(out);
                    out.push_str(": ");
                    item.write_repr(out);
                }
                out.push('}');
            }
            Self::Loop(state) => {
                let _ = write!(out, "<LoopContext {}/{}>", state.index.get() + 1, state.items.len());
            }
            Self::Macro(found) => {
                let _ = write!(out, "<Macro '{}'>", found.body.name);
            }
            other => {
                let _ = write!(out, "<{}>", other.kind());
            }
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Undefined(_), Self::Undefined(_)) | (Self::None, Self::None) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                Rc::ptr_eq(a, b) || ***a == ***b
            }
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len() && a.iter().all(|(key, item)| other.entry(key) == Some(item))
            }
            (Self::Namespace(a), Self::Namespace(b)) => Rc::ptr_eq(a, b),
            (Self::Function(a), Self::Function(b)) => a == b,
            (a, b) => match (a.as_int(), b.as_int()) {
                (Some(a), Some(b)) => a == b,
                _ => a.as_float().zip(b.as_float()).is_some_and(|(a, b)| a == b),
            },
        }
    }
}

impl Value {
    /// Which of two comes first; an error where Python has no order.
    pub(super) fn order(&self, other: &Self) -> Outcome<Ordering> {
        let no_order = || Err(format!("{} and {} have no order", self.kind(), other.kind()));
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Ok(a.cmp(b)),
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                for (a, b) in a.iter().zip(b.iter()) {
                    if a != b {
                        return a.order(b);
                    }
                }
                Ok(a.len().cmp(&b.len()))
            }
            (a, b) => match (a.as_int(), b.as_int()) {
                (Some(a), Some(b)) => Ok(a.cmp(&b)),
                _ => match a.as_float().zip(b.as_float()).and_then(|(a, b)| a.partial_cmp(&b)) {
                    Some(order) => Ok(order),
                    None => no_order(),
                },
            },
        }
    }
}

fn nested(items: Vec<Value>) -> Rc<Nested<Value>> {
    let size =
        items.iter().fold(2, |sum: usize, item| sum.saturating_add(item.text_size()).saturating_add(4));
    let depth = items.iter().map(Value::inside).max().unwrap_or(0) + 1;
    Rc::new(Nested { items, size, depth })
}

/// Python's text of a float: the shortest that reads back, with an exponent from 1e16 and below 1e-4.
pub(super) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = value.abs();
    if value != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, number) = match exponent.strip_prefix('-') {
            Some(number) => ('-', number),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{number:0>2}");
    }
    let text = value.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

/// Python's `repr` of a text.
fn write_text_repr(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter == quote => out.extend(['\\', letter]),
            letter if !is_printable(letter) => {
                let code = letter as u32;
                let _ = match code {
                    0..0x100 => write!(out, "\\x{code:02x}"),
                    0x100..0x10000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
            letter => out.push(letter),
        }
    }
    out.push(quote);
}

/// Whether Python prints a letter as it is: no control or format letters, no white space but the space, no private use.
fn is_printable(letter: char) -> bool {
    let other = matches!(letter, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}' | '\u{e0001}'..='\u{e007f}' | '\u{f0000}'..='\u{10ffff}');
    letter == ' ' || !(letter.is_control() || letter.is_whitespace() || other)
}
