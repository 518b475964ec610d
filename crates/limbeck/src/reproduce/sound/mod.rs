//! `sound-student` and `sound-student-smollm2`: whether a student can be kept sound inside at no loss of what it can do.
//!
//! Plain distillation is compared with the same distillation and one objective, or dropout of components, more: same data,
//! same order, same steps, same start, seed by seed. What is measured on which prompts, every variant and the
//! budget are in the recipe, fixed before the runs. Weights are first guesses: three validation seeds decided the prompts and the number of
//! steps, and no weight.

mod comparison;
mod findings;
mod measure;
mod networks;
mod pair;
mod quickstart;
mod second;
mod settings;
mod smollm2;

use toml::Table;

use self::comparison::Measurements;
use self::pair::Pair;
use self::settings::Common;
use super::workbench::Workbench;
use super::{Findings, ReproduceError};

/// On the quickstart's pair.
pub(super) fn quickstart(
    recipe: &Table,
    seeds: &[u64],
    bench: &Workbench<'_>,
) -> Result<Findings, ReproduceError> {
    let settings: quickstart::Settings = super::recipe::settings(recipe, "sound-student")?;
    settings.common.check()?;
    compare(&settings.common, seeds, bench, |seed| quickstart::pair(&settings, seed, bench))
}

/// On SmolLM2 and every second layer of it.
pub(super) fn smollm2(
    recipe: &Table,
    seeds: &[u64],
    bench: &Workbench<'_>,
) -> Result<Findings, ReproduceError> {
    let settings: smollm2::Settings = super::recipe::settings(recipe, "sound-student-smollm2")?;
    settings.common.check()?;
    let sources = smollm2::Sources::fetch(&settings, bench)?;
    compare(&settings.common, seeds, bench, |seed| smollm2::pair(&settings, &sources, seed))
}

/// Trains and measures every variant of every seed, and says what was found.
fn compare(
    common: &Common,
    seeds: &[u64],
    bench: &Workbench<'_>,
    pair: impl Fn(u64) -> Result<Pair, ReproduceError>,
) -> Result<Findings, ReproduceError> {
    let variants = common.variants_of_phase()?;
    let mut measured = Measurements::new(&variants);
    for &seed in seeds {
        let seed = common.phase.seed(seed);
        let pair = pair(seed)?;
        measured.begin(measure::teacher(&pair, common, bench)?);
        for variant in &variants {
            let student = networks::student(&pair, variant, common, seed, bench)?;
            let found = measure::student(&pair, &student, common, bench)?;
            bench.progress.note(&format!("seed {seed}, {}: {}", variant.name, found.line()));
            measured.add(found, student.seconds);
        }
    }
    match common.second() {
        Some(second) => second::findings(second, &measured),
        None => findings::findings(common, &measured),
    }
}
