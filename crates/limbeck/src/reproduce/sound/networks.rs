//! Decoders of an experiment: trained, or found where an earlier run left them.

use std::path::PathBuf;

use limbeck_data::atomic::{AtomicFolder, read_json, write_json};
use limbeck_data::examples::hash_examples;
use limbeck_distill::objective::ObjectiveConfig;
use limbeck_distill::trainer::Network;
use limbeck_distill::{TrainingConfig, TrainingJob, forget, train};
use limbeck_model::{Decoder, Lineage, Tokenizer, load_model, save_hf_folder};
use limbeck_results::NetworkUsed;
use limbeck_teach::{LocalTeacher, Teacher};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::pair::Pair;
use super::settings::{Common, Variant};
use crate::memory::check_step;
use crate::reproduce::ReproduceError;
use crate::reproduce::store::{Store, networks};
use crate::reproduce::workbench::Workbench;

/// Raised when a change of the program changes what the same job trains to.
const TRAINING_VERSION: u32 = 1;
const RECORD: &str = "training.json";

/// A trained decoder.
pub(super) struct Trained {
    pub(super) decoder: Decoder,
    /// Hash of all that decides its weights; the name of its folder.
    pub(super) key: String,
    /// Wall-clock seconds of its training.
    pub(super) seconds: f64,
}

/// `training.json`: how a decoder was trained.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    identity: serde_json::Value,
    steps: u64,
    tokens: u64,
    seconds: f64,
}

/// What is to be trained.
pub(super) struct DecoderJob<'a> {
    /// Its part, for people.
    pub(super) label: String,
    pub(super) begins: Decoder,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) examples: std::sync::Arc<[limbeck_data::examples::TokenExample]>,
    pub(super) objectives: Vec<ObjectiveConfig>,
    pub(super) config: TrainingConfig,
    pub(super) teacher: Option<LocalTeacher>,
}

/// A student of a pair by a variant: plain distillation and what the variant adds.
pub(super) fn student(
    pair: &Pair,
    variant: &Variant,
    common: &Common,
    seed: u64,
    bench: &Workbench<'_>,
) -> Result<Trained, ReproduceError> {
    let config = TrainingConfig {
        seed,
        component_dropout: variant.dropout,
        steps: variant.steps.unwrap_or(common.training.steps),
        ..common.training.clone()
    };
    let job = DecoderJob {
        label: format!("student {}, seed {seed}", variant.name),
        begins: pair.student.clone(),
        tokenizer: &pair.tokenizer,
        examples: pair.training.clone(),
        objectives: common.plain.iter().chain(&variant.add).cloned().collect(),
        teacher: Some(pair.local_teacher().with_precision(config.precision)),
        config,
    };
    have(job, bench)
}

/// Finds the decoder, or trains it; a training that was stopped goes on from its last checkpoint.
pub(super) fn have(job: DecoderJob<'_>, bench: &Workbench<'_>) -> Result<Trained, ReproduceError> {
    let identity = json!({
        "training_version": TRAINING_VERSION,
        "begins": Network::new(job.begins.clone(), &[], None, 0).hash(),
        "objectives": job.objectives,
        "training": job.config.hash(),
        "data": hash_examples(&job.examples),
        "teacher": job.teacher.as_ref().map(|teacher| teacher.identity().hash.clone()),
    });
    let key = Store::key(&identity);
    let folder = networks(bench.folder()).join(&key);
    let widths = vec![job.begins.config().d_model; job.begins.config().n_layers];
    let label = job.label.clone();
    if !folder.is_dir() {
        make(job, identity, &key, folder.clone(), bench)?;
    }
    let record: Record = read_json(&folder.join(RECORD))?;
    let seconds = record.seconds;
    bench.note_used(NetworkUsed { label, key: key.clone(), widths, epoch: record.steps, seconds });
    let loaded = load_model(&folder, &Default::default())?;
    Ok(Trained { decoder: loaded.decoder, key, seconds })
}

fn make(
    job: DecoderJob<'_>,
    identity: serde_json::Value,
    key: &str,
    folder: PathBuf,
    bench: &Workbench<'_>,
) -> Result<(), ReproduceError> {
    let longest = job.examples.iter().map(|example| example.len()).max().unwrap_or(0);
    check_step(&job.label, job.begins.config(), &job.config, longest)?;
    let unfinished = bench.folder().join("unfinished").join(key);
    let tokenizer = job.tokenizer;
    let outcome = train(
        TrainingJob {
            network: job.label,
            student: job.begins,
            vocab_used: None,
            teacher: job.teacher.map(|teacher| Box::new(teacher) as Box<dyn Teacher>),
            examples: job.examples,
            objectives: job.objectives,
            config: job.config,
            checkpoint_dir: unfinished.join("checkpoints"),
            metrics_path: unfinished.join("metrics.jsonl"),
        },
        bench.progress,
    )?;
    let building = AtomicFolder::create(&folder)?;
    save_hf_folder(building.path(), &outcome.decoder, tokenizer, &Lineage::default())?;
    let record = Record { identity, steps: outcome.steps, tokens: outcome.tokens, seconds: outcome.seconds };
    write_json(&building.path().join(RECORD), &record)?;
    write_json(&building.path().join("curve.json"), &outcome.curve)?;
    building.commit()?;
    forget(&unfinished.join("checkpoints"))?;
    Ok(())
}
