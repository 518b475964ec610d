//! What a run found, as plain types: the schema of `results.json`.
//!
//! `limbeck-eval` fills [`Evaluation`], `limbeck-audit` fills [`Audit`], the trainer's log becomes
//! [`Training`], and `limbeck-report` turns the whole [`Results`] into a page. Nothing here computes.
//!
//! JSON has no NaN: a figure that is not finite is written as `null` and read back as NaN.

mod audit;
mod evaluation;
mod reproduction;
mod run;

pub use audit::{
    AcrossSeeds, Alignment, AlignmentFloors, AlignmentVariant, AttentionPicture, Attribution, Audit,
    AuditAnswers, Brittleness, BrittlenessOf, Circuit, CircuitAtThreshold, CircuitComparison, CircuitEdge,
    CircuitEdges, CircuitMember, CircuitMethod, CircuitNode, CircuitScores, Component, ComponentKind,
    Counterpart, DamageCurve, DamageCurves, DamagePoint, DirectAttribution, DirectEffect, FloorKind, Flow,
    GroupEffect, HeadDescription, HeadInput, HeadPattern, HeadPicture, Heads, KeptDifference, LensPoint,
    Link, Match, MeasuredSimilarity, NetworkAudit, NetworkFloor, PatchedComponent, PatchedResidual, Patching,
    PatternScore, PermutationTest, RandomCircuits, Repair, Role, RoleCount, RoleRule, Roles, SeedDifference,
    ShiftedBrittleness, ShiftedFigures, Similarity, SimilarityMeasure, Slope, Solves, SpareCapacity, Spread,
    Standing, StudentRole, TeacherRole, VariantAlignment, component_label, solves,
};
pub use evaluation::{
    CarriedBy, Comparison, Condition, Evaluation, OverSeeds, StudentScores, TeacherScores, VarianceShares,
};
pub use limbeck_stats::{Estimate, Finding};
pub use reproduction::{
    Claim, ClaimOutcome, CurvePlot, CurveSeries, DataUsed, Figure, FigureTable, FigureUnit, NetworkUsed,
    Reproduction,
};
pub use run::{
    BaselineOutcome, CurvePoint, Input, MadeFrom, ModelFacts, Models, Results, SCHEMA_VERSION, TermPoint,
    Training, TrainingRun, Verdict, VerdictAnswer,
};

/// JSON schema of [`Results`], generated from the types (draft 2020-12).
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Results).to_value()
}
