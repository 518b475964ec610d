//! How a student begins: from layers of its teacher, fresh, or from another model.

mod fresh;
mod layers;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use fresh::FreshStudent;
pub use layers::{LayerSelection, LayersStudent};

/// The student of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StudentConfig {
    /// Some of the teacher's layers, with their weights, its embeddings and its head.
    Layers(LayersStudent),
    /// The teacher's configuration with other sizes, and fresh weights.
    Fresh(FreshStudent),
    /// Another model.
    Model(ModelStudent),
}

/// A student that is a model of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelStudent {
    /// Where it comes from: a path, `hf:org/name@rev`, `pypi:name==version`, `npm:name@version`.
    pub source: String,
}
