//! Checks a document against the schema generated from the recipe's types.
//!
//! serde forgets lines once an enum is tagged, so the document is walked beside the schema first: every
//! unknown key, missing key and wrong type is found at its place, with the nearest right key.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::error::Problem;
use super::meant::nearest;
use super::node::{Content, Entry, Node};

/// Deepest schema reference followed; deeper means a schema that refers to itself.
const MAX_DEPTH: usize = 32;

/// All problems of `node` under `schema`, in the order found.
pub(crate) fn check(node: &Node, schema: &Json) -> Vec<Problem> {
    let mut walk = Walk { root: schema, problems: Vec::new() };
    walk.node(node, schema, "", 0);
    walk.problems
}

struct Walk<'a> {
    root: &'a Json,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn refuse(&mut self, node: &Node, path: &str, message: String) {
        self.advise(node, path, message, None);
    }

    fn advise(&mut self, node: &Node, path: &str, message: String, hint: Option<String>) {
        let key = (!path.is_empty()).then(|| path.to_owned());
        self.problems.push(Problem { origin: node.origin.clone(), key, message, hint });
    }

    /// What to write where a plain value stands in the place of a table.
    fn as_table(&self, node: &Node, schema: &'a Json, path: &str) -> Option<String> {
        // Switched off is said otherwise in every section.
        match (path, &node.content) {
            ("baseline", Content::Boolean(false)) => {
                return Some("to train no baseline, say why: baseline.skip = \"the reason\"".to_owned());
            }
            ("baseline", Content::Boolean(true)) => return Some("write baseline.train = true".to_owned()),
            ("baseline", Content::Text(reason)) => {
                return Some(format!("did you mean baseline.skip = {reason:?}?"));
            }
            ("export", Content::Boolean(on)) => return Some(format!("write export.hf = {on}")),
            ("capture", Content::Boolean(false)) => {
                return Some("without a [capture] section nothing is captured: leave it out".to_owned());
            }
            ("capture", Content::Boolean(true)) => return Some("write capture.top_k = 64".to_owned()),
            _ => {}
        }
        let mut known = BTreeMap::new();
        self.collect(schema, &mut known, &mut Vec::new(), 0);
        let names: Vec<&str> = known.keys().copied().filter(|key| *key != "kind").collect();
        (!names.is_empty()).then(|| format!("{path} is a table with the keys {}", names.join(", ")))
    }

    /// The schema a `$ref` points to.
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let mut current = schema;
        for _ in 0..MAX_DEPTH {
            let alone = current.get("properties").is_none();
            let Some(reference) = current.get("$ref").and_then(Json::as_str).filter(|_| alone) else {
                return current;
            };
            let Some(found) = reference.strip_prefix('#').and_then(|path| self.root.pointer(path)) else {
                return current;
            };
            current = found;
        }
        current
    }

    fn node(&mut self, node: &Node, schema: &'a Json, path: &str, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let schema = self.resolve(schema);
        let variants = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array());
        if let Some(variants) = variants {
            return self.variants(node, schema, variants, path, depth);
        }
        if let Some(choices) = schema.get("enum").and_then(Json::as_array) {
            let names: Vec<String> = choices.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            return self.choice(node, &names, path);
        }
        if let Some(name) = schema.get("const").and_then(Json::as_str) {
            return self.choice(node, &[name.to_owned()], path);
        }
        let allowed = types(schema);
        if !allowed.is_empty() && !allowed.iter().any(|kind| is_a(&node.content, kind)) {
            let message = format!("expected {}, found {}", name_types(&allowed), node.content.describe());
            let hint = allowed.contains(&"object").then(|| self.as_table(node, schema, path));
            return self.advise(node, path, message, hint.flatten());
        }
        match &node.content {
            Content::Table(entries) => self.table(node, entries, schema, path, depth),
            Content::Array(items) => self.array(node, items, schema, path, depth),
            Content::Integer(number) => self.number(node, *number as f64, schema, path),
            Content::Float(number) => {
                if number.is_finite() {
                    self.number(node, *number, schema, path);
                } else {
                    self.refuse(node, path, format!("expected a finite number, found {number}"));
                }
            }
            _ => {}
        }
    }

    fn number(&mut self, node: &Node, number: f64, schema: &Json, path: &str) {
        if let Some(low) = schema.get("minimum").and_then(Json::as_f64).filter(|low| number < *low) {
            self.refuse(node, path, format!("expected at least {low}, found {}", short(number)));
        }
        if let Some(high) = schema.get("maximum").and_then(Json::as_f64).filter(|high| number > *high) {
            self.refuse(node, path, format!("expected at most {high}, found {}", short(number)));
        }
    }

    fn array(&mut self, node: &Node, items: &[Node], schema: &'a Json, path: &str, depth: usize) {
        let count = items.len() as u64;
        let bound = |key: &str| schema.get(key).and_then(Json::as_u64);
        if bound("minItems").is_some_and(|least| count < least)
            || bound("maxItems").is_some_and(|most| count > most)
        {
            let wanted = bound("minItems").or(bound("maxItems")).unwrap_or_default();
            self.refuse(node, path, format!("expected {wanted} elements, found {count}"));
        }
        let prefix = schema.get("prefixItems").and_then(Json::as_array);
        for (index, item) in items.iter().enumerate() {
            let of_item = prefix.and_then(|all| all.get(index)).or_else(|| schema.get("items"));
            if let Some(of_item) = of_item {
                self.node(item, of_item, &join(path, &index.to_string()), depth + 1);
            }
        }
    }

    fn table(
        &mut self,
        node: &Node,
        entries: &BTreeMap<String, Entry>,
        schema: &'a Json,
        path: &str,
        depth: usize,
    ) {
        let mut known = BTreeMap::new();
        let mut required = Vec::new();
        self.collect(schema, &mut known, &mut required, 0);
        let open = schema.get("additionalProperties").filter(|value| value.as_bool() != Some(false));
        let mut meant = Vec::new();
        for (key, entry) in entries {
            let below = join(path, key);
            match (known.get(key.as_str()), open) {
                (Some(of_key), _) => self.node(&entry.node, of_key, &below, depth + 1),
                (None, Some(of_any)) if of_any.is_object() => {
                    self.node(&entry.node, of_any, &below, depth + 1);
                }
                (None, Some(_)) => {}
                (None, None) => meant.extend(self.unknown(entry, key, &below, known.keys().copied())),
            }
        }
        for key in required {
            // A key that was only misspelt is not missing besides.
            if !entries.contains_key(key) && !meant.contains(&key) {
                self.refuse(node, &join(path, key), "this key is needed and missing".into());
            }
        }
    }

    /// Properties and required keys of a table, with those of referenced and combined schemas.
    fn collect(
        &self,
        schema: &'a Json,
        known: &mut BTreeMap<&'a str, &'a Json>,
        required: &mut Vec<&'a str>,
        depth: usize,
    ) {
        if depth > MAX_DEPTH {
            return;
        }
        for (key, value) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            known.insert(key, value);
        }
        let needs = schema.get("required").and_then(Json::as_array).into_iter().flatten();
        required.extend(needs.filter_map(Json::as_str));
        let reference = schema.get("$ref").and_then(Json::as_str);
        let referred = reference.and_then(|name| self.root.pointer(name.strip_prefix('#')?));
        let combined = schema.get("allOf").and_then(Json::as_array).into_iter().flatten();
        for part in referred.into_iter().chain(combined) {
            self.collect(part, known, required, depth + 1);
        }
    }

    fn unknown<'k>(
        &mut self,
        entry: &Entry,
        key: &str,
        path: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> Option<&'k str> {
        let known: Vec<&'k str> = known.collect();
        let mut message = "unknown key".to_owned();
        // A key written as it is in another section is meant to be there, unless a letter makes it one of this section.
        let slip = known.iter().any(|one| strsim::damerau_levenshtein(key, one) == 1);
        let elsewhere = self.elsewhere(key).filter(|place| place != path);
        let exact = elsewhere.as_deref().filter(|place| !slip && place.rsplit('.').next() == Some(key));
        let near = nearest(key, known.iter().copied()).filter(|_| exact.is_none());
        if let Some(meant) = near.or(elsewhere.as_deref()) {
            message += &format!("; did you mean `{meant}`?");
        }
        let hint = if known.is_empty() {
            "no keys are allowed here".to_owned()
        } else {
            let section = path.rsplit_once('.').map_or("the top of a recipe", |(section, _)| section);
            format!("allowed in {section}: {}", known.join(", "))
        };
        self.problems.push(Problem {
            origin: entry.key_origin.clone(),
            key: Some(path.to_owned()),
            message,
            hint: Some(hint),
        });
        near
    }

    /// The dotted key of another section that is called so, or that is meant by such a name.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let sections = self.root.get("properties").and_then(Json::as_object)?;
        let own: Vec<&str> = sections.keys().map(String::as_str).collect();
        let within =
            ["training", "objectives", "data", "student", "teacher", "evaluation", "audit", "export"];
        let near = within.iter().filter_map(|section| {
            let of_section = self.resolve(sections.get(*section)?);
            let (of_section, place) = match of_section.get("items") {
                Some(items) => (self.resolve(items), format!("{section}.0")),
                None => (of_section, (*section).to_owned()),
            };
            let mut known = BTreeMap::new();
            self.collect(of_section, &mut known, &mut Vec::new(), 0);
            let variants = ["oneOf", "anyOf"].iter().find_map(|name| of_section.get(*name)?.as_array());
            for one in variants.map(|all| self.alternatives(all, 0)).unwrap_or_default() {
                self.collect(one, &mut known, &mut Vec::new(), 0);
            }
            let meant = nearest(key, known.keys().copied().filter(|name| *name != "kind"))?;
            Some(format!("{place}.{meant}"))
        });
        let near: Vec<String> = near.collect();
        let exact = near.iter().find(|path| path.rsplit('.').next() == Some(key)).cloned();
        let section = || nearest(key, own.iter().copied()).map(str::to_owned);
        exact.or_else(section).or_else(|| near.first().cloned())
    }

    fn choice(&mut self, node: &Node, names: &[String], path: &str) {
        let Content::Text(text) = &node.content else {
            let message = format!("expected one of {}, found {}", quote(names), node.content.describe());
            return self.refuse(node, path, message);
        };
        if names.contains(text) {
            return;
        }
        let mut message = format!("`{text}` is not one of {}", quote(names));
        if let Some(near) = nearest(text, names.iter().map(String::as_str)) {
            message += &format!("; did you mean `{near}`?");
        }
        self.refuse(node, path, message);
    }

    /// What a choice is between, with the choices among them taken apart.
    fn alternatives(&self, variants: &'a [Json], depth: usize) -> Vec<&'a Json> {
        let flat = variants.iter().map(|one| self.resolve(one)).flat_map(|one| {
            let within = ["oneOf", "anyOf"].iter().find_map(|key| one.get(*key)?.as_array());
            match within {
                Some(within) if depth < MAX_DEPTH => self.alternatives(within, depth + 1),
                _ => vec![one],
            }
        });
        flat.collect()
    }

    fn variants(&mut self, node: &Node, schema: &'a Json, variants: &'a [Json], path: &str, depth: usize) {
        let variants = self.alternatives(variants, depth);
        let tag = |one: &&'a Json| one.pointer("/properties/kind/const").and_then(Json::as_str);
        let tagged: Vec<(&str, &Json)> = variants.iter().filter_map(|one| Some((tag(one)?, *one))).collect();
        if let (false, Content::Table(entries)) = (tagged.is_empty(), &node.content) {
            let names: Vec<String> = tagged.iter().map(|(name, _)| (*name).to_owned()).collect();
            let Some(kind) = entries.get("kind") else {
                let message = format!("this key is needed and missing; it is one of {}", quote(&names));
                return self.refuse(node, &join(path, "kind"), message);
            };
            let chosen = match &kind.node.content {
                Content::Text(text) => tagged.iter().find(|(name, _)| name == text),
                _ => None,
            };
            return match chosen {
                Some((_, of_kind)) => self.node(node, of_kind, path, depth + 1),
                None => self.choice(&kind.node, &names, &join(path, "kind")),
            };
        }
        // A kind, or what its source would be, where its table should stand.
        if let (false, Content::Text(text)) = (tagged.is_empty(), &node.content)
            && tagged.len() == variants.iter().filter(|one| types(one) != ["null"]).count()
        {
            let names: Vec<String> = tagged.iter().map(|(name, _)| (*name).to_owned()).collect();
            let hint = match nearest(text, names.iter().map(String::as_str)) {
                Some(kind) => format!("did you mean {path} = {{ kind = \"{kind}\" }}?"),
                None => format!("{path} is a table with a kind, one of {}", quote(&names)),
            };
            let message = format!("expected a table, found {}", node.content.describe());
            return self.advise(node, path, message, Some(hint));
        }
        // Plain names, each with its own documentation, are written as constants.
        let names: Vec<String> = variants.iter().flat_map(|one| plain_names(one)).collect();
        if let (Content::Text(_), false) = (&node.content, names.is_empty()) {
            let free_text =
                variants.iter().any(|one| types(one) == ["string"] && plain_names(one).is_empty());
            return if free_text {
            } else {
                self.choice(node, &names, path)
            };
        }
        let mut fewest: Option<Vec<Problem>> = None;
        for one in &variants {
            let mut walk = Walk { root: self.root, problems: Vec::new() };
            walk.node(node, one, path, depth + 1);
            if walk.problems.is_empty() {
                return;
            }
            let deeper = fewest.as_ref().is_none_or(|best| depth_of(&walk.problems) > depth_of(best));
            if deeper && types(one) != ["null"] {
                fewest = Some(walk.problems);
            }
        }
        let kinds: Vec<&str> =
            variants.iter().flat_map(|one| types(one)).filter(|kind| *kind != "null").collect();
        let matching = kinds.iter().any(|kind| is_a(&node.content, kind));
        match fewest {
            Some(problems) if matching || kinds.len() < 2 => self.problems.extend(problems),
            _ => {
                let mut message =
                    format!("expected {}, found {}", name_types(&kinds), node.content.describe());
                if let Some(meaning) = schema.get("description").and_then(Json::as_str) {
                    message += &format!(" ({})", meaning.lines().next().unwrap_or_default());
                }
                self.refuse(node, path, message);
            }
        }
    }
}

fn plain_names(schema: &Json) -> Vec<String> {
    let constant = schema.get("const").and_then(Json::as_str).map(str::to_owned);
    let choices = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
    constant.into_iter().chain(choices.filter_map(Json::as_str).map(str::to_owned)).collect()
}

fn depth_of(problems: &[Problem]) -> usize {
    problems.iter().filter_map(|problem| Some(problem.key.as_ref()?.matches('.').count())).max().unwrap_or(0)
}

fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_a(content: &Content, kind: &str) -> bool {
    match kind {
        "object" => matches!(content, Content::Table(_)),
        "array" => matches!(content, Content::Array(_)),
        "string" => matches!(content, Content::Text(_)),
        "integer" => matches!(content, Content::Integer(_)),
        "number" => matches!(content, Content::Integer(_) | Content::Float(_)),
        "boolean" => matches!(content, Content::Boolean(_)),
        _ => false,
    }
}

fn name_types(kinds: &[&str]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for kind in kinds {
        let name = match *kind {
            "object" => "a table",
            "array" => "an array",
            "string" => "a string",
            "integer" => "an integer",
            "number" => "a number",
            "boolean" => "true or false",
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" or ")
}

fn quote(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A number as one writes it: whole ones without a point, very large and very small ones by their exponent.
fn short(number: f64) -> String {
    let written = format!("{number:?}");
    written.strip_suffix(".0").map_or_else(|| written.clone(), str::to_owned)
}
