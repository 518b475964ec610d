//! A finished run is kept: what a folder holds that another recipe, or changed inputs, would overwrite.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use limbeck_data::DataError;
use serde_json::Value as Json;

use super::Pipeline;
use super::assemble::{REPORT, RESULTS};
use super::error::PipelineError;
use crate::recipe::load_text;

/// The resolved recipe of a run folder.
pub(crate) const RECIPE: &str = "recipe.toml";

/// Keys that change nothing of what was trained and measured.
const HARMLESS: [&str; 4] = ["output_dir", "name", "description", "gates"];

/// Differences named before the rest is counted.
const NAMED: usize = 8;

/// A key that two recipes set otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// Its value in the recipe of the finished run; absent when it is not set there.
    pub before: Option<String>,
    /// Its value now.
    pub now: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{}: {} -> {}", self.key, said(&self.before), said(&self.now))
    }
}

/// What two resolved recipes set otherwise, keys that change no figure left out. Recipes that cannot be read differ as
/// a whole.
pub(crate) fn differences(before: &str, now: &str) -> Vec<Difference> {
    if before == now {
        return Vec::new();
    }
    let flat = |text: &str| -> Option<BTreeMap<String, String>> {
        // Read anew, so that keys which a later version added have their defaults on both sides.
        let recipe = load_text(text, Path::new(RECIPE), &[]).ok()?.resolved;
        let mut found = BTreeMap::new();
        flatten(&serde_json::to_value(toml::from_str::<toml::Table>(&recipe).ok()?).ok()?, "", &mut found);
        Some(found)
    };
    let whole = |now: Option<String>| Difference { key: "the recipe".into(), before: None, now };
    let (Some(before), Some(now)) = (flat(before), flat(now)) else {
        return vec![whole(Some("one that this version cannot compare".into()))];
    };
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    keys.into_iter()
        .filter(|key| !HARMLESS.contains(&key.split('.').next().unwrap_or_default()))
        .filter(|key| before.get(*key) != now.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            before: before.get(key).cloned(),
            now: now.get(key).cloned(),
        })
        .collect()
}

fn flatten(value: &Json, path: &str, into: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Json::Object(entries) => entries.iter().for_each(|(key, value)| flatten(value, &below(key), into)),
        Json::Array(items) if items.iter().any(Json::is_object) => {
            items.iter().enumerate().for_each(|(at, value)| flatten(value, &below(&at.to_string()), into));
        }
        plain => {
            into.insert(path.to_owned(), plain.to_string());
        }
    }
}

/// The differences in words, the first of them named.
pub(crate) fn named(differences: &[Difference]) -> String {
    let mut text: Vec<String> = differences.iter().take(NAMED).map(Difference::to_string).collect();
    if differences.len() > NAMED {
        text.push(format!("and {} more", differences.len() - NAMED));
    }
    text.join("; ")
}

/// What stands in a folder before a run begins there.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// Whether it holds results.
    pub(crate) finished: bool,
    /// The recipe it was made by.
    pub(crate) recipe: Option<String>,
}

impl Before {
    pub(crate) fn read(root: &Path) -> Self {
        let recipe = fs::read_to_string(root.join(RECIPE)).ok();
        Self { finished: recipe.is_some() && root.join(RESULTS).is_file(), recipe }
    }

    /// Refuses to go on where a finished run of another recipe stands; where it may be replaced, its results and page
    /// go first, so that they never stand beside what another recipe made.
    /// Keys that are `open` are compared once they are fitted.
    pub(crate) fn make_way(
        &self,
        root: &Path,
        now: &str,
        open: &[String],
        force: bool,
    ) -> Result<(), PipelineError> {
        let Some(before) = &self.recipe else { return Ok(()) };
        let mut differences = differences(before, now);
        differences.retain(|one| !open.contains(&one.key));
        if differences.is_empty() {
            return Ok(());
        }
        if self.finished && !force {
            return Err(PipelineError::Finished {
                folder: root.to_owned(),
                what: format!("another recipe: {}", named(&differences)),
            });
        }
        clear_results(root)
    }
}

/// Removes results and page, which are of another recipe or of other inputs than what will stand beside them.
fn clear_results(root: &Path) -> Result<(), PipelineError> {
    for file in [RESULTS, REPORT] {
        let path = root.join(file);
        if path.is_file() {
            fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        }
    }
    Ok(())
}

impl Pipeline<'_> {
    /// Refuses to do a stage of a finished run again from other inputs, unless the user allows it.
    pub(crate) fn keep_finished(&self, stage: &str, fingerprint: &str) -> Result<(), PipelineError> {
        let same = |record: &super::StageRecord| record.fingerprint == fingerprint;
        if !self.finished || self.manifest.stages.get(stage).is_none_or(same) {
            return Ok(());
        }
        if self.force {
            return clear_results(self.root());
        }
        let before = self.earlier.as_deref().unwrap_or(&self.resolved);
        let differences = differences(before, &self.resolved);
        let what = match differences.is_empty() {
            true => format!(
                "the same recipe, but what the {stage} stage reads, or the version of Limbeck, has changed since"
            ),
            false => format!("another recipe: {}", named(&differences)),
        };
        Err(PipelineError::Finished { folder: self.root().to_owned(), what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{BUILTIN, Override};

    #[test]
    fn recipes_differ_by_the_keys_that_change_figures() {
        let resolved = |changes: &[&str]| {
            let changes: Vec<Override> = changes.iter().map(|it| Override::from_flag(it).unwrap()).collect();
            load_text(BUILTIN[0].text, Path::new("r"), &changes).unwrap().resolved
        };
        let first = resolved(&[]);
        assert!(differences(&first, &first).is_empty());
        assert!(differences(&first, &resolved(&["output_dir=other", "description=x"])).is_empty());
        let other = differences(&first, &resolved(&["training.steps=9", "objectives.0.weight=0.25"]));
        assert_eq!(named(&other), "objectives.0.weight: 1.0 -> 0.25; training.steps: 60 -> 9");
        assert_eq!(differences("no recipe", &first).len(), 1);
    }
}
