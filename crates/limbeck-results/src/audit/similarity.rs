//! How alike the components of two networks are, by every measure.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Alignment, ComponentKind};

/// Similarity of a student's components (or a baseline's) with its teacher's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Similarity {
    /// Outputs compared per component: prompts x positions.
    pub rows: usize,
    /// Leading directions of each component's output that are compared, at most.
    pub directions: usize,
    /// Mean share of the variance of the teacher's outputs that lies in those directions, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub teacher_variance: f64,
    /// The same of the student's outputs.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub student_variance: f64,
    /// Bootstrap resamples of prompts behind the intervals of `measures`.
    pub resamples: usize,
    /// One entry for each measure and kind of component.
    pub measures: Vec<MeasuredSimilarity>,
    /// Alignment by other variants than the one of the audit itself.
    pub alignments: Vec<VariantAlignment>,
}

/// What is compared, and how. All lie in `[0, 1]`, and are 1 for a component and itself, where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimilarityMeasure {
    /// Heads: mean over query rows of the cosine between mean attention rows (Haskins & Adams 2025, variant A).
    AttentionRows,
    /// Heads: cosine of flattened mean attention maps (variant B).
    AttentionMaps,
    /// Heads: `1 - JS / ln 2`, the Jensen-Shannon divergence of attention rows, mean over prompts and query rows.
    AttentionDivergence,
    /// MLPs: three principal directions of the output (variant A), in `[0, 1/3]`, 1/3 for an MLP and itself.
    OutputDirections,
    /// MLPs: three principal directions of the residual stream left behind (variant B).
    ResidualDirections,
    /// Linear centred kernel alignment of outputs (Kornblith et al. 2019).
    Cka,
    /// Mean canonical correlation of outputs within their leading directions (Raghu et al. 2017).
    Svcca,
    /// `1 - d^2 / 2` of the orthogonal Procrustes distance `d` of outputs, centred and of norm 1.
    Procrustes,
    /// Pearson correlation over prompts of the effects of ablating the components, in `[-1, 1]`.
    EffectPearson,
    /// Spearman correlation of the same, in `[-1, 1]`.
    EffectSpearman,
}

impl SimilarityMeasure {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            SimilarityMeasure::AttentionRows => "attention rows (A)",
            SimilarityMeasure::AttentionMaps => "attention maps (B)",
            SimilarityMeasure::AttentionDivergence => "attention, 1 - JS",
            SimilarityMeasure::OutputDirections => "output directions (A)",
            SimilarityMeasure::ResidualDirections => "residual directions (B)",
            SimilarityMeasure::Cka => "CKA",
            SimilarityMeasure::Svcca => "SVCCA",
            SimilarityMeasure::Procrustes => "Procrustes",
            SimilarityMeasure::EffectPearson => "effects, Pearson",
            SimilarityMeasure::EffectSpearman => "effects, Spearman",
        }
    }
}

/// The teacher x student matrix of one measure, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredSimilarity {
    /// The measure.
    pub measure: SimilarityMeasure,
    /// Between heads or between MLPs.
    pub kind: ComponentKind,
    /// Mean over teacher components of the similarity to the most similar student component; the interval
    /// resamples prompts and keeps the matches.
    pub teacher_mean: Estimate,
    /// Mean over student components of the similarity to the most similar teacher component.
    pub student_mean: Estimate,
    /// Mean over the pairs of the best one-to-one matching.
    pub one_to_one_mean: Estimate,
    /// Mean over all pairs: what a random assignment scores.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub chance: f64,
    /// Each teacher component and the student component most like it.
    pub teacher_best: Vec<Link>,
    /// Each student component and the teacher component most like it.
    pub student_best: Vec<Link>,
    /// The one-to-one matching of largest total similarity.
    pub one_to_one: Vec<Link>,
    /// `[teacher layer][student layer]`: mean over the teacher layer's components of the best similarity with one of
    /// the student layer's.
    pub layers: Vec<Vec<f64>>,
}

/// A teacher component and a student component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// Label of the teacher component.
    pub teacher: String,
    /// Label of the student component.
    pub student: String,
    /// Their similarity.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub similarity: f64,
}

/// Which pairs and similarities an alignment is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlignmentVariant {
    /// Haskins & Adams 2025, variant A: each student component with its most similar teacher component, by
    /// attention rows and output directions; influence by mean ablation.
    A,
    /// Variant B: each teacher component with its most similar student component, by attention maps and residual
    /// directions; influence by zero ablation.
    B,
    /// One to one, by CKA of outputs; influence by mean ablation.
    OneToOne,
}

/// Alignment by one variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariantAlignment {
    /// The variant.
    pub variant: AlignmentVariant,
    /// `A`, its parts and pairs.
    pub alignment: Alignment,
}

/// How the alignment found stands among those with the student's components shuffled.
///
/// The matches are kept, and the influences of the student's components are permuted among its components of
/// the same kind. Where being alike says nothing about carrying the same load, `p_value` is uniform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PermutationTest {
    /// Shuffles drawn.
    pub draws: usize,
    /// `(1 + shuffles with A at least as large) / (1 + shuffles)`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub p_value: f64,
    /// Mean `A` over the shuffles.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub mean: f64,
    /// Their 95th percentile.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub high: f64,
}
