//! Recipes of experiments: TOML in layers. A recipe may stand on another (`base`), holds a `[small]` variant, and single keys
//! may be set from the command line.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::ReproduceError;
use super::catalogue::EXPERIMENTS;
use crate::memory::check_layers;
use crate::recipe::{Node, Problem, bounds};

/// One key set to another value: `teacher.epochs=3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeOverride {
    text: String,
}

impl RecipeOverride {
    /// From `KEY=VALUE`, the value as TOML.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

/// The recipe with its base below it, its small variant over it when asked for, and the changes on top.
///
/// # Errors
/// Text that is no TOML, or a base there is not.
pub(super) fn resolve(text: &str, small: bool, changes: &[RecipeOverride]) -> Result<Table, ReproduceError> {
    let wrong = |experiment: &str, reason: String| ReproduceError::Recipe {
        experiment: experiment.to_owned(),
        reason,
    };
    let own: Table = text.parse().map_err(|error: toml::de::Error| wrong("it", error.to_string()))?;
    let mut table = match own.get("base").and_then(Value::as_str) {
        Some(base) => {
            let below = EXPERIMENTS.iter().find(|one| one.name == base);
            let below =
                below.ok_or_else(|| wrong(base, "there is no such experiment to stand on".to_owned()))?;
            below.recipe.parse().map_err(|error: toml::de::Error| wrong(base, error.to_string()))?
        }
        None => Table::new(),
    };
    merge(&mut table, own);
    table.remove("base");
    let variant = table.remove("small");
    if let (true, Some(Value::Table(variant))) = (small, variant) {
        merge(&mut table, variant);
    }
    for change in changes {
        let laid: Table = change
            .text
            .parse()
            .map_err(|_| wrong("--set", format!("`{}` is no KEY=VALUE with a TOML value", change.text)))?;
        for (key, value) in &laid {
            if !table.contains_key(key) {
                let keys: Vec<&str> = table.keys().map(String::as_str).collect();
                let reason =
                    format!("`{key} = {value}`: there is no key `{key}`; there are {}", keys.join(", "));
                return Err(wrong("--set", reason));
            }
        }
        merge(&mut table, laid);
    }
    within_bounds(&table, changes)?;
    Ok(table)
}

/// Refuses numbers that no machine has use for, and networks that this one cannot hold, before any of them allocates.
fn within_bounds(table: &Table, changes: &[RecipeOverride]) -> Result<(), ReproduceError> {
    let experiment = if changes.is_empty() { "it" } else { "--set" };
    let wrong = |reason: String| ReproduceError::Recipe { experiment: experiment.to_owned(), reason };
    let text = toml::to_string(table).map_err(|error| wrong(error.to_string()))?;
    let root = Node::parse(&text, Path::new(experiment)).map_err(|error| wrong(error.to_string()))?;
    if let Some(Problem { key, message, .. }) = bounds::check(&root).into_iter().next() {
        return Err(wrong(format!("{}: {message}", key.unwrap_or_default())));
    }
    check_widths(table, "")
}

/// Refuses classifiers of which the products between hidden layers alone are more than the memory at hand.
fn check_widths(table: &Table, path: &str) -> Result<(), ReproduceError> {
    for (key, value) in table {
        let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Table(below) => check_widths(below, &key)?,
            Value::Array(items) => {
                let widths: Vec<u64> =
                    items.iter().filter_map(|item| u64::try_from(item.as_integer()?).ok()).collect();
                match key.rsplit('.').next() {
                    Some("hidden") => check_layers(&key, &widths)?,
                    // Of both hidden layers.
                    Some("student_widths") => {
                        widths.iter().try_for_each(|&width| check_layers(&key, &[width; 2]))?;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads the settings of an experiment out of its resolved recipe.
///
/// # Errors
/// A key that is missing, unknown or of another type, named.
pub(super) fn settings<T: DeserializeOwned>(table: &Table, experiment: &str) -> Result<T, ReproduceError> {
    table.clone().try_into().map_err(|error: toml::de::Error| ReproduceError::Recipe {
        experiment: experiment.to_owned(),
        reason: error.to_string().trim().to_owned(),
    })
}

/// Lays `over` over `under`, table by table. A table with another `kind` replaces the one below, since its keys are others.
fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above))
                if above.get("kind").is_none_or(|kind| below.get("kind") == Some(kind)) =>
            {
                merge(below, above);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_lie_over_each_other() {
        let text = "a = 1\n[t]\nx = 1\ny = 2\n[t.optimizer]\nkind = 'momentum'\nmomentum = 0.9\n\
                    [small]\na = 2\n[small.t]\nx = 5\n[small.t.optimizer]\nkind = 'adamw'\n";
        let full = resolve(text, false, &[]).unwrap();
        assert_eq!(full["a"].as_integer(), Some(1));
        assert!(!full.contains_key("small"));
        let small = resolve(text, true, &[RecipeOverride::new("t.y=7")]).unwrap();
        assert_eq!(small["t"]["x"].as_integer(), Some(5));
        assert_eq!(small["t"]["y"].as_integer(), Some(7));
        assert!(small["t"]["optimizer"].get("momentum").is_none(), "another kind has other keys");
        assert!(resolve(text, false, &[RecipeOverride::new("b=7")]).is_err());
        assert!(resolve(text, false, &[RecipeOverride::new("nonsense")]).is_err());
    }

    #[test]
    fn numbers_beyond_their_bounds_are_refused_by_key() {
        let of = |name: &str| EXPERIMENTS.iter().find(|one| one.name == name).unwrap().recipe;
        for (experiment, change, key) in [
            ("hinton-mnist", "teacher.hidden=[1000000000]", "teacher.hidden.0"),
            ("hinton-mnist", "student.hidden=[65536, 65536, 65536, 65536, 65536]", "student.hidden"),
            ("hinton-mnist", "teacher.batch_size=9000000000", "teacher.batch_size"),
            ("hinton-mnist", "held_out=1000000000000", "held_out"),
            ("hinton-temperature", "student_widths=[30, 1000000000]", "student_widths.1"),
            ("hinton-speech", "members=1000000000000", "members"),
            ("hinton-speech", "frames.positions=1000000000", "frames.positions"),
            ("hinton-specialists", "clusterings=[1000000000]", "clusterings.0"),
            ("sound-student", "measures.prompts_per_template=1000000000", "measures.prompts_per_template"),
            ("sound-student", "teacher.architecture.d_model=1000000000", "teacher.architecture.d_model"),
            ("sound-student", "data.examples=1000000000000", "data.examples"),
            ("sound-student-smollm2", "data.sequence_length=1000000000000", "data.sequence_length"),
        ] {
            let error = resolve(of(experiment), false, &[RecipeOverride::new(change)]).unwrap_err();
            let said = error.to_string();
            assert!(error.is_input() && said.contains(&format!(" {key}: ")), "{change}: {said}");
        }
    }

    #[test]
    fn every_recipe_resolves_in_both_sizes() {
        for experiment in EXPERIMENTS {
            for small in [false, true] {
                assert!(!resolve(experiment.recipe, small, &[]).unwrap().is_empty(), "{}", experiment.name);
            }
        }
    }
}
