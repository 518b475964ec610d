//! From a file to a checked recipe.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::builtin::{BUILTIN, builtin};
use super::config::Recipe;
use super::error::{Problem, RecipeError};
use super::layers::{Override, merge, set};
use super::node::{Content, Entry, Node};
use super::origin::Origin;
use super::{bounds, meant, sense, shape};

/// Defaults of every recipe.
pub(super) const DEFAULTS: &str = include_str!("../defaults.toml");

/// A recipe ready to run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is to be done, nothing left open.
    pub recipe: Recipe,
    /// The same as TOML: what is written into the run folder.
    pub resolved: String,
    /// Dotted keys of [`FITTED`] that nobody set: a run may fit them to the size of its models and data.
    pub open: Vec<String>,
}

/// Keys whose defaults follow from the size of models and data, where they are not set.
const FITTED: [&str; 7] = [
    "training.steps",
    "training.batch_size",
    "training.learning_rate",
    "training.warmup_steps",
    "training.checkpoint_every",
    "evaluation.max_examples",
    "audit.prompts_per_template",
];

/// A recipe as TOML, nothing left open.
///
/// # Errors
/// A recipe that cannot be written as TOML: a defect of ours.
pub(crate) fn resolved(recipe: &Recipe) -> Result<String, toml::ser::Error> {
    toml::to_string_pretty(recipe)
}

/// The JSON schema of recipes, generated from the types.
pub fn schema() -> Json {
    schemars::schema_for!(Recipe).to_value()
}

/// Reads a recipe: a file, or the name of one built in.
///
/// # Errors
/// When the file cannot be read, or anything in it or laid over it is wrong; see [`Problem`].
pub fn load(path: &Path, overrides: &[Override]) -> Result<Loaded, RecipeError> {
    match read(path) {
        Ok(text) => load_text(&text, path, overrides),
        Err(source) => {
            let name = path.to_str().unwrap_or_default();
            if source.kind() == std::io::ErrorKind::NotFound && BUILTIN.iter().any(|one| one.name == name) {
                return load_text(builtin(name)?.text, Path::new(&format!("<built-in {name}>")), overrides);
            }
            Err(RecipeError::Read { path: path.to_owned(), source })
        }
    }
}

/// Longest recipe, in bytes.
const LONGEST: u64 = 16 << 20;

/// The text of a recipe file, which must be a plain file of a size that a recipe can have.
fn read(path: &Path) -> std::io::Result<String> {
    let facts = std::fs::metadata(path)?;
    let refuse = |reason: String| Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, reason));
    if !facts.is_file() {
        return refuse("it is no plain file".to_owned());
    }
    if facts.len() > LONGEST {
        return refuse(format!("it has {} bytes, a recipe has {LONGEST} at most", facts.len()));
    }
    std::fs::read_to_string(path)
}

/// Reads a recipe's text; `path` is what errors call it.
///
/// # Errors
/// When anything in it or laid over it is wrong; see [`Problem`].
pub fn load_text(text: &str, path: &Path, overrides: &[Override]) -> Result<Loaded, RecipeError> {
    let mut root = Node::parse_defaults(DEFAULTS)?;
    merge(&mut root, Node::parse(text, path)?);
    for change in overrides {
        set(&mut root, change)?;
    }
    derive(&mut root)?;
    let mut problems = shape::check(&root, &schema());
    if problems.is_empty() {
        problems = bounds::check(&root);
    }
    if !problems.is_empty() {
        return Err(in_order(problems));
    }
    let recipe: Recipe = serde_json::from_value(root.to_json())
        .map_err(|error| RecipeError::from(locate(&root, error.to_string())))?;
    let problems = sense::check(&recipe, &root);
    if !problems.is_empty() {
        return Err(in_order(problems));
    }
    let resolved = resolved(&recipe)?;
    let unset = |key: &&str| root.at(key).is_none_or(|node| node.origin == Origin::Default);
    let open = FITTED.into_iter().filter(unset).map(str::to_owned).collect();
    Ok(Loaded { recipe, resolved, open })
}

/// Fills what follows from other keys: the run folder from the name, every seed from the one seed.
fn derive(root: &mut Node) -> Result<(), RecipeError> {
    if let (None, Some(Content::Text(name))) =
        (root.at("output_dir"), root.at("name").map(|node| &node.content))
    {
        let folder = format!("runs/{name}");
        insert(root, "output_dir", Content::Text(folder));
    }
    let trained = matches!(text_at(root, "teacher.kind"), Some("trained"));
    if trained {
        // A teacher trained here begins from the same defaults as the student.
        let mut training = Node::parse_defaults(DEFAULTS)?
            .at("training")
            .cloned()
            .unwrap_or_else(|| Node::empty(Origin::Default));
        if let Some(own) = root.at("teacher.training") {
            merge(&mut training, own.clone());
        }
        insert(root, "teacher.training", training.content);
    }
    if matches!(root.at("capture").map(|node| &node.content), Some(Content::Table(_)))
        && root.at("capture.temperatures").is_none()
    {
        insert(root, "capture.temperatures", Content::Array(temperatures(root)));
    }
    audit_task(root);
    let Some(seed) = root.at("seed").map(|node| node.content.clone()) else {
        return Ok(());
    };
    let audited = matches!(root.at("audit").map(|node| &node.content), Some(Content::Table(_)));
    for (section, wanted) in [("training", true), ("teacher.training", trained), ("audit", audited)] {
        if wanted && root.at(&format!("{section}.seed")).is_none() {
            insert(root, &format!("{section}.seed"), seed.clone());
        }
    }
    cap_warmup(root, "training");
    cap_warmup(root, "teacher.training");
    Ok(())
}

/// An audit without a task is on the number sequences, where the recipe trains on them.
fn audit_task(root: &mut Node) {
    let asked = match root.at("audit").map(|node| &node.content) {
        Some(Content::Boolean(on)) => *on,
        Some(Content::Table(entries)) => !entries.contains_key("task"),
        _ => false,
    };
    if !asked || text_at(root, "data.kind") != Some("numerals") {
        return;
    }
    if matches!(root.at("audit").map(|node| &node.content), Some(Content::Boolean(_))) {
        insert(root, "audit", Content::Table(BTreeMap::new()));
    }
    insert(root, "audit.task", Content::Text("numerals".to_owned()));
}

/// A warm-up nobody asked for is never longer than the training.
fn cap_warmup(root: &mut Node, section: &str) {
    let key = format!("{section}.warmup_steps");
    let defaulted = root.at(&key).is_some_and(|node| node.origin == Origin::Default);
    let (Some(Content::Integer(steps)), Some(Content::Integer(warmup))) = (
        root.at(&format!("{section}.steps")).map(|node| &node.content),
        root.at(&key).map(|node| &node.content),
    ) else {
        return;
    };
    let (steps, warmup) = (*steps, *warmup);
    if defaulted && warmup > steps {
        insert(root, &key, Content::Integer(steps / 10));
    }
}

fn text_at<'a>(root: &'a Node, path: &str) -> Option<&'a str> {
    match &root.at(path)?.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

/// The temperatures the objectives ask for: those a capture must hold.
fn temperatures(root: &Node) -> Vec<Node> {
    let Some(Content::Array(objectives)) = root.at("objectives").map(|node| &node.content) else {
        return Vec::new();
    };
    let mut found: Vec<Node> = Vec::new();
    for node in objectives.iter().filter_map(|objective| objective.at("temperature")) {
        if found.iter().all(|one| one.content != node.content) {
            found.push(node.clone());
        }
    }
    found
}

/// Puts a default at a dotted key whose parents are tables or missing.
fn insert(root: &mut Node, key: &str, content: Content) {
    let mut node = root;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let Content::Table(entries) = &mut node.content else {
            return;
        };
        let entry = entries
            .entry(part.to_owned())
            .or_insert_with(|| Entry { key_origin: Origin::Default, node: Node::empty(Origin::Default) });
        node = &mut entry.node;
        if parts.peek().is_none() {
            node.content = content;
            return;
        }
    }
}

/// A problem that only reading the types found: its message quotes the text it is about, which tells the place.
fn locate(root: &Node, message: String) -> Problem {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    let (key, origin) = find_text(root, quoted, String::new()).unzip();
    let layers = key.as_deref() == Some("student.select");
    let hint = layers.then(|| meant::layers(quoted)).flatten();
    let hint = hint.map(|meant| format!("did you mean select = \"{meant}\"?"));
    Problem { origin: origin.unwrap_or_else(|| root.origin.clone()), key, message, hint }
}

/// Key and place of the first string of this text.
fn find_text(node: &Node, text: &str, path: String) -> Option<(String, Origin)> {
    let below = |key: &str| {
        if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
    };
    match &node.content {
        Content::Text(found) if found == text => Some((path, node.origin.clone())),
        Content::Table(entries) => {
            entries.iter().find_map(|(key, entry)| find_text(&entry.node, text, below(key)))
        }
        Content::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| find_text(item, text, below(&index.to_string()))),
        _ => None,
    }
}

/// Problems of the file by line, then those of the environment and of flags.
fn in_order(mut problems: Vec<Problem>) -> RecipeError {
    problems.sort_by_key(|problem| match &problem.origin {
        Origin::File { line, .. } => (0, *line),
        Origin::Environment { .. } => (1, 0),
        Origin::Flag { .. } => (2, 0),
        Origin::Default => (3, 0),
    });
    RecipeError::Invalid { problems }
}

#[cfg(test)]
mod tests {
    use super::super::node::parse_value;
    use super::*;

    #[test]
    fn every_builtin_recipe_is_valid() {
        for one in BUILTIN {
            let loaded = load_text(one.text, Path::new(one.name), &[]).unwrap();
            assert_eq!(loaded.recipe.name, one.name);
        }
    }

    #[test]
    fn a_resolved_recipe_resolves_to_itself() {
        for one in BUILTIN {
            let first = load_text(one.text, Path::new(one.name), &[]).unwrap();
            let second = load_text(&first.resolved, Path::new("again"), &[]).unwrap();
            assert_eq!(first.recipe, second.recipe);
            assert_eq!(first.resolved, second.resolved);
        }
    }

    #[test]
    fn flags_win_over_the_environment_and_the_file() {
        let text = BUILTIN[0].text;
        let environment = Override {
            key: "training.steps".into(),
            value: "7".into(),
            origin: Origin::Environment { variable: "LIMBECK__TRAINING__STEPS".into() },
        };
        let flag = Override::from_flag("training.steps=9").unwrap();
        let one = load_text(text, Path::new("r"), std::slice::from_ref(&environment)).unwrap();
        assert_eq!(one.recipe.training.steps, 7);
        let both = load_text(text, Path::new("r"), &[environment, flag]).unwrap();
        assert_eq!(both.recipe.training.steps, 9);
    }

    #[test]
    fn a_bare_word_is_a_string() {
        let node = parse_value("hello there", &Origin::Default);
        assert_eq!(node.content, Content::Text("hello there".into()));
        assert_eq!(parse_value("[1, 2]", &Origin::Default).content.describe(), "an array");
    }
}
