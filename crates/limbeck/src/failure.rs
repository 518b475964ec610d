//! What a verb returns when it could not do its work: error, exit code and hints.

use std::error::Error;

use limbeck::pipeline::PipelineError;
use limbeck::recipe::RecipeError;

use crate::exit::Exit;

/// An error on its way to the user.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code the process ends with.
    pub(crate) exit: Exit,
    /// What went wrong; its sources are printed below it.
    pub(crate) error: Box<dyn Error + Send + Sync>,
    /// What to do about it, one line each.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// The user asked for something that cannot be done.
    pub(crate) fn input(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit: Exit::BadInput, error: error.into(), hints: Vec::new() }
    }

    /// Something broke that is not the user's to mend.
    pub(crate) fn broke(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit: Exit::Broke, error: error.into(), hints: Vec::new() }
    }

    /// Adds a line of advice.
    pub(crate) fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    /// Whether this is only the reader of our output having gone away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::broke(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::broke(error)
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        let hints = error.hints();
        Self { exit: Exit::BadInput, error: error.into(), hints }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let exit = match &error {
            PipelineError::Cancelled { .. } | PipelineError::Stopped { .. } => Exit::Interrupted,
            _ if error.is_input() => Exit::BadInput,
            _ => Exit::Broke,
        };
        let hints = error.hints();
        Self { exit, error: error.into(), hints }
    }
}
