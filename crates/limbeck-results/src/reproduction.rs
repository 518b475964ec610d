//! What the reproduction of a paper's experiment found: the paper's figures beside ours.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reproduction, as `reproduction.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reproduction {
    /// Version of this layout.
    pub schema_version: u32,
    /// The program's version.
    pub limbeck_version: String,
    /// Name of the experiment.
    pub name: String,
    /// What it shows, one sentence.
    pub title: String,
    /// The paper and the part of it.
    pub paper: String,
    /// Whether this is the small variant, on other data than the paper's: its figures are no reproduction.
    pub small: bool,
    /// The seeds, one run each.
    pub seeds: Vec<u64>,
    /// The data, with content hashes.
    pub data: Vec<DataUsed>,
    /// Tables of figures.
    pub tables: Vec<FigureTable>,
    /// Curves, where a table would not be read.
    pub curves: Vec<CurvePlot>,
    /// What the paper says, and whether our figures say so too.
    pub claims: Vec<Claim>,
    /// Differences from the paper's protocol and why our figures may differ.
    pub notes: Vec<String>,
    /// The networks trained.
    pub networks: Vec<NetworkUsed>,
    /// The resolved recipe, TOML.
    pub recipe: String,
    /// Wall-clock seconds of training of all networks, also of those that were there already.
    pub training_seconds: f64,
}

/// A data set an experiment used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataUsed {
    /// Its name.
    pub name: String,
    /// Where it came from.
    pub source: String,
    /// BLAKE3 of its content.
    pub hash: String,
}

/// Figures under one heading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FigureTable {
    /// The heading.
    pub title: String,
    /// What the intervals are, and anything else needed to read the table.
    pub caption: String,
    /// The figures.
    pub rows: Vec<Figure>,
}

/// One measured figure beside the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// In which unit.
    pub unit: FigureUnit,
    /// The paper's figure, where it gives one.
    pub paper: Option<f64>,
    /// Ours, the mean over seeds with its 95% interval.
    pub ours: Estimate,
    /// Ours for each seed.
    pub per_seed: Vec<f64>,
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FigureUnit {
    /// A number of cases.
    Count,
    /// A share, written in percent.
    Share,
    /// A plain number.
    Number,
}

/// Curves over common axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePlot {
    /// The heading.
    pub title: String,
    /// Meaning of the horizontal axis.
    pub x_label: String,
    /// Meaning of the vertical axis.
    pub y_label: String,
    /// The curves.
    pub series: Vec<CurveSeries>,
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurveSeries {
    /// Its name.
    pub name: String,
    /// Its points, `(x, y)`.
    pub points: Vec<(f64, f64)>,
}

/// A statement of the paper and what our figures say about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The statement.
    pub statement: String,
    /// Whether ours agree.
    pub outcome: ClaimOutcome,
    /// The figures that decide it.
    pub because: String,
}

/// Whether our figures agree with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimOutcome {
    /// They do.
    Agrees,
    /// They do not.
    Differs,
    /// The interval holds both.
    CannotTell,
}

/// A network an experiment trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkUsed {
    /// Its part in the experiment.
    pub label: String,
    /// Hash of all that decides its weights; the name of its folder.
    pub key: String,
    /// Widths of its layers, features first.
    pub widths: Vec<usize>,
    /// Epoch whose weights it has.
    pub epoch: u64,
    /// Wall-clock seconds of its training.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub seconds: f64,
}

impl Reproduction {
    /// The figure of this name, in any table.
    pub fn figure(&self, what: &str) -> Option<&Figure> {
        self.tables.iter().flat_map(|table| &table.rows).find(|figure| figure.what == what)
    }
}
