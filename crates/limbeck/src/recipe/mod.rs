//! Recipes: read in layers, checked with the place of every mistake, resolved.
//!
//! `defaults < recipe < environment < --set`. The layers are merged as documents whose values remember
//! where they were written; the result is walked beside the schema generated from the types, then read
//! into them, then checked for sense.

mod audited;
pub(crate) mod bounds;
mod builtin;
mod config;
mod data;
mod error;
mod gate;
mod layers;
mod load;
mod meant;
mod measure;
mod node;
mod origin;
mod published;
mod reference;
mod sense;
mod shape;
mod teacher;

pub use audited::audit_settings;
pub use builtin::{BUILTIN, Builtin, builtin};
pub use config::{
    AuditSection, BaselineConfig, EvaluationConfig, ExportConfig, GgufFormat, Recipe, default_capture,
};
pub use data::{CorpusConfig, DataConfig, HeldOut, SourceConfig};
pub use error::{Problem, RecipeError};
pub use gate::{CannotTell, Gate, GateAnswer, GateOutcome, gates_of};
pub use layers::Override;
pub(crate) use load::resolved;
pub use load::{Loaded, load, load_text, schema};
pub use meant::nearest;
pub(crate) use node::Node;
pub use origin::Origin;
pub use published::{published, published_name};
pub use reference::reference;
pub use teacher::{Architecture, EnsembleMember, ScratchFamily, TeacherConfig};
