//! Circuits: the components that carry a task by themselves, their edges, and how well they do it.

use limbeck_stats::{Estimate, number};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ComponentKind, component_label};

/// How a circuit was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CircuitMethod {
    /// Nodes removed one after the other as long as the score stays (Haskins & Adams 2025).
    #[default]
    Pruning,
    /// The edges of largest attribution (Syed et al. 2023, arXiv 2310.10348).
    Eap,
    /// The same with integrated gradients (Hanna et al. 2024, arXiv 2403.17806).
    EapIg,
}

/// The circuit of one network on a task.
///
/// A component outside the circuit says what it says on average over the corrupted prompts, per position. All
/// scores are `100 * mean LD / mean LD of the whole network`, in percent; drops are in percentage points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Circuit {
    /// How it was found.
    pub method: CircuitMethod,
    /// Prompts it was sought and measured on.
    pub prompts: usize,
    /// Percentage points that the circuit may lose, `T_n`: of the normalised score, or of the score itself.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub threshold: f64,
    /// Whether nodes were judged by the normalised score `100 * (LD - LD_nothing) / (LD_full - LD_nothing)` rather than by
    /// `100 * LD / LD_full`, which a network keeps with every component ablated if its answers do not need them.
    #[serde(default)]
    pub normalised: bool,
    /// Sweeps over the nodes until nothing changed; 0 when it was not found by pruning.
    pub sweeps: usize,
    /// Heads in the circuit.
    pub heads: usize,
    /// MLPs in the circuit.
    pub mlps: usize,
    /// Share of the network's components that are in the circuit, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub share: f64,
    /// Its components, by layer, heads before the MLP.
    pub nodes: Vec<CircuitNode>,
    /// Its edges; absent when none were sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<CircuitEdges>,
    /// How well it does.
    pub scores: CircuitScores,
    /// How well random circuits of the same numbers of heads and MLPs do; absent when none were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomCircuits>,
    /// Circuits found at other thresholds, from the lowest; empty when none were sought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<CircuitAtThreshold>,
}

/// A component of a circuit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitNode {
    /// Head or MLP.
    pub kind: ComponentKind,
    /// Block it is in, from 0.
    pub layer: usize,
    /// Query head, from 0; absent for an MLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// What the circuit's score loses without it, in percentage points.
    pub drop: Estimate,
}

impl CircuitNode {
    /// The usual short name: `7.11` for a head, `MLP 3` for an MLP.
    pub fn label(&self) -> String {
        component_label(self.layer, self.head)
    }
}

/// The edges of a circuit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitEdges {
    /// Edges there are between the circuit's components, the embedding and the logits.
    pub possible: usize,
    /// Edges whose removal was measured. When these are fewer, they are those of largest attribution, and the
    /// others are kept out of `edges` but left in place in `score`.
    pub tested: usize,
    /// Score below which the removal of an edge must bring the circuit for the edge to be kept, in percent.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub keep_below: f64,
    /// Score of the circuit with nothing but these edges (and those not tested), in percent.
    pub score: Estimate,
    /// Edges kept, from the input on.
    pub edges: Vec<CircuitEdge>,
}

/// Which input of a head an edge ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadInput {
    /// Where the head looks from.
    Query,
    /// What it compares with.
    Key,
    /// What it moves.
    Value,
}

/// An edge: what one component writes, as another one reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitEdge {
    /// Who writes: `embed`, or a component's label.
    pub from: String,
    /// Who reads: a component's label, or `logits`; for keys and values that several heads share, the first of
    /// these heads.
    pub to: String,
    /// Which input of a head; absent where the reader is an MLP or the logits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<HeadInput>,
    /// All components of the circuit that read through this edge: several where heads share keys and values.
    pub readers: Vec<String>,
    /// What the score loses without this edge alone, in percentage points: measured in the circuit by path
    /// ablation, or estimated in the whole network by attribution.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub drop: f64,
    /// Whether `drop` was measured rather than estimated.
    pub measured: bool,
}

/// How well a circuit does the network's work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitScores {
    /// Faithfulness: score of the circuit alone, in percent.
    pub circuit: Estimate,
    /// Score of the network without the circuit, in percent.
    pub without: Estimate,
    /// Score with every component removed, in percent.
    pub nothing: Estimate,
    /// `100 * (LD_circuit - LD_nothing) / (LD_full - LD_nothing)`, in percent; absent where the network does no
    /// better than nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faithfulness_normalised: Option<Estimate>,
    /// Completeness: `100 * (LD_full - LD_without) / (LD_full - LD_nothing)`, in percent: how much of what can be
    /// lost is lost without the circuit; absent as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Estimate>,
    /// Minimality: the mean over the circuit's components of what the circuit's score loses without that one, in
    /// percentage points; absent for an empty circuit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimality: Option<Estimate>,
}

/// Random circuits with as many heads and MLPs. Each range is the mean over the draws with their 2.5% and
/// 97.5% quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RandomCircuits {
    /// Circuits drawn.
    pub draws: usize,
    /// Score of a random circuit alone, in percent.
    pub circuit: Estimate,
    /// Score of the network without a random circuit, in percent.
    pub without: Estimate,
    /// What a random circuit's score loses without one of its components (one drawn at random for each circuit),
    /// in percentage points.
    pub minimality: Estimate,
    /// `(1 + random circuits that score at least as high alone) / (1 + draws)`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub circuit_p: f64,
    /// `(1 + random circuits whose removal costs at least as much) / (1 + draws)`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub without_p: f64,
    /// `(1 + random circuits that lose at least the circuit's mean drop) / (1 + draws)`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub minimality_p: f64,
}

/// The circuit found at another threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitAtThreshold {
    /// Percentage points of the score that it may lose.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub threshold: f64,
    /// Heads in it.
    pub heads: usize,
    /// MLPs in it.
    pub mlps: usize,
    /// Its score, in percent.
    pub circuit: Estimate,
    /// Its normalised faithfulness, as [`CircuitScores::faithfulness_normalised`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faithfulness_normalised: Option<Estimate>,
    /// Labels of its components.
    pub nodes: Vec<String>,
    /// Jaccard index `|A and B| / |A or B|` with the circuit of each threshold of the list, in its order.
    #[serde(with = "number::list")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub jaccard: Vec<f64>,
}

/// The circuits of teacher and student side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitComparison {
    /// Components of the teacher's circuit.
    pub teacher_size: usize,
    /// Components of the student's circuit.
    pub student_size: usize,
    /// Share of the teacher's components that are in its circuit, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub teacher_share: f64,
    /// Share of the student's components that are in its circuit, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub student_share: f64,
    /// Every component of the teacher's circuit with the student component most like it.
    pub members: Vec<CircuitMember>,
    /// Share of the teacher's circuit whose match is in the student's circuit, in `[0, 1]`.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub kept: f64,
    /// The same share for components of the teacher outside its circuit: what to expect by chance; NaN when there
    /// are none.
    #[serde(with = "number")]
    #[schemars(with = "Option<f64>")]
    pub kept_outside: f64,
    /// Components of the student's circuit that no component of the teacher's circuit is matched with.
    pub of_the_student_alone: Vec<String>,
}

/// A component of the teacher's circuit and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitMember {
    /// Label in the teacher.
    pub teacher: String,
    /// Label of the student component most like it (of the alignment).
    pub student: String,
    /// Whether that one is in the student's circuit.
    pub in_student_circuit: bool,
}
