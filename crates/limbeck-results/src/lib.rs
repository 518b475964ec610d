//! What a run found, as plain types: the schema of `results.json`.
//!
//! `limbeck-eval` fills [`Evaluation`], `limbeck-audit` fills [`Audit`], the trainer's log becomes
//! [`Training`], and `limbeck-report` turns the whole [`Results`] into a page. Nothing here computes.

mod audit;
mod evaluation;
mod run;

pub use audit::{
    Alignment, Audit, Brittleness, BrittlenessOf, Component, ComponentKind, Match, NetworkAudit,
};
pub use evaluation::{
    Comparison, Condition, Evaluation, Finding, StudentScores, TeacherScores,
};
pub use limbeck_stats::Estimate;
pub use run::{
    BaselineOutcome, CurvePoint, Input, ModelFacts, Models, Results, TermPoint, Training,
    TrainingRun, Verdict, VerdictAnswer, SCHEMA_VERSION,
};
