//! The shapes whose steps are timed.

use clap::ValueEnum;
use limbeck::model::{DecoderConfig, Position, Sizes};

/// A named shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Workload {
    /// GPT-2 style, vocabulary 512, 4 -> 2 layers, width 128, 4 heads, 32 x 64 tokens
    W1,
    /// GPT-2 style, vocabulary 50257, 12 -> 6 layers, width 384, 6 heads, 4 x 128 tokens
    W2,
    /// Classifier 784-1200-1200-10 -> 784-800-800-10, batch 128
    W3,
    /// SmolLM2-135M halved: vocabulary 49152, 30 -> 15 layers, width 576, 9 heads on 3, 4 x 128 tokens
    Smollm2,
    /// A decoder that a test can afford
    #[value(hide = true)]
    TinyDecoder,
    /// A classifier that a test can afford
    #[value(hide = true)]
    TinyClassifier,
}

/// What is trained in a workload.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A decoder by a deeper one.
    Decoder(DecoderShape),
    /// A classifier by a wider one.
    Classifier(ClassifierShape),
}

/// A student decoder, its teacher's depth, and the tokens of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DecoderShape {
    /// The student; the teacher differs in depth only.
    pub(super) student: DecoderConfig,
    /// Blocks of the teacher.
    pub(super) teacher_layers: usize,
    /// Sequences of a step.
    pub(super) rows: usize,
    /// Tokens of a sequence.
    pub(super) length: usize,
}

/// Two multi-layer perceptrons and the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassifierShape {
    /// Teacher's widths, features first and classes last.
    pub(super) teacher: Vec<usize>,
    /// Student's widths.
    pub(super) student: Vec<usize>,
    /// Examples of a step.
    pub(super) batch: usize,
}

impl DecoderShape {
    /// The teacher.
    pub(super) fn teacher(&self) -> DecoderConfig {
        DecoderConfig { n_layers: self.teacher_layers, ..self.student.clone() }
    }

    /// A GPT-2 style pair with an MLP of four times the width.
    pub(super) fn gpt2(
        vocab_size: usize,
        layers: [usize; 2],
        d_model: usize,
        n_heads: usize,
        [rows, length]: [usize; 2],
    ) -> Self {
        let [teacher_layers, n_layers] = layers;
        let sizes = Sizes {
            vocab_size,
            d_model,
            n_layers,
            n_heads,
            n_kv_heads: n_heads,
            d_mlp: 4 * d_model,
            max_positions: length,
        };
        Self { student: DecoderConfig::gpt2(sizes), teacher_layers, rows, length }
    }
}

impl Workload {
    /// Its shape.
    pub(super) fn shape(self) -> Shape {
        let classifier = |teacher: &[usize], student: &[usize], batch| {
            Shape::Classifier(ClassifierShape { teacher: teacher.to_vec(), student: student.to_vec(), batch })
        };
        match self {
            Self::W1 => Shape::Decoder(DecoderShape::gpt2(512, [4, 2], 128, 4, [32, 64])),
            Self::W2 => Shape::Decoder(DecoderShape::gpt2(50257, [12, 6], 384, 6, [4, 128])),
            Self::W3 => classifier(&[784, 1200, 1200, 10], &[784, 800, 800, 10], 128),
            Self::Smollm2 => Shape::Decoder(smollm2()),
            Self::TinyDecoder => Shape::Decoder(DecoderShape::gpt2(64, [2, 1], 16, 2, [4, 8])),
            Self::TinyClassifier => classifier(&[12, 16, 4], &[12, 8, 4], 8),
        }
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// SmolLM2-135M and a student of every second layer.
fn smollm2() -> DecoderShape {
    let sizes = Sizes {
        vocab_size: 49152,
        d_model: 576,
        n_layers: 15,
        n_heads: 9,
        n_kv_heads: 3,
        d_mlp: 1536,
        max_positions: 2048,
    };
    let student = DecoderConfig {
        position: Position::Rotary { theta: 100_000.0, scaling: None },
        ..DecoderConfig::llama(sizes)
    };
    DecoderShape { student, teacher_layers: 30, rows: 4, length: 128 }
}
