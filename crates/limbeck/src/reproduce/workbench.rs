//! Where experiments get their data and their networks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;
use limbeck_data::labelled::{
    LabelledSet, SourceOverrides, Split, SpokenDigits, load_split, load_spoken, source_of,
};
use limbeck_data::locate::Cache;
use limbeck_data::progress::Progress;
use limbeck_distill::classifier::{
    ClassTerm, ClassifierConfig, ClassifierJob, SoftTargets, train_classifier,
};
use limbeck_model::{ClassLogits, Mlp};
use limbeck_results::{DataUsed, NetworkUsed};
use limbeck_teach::ClassifierTeacher;
use serde_json::json;

use super::ReproduceError;
use super::store::{Store, StoredNetwork, hash_classes, hash_floats, hash_network, hash_rows, networks};

/// Raised when a change of the program changes what the same job trains to: stored networks are then trained anew.
const TRAINING_VERSION: u32 = 1;

/// Data, networks and progress of an experiment.
pub struct Workbench<'a> {
    folder: PathBuf,
    store: Store,
    sources: &'a SourceOverrides,
    cache: &'a Cache,
    /// Networks trained at the same time.
    pub jobs: usize,
    /// Where long work reports.
    pub progress: &'a dyn Progress,
    data: Mutex<BTreeMap<String, DataUsed>>,
    used: Mutex<Vec<NetworkUsed>>,
}

impl std::fmt::Debug for Workbench<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workbench").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A labelled set with the hash of its content.
#[derive(Debug, Clone)]
pub struct HashedSet {
    /// The set.
    pub set: Arc<LabelledSet>,
    /// BLAKE3 of its content.
    pub hash: String,
}

impl HashedSet {
    /// Hashes a set.
    pub fn new(set: LabelledSet) -> Self {
        Self { hash: set.hash(), set: Arc::new(set) }
    }

    /// All rows of the set.
    pub fn all(&self) -> Vec<usize> {
        (0..self.set.len()).collect()
    }
}

/// The teacher's side of a job.
#[derive(Debug, Clone)]
pub enum JobTeacher {
    /// Logits of every row, in the order of the job's rows.
    Stored(Arc<ClassLogits>),
    /// Asked as training goes on.
    Live(Arc<ClassifierTeacher>),
}

/// A network to be had: trained, or found in the store.
#[derive(Debug, Clone)]
pub struct NetworkJob {
    /// Its part in the experiment, for people.
    pub label: String,
    /// How it is trained.
    pub config: ClassifierConfig,
    /// Its objectives.
    pub terms: Vec<ClassTerm>,
    /// The data.
    pub data: HashedSet,
    /// The rows trained on.
    pub rows: Arc<Vec<usize>>,
    /// Classes other than the set's, for each of `rows`.
    pub labels: Option<Arc<Vec<u32>>>,
    /// Number of classes of the network.
    pub classes: usize,
    /// The teacher.
    pub teacher: Option<JobTeacher>,
    /// The weights it begins with; fresh ones drawn from `seed` when absent.
    pub initial: Option<Mlp>,
    /// Held-out rows of the same set, or of another.
    pub held_out: Option<(HashedSet, Arc<Vec<usize>>)>,
    /// Seed of weights, order, jitter and dropout.
    pub seed: u64,
}

impl NetworkJob {
    /// Training on hard labels, from fresh weights.
    pub fn hard(
        label: impl Into<String>,
        config: &ClassifierConfig,
        data: &HashedSet,
        rows: Arc<Vec<usize>>,
        seed: u64,
    ) -> Self {
        Self {
            label: label.into(),
            config: config.clone(),
            terms: vec![ClassTerm::hard()],
            classes: data.set.classes(),
            data: data.clone(),
            rows,
            labels: None,
            teacher: None,
            initial: None,
            held_out: None,
            seed,
        }
    }

    /// The same with a teacher and these objectives.
    #[must_use]
    pub fn taught(self, teacher: JobTeacher, terms: Vec<ClassTerm>) -> Self {
        Self { teacher: Some(teacher), terms, ..self }
    }

    fn identity(&self) -> serde_json::Value {
        let teacher = match &self.teacher {
            None => json!(null),
            Some(JobTeacher::Stored(logits)) => json!({ "stored": hash_floats(&logits.values) }),
            Some(JobTeacher::Live(teacher)) => {
                let members: Vec<String> = teacher.members().iter().map(hash_network).collect();
                json!({ "live": members, "how": teacher.description() })
            }
        };
        let stops = self.config.early_stopping.is_some();
        json!({
            "training_version": TRAINING_VERSION,
            "config": self.config,
            "terms": self.terms,
            "data": self.data.hash,
            "rows": hash_rows(&self.rows),
            "labels": self.labels.as_ref().map(|labels| hash_classes(labels)),
            "classes": self.classes,
            "teacher": teacher,
            "initial": self.initial.as_ref().map(hash_network),
            // Held-out rows only decide the weights where they decide when to stop.
            "held_out": self.held_out.as_ref().filter(|_| stops)
                .map(|(data, rows)| json!([data.hash, hash_rows(rows)])),
            "seed": self.seed,
        })
    }
}

impl<'a> Workbench<'a> {
    /// A workbench over a folder.
    pub fn new(
        out: &Path,
        sources: &'a SourceOverrides,
        cache: &'a Cache,
        jobs: usize,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            folder: out.to_path_buf(),
            store: Store::new(networks(out)),
            sources,
            cache,
            jobs: jobs.max(1),
            progress,
            data: Mutex::default(),
            used: Mutex::default(),
        }
    }

    /// Training and test images of a data set.
    ///
    /// # Errors
    /// When the data cannot be had.
    pub fn images(&self, name: &str) -> Result<(HashedSet, HashedSet), ReproduceError> {
        let Split { training, test } = load_split(name, self.sources, self.cache, self.progress)?;
        let (training, test) = (HashedSet::new(training), HashedSet::new(test));
        self.note_data(name, &format!("{} {}", training.hash, test.hash))?;
        Ok((training, test))
    }

    /// The spoken digits.
    ///
    /// # Errors
    /// When the data cannot be had.
    pub fn spoken(&self) -> Result<SpokenDigits, ReproduceError> {
        let spoken = load_spoken(self.sources, self.cache, self.progress)?;
        self.note_data("spoken-digits", &spoken.hash())?;
        Ok(spoken)
    }

    /// The folder everything is kept in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cache of what is fetched.
    pub(super) fn cache(&self) -> &Cache {
        self.cache
    }

    /// Notes data that did not come through [`Self::images`] or [`Self::spoken`].
    pub(super) fn note_source(&self, used: DataUsed) {
        self.data.lock().unwrap_or_else(PoisonError::into_inner).insert(used.name.clone(), used);
    }

    fn note_data(&self, name: &str, hash: &str) -> Result<(), ReproduceError> {
        let source = source_of(name, self.sources)?
            .map_or_else(|| "inside the program".to_owned(), |locator| locator.to_string());
        let used = DataUsed { name: name.to_owned(), source, hash: hash.to_owned() };
        self.data.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), used);
        Ok(())
    }

    /// A network, trained unless it is in the store.
    ///
    /// # Errors
    /// When the training fails or the store cannot be read or written.
    pub fn network(&self, job: &NetworkJob) -> Result<StoredNetwork, ReproduceError> {
        let stored = self.have(job, self.progress)?;
        self.note_network(job, &stored);
        Ok(stored)
    }

    /// Several independent networks, up to [`Self::jobs`] of them trained at the same time, in the order asked for.
    ///
    /// # Errors
    /// The first that fails; those that were trained are kept.
    pub fn all(&self, label: &str, jobs: &[NetworkJob]) -> Result<Vec<StoredNetwork>, ReproduceError> {
        let workers = self.jobs.min(jobs.len()).max(1);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done: Vec<Mutex<Option<Result<StoredNetwork, ReproduceError>>>> =
            jobs.iter().map(|_| Mutex::new(None)).collect();
        self.progress.start(label, jobs.len() as u64, "networks");
        let quiet = Stoppable(self.progress);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while !failed.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(job), Some(place)) = (jobs.get(index), done.get(index)) else {
                            return;
                        };
                        let result = self.have(job, &quiet);
                        failed.fetch_or(result.is_err(), Ordering::Relaxed);
                        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                        self.progress.advance(1);
                    }
                });
            }
        });
        self.progress.finish();
        let mut trained = Vec::with_capacity(jobs.len());
        let results =
            done.into_iter().map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner));
        for (result, job) in results.flatten().zip(jobs) {
            let stored = result?;
            self.note_network(job, &stored);
            trained.push(stored);
        }
        Ok(trained)
    }

    fn have(&self, job: &NetworkJob, progress: &dyn Progress) -> Result<StoredNetwork, ReproduceError> {
        let identity = job.identity();
        let key = Store::key(&identity);
        if let Some(stored) = self.store.read(&key)? {
            return Ok(stored);
        }
        let network = match &job.initial {
            Some(network) => network.clone(),
            None => {
                let widths = job.config.widths(job.data.set.width(), job.classes);
                Mlp::init(&widths, job.seed, &Device::default())?
            }
        };
        let teacher = job.teacher.as_ref().map(|teacher| match teacher {
            JobTeacher::Stored(logits) => SoftTargets::Stored(logits),
            JobTeacher::Live(teacher) => SoftTargets::Live(teacher),
        });
        let trained = train_classifier(
            ClassifierJob {
                label: &job.label,
                network,
                set: &job.data.set,
                rows: &job.rows,
                labels: job.labels.as_ref().map(|labels| labels.as_slice()),
                teacher,
                terms: &job.terms,
                config: &job.config,
                held_out: job.held_out.as_ref().map(|(data, rows)| (data.set.as_ref(), rows.as_slice())),
                seed: job.seed,
            },
            progress,
        )?;
        self.store.write(&key, identity, trained)
    }

    fn note_network(&self, job: &NetworkJob, stored: &StoredNetwork) {
        self.note_used(NetworkUsed {
            label: format!("{}, seed {}", job.label, job.seed),
            key: stored.key.clone(),
            widths: stored.network.widths(),
            epoch: stored.record.epoch,
            seconds: stored.record.seconds,
        });
    }

    /// Notes a network, once.
    pub(super) fn note_used(&self, network: NetworkUsed) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.iter().any(|one| one.key == network.key) {
            used.push(network);
        }
    }

    /// The networks and the data that were used.
    pub(super) fn into_used(self) -> (Vec<NetworkUsed>, Vec<DataUsed>) {
        let data = self.data.into_inner().unwrap_or_else(PoisonError::into_inner);
        (self.used.into_inner().unwrap_or_else(PoisonError::into_inner), data.into_values().collect())
    }
}

/// Progress of one of several trainings side by side: it shows nothing of its own, and stops with the others.
struct Stoppable<'a>(&'a dyn Progress);

impl Progress for Stoppable<'_> {
    fn start(&self, _label: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _by: u64) {}
    fn note(&self, text: &str) {
        self.0.note(text);
    }
    fn finish(&self) {}
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
