//! Jinja as chat templates use it: the language, filters, tests and methods that transformers gives them, with Python's values and
//! Python's text of them, under bounds.
//!
//! Templates come from strangers. Every step of a rendering takes fuel, every value made counts against a store of bytes, output and
//! nesting have an end: a template that would run for hours or fill memory ends in an error.
//!
//! Left out, with an error that names it: `include`, `import`, `extends`, and filters of web pages (`urlize`, `xmlattr`).

mod ast;
mod builtins;
mod expressions;
mod filters;
mod format;
mod json;
mod lexer;
mod methods;
mod operators;
mod parser;
mod predicates;
mod render;
mod scope;
mod sequences;
mod text;
mod time;
mod value;

use std::ops::Range;

use thiserror::Error;

pub(crate) use value::Value;

/// What is wrong with a template, or with a rendering of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub(crate) struct JinjaError {
    /// Line of the template, from 1.
    pub(crate) line: usize,
    /// What is wrong there.
    pub(crate) reason: String,
}

/// Why something cannot be computed; the line is added where a statement is rendered.
pub(crate) type Outcome<T> = Result<T, String>;

/// What a rendering may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Steps: statements, parts of expressions, and 256 bytes or 16 items handled.
    pub(crate) steps: u64,
    /// Bytes of all values made on the way.
    pub(crate) bytes: usize,
    /// Bytes of one text, the output included.
    pub(crate) text: usize,
    /// Statements, expressions and macros inside one another.
    pub(crate) depth: usize,
}

impl Default for Limits {
    /// Far above what a template of a long conversation takes: one million steps, 256 MiB, 32 MiB, 120.
    fn default() -> Self {
        Self { steps: 1_000_000, bytes: 256 << 20, text: 32 << 20, depth: 120 }
    }
}

/// Longest template that is read, in bytes. Published ones have up to 30 kB.
const MOST_SOURCE: usize = 1 << 20;

/// A template that has been read.
#[derive(Debug)]
pub(crate) struct Template {
    body: Vec<ast::Node>,
}

/// What a template made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// The text.
    pub(crate) text: String,
    /// Bytes of it inside `{% generation %}`; none when a block was rendered into a variable first, where its place is not known.
    pub(crate) generated: Option<Vec<Range<usize>>>,
}

impl Template {
    /// Reads a template, with `trim_blocks` and `lstrip_blocks`.
    pub(crate) fn new(source: &str) -> Result<Self, JinjaError> {
        if source.len() > MOST_SOURCE {
            let reason = format!("the template has {} bytes; at most {MOST_SOURCE} are read", source.len());
            return Err(JinjaError { line: 1, reason });
        }
        let tokens = lexer::lex(source)?;
        Ok(Self { body: parser::parse(tokens)? })
    }

    /// Renders it with variables; `now` is the time in seconds since 1970 that `strftime_now` takes as now.
    pub(crate) fn render(
        &self,
        variables: Vec<(String, Value)>,
        now: i64,
        limits: Limits,
    ) -> Result<Output, JinjaError> {
        render::render(&self.body, variables, now, limits)
    }
}
