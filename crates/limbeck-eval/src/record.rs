//! What an evaluation was computed from, for others to recompute: every network's scores on every example.

use std::fs;
use std::path::Path;

use limbeck_data::DataError;
use limbeck_data::table::{Column, write_table};

use crate::{ExampleScore, ExampleScores};

/// Reads the scores that [`limbeck_data::atomic::write_json_lines`] wrote.
///
/// # Errors
/// A file that cannot be read, or [`DataError::Damaged`] with the line.
pub fn read_scores(path: &Path) -> Result<Vec<ExampleScores>, DataError> {
    let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
    let read = |(row, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| DataError::Damaged {
            path: path.to_path_buf(),
            format: "JSON lines",
            reason: format!("line {}: {error}", row + 1),
        })
    };
    text.lines().enumerate().map(read).collect()
}

/// Writes one row an example and network: `set` (`held_out`, or the name of a shifted set), `example` (its number in the set, from
/// 0), `tokens` (scored ones in it), `network`, `training` (from 1), `correct` and `agrees` (tokens), `loss` and `kl` (sums in
/// nats). The ending of `path`, `.jsonl` or `.parquet`, says the format.
///
/// # Errors
/// As [`write_table`].
pub fn write_scores(path: &Path, scores: &[ExampleScores]) -> Result<(), DataError> {
    let rows: Vec<(&ExampleScores, &ExampleScore)> =
        scores.iter().flat_map(|example| example.networks.iter().map(move |one| (example, one))).collect();
    let count = |of: fn(&ExampleScores, &ExampleScore) -> usize| {
        Column::Count(rows.iter().map(|(example, one)| of(example, one) as u64).collect())
    };
    let sum = |of: fn(&ExampleScore) -> f64| Column::Number(rows.iter().map(|(_, one)| of(one)).collect());
    write_table(
        path,
        &[
            ("set", Column::Text(rows.iter().map(|(example, _)| example.set.clone()).collect())),
            ("example", count(|example, _| example.example)),
            ("tokens", count(|example, _| example.tokens)),
            ("network", Column::Text(rows.iter().map(|(_, one)| one.network.clone()).collect())),
            ("training", count(|_, one| one.training)),
            ("correct", count(|_, one| one.correct)),
            ("agrees", count(|_, one| one.agrees)),
            ("loss", sum(|one| one.loss)),
            ("kl", sum(|one| one.kl)),
        ],
    )
}
