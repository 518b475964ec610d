//! The experiments known by name.

use toml::Table;

use super::workbench::Workbench;
use super::{Findings, ReproduceError, missing, mnist, regulariser, sound, specialists, speech, temperature};

/// An experiment of a paper.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The paper and the part of it.
    pub paper: &'static str,
    /// The data sets it needs.
    pub data: &'static [&'static str],
    /// Its recipe, TOML.
    pub recipe: &'static str,
    /// Runs it over the seeds.
    pub(super) run: fn(&Table, &[u64], &Workbench<'_>) -> Result<Findings, ReproduceError>,
}

impl std::fmt::Debug for Experiment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Experiment").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "hinton-mnist",
        title: "A small net learns MNIST from the soft targets of a large regularised one",
        paper: "Hinton, Vinyals, Dean 2015, section 3",
        data: &["mnist"],
        recipe: include_str!("../../../../recipes/reproduce/hinton-mnist.toml"),
        run: mnist::run,
    },
    Experiment {
        name: "hinton-temperature",
        title: "Which temperature is best, by the width of the student",
        paper: "Hinton, Vinyals, Dean 2015, section 3",
        data: &["mnist"],
        recipe: include_str!("../../../../recipes/reproduce/hinton-temperature.toml"),
        run: temperature::run,
    },
    Experiment {
        name: "hinton-no-threes",
        title: "A student that never saw a 3 knows what a 3 is",
        paper: "Hinton, Vinyals, Dean 2015, section 3",
        data: &["mnist"],
        recipe: include_str!("../../../../recipes/reproduce/hinton-no-threes.toml"),
        run: missing::without_classes,
    },
    Experiment {
        name: "hinton-sevens-eights",
        title: "A student that saw nothing but 7s and 8s knows most digits",
        paper: "Hinton, Vinyals, Dean 2015, section 3",
        data: &["mnist"],
        recipe: include_str!("../../../../recipes/reproduce/hinton-sevens-eights.toml"),
        run: missing::only_classes,
    },
    Experiment {
        name: "hinton-speech",
        title: "An ensemble of ten nets distilled into one, on frames of spoken digits",
        paper: "Hinton, Vinyals, Dean 2015, section 4",
        data: &["spoken-digits"],
        recipe: include_str!("../../../../recipes/reproduce/hinton-speech.toml"),
        run: speech::run,
    },
    Experiment {
        name: "hinton-regulariser",
        title: "Soft targets as a regulariser: 3% of the frames, hard against soft",
        paper: "Hinton, Vinyals, Dean 2015, section 6",
        data: &["spoken-digits"],
        recipe: include_str!("../../../../recipes/reproduce/hinton-regulariser.toml"),
        run: regulariser::run,
    },
    Experiment {
        name: "hinton-specialists",
        title: "Specialists for the classes a generalist confuses, and both distilled back into one net",
        paper: "Hinton, Vinyals, Dean 2015, section 5",
        data: &["mnist", "fashion-mnist"],
        recipe: include_str!("../../../../recipes/reproduce/hinton-specialists.toml"),
        run: specialists::run,
    },
    Experiment {
        name: "sound-student",
        title: "Can a student be kept sound: objectives and dropout on its inside against plain distillation",
        paper: "our own; severity and alignment of Haskins & Adams 2025",
        data: &[],
        recipe: include_str!("../../../../recipes/reproduce/sound-student.toml"),
        run: sound::quickstart,
    },
    Experiment {
        name: "sound-student-smollm2",
        title: "The same on SmolLM2-135M and every second layer of it",
        paper: "our own; severity and alignment of Haskins & Adams 2025",
        data: &[],
        recipe: include_str!("../../../../recipes/reproduce/sound-student-smollm2.toml"),
        run: sound::smollm2,
    },
];

/// The experiment of that name.
///
/// # Errors
/// An unknown name; the error lists those there are.
pub fn experiment(name: &str) -> Result<&'static Experiment, ReproduceError> {
    EXPERIMENTS.iter().find(|one| one.name == name).ok_or_else(|| ReproduceError::Unknown {
        name: name.to_owned(),
        known: EXPERIMENTS.iter().map(|one| one.name.to_owned()).collect(),
    })
}
