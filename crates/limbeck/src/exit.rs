//! The exit codes, in one place.

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Fine = 0,
    /// It was done, and a gate or a comparison said no.
    No = 1,
    /// The command, the recipe, a file or the environment asks for something that cannot be.
    BadInput = 2,
    /// It broke: a disk, a network, or a defect of ours.
    Broke = 3,
    /// The user stopped it; the same command continues it.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
