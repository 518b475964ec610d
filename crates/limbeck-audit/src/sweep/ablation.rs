//! What is put in the place of a component's values.

/// What a changed component says instead of what it computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ablation {
    /// Its mean over the corrupted prompts of the group, per position.
    Mean,
    /// Zero.
    Zero,
    /// What it says on the prompt's partner: on the corrupted prompt when the clean one is run, and the other way
    /// round. This is activation patching (Vig et al. 2020; Meng et al. 2022).
    Partner,
    /// What it says on another corrupted prompt of the group, drawn at random (resample ablation: Chan et al. 2022).
    Resample {
        /// Seed of the draw.
        seed: u64,
    },
    /// What it computed and normal noise on top.
    Noise {
        /// Standard deviation of the noise, in units of the component's own: how far its values lie from their mean
        /// per position over the corrupted prompts, root mean square over prompts, positions and dimensions.
        size: f64,
        /// Seed of the noise.
        seed: u64,
    },
}

/// Which prompts are run and changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Base {
    /// The clean ones: what is lost without a component.
    #[default]
    Clean,
    /// The corrupted ones: what a component brings back.
    Corrupted,
}
