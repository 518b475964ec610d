//! A teacher that is yesterday's files.

use std::path::Path;

use limbeck_data::signals::{SignalHeader, SignalReader};
use limbeck_kernels::{SparseLogits, TeacherLogits};

use crate::{
    Capabilities, Distribution, HiddenShape, Signal, TeachError, Teacher, TeacherIdentity, TeacherQuery,
};

/// Answers from signals written by [`crate::capture`], found by the content of the example's tokens.
#[derive(Debug)]
pub struct ReplayTeacher {
    reader: SignalReader,
    header: SignalHeader,
    identity: TeacherIdentity,
}

impl ReplayTeacher {
    /// Opens a folder of signals. With `expected`, signals of another teacher or tokenizer are refused.
    ///
    /// # Errors
    /// [`TeachError::OtherSignals`] naming what differs, or an unreadable or damaged store.
    pub fn open(dir: &Path, expected: Option<&TeacherIdentity>) -> Result<Self, TeachError> {
        let reader = SignalReader::open_any(dir)?;
        let header = reader.header().clone();
        if let Some(expected) = expected {
            let vocab = (header.vocab_size.to_string(), expected.vocab_size.to_string());
            let parts = [
                ("teacher", &header.teacher, &expected.hash),
                ("tokenizer", &header.tokenizer, &expected.tokenizer_hash),
                ("vocabulary size", &vocab.0, &vocab.1),
            ];
            if let Some((what, found, expected)) =
                parts.into_iter().find(|(_, found, expected)| found != expected)
            {
                return Err(TeachError::OtherSignals {
                    folder: dir.display().to_string(),
                    what,
                    found: found.clone(),
                    expected: expected.clone(),
                });
            }
        }
        let identity = TeacherIdentity {
            hash: header.teacher.clone(),
            tokenizer_hash: header.tokenizer.clone(),
            vocab_size: header.vocab_size as usize,
            origin: expected.map_or_else(|| dir.display().to_string(), |it| it.origin.clone()),
        };
        Ok(Self { reader, header, identity })
    }

    /// What the store says about itself.
    pub fn header(&self) -> &SignalHeader {
        &self.header
    }

    /// The distributions of a query at one of the captured temperatures.
    fn sparse(&self, query: &TeacherQuery<'_>, temperature: f64) -> Result<SparseLogits, TeachError> {
        let index =
            self.header.temperatures.iter().position(|known| *known == temperature).ok_or_else(|| {
                TeachError::Beyond {
                    asked: format!("distributions at temperature {temperature}"),
                    gives: self.capabilities().to_string(),
                }
            })?;
        let (k, count) = (self.header.k as usize, query.positions.len());
        let temperatures = self.header.temperatures.len();
        let mut sparse = SparseLogits {
            temperature,
            k,
            ids: Vec::with_capacity(count * k),
            log_probs: Vec::with_capacity(count * k),
            tail_mass: Vec::with_capacity(count),
        };
        let rows = query
            .rows
            .iter()
            .map(|example| self.reader.get(example).map_err(TeachError::from))
            .collect::<Result<Vec<_>, _>>()?;
        for at in query.positions {
            let (row, token) = (&rows[at.row], at.position + 1);
            let place = u32::try_from(token)
                .ok()
                .and_then(|token| row.positions.binary_search(&token).ok())
                .ok_or(TeachError::Uncovered { length: query.rows[at.row].ids.len(), position: token })?;
            sparse.ids.extend_from_slice(&row.ids[place * k..(place + 1) * k]);
            sparse.log_probs.extend(row.log_probs_at(&self.header, place, index));
            sparse.tail_mass.push(row.tails[place * temperatures + index]);
        }
        Ok(sparse)
    }
}

impl Teacher for ReplayTeacher {
    fn identity(&self) -> &TeacherIdentity {
        &self.identity
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::replay(self.header.k as usize, self.header.temperatures.clone())
    }

    fn hidden_shape(&self) -> Option<HiddenShape> {
        None
    }

    fn signal(&self, query: &TeacherQuery<'_>) -> Result<Signal, TeachError> {
        query.refuse_inside(&self.capabilities())?;
        let distributions = query.temperatures.iter().map(|temperature| {
            let logits = TeacherLogits::Sparse(self.sparse(query, *temperature)?);
            Ok(Distribution { temperature: Some(*temperature), logits })
        });
        Ok(Signal { distributions: distributions.collect::<Result<_, TeachError>>()?, ..Signal::default() })
    }
}
