//! The only file that writes to stdout and stderr.
//!
//! Messages and data hold text of strangers: keys and names in files, paths, what a model says. Whatever in it could act on a
//! terminal is written out, see [`limbeck::data::text`].

use std::io::{self, IsTerminal, Write};

use limbeck::data::text;
use serde::Serialize;

use crate::failure::Failure;

/// Longest message on stderr, in characters.
const LONGEST: usize = 20_000;

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
        writeln!(out, "{}", text::visible(text))?;
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
            self.line(&ascii_where_unsafe(&serde_json::to_string_pretty(value)?))
        } else {
            self.line(text().trim_end())
        }
    }

    /// Writes the error, its causes and its hints to stderr.
    pub(crate) fn failure(&self, failure: &Failure) {
        led(&paint("error", "1;31"), &failure.error.to_string());
        let mut said = failure.error.to_string();
        let mut source = failure.error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many errors repeat their source in their own words; once is enough.
            if !said.contains(&text) {
                led("  caused by", &text);
            }
            said = text;
            source = cause.source();
        }
        for hint in &failure.hints {
            led(&paint("hint", "1;36"), hint);
        }
    }
}

/// Writes a line to stderr whatever the flags; a closed stderr is nobody's loss.
pub(crate) fn urgent(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", shown(text));
}

/// Writes `lead: text`; further lines are set in, so that text of a stranger cannot pass for a message of its own.
fn led(lead: &str, text: &str) {
    let text = shown(text.trim_end()).replace('\n', "\n       ").replace("\n              ", "\n       ");
    let _ = writeln!(io::stderr().lock(), "{lead}: {text}");
}

/// Text as a terminal may see it.
pub(crate) fn shown(text: &str) -> String {
    text::visible(&text::cut(text, LONGEST))
}

/// JSON whose strings hold nothing that could act on a terminal: such characters as `\uXXXX`, which means the same.
fn ascii_where_unsafe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter != '\n' && text::is_unsafe(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                safe += &format!("\\u{unit:04x}");
            }
        } else {
            safe.push(letter);
        }
    }
    safe
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let value = serde_json::json!({ "a\u{202e}b": "\u{1b}[2J \u{9b} \u{e0041} é\n" });
        let written = ascii_where_unsafe(&serde_json::to_string_pretty(&value).unwrap());
        assert!(written.chars().all(|letter| letter == '\n' || !text::is_unsafe(letter)), "{written}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
        assert!(shown(&"x".repeat(LONGEST + 5)).ends_with("(5 more characters)"));
    }
}
