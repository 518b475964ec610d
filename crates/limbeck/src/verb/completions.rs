//! `limbeck completions`: for the shell to source.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Desk};
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "limbeck", &mut script);
        desk.output.raw(&script)?;
        Ok(Exit::Fine)
    }
}
