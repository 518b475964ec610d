//! `metrics.jsonl`: one line per logged step, complete the moment it is written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use limbeck_data::atomic::write_atomic;
use limbeck_results::{CurvePoint, TermPoint};
use serde::{Deserialize, Serialize};

use crate::DistillError;

/// One line: the figures of one optimizer step of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsLine {
    /// The network in training.
    pub network: String,
    /// Optimizer step, from 1.
    pub step: u64,
    /// Weighted sum of the terms, before the step's update.
    pub loss: f64,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Predictions trained on so far.
    pub tokens: u64,
    /// Wall-clock seconds of training so far, over all resumptions.
    pub seconds: f64,
    /// Euclidean norm of the gradient of `loss` over everything trained, before clipping.
    pub gradient_norm: f64,
    /// The objectives.
    pub terms: Vec<TermPoint>,
}

/// A metrics file open for one network. The file may hold lines of other networks too.
#[derive(Debug)]
pub struct Metrics {
    file: File,
    path: PathBuf,
}

impl Metrics {
    /// Opens the file for appending, after dropping this network's lines past `step` (a run that was killed after its
    /// last checkpoint wrote some) and a torn last line.
    ///
    /// # Errors
    /// When the file cannot be read or written, or a line in its midst is damaged.
    pub fn resume(path: &Path, network: &str, step: u64) -> Result<Self, DistillError> {
        if let Some((lines, whole)) = read_lines(path)? {
            let mut kept = String::new();
            let mut dropped = !whole;
            for (text, line) in lines {
                if line.network == network && line.step > step {
                    dropped = true;
                    continue;
                }
                kept.push_str(&text);
                kept.push('\n');
            }
            if dropped {
                write_atomic(path, kept.as_bytes())?;
            }
        } else if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(DistillError::io("create", parent))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(DistillError::io("open", path))?;
        Ok(Self { file, path: path.to_path_buf() })
    }

    /// Appends a line in one write, so that a killed run leaves whole lines.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, line: &MetricsLine) -> Result<(), DistillError> {
        let mut text = serde_json::to_string(line)
            .map_err(|error| DistillError::io("write", self.path.clone())(error.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(DistillError::io("write", self.path.clone()))?;
        self.file.flush().map_err(DistillError::io("write", self.path.clone()))
    }
}

/// Drops the lines of a network that there is no longer.
///
/// # Errors
/// As [`Metrics::resume`].
pub fn forget_metrics(path: &Path, network: &str) -> Result<(), DistillError> {
    if path.exists() { Metrics::resume(path, network, 0).map(|_| ()) } else { Ok(()) }
}

/// The logged curve of one network; empty when nothing was logged yet.
///
/// # Errors
/// When the file cannot be read, or a line in its midst is damaged.
pub fn read_curve(path: &Path, network: &str) -> Result<Vec<CurvePoint>, DistillError> {
    let lines = read_lines(path)?.map(|(lines, _)| lines).unwrap_or_default();
    Ok(lines.into_iter().filter(|(_, line)| line.network == network).map(|(_, line)| point(line)).collect())
}

fn point(line: MetricsLine) -> CurvePoint {
    CurvePoint { step: line.step, loss: line.loss, terms: line.terms }
}

/// The lines with their text, and whether the file ends in a whole line. A last line without its newline was torn by a
/// kill and is left out. `None`: there is no file.
fn read_lines(path: &Path) -> Result<Option<(Vec<(String, MetricsLine)>, bool)>, DistillError> {
    let text = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DistillError::io("read", path)(error)),
    };
    let damaged =
        |line: usize, reason: String| DistillError::Metrics { path: path.to_path_buf(), line, reason };
    let whole = text.is_empty() || text.ends_with(b"\n");
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&text[..end]).map_err(|error| damaged(1, error.to_string()))?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let parsed = serde_json::from_str(line).map_err(|error| damaged(index + 1, error.to_string()))?;
        lines.push((line.to_string(), parsed));
    }
    Ok(Some((lines, whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(network: &str, step: u64) -> MetricsLine {
        MetricsLine {
            network: network.to_string(),
            step,
            loss: 1.0 / step as f64,
            learning_rate: 1e-3,
            tokens: 10 * step,
            seconds: 0.25,
            gradient_norm: 2.0,
            terms: vec![TermPoint {
                name: "cross_entropy".into(),
                weight: 1.0,
                value: 0.5,
                gradient_norm: None,
            }],
        }
    }

    #[test]
    fn resuming_keeps_whole_lines_up_to_the_step_and_other_networks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/metrics.jsonl");
        let mut metrics = Metrics::resume(&path, "teacher", 0).unwrap();
        metrics.write(&line("teacher", 5)).unwrap();
        let mut metrics = Metrics::resume(&path, "student", 0).unwrap();
        for step in 1..=4 {
            metrics.write(&line("student", step)).unwrap();
        }
        drop(metrics);
        // Killed in the middle of a line.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"network\":\"stu").unwrap();
        let mut metrics = Metrics::resume(&path, "student", 2).unwrap();
        metrics.write(&line("student", 3)).unwrap();
        let steps: Vec<u64> = read_curve(&path, "student").unwrap().iter().map(|point| point.step).collect();
        assert_eq!(steps, vec![1, 2, 3]);
        assert_eq!(read_curve(&path, "teacher").unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let error = read_curve(&path, "student").unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
