//! A TOML document as a tree in which every value remembers where it was written.

use std::collections::BTreeMap;
use std::path::Path;

use toml_edit::{Document, Item, TableLike};

use super::error::{Problem, RecipeError};
use super::origin::Origin;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Table(BTreeMap<String, Entry>),
    Array(Vec<Node>),
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// TOML's dates and times, which no key of a recipe takes.
    Datetime(String),
}

/// A key of a table, with its own place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key_origin: Origin,
    pub(crate) node: Node,
}

impl Content {
    /// What to call the value in a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Table(_) => "a table".into(),
            Self::Array(_) => "an array".into(),
            Self::Text(text) => format!("the string {}", super::bounds::quoted(text)),
            Self::Integer(number) => format!("the integer {number}"),
            Self::Float(number) => format!("the number {number:?}"),
            Self::Boolean(value) => format!("the boolean {value}"),
            Self::Datetime(text) => format!("the date {text}"),
        }
    }
}

impl Node {
    /// An empty table.
    pub(crate) fn empty(origin: Origin) -> Self {
        Self { origin, content: Content::Table(BTreeMap::new()) }
    }

    /// Parses a recipe file's text.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        let place = |offset: usize| Origin::File { path: path.to_owned(), line: line_at(text, offset) };
        parse_document(text, &place)
    }

    /// Parses the defaults compiled in.
    pub(crate) fn parse_defaults(text: &str) -> Result<Self, RecipeError> {
        parse_document(text, &|_| Origin::Default)
    }

    /// The node at a dotted path; array elements by number.
    pub(crate) fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, part| match &node.content {
            Content::Table(entries) => entries.get(part).map(|entry| &entry.node),
            Content::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The place of the deepest node on the way to `path`.
    pub(crate) fn place_of(&self, path: &str) -> Origin {
        let mut end = path.len();
        loop {
            if let Some(node) = self.at(&path[..end]) {
                return node.origin.clone();
            }
            match path[..end].rfind('.') {
                Some(dot) => end = dot,
                None => return self.origin.clone(),
            }
        }
    }

    /// The same as JSON; numbers that JSON lacks become null.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.content {
            Content::Table(entries) => Value::Object(
                entries.iter().map(|(key, entry)| (key.clone(), entry.node.to_json())).collect(),
            ),
            Content::Array(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Text(text) | Content::Datetime(text) => Value::String(text.clone()),
            Content::Integer(number) => Value::from(*number),
            Content::Float(number) => {
                serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number)
            }
            Content::Boolean(value) => Value::Bool(*value),
        }
    }
}

/// A value as TOML writes it on the right of an equals sign; a bare word is a string.
pub(crate) fn parse_value(text: &str, origin: &Origin) -> Node {
    let parsed = text.trim().parse::<toml_edit::Value>().ok();
    parsed.map_or_else(
        || Node { origin: origin.clone(), content: Content::Text(text.to_owned()) },
        |value| from_item(&Item::Value(value), &|_| origin.clone()),
    )
}

fn parse_document(text: &str, place: &dyn Fn(usize) -> Origin) -> Result<Node, RecipeError> {
    let document = Document::parse(text).map_err(|error| {
        let origin = place(error.span().map_or(0, |span| span.start));
        RecipeError::from(Problem {
            origin,
            key: None,
            message: format!("not valid TOML: {}", error.message().replace('\n', ", ")),
            hint: None,
        })
    })?;
    Ok(from_item(document.as_item(), place))
}

fn from_item(item: &Item, place: &dyn Fn(usize) -> Origin) -> Node {
    let origin = place(item.span().map_or(0, |span| span.start));
    let content = if let Some(table) = item.as_table_like() {
        Content::Table(entries(table, place))
    } else if let Some(tables) = item.as_array_of_tables() {
        let nodes = tables.iter().map(|table| Node {
            origin: place(table.span().map_or(0, |span| span.start)),
            content: Content::Table(entries(table, place)),
        });
        Content::Array(nodes.collect())
    } else if let Some(array) = item.as_array() {
        let nodes = array.iter().map(|value| from_item(&Item::Value(value.clone()), place));
        Content::Array(nodes.collect())
    } else if let Some(text) = item.as_str() {
        Content::Text(text.to_owned())
    } else if let Some(number) = item.as_integer() {
        Content::Integer(number)
    } else if let Some(number) = item.as_float() {
        Content::Float(number)
    } else if let Some(value) = item.as_bool() {
        Content::Boolean(value)
    } else if let Some(date) = item.as_datetime() {
        Content::Datetime(date.to_string())
    } else {
        Content::Table(BTreeMap::new())
    };
    Node { origin, content }
}

fn entries(table: &dyn TableLike, place: &dyn Fn(usize) -> Origin) -> BTreeMap<String, Entry> {
    table
        .iter()
        .map(|(key, item)| {
            let mut node = from_item(item, place);
            let key_origin = table
                .get_key_value(key)
                .and_then(|(key, _)| key.span())
                .map_or_else(|| node.origin.clone(), |span| place(span.start));
            // Tables opened by a dotted key have no place of their own.
            if item.span().is_none() {
                node.origin = key_origin.clone();
            }
            (key.to_owned(), Entry { key_origin, node })
        })
        .collect()
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}
