//! `limbeck model tokens`: the tokens of texts, to see what a model reads and to write audit tasks whose prompts line up.

use std::fmt::Write as _;

use clap::Args;
use limbeck::data::progress::Progress;
use limbeck::model::tokenizer::TokenSpan;
use limbeck::model::{ModelError, Tokenizer, open_model};
use limbeck::networks;
use limbeck::pipeline::StageError;
use serde_json::{Value as Json, json};

use super::super::Desk;
use super::fail;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck model tokens`.
#[derive(Debug, Args)]
pub(crate) struct Tokens {
    /// The model, of which only the tokenizer is used
    model: String,
    /// The text (repeatable: shown side by side)
    #[arg(long, required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Leave out the tokens that the tokenizer puts around a text
    #[arg(long)]
    bare: bool,
}

/// The tokens of one text, with the text each stands for.
struct Shown {
    spans: Vec<TokenSpan>,
    pieces: Vec<String>,
}

impl Tokens {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let located = networks::locate_model(&self.model, &desk.progress)
            .map_err(|error| fail(StageError::from(error)))?;
        let tokenizer = open_model(&located.path).map_err(|error| fail(ModelError::from(error)))?.tokenizer;
        for note in tokenizer.notes() {
            desk.progress.note(&note);
        }
        let shown = self
            .text
            .iter()
            .map(|text| {
                let spans = tokenizer.encode_spans(text, !self.bare)?;
                let pieces = spans.iter().map(|span| piece(&tokenizer, span.id)).collect();
                Ok(Shown { spans, pieces })
            })
            .collect::<Result<Vec<_>, limbeck::model::TokenizerError>>()
            .map_err(|error| fail(ModelError::from(error)))?;
        let data: Vec<Json> = self
            .text
            .iter()
            .zip(&shown)
            .map(|(text, Shown { spans, pieces })| {
                let tokens = spans.iter().zip(pieces).map(|(span, piece)| {
                    json!({ "id": span.id, "piece": piece, "start": span.bytes.start, "end": span.bytes.end })
                });
                json!({ "text": text, "count": spans.len(), "tokens": tokens.collect::<Vec<_>>() })
            })
            .collect();
        desk.output.data(&data, || table(&self.text, &shown))?;
        Ok(Exit::Fine)
    }
}

/// A token as the vocabulary has it.
fn piece(tokenizer: &Tokenizer, id: u32) -> String {
    tokenizer.id_to_token(id).unwrap_or_default()
}

/// One row a place, one column a text.
fn table(texts: &[String], shown: &[Shown]) -> String {
    let rows = shown.iter().map(|shown| shown.spans.len()).max().unwrap_or(0);
    let cell = |shown: &Shown, row: usize| match (shown.spans.get(row), shown.pieces.get(row)) {
        (Some(span), Some(piece)) => {
            let escaped = piece.escape_debug();
            format!("{:>7} {}..{} {escaped}", span.id, span.bytes.start, span.bytes.end)
        }
        _ => "-".to_owned(),
    };
    let widths: Vec<usize> = shown
        .iter()
        .map(|shown| (0..rows).map(|row| cell(shown, row).chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for (index, (text, shown)) in texts.iter().zip(shown).enumerate() {
        let _ = writeln!(out, "text {}: {} tokens: {:?}", index + 1, shown.spans.len(), text);
    }
    out.push_str("place  id, bytes, token\n");
    for row in 0..rows {
        let _ = write!(out, "{:>5}", row + 1);
        for (shown, width) in shown.iter().zip(&widths) {
            let _ = write!(out, "  {:<width$}", cell(shown, row));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    let counts: Vec<usize> = shown.iter().map(|shown| shown.spans.len()).collect();
    if counts.iter().any(|count| Some(count) != counts.first()) {
        let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
        let _ = writeln!(out, "the lengths differ: {} tokens", counts.join(", "));
    }
    out
}
