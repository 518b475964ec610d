//! What an audit amounts to, in sentences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answers of an audit's first screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditAnswers {
    /// What has to be said before all else: networks that do not solve the task.
    pub caveats: Vec<String>,
    /// Which components carry the task.
    pub carries: String,
    /// What became of each of the teacher's.
    pub became: String,
    /// How alike student and teacher are inside.
    pub alike: String,
    /// What breaks first.
    pub breaks: String,
}
