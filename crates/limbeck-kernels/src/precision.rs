//! The arithmetic of matrix products.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the operands of a matrix product are held. Sums, weights, norms and losses are 32-bit either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit operands. On AMX tiles they are split into three bfloat16 values each, which loses nothing: results are as
    /// exact as those of 32-bit multiply-adds.
    #[default]
    F32,
    /// Operands rounded to bfloat16, products summed in 32 bits: by AMX tiles where the processor has
    /// them, else by the AVX512-BF16 dot product. Elsewhere (see [`Precision::native`]) 32-bit operands.
    Bf16,
}

impl Precision {
    /// What this machine's flex backend really computes in: [`Precision::Bf16`] becomes [`Precision::F32`]
    /// on a processor without bfloat16 products.
    pub fn native(self) -> Self {
        match self {
            Self::Bf16 if crate::product::has_bf16() => Self::Bf16,
            _ => Self::F32,
        }
    }

    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}
