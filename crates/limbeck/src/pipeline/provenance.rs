//! Which recipe and which weights the results of a run folder belong to.

use std::collections::BTreeMap;
use std::path::Path;

use limbeck_data::hash::{hash_bytes, hash_path};
use limbeck_results::{MadeFrom, Results};

use super::finished::{RECIPE, differences, named};
use super::{Manifest, Pipeline};

/// Stages whose outputs are networks.
fn is_network(stage: &str) -> bool {
    ["teacher", "student", "baseline"].iter().any(|network| stage.starts_with(network))
}

/// Outputs of a manifest's stages that hold weights, with their hashes.
fn weights(manifest: &Manifest) -> BTreeMap<String, String> {
    let networks = manifest.stages.iter().filter(|(stage, _)| is_network(stage));
    networks
        .flat_map(|(stage, record)| record.outputs.iter().map(move |output| (stage, output)))
        .filter(|(stage, (path, _))| path.ends_with(".safetensors") || path == stage)
        .map(|(_, (path, hash))| (path.clone(), hash.clone()))
        .collect()
}

/// The gates of a recipe, as written.
fn gates(recipe: &str) -> Option<toml::Value> {
    toml::from_str::<toml::Table>(recipe).ok()?.remove("gates")
}

impl Pipeline<'_> {
    /// What the results of this folder, as it stands, are made from.
    pub(super) fn made_from(&self) -> MadeFrom {
        let stages = self.manifest.stages.iter().filter(|(_, record)| !record.unfinished);
        MadeFrom {
            recipe: hash_bytes(self.resolved.as_bytes()),
            stages: stages.map(|(stage, record)| (stage.clone(), record.fingerprint.clone())).collect(),
            weights: weights(&self.manifest),
        }
    }
}

/// Why the results of a run folder do not belong to what stands in it now, one sentence each; none when they do, or when
/// nothing else stands there.
///
/// Noticed are another `recipe.toml`, a stage that was begun anew since (finished or not), and weights that are not those
/// measured.
pub fn stale(folder: &Path, results: &Results) -> Vec<String> {
    let mut reasons = Vec::new();
    let manifest = Manifest::find(folder);
    let of_recipe = results.made_from.as_ref().map(|made_from| made_from.recipe.clone());
    let of_recipe = of_recipe.unwrap_or_else(|| hash_bytes(results.recipe.as_bytes()));
    if let Ok(recipe) = std::fs::read_to_string(folder.join(RECIPE))
        && hash_bytes(recipe.as_bytes()) != of_recipe
    {
        let found = differences(&results.recipe, &recipe);
        if !found.is_empty() || gates(&results.recipe) != gates(&recipe) {
            let found = if found.is_empty() { "other gates".to_owned() } else { named(&found) };
            reasons.push(format!("{RECIPE} says something else than the recipe they were made by ({found})"));
        }
    }
    let Some(manifest) = manifest else { return reasons };
    for (stage, record) in manifest.stages.iter().filter(|(_, record)| record.unfinished) {
        let _ = record;
        reasons.push(format!("the stage `{stage}` was begun anew since and is not finished"));
    }
    let (stages, measured) = match &results.made_from {
        Some(made_from) => (made_from.stages.clone(), made_from.weights.clone()),
        // Written by an earlier version: the manifest still says what weights it had written.
        None => (BTreeMap::new(), weights(&manifest)),
    };
    for (stage, fingerprint) in stages {
        let now = manifest.stages.get(&stage);
        if now.is_none_or(|record| !record.unfinished && record.fingerprint != fingerprint) {
            reasons.push(format!("the stage `{stage}` was done again since, from something else"));
        }
    }
    for (path, hash) in measured {
        // Weights that were taken away can contradict nothing.
        let place = folder.join(&path);
        if place.exists() && hash_path(&place).is_ok_and(|found| found != hash) {
            reasons.push(format!("{path} is not what was measured"));
        }
    }
    reasons
}
