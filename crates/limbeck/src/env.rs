//! Every environment variable Limbeck or a library below it reads.

use limbeck_kernels::Instructions;

/// Prefix of variables that override a key of the recipe: `LIMBECK__TRAINING__STEPS=10` sets
/// `training.steps`, `LIMBECK__OBJECTIVES__0__WEIGHT=0.5` the weight of the first objective. The
/// value is read as TOML; what is no TOML value is taken as a string.
pub const OVERRIDE_PREFIX: &str = "LIMBECK__";

/// The device when `--device` does not say.
pub const DEVICE: &str = "LIMBECK_DEVICE";

/// Name and meaning of every variable, for the documentation and `--help`.
pub const VARIABLES: &[(&str, &str)] = &[
    ("LIMBECK__SECTION__KEY", "overrides a key of the recipe, e.g. LIMBECK__TRAINING__STEPS=10"),
    (DEVICE, "where tensors live, as --device: cpu, cuda[:N], wgpu[:N]"),
    ("LIMBECK_CACHE", "folder where fetched models and data are kept"),
    ("HF_HOME", "folder of the Hugging Face cache, for hf: locators"),
    ("HF_ENDPOINT", "address of the Hugging Face hub, for hf: locators"),
    ("HF_TOKEN", "access token of the hub; sent to it and written nowhere"),
    ("NO_COLOR", "when set, messages are not coloured"),
    (THREADS, "number of threads of the CPU backend, at most 1024"),
    (
        INSTRUCTIONS,
        "most vector instructions used: portable, avx2, avx512 or amx; what the processor lacks is never used",
    ),
];

/// Most vector instructions that the kernels use; read by them.
pub use limbeck_kernels::INSTRUCTIONS;

/// Number of threads of the CPU backend; read by rayon.
pub const THREADS: &str = "RAYON_NUM_THREADS";

/// Most threads that are asked of a machine.
pub const MOST_THREADS: usize = 1024;

/// Refuses what no machine gives, before the first thread is started.
///
/// # Errors
/// In words, when [`THREADS`] is no number from 0 (as many as there are processors) to [`MOST_THREADS`], or
/// [`INSTRUCTIONS`] names no level.
pub fn check_processor() -> Result<(), String> {
    if let Some(name) = std::env::var_os(INSTRUCTIONS)
        && name.to_str().and_then(Instructions::named).is_none()
    {
        return Err(format!(
            "{INSTRUCTIONS} is `{}`, expected {}",
            name.to_string_lossy(),
            Instructions::ALL.map(Instructions::name).join(", ")
        ));
    }
    let Some(text) = std::env::var_os(THREADS).filter(|text| !text.is_empty()) else { return Ok(()) };
    match text.to_str().and_then(|text| text.trim().parse::<usize>().ok()) {
        Some(0..=MOST_THREADS) => Ok(()),
        _ => Err(format!(
            "{THREADS} is `{}`, expected a number of threads from 1 to {MOST_THREADS}",
            text.to_string_lossy()
        )),
    }
}

/// Whether the user wants messages without colour (<https://no-color.org>).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The recipe overrides of the environment: variable name, dotted key, text of the value; in the
/// order of their names.
pub fn overrides() -> Vec<(String, String, String)> {
    let mut found: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let path = name.strip_prefix(OVERRIDE_PREFIX)?;
            let key = path.to_lowercase().replace("__", ".");
            let value = value.into_string().ok()?;
            Some((name, key, value))
        })
        .collect();
    found.sort();
    found
}
