//! From the places a recipe names to token examples: splits kept apart, losses counted, several sources mixed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use limbeck_data::DataError;
use limbeck_data::examples::{Split, TokenExample, pack, split_shuffled, split_tail};
use limbeck_data::progress::Progress;
use limbeck_data::records::{DataSet, Place, ReadOptions, Record, RecordStream, data_set};
use limbeck_model::Tokenizer;

use super::StageError;
use super::losses::Losses;
use super::records::{Encoded, example_of};
use crate::recipe::{CorpusConfig, HeldOut, SourceConfig};

/// Held-out examples below which intervals are wide.
const ENOUGH: usize = 30;
/// Share that is held out where the recipe and the data say nothing.
const USUAL_SHARE: f64 = 0.05;
/// Largest share that is held out to have [`ENOUGH`].
const LARGEST_SHARE: f64 = 0.25;

/// A place that was fetched.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) entry: SourceConfig,
    pub(crate) path: PathBuf,
    pub(crate) hash: String,
}

/// How sources are read.
pub(crate) struct Reading<'a> {
    pub(crate) corpus: &'a CorpusConfig,
    /// Whether documents are cut into sequences; else each record is an example.
    pub(crate) packed: bool,
    pub(crate) tokenizer: &'a Tokenizer,
    /// Ids must be below this: the rows of teacher and student.
    pub(crate) rows: usize,
    pub(crate) seed: u64,
    /// Wrong records that are gathered before reading ends.
    pub(crate) most_errors: usize,
    pub(crate) progress: &'a dyn Progress,
}

/// What reading gave.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) train: Vec<TokenExample>,
    pub(crate) held_out: Vec<TokenExample>,
    pub(crate) losses: Losses,
    pub(crate) notes: Vec<String>,
    errors: Vec<DataError>,
}

impl Reading<'_> {
    /// Reads all sources.
    ///
    /// # Errors
    /// Files that cannot be read, wrong records, and more losses than the recipe allows.
    pub(crate) fn gather(&self, sources: &[Fetched]) -> Result<Gathered, StageError> {
        let mut all = Gathered::default();
        let mut parts = Vec::new();
        let mut unused = BTreeSet::new();
        for source in sources {
            // Notes of one among several sources say which.
            let of = if sources.len() > 1 { format!("{}: ", source.entry.source) } else { String::new() };
            let before = all.notes.len();
            let split = self.source(source, &mut all, &mut unused)?;
            for note in &mut all.notes[before..] {
                note.insert_str(0, &of);
            }
            parts.push(split);
        }
        if !unused.is_empty() {
            let names: Vec<String> = unused.iter().take(12).map(|name| format!("`{name}`")).collect();
            let more = unused.len().saturating_sub(12);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            all.notes.push(format!("columns that are not used: {}{more}", names.join(", ")));
        }
        if !all.errors.is_empty() {
            return Err(StageError::Rows { errors: all.errors });
        }
        if let Some(reason) = all.losses.refusal(self.corpus.max_lost) {
            return Err(StageError::TooLittle { reason });
        }
        all.notes.extend(all.losses.sentence());
        all.notes.extend(all.losses.spanning());
        self.mix(sources, parts, &mut all)?;
        if let Some(most) = self.corpus.max_examples.filter(|most| *most < all.train.len()) {
            all.notes.push(format!(
                "{} of {} training examples taken, as data.max_examples says",
                most,
                all.train.len()
            ));
            all.train.truncate(most);
        }
        if all.held_out.len() < ENOUGH {
            all.notes.push(format!(
                "{} examples are held out, fewer than {ENOUGH}: intervals will be wide (data.held_out, or more data)",
                all.held_out.len()
            ));
        }
        Ok(all)
    }

    /// One source: what is trained on and what is held out.
    fn source(
        &self,
        source: &Fetched,
        all: &mut Gathered,
        unused: &mut BTreeSet<String>,
    ) -> Result<Split<TokenExample>, StageError> {
        let options = ReadOptions {
            glob: source.entry.glob.clone(),
            configuration: source.entry.config.clone(),
            ignore: self.corpus.ignore.iter().cloned().collect(),
            prefer_texts: self.packed,
            ..ReadOptions::default()
        };
        let set = data_set(&source.path, &options)?;
        all.notes.extend(set.notes().iter().cloned());
        let chosen = self.held_out_split(&set)?;
        let others: Vec<&str> =
            set.held_out_splits().filter(|name| Some(*name) != chosen.as_deref()).collect();
        if !others.is_empty() {
            all.notes.push(format!(
                "splits left out (data.held_out names another to hold out): {}",
                others.join(", ")
            ));
        }
        let label = if self.packed { "reading text" } else { "reading records" };
        self.progress.start(label, 0, if self.packed { "documents" } else { "records" });
        let trained = self.examples(set.training(&options), all, unused)?;
        let held = match chosen.as_deref().and_then(|name| set.split(name, &options)) {
            Some(stream) => Some(self.examples(stream, all, unused)?),
            None => None,
        };
        self.progress.finish();
        let split = if self.packed { self.packed(trained, held, all)? } else { self.records(trained, held)? };
        if let Some(name) = chosen {
            all.notes.push(format!("held out: the {name} split, {} examples", split.held_out.len()));
        }
        Ok(split)
    }

    /// The split that is held out; none when a share of the training split is.
    fn held_out_split(&self, set: &DataSet) -> Result<Option<String>, StageError> {
        let names: Vec<&str> = set.held_out_splits().collect();
        match &self.corpus.held_out {
            Some(HeldOut::Share(_)) => Ok(None),
            None => Ok(names.first().map(|name| (*name).to_owned())),
            Some(HeldOut::Split(wanted)) if names.contains(&wanted.as_str()) => Ok(Some(wanted.clone())),
            Some(HeldOut::Split(wanted)) => Err(StageError::TooLittle {
                reason: format!(
                    "data.held_out: there is no split `{wanted}`; {}",
                    if names.is_empty() {
                        "the data has no validation or test split: give a share, such as 0.1".to_owned()
                    } else {
                        format!("there are: {}", names.join(", "))
                    }
                ),
            }),
        }
    }

    /// Token examples of a stream: of records cut to length, of documents whole.
    fn examples(
        &self,
        mut stream: RecordStream,
        all: &mut Gathered,
        unused: &mut BTreeSet<String>,
    ) -> Result<Vec<TokenExample>, StageError> {
        let mut examples = Vec::new();
        while let Some(record) = stream.next() {
            if self.progress.cancelled() {
                return Err(DataError::Cancelled.into());
            }
            let checked = record.and_then(|record| {
                self.check_ids(&record, stream.place())?;
                Ok(record)
            });
            let record = match checked {
                Ok(record) => record,
                Err(error @ DataError::Record { .. }) if self.most_errors > 1 => {
                    all.errors.push(error);
                    if all.errors.len() >= self.most_errors {
                        break;
                    }
                    stream.go_on();
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let Encoded { example, spanning } = example_of(&record, self.tokenizer)?;
            if self.packed {
                all.losses.read += 1;
                all.losses.longest = all.losses.longest.max(example.len());
                examples.push(example);
            } else {
                if let Some(example) = all.losses.fit(example, self.corpus.sequence_length) {
                    all.losses.span(spanning);
                    examples.push(example);
                }
            }
            self.progress.advance(1);
        }
        unused.extend(stream.unused().iter().cloned());
        Ok(examples)
    }

    /// Refuses ids that no row of the networks stands for.
    fn check_ids(&self, record: &Record, place: Option<&Place>) -> Result<(), DataError> {
        let Record::Tokens { input_ids, .. } = record else { return Ok(()) };
        match input_ids.iter().position(|id| *id as usize >= self.rows) {
            None => Ok(()),
            Some(index) => Err(DataError::Record {
                file: place.map(|place| place.file.clone()).unwrap_or_default(),
                unit: place.map_or("row", |place| place.unit),
                row: place.map(|place| place.row),
                column: Some(format!("input_ids[{index}]")),
                found: format!("the id {}", input_ids[index]),
                expected: format!("an id below {}, the vocabulary of teacher and student", self.rows),
            }),
        }
    }

    fn records(
        &self,
        trained: Vec<TokenExample>,
        held: Option<Vec<TokenExample>>,
    ) -> Result<Split<TokenExample>, StageError> {
        if let Some(held_out) = held {
            return Ok(Split { train: trained, held_out });
        }
        let share = match self.corpus.held_out {
            Some(HeldOut::Share(share)) => share,
            _ => usual_share(trained.len() as f64),
        };
        Ok(split_shuffled(trained, share, self.seed)?)
    }

    fn packed(
        &self,
        trained: Vec<TokenExample>,
        held: Option<Vec<TokenExample>>,
        all: &mut Gathered,
    ) -> Result<Split<TokenExample>, StageError> {
        let ids = |examples: Vec<TokenExample>| examples.into_iter().map(|one| one.ids).collect::<Vec<_>>();
        let trained = ids(trained);
        let length = self.corpus.sequence_length;
        let parts = match held {
            Some(held) => Split { train: trained, held_out: ids(held) },
            None => {
                let share = match self.corpus.held_out {
                    Some(HeldOut::Share(share)) => share,
                    _ => usual_share(trained.iter().map(Vec::len).sum::<usize>() as f64 / length as f64),
                };
                split_tail(trained, share)?
            }
        };
        let mut tails = 0;
        let mut cut = |documents: Vec<Vec<u32>>| {
            let separators = if self.tokenizer.eos().is_some() { documents.len() } else { 0 };
            let tokens = documents.iter().map(Vec::len).sum::<usize>() + separators;
            let sequences = pack(documents, length, self.tokenizer.eos());
            tails += tokens - sequences.len() * length;
            sequences
        };
        let split = Split { train: cut(parts.train), held_out: cut(parts.held_out) };
        if tails > 0 {
            all.notes.push(format!(
                "{tails} tokens left out, which fill no whole sequence of {length} at the end of a part"
            ));
        }
        Ok(split)
    }

    /// Puts the sources together: all of them, or of each as much as its weight says.
    fn mix(
        &self,
        sources: &[Fetched],
        parts: Vec<Split<TokenExample>>,
        all: &mut Gathered,
    ) -> Result<(), StageError> {
        let weights: Option<Vec<f64>> = sources.iter().map(|source| source.entry.weight).collect();
        let weights = weights.filter(|_| sources.len() > 1);
        let (mut trains, mut helds): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|split| (split.train, split.held_out)).unzip();
        for lists in [&mut trains, &mut helds] {
            let counts: Vec<usize> = lists.iter().map(Vec::len).collect();
            let taken = match &weights {
                Some(weights) => shares(&counts, weights),
                None => counts,
            };
            for ((list, count), seed) in lists.iter_mut().zip(taken).zip(self.seed..) {
                *list = drawn(std::mem::take(list), count, seed)?;
            }
        }
        if sources.len() > 1 {
            for (source, (train, held)) in sources.iter().zip(trains.iter().zip(&helds)) {
                let (train, held) = (train.len(), held.len());
                all.notes
                    .push(format!("{}: {train} examples trained on, {held} held out", source.entry.source));
            }
        }
        all.train = trains.concat();
        all.held_out = helds.concat();
        Ok(())
    }
}

/// The share held out where nothing says: a twentieth, more where that is too few, never over a quarter.
fn usual_share(examples: f64) -> f64 {
    (ENOUGH as f64 / examples.max(1.0)).clamp(USUAL_SHARE, LARGEST_SHARE)
}

/// How many of each list make the weights' proportions without any example twice.
fn shares(counts: &[usize], weights: &[f64]) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let whole = counts
        .iter()
        .zip(weights)
        .map(|(count, weight)| *count as f64 * total / weight)
        .fold(f64::INFINITY, f64::min);
    let of = |(count, weight): (&usize, &f64)| ((whole * weight / total + 1e-6).floor() as usize).min(*count);
    counts.iter().zip(weights).map(of).collect()
}

/// So many of a list, drawn by the seed, in their order.
fn drawn(list: Vec<TokenExample>, count: usize, seed: u64) -> Result<Vec<TokenExample>, StageError> {
    match count {
        0 => Ok(Vec::new()),
        _ if count >= list.len() => Ok(list),
        _ => {
            let share = count as f64 / list.len() as f64;
            Ok(split_shuffled(list, share, seed)?.held_out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_proportions_of_the_scarcest_source() {
        assert_eq!(shares(&[1000, 100], &[0.7, 0.3]), [233, 100]);
        assert_eq!(shares(&[10, 10], &[1.0, 1.0]), [10, 10]);
        assert_eq!(shares(&[0, 10], &[1.0, 1.0]), [0, 0]);
        let list: Vec<TokenExample> = (0..10).map(|id| TokenExample::all_scored(vec![id, id])).collect();
        let some = drawn(list.clone(), 4, 1).unwrap();
        assert_eq!((some.len(), drawn(list.clone(), 4, 1).unwrap() == some), (4, true));
        assert_eq!(drawn(list.clone(), 10, 1).unwrap(), list);
    }

    #[test]
    fn few_examples_hold_out_more() {
        for (examples, share) in [(20.0, 0.25), (300.0, 0.1), (6000.0, 0.05), (0.0, 0.25)] {
            assert_eq!(usual_share(examples), share);
        }
    }
}
