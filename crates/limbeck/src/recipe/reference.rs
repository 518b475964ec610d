//! The reference of recipes in Markdown, made from their schema: every key with type, default and meaning.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::load::{DEFAULTS, schema};

/// Tables within tables followed.
const MAX_DEPTH: usize = 6;

const HEAD: &str = "# Recipes\n\n\
Made by `limbeck schema reference` from the schema that recipes are checked against; do not edit by hand.\n\n\
A recipe is TOML. Defaults are overridden by the recipe, that by the environment (`LIMBECK__TRAINING__STEPS=500`), and that by \
`--set training.steps=500`. `limbeck validate RECIPE` names every mistake by line and key, `limbeck recipes show quickstart` \
prints a recipe to begin from. A key without a default has to be there, unless it says otherwise.\n";

/// The whole reference.
pub fn reference() -> String {
    let schema = schema();
    let defaults = toml::from_str(DEFAULTS).unwrap_or(Json::Null);
    let mut page = Page { root: &schema, defaults, text: HEAD.to_owned() };
    page.text.push_str("\n## At the top\n");
    page.table(&schema, "", 0);
    page.text
}

struct Page<'a> {
    root: &'a Json,
    /// What every recipe is laid over.
    defaults: Json,
    text: String,
}

impl<'a> Page<'a> {
    /// The schema that a reference points to.
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let reference = schema.get("$ref").and_then(Json::as_str);
        let found = reference.and_then(|it| self.root.pointer(it.trim_start_matches('#')));
        found.unwrap_or(schema)
    }

    /// The alternatives of a choice, those of choices among them in their place; nothing for what is none.
    fn alternatives(&self, schema: &'a Json, depth: usize) -> Vec<&'a Json> {
        let all = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array());
        let resolved = all.into_iter().flatten().map(|one| self.resolve(one));
        let taken_apart = resolved.flat_map(|one| match self.alternatives(one, depth + 1) {
            inner if inner.is_empty() || depth > MAX_DEPTH => vec![one],
            inner => inner,
        });
        taken_apart.filter(|one| one.get("type").and_then(Json::as_str) != Some("null")).collect()
    }

    /// A table of keys, then what is inside those that are tables themselves.
    fn table(&mut self, schema: &'a Json, path: &str, depth: usize) {
        let Some(keys) = schema.get("properties").and_then(Json::as_object) else { return };
        let needed: Vec<&str> = schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .collect();
        self.keys(keys, &needed, schema, path);
        if depth >= MAX_DEPTH {
            return;
        }
        for (key, of_key) in keys {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let (inner, repeated) = match of_key.get("items") {
                Some(items) => (self.resolve(items), true),
                None => (self.resolve(of_key), false),
            };
            let kinds = self.alternatives(inner, 0);
            let tables: Vec<&Json> = match kinds.is_empty() {
                true => vec![inner],
                false => kinds,
            };
            let tables: Vec<&Json> =
                tables.into_iter().filter(|one| one.get("properties").is_some()).collect();
            if tables.is_empty() {
                continue;
            }
            let heading = if repeated { format!("[[{below}]]") } else { format!("[{below}]") };
            let _ = write!(self.text, "\n## `{heading}`\n\n{}\n", meaning(of_key, inner));
            for one in tables {
                let kind = one.pointer("/properties/kind/const").and_then(Json::as_str);
                if let Some(kind) = kind {
                    let _ = write!(self.text, "\n### `kind = \"{kind}\"`\n\n{}\n", meaning(one, one));
                }
                self.table(one, &below, depth + 1);
            }
        }
    }

    fn keys(&mut self, keys: &'a Map<String, Json>, needed: &[&str], table: &Json, path: &str) {
        let shown: Vec<(&String, &Json)> =
            keys.iter().filter(|(_, of_key)| of_key.get("const").is_none()).collect();
        if shown.is_empty() {
            return;
        }
        self.text.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        for (key, of_key) in shown {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let laid = self.defaults.pointer(&format!("/{}", below.replace('.', "/")));
            let own = of_key.get("default").or_else(|| table.pointer(&format!("/default/{key}")));
            let default = match laid.or(own) {
                // A table's defaults stand in its own section.
                Some(Json::Object(all)) if !all.contains_key("kind") => String::new(),
                Some(Json::String(text)) if text.is_empty() => String::new(),
                Some(value) => format!("`{}`", toml(value)),
                None if needed.contains(&key.as_str()) => "needed".to_owned(),
                None => String::new(),
            };
            let _ = writeln!(
                self.text,
                "| `{key}` | {} | {default} | {} |",
                self.kind_of(of_key, 0),
                meaning(of_key, self.resolve(of_key)).replace('|', "\\|")
            );
        }
    }

    /// The type of a key in words.
    fn kind_of(&self, schema: &'a Json, depth: usize) -> String {
        let resolved = self.resolve(schema);
        if let Some(choices) = resolved.get("enum").and_then(Json::as_array) {
            return quoted(choices.iter().filter_map(Json::as_str));
        }
        let alternatives = self.alternatives(resolved, 0);
        if !alternatives.is_empty() {
            if alternatives.iter().all(|one| one.pointer("/properties/kind/const").is_some()) {
                return "table with a `kind`".to_owned();
            }
            let mut kinds: Vec<String> = Vec::new();
            for one in alternatives {
                let kind = match one.get("const").and_then(Json::as_str) {
                    Some(name) => format!("`\"{name}\"`"),
                    None => self.kind_of(one, depth + 1),
                };
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            return kinds.join(" or ");
        }
        let names: Vec<&str> = match resolved.get("type") {
            Some(Json::String(one)) => vec![one.as_str()],
            Some(Json::Array(all)) => {
                all.iter().filter_map(Json::as_str).filter(|it| *it != "null").collect()
            }
            _ => Vec::new(),
        };
        match names.first().copied().unwrap_or("any") {
            "array" if depth < MAX_DEPTH => match resolved.get("items") {
                Some(items) => format!("array of {}", self.kind_of(items, depth + 1)),
                None => "array".to_owned(),
            },
            "object" => "table".to_owned(),
            other => other.to_owned(),
        }
    }
}

fn quoted<'t>(names: impl Iterator<Item = &'t str>) -> String {
    names.map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(" or ")
}

/// What a key is for: its own words, or those of its type.
fn meaning(of_key: &Json, resolved: &Json) -> String {
    let said = |schema: &Json| schema.get("description").and_then(Json::as_str).map(str::to_owned);
    let text = said(of_key).or_else(|| said(resolved)).unwrap_or_default();
    text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join(" ")
}

/// A JSON value as a recipe writes it.
fn toml(value: &Json) -> String {
    match value {
        Json::Object(all) => {
            let pairs: Vec<String> =
                all.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Json::Array(all) => format!("[{}]", all.iter().map(toml).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_schema_is_explained() {
        fn keys(value: &Json, found: &mut Vec<String>) {
            if let Some(all) = value.get("properties").and_then(Json::as_object) {
                found.extend(
                    all.iter().filter(|(_, it)| it.get("const").is_none()).map(|(key, _)| key.clone()),
                );
            }
            match value {
                Json::Object(all) => all.values().for_each(|inner| keys(inner, found)),
                Json::Array(all) => all.iter().for_each(|inner| keys(inner, found)),
                _ => {}
            }
        }
        let (mut names, text) = (Vec::new(), reference());
        keys(&schema(), &mut names);
        assert!(names.len() > 100);
        for name in names {
            let row = text.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_default();
            assert!(row.split('|').nth(4).is_some_and(|meaning| meaning.trim().len() > 3), "{name}: {row}");
        }
    }
}
