//! The only file that writes to stdout and stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// How data is printed, as the flags ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Data as JSON instead of text for people.
    pub(crate) json: bool,
}

impl Output {
    /// Writes a line of text to stdout.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
        Ok(())
    }

    /// Writes bytes to stdout as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(())
    }

    /// Writes `value` as JSON under `--json`, and `text()` otherwise.
    pub(crate) fn data<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            self.line(&serde_json::to_string_pretty(value)?)
        } else {
            self.line(text().trim_end())
        }
    }

    /// Writes the error, its causes and its hints to stderr.
    pub(crate) fn failure(&self, failure: &Failure) {
        urgent(&format!("{}: {}", paint("error", "1;31"), failure.error));
        let mut said = failure.error.to_string();
        let mut source = failure.error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many errors repeat their source in their own words; once is enough.
            if !said.contains(&text) {
                urgent(&format!("  caused by: {text}"));
            }
            said = text;
            source = cause.source();
        }
        for hint in &failure.hints {
            urgent(&format!("{}: {hint}", paint("hint", "1;36")));
        }
    }
}

/// Writes a line to stderr whatever the flags; a closed stderr is nobody's loss.
pub(crate) fn urgent(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether stderr is a terminal that may be drawn on.
pub(crate) fn draws() -> bool {
    io::stderr().is_terminal()
}

fn paint(word: &str, code: &str) -> String {
    if draws() && !limbeck::env::no_color() {
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}
