//! Time per token while one size of the shape grows.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::measurement::Measurement;
use super::workload::DecoderShape;

/// The size that grows. Around it stands a GPT-2 style pair of vocabulary 8192, 4 -> 2 layers, width 256, heads of
/// 64, 4 x 128 tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sweep {
    /// Tokens of a sequence: 32 to 1024
    Tokens,
    /// Vocabulary: 512 to 131072
    Vocab,
    /// Layers of the student, the teacher having twice as many: 1 to 16
    Layers,
    /// Width: 64 to 1024
    Width,
}

impl Sweep {
    fn sizes(self) -> &'static [usize] {
        match self {
            Self::Tokens => &[32, 64, 128, 256, 512, 1024],
            Self::Vocab => &[512, 2048, 8192, 32768, 131_072],
            Self::Layers => &[1, 2, 4, 8, 16],
            Self::Width => &[64, 128, 256, 512, 1024],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Vocab => "vocab",
            Self::Layers => "layers",
            Self::Width => "width",
        }
    }

    /// The points, smallest first.
    pub(super) fn shapes(self) -> Vec<(String, DecoderShape)> {
        let shape = |size: usize| match self {
            Self::Tokens => DecoderShape::gpt2(8192, [4, 2], 256, 4, [4, size]),
            Self::Vocab => DecoderShape::gpt2(size, [4, 2], 256, 4, [4, 128]),
            Self::Layers => DecoderShape::gpt2(8192, [2 * size, size], 256, 4, [4, 128]),
            Self::Width => DecoderShape::gpt2(8192, [4, 2], size, size / 64, [4, 128]),
        };
        self.sizes().iter().map(|&size| (size.to_string(), shape(size))).collect()
    }

    /// The points as JSON.
    pub(super) fn data(self, points: &[Measurement]) -> Value {
        let points: Vec<Value> = self
            .sizes()
            .iter()
            .zip(points)
            .map(|(size, point)| {
                json!({
                    "size": size,
                    "tokens_per_step": point.units_per_step,
                    "median_ms": point.median_ms,
                    "min_ms": point.min_ms,
                    "max_ms": point.max_ms,
                    "ms_per_token": point.ms_per_unit(),
                    "gflop_per_step": point.gflop_per_step,
                    "gflops": point.gflops,
                    "gemm_gflops": point.gemm_gflops,
                    "minor_faults_per_step": point.minor_faults_per_step,
                })
            })
            .collect();
        json!({ "sweep": self, "points": points })
    }

    /// The points for people.
    pub(super) fn table(self, points: &[Measurement]) -> String {
        let mut text =
            format!("{:>8} {:>12} {:>14} {:>10}\n", self.name(), "ms a step", "us a token", "GFLOP/s");
        for point in points {
            text += &format!(
                "{:>8} {:>12.2} {:>14.2} {:>10.1}\n",
                point.workload,
                point.median_ms,
                1e3 * point.ms_per_unit(),
                point.gflops
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sweep_passes_through_the_same_point() {
        let middle = DecoderShape::gpt2(8192, [4, 2], 256, 4, [4, 128]);
        for sweep in Sweep::value_variants() {
            assert!(sweep.shapes().iter().any(|(_, shape)| *shape == middle), "{sweep:?}");
        }
    }
}
