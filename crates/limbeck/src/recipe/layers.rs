//! Layers of a recipe: defaults, then the file, then the environment, then `--set`.

use super::error::{Problem, RecipeError};
use super::node::{Content, Entry, Node, parse_value};
use super::origin::Origin;

/// A key set from outside the file.
#[derive(Debug, Clone)]
pub struct Override {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

impl Override {
    /// From a `--set key=value` argument.
    ///
    /// # Errors
    /// When there is no `=`, or nothing before it.
    pub fn from_flag(argument: &str) -> Result<Self, RecipeError> {
        let origin = Origin::Flag { argument: format!("--set {argument}") };
        match argument.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.to_owned(), origin })
            }
            _ => Err(Problem {
                origin,
                key: None,
                message: "expected key=value".into(),
                hint: Some("for example: --set training.steps=100".into()),
            }
            .into()),
        }
    }

    /// The dotted key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// From another flag that stands for a key of the recipe, with the value as TOML writes it.
    pub fn value(flag: &str, key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
            origin: Origin::Flag { argument: format!("{flag} {value}") },
        }
    }

    /// From another flag that stands for a key of the recipe, with text as its value.
    pub fn string(flag: &str, key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: toml_edit::Value::from(value).to_string(),
            origin: Origin::Flag { argument: format!("{flag} {value}") },
        }
    }

    /// Those of the environment (see [`crate::env::OVERRIDE_PREFIX`]).
    pub fn from_environment() -> Vec<Self> {
        crate::env::overrides()
            .into_iter()
            .map(|(variable, key, value)| Self { key, value, origin: Origin::Environment { variable } })
            .collect()
    }
}

/// Lays `upper` over `lower`: tables are merged key by key, everything else is replaced. A table
/// whose `kind` differs replaces the lower one whole, for its keys belong to another kind.
pub(crate) fn merge(lower: &mut Node, upper: Node) {
    match (&mut lower.content, upper) {
        (Content::Table(below), Node { origin, content: Content::Table(above) })
            if same_kind(below.get("kind"), above.get("kind")) =>
        {
            lower.origin = origin;
            for (key, entry) in above {
                match below.get_mut(&key) {
                    Some(existing) => {
                        existing.key_origin = entry.key_origin;
                        merge(&mut existing.node, entry.node);
                    }
                    None => {
                        below.insert(key, entry);
                    }
                }
            }
        }
        (_, upper) => *lower = upper,
    }
}

fn same_kind(below: Option<&Entry>, above: Option<&Entry>) -> bool {
    match (below, above) {
        (Some(below), Some(above)) => below.node.content == above.node.content,
        _ => true,
    }
}

/// Sets one dotted key; tables on the way are made, array elements must exist.
pub(crate) fn set(root: &mut Node, change: &Override) -> Result<(), RecipeError> {
    let parts: Vec<&str> = change.key.split('.').map(str::trim).collect();
    if parts.len() > 16 {
        return Err(refuse(change, "the key has too many parts"));
    }
    let value = parse_value(&change.value, &change.origin);
    place(root, &parts, value, change)
}

fn place(node: &mut Node, parts: &[&str], value: Node, change: &Override) -> Result<(), RecipeError> {
    let Some((first, rest)) = parts.split_first() else {
        merge(node, value);
        return Ok(());
    };
    match &mut node.content {
        Content::Table(entries) => {
            let entry = entries.entry((*first).to_owned()).or_insert_with(|| Entry {
                key_origin: change.origin.clone(),
                node: Node::empty(change.origin.clone()),
            });
            entry.key_origin = change.origin.clone();
            place(&mut entry.node, rest, value, change)
        }
        Content::Array(items) => {
            let count = items.len();
            match first.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                Some(item) => place(item, rest, value, change),
                None => Err(refuse(
                    change,
                    &format!("`{first}` is not an element: the array has {count}, counted from 0"),
                )),
            }
        }
        _ => Err(refuse(change, &format!("there is no key `{first}` below a plain value"))),
    }
}

fn refuse(change: &Override, message: &str) -> RecipeError {
    Problem {
        origin: change.origin.clone(),
        key: Some(change.key.clone()),
        message: message.to_owned(),
        hint: None,
    }
    .into()
}
