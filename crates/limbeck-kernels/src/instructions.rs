//! Which vector instructions the kernels use: the widest of this processor, or less where the environment says so.

use std::sync::OnceLock;

/// Environment variable with the most that is used, as [`Instructions::name`] writes it: so that every kernel can be tested on
/// one machine.
pub const INSTRUCTIONS: &str = "LIMBECK_INSTRUCTIONS";

/// Levels of vector instructions, each with those before it. Products of one level have the same bits on all processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// Loops compiled for the oldest processor of the architecture; products by the `gemm` crate, which chooses for itself.
    Portable,
    /// AVX2 with fused multiply-adds.
    Avx2,
    /// AVX-512 (F, DQ, BW, VL); AVX512-BF16 for rounded products where there is some.
    Avx512,
    /// AMX tiles beside AVX-512.
    Amx,
}

impl Instructions {
    /// All, least first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx];

    /// The widest that this processor has and the system lends.
    pub fn detected() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            match (avx2, avx512) {
                (_, true) if crate::product::has_tiles() => Self::Amx,
                (_, true) => Self::Avx512,
                (true, false) => Self::Avx2,
                (false, false) => Self::Portable,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self::Portable
    }

    /// What the kernels use: [`Self::detected`], or what [`INSTRUCTIONS`] names if that is less. Read once.
    pub fn used() -> Self {
        static USED: OnceLock<Instructions> = OnceLock::new();
        *USED.get_or_init(|| {
            let most = std::env::var(INSTRUCTIONS).ok().and_then(|name| Self::named(&name));
            Self::detected().min(most.unwrap_or(Self::Amx))
        })
    }

    /// The name in the environment and in what is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// The level of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}
