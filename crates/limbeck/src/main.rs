//! The program `limbeck`: a recipe in, a distilled student and a report out.
//!
//! stdout is data, stderr is talk. The exit codes are in `exit.rs`, the verbs in `verb/`.

mod exit;
mod failure;
mod interrupt;
mod lines;
mod output;
mod panics;
mod progress;
mod verb;

use std::process::ExitCode;

use clap::Parser;

use exit::Exit;
use failure::Failure;
use output::Output;
use progress::Reporter;
use verb::{Cli, Desk};

fn main() -> ExitCode {
    panics::guarded(perform).into()
}

fn perform() -> Exit {
    limbeck::kernels::keep_freed_memory();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Wrong usage, `--help` and `--version` alike: clap knows where to print and how to end.
        Err(error) => {
            let text = error.render().to_string();
            // What was typed may come from a list of strangers' names.
            if output::shown(&text) == text {
                let _ = error.print();
            } else {
                output::urgent(&text);
            }
            let arguments: Vec<String> =
                std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
            if let Some(hint) = verb::meant(&error, &arguments) {
                output::urgent(&format!("hint: {hint}"));
            }
            return if error.use_stderr() { Exit::BadInput } else { Exit::Fine };
        }
    };
    let output = Output { json: cli.json };
    let desk = Desk { output, progress: Reporter::new(cli.quiet), device: cli.device };
    let done = limbeck::env::check_processor()
        .map_err(Failure::input)
        .and_then(|()| interrupt::listen().map_err(Failure::broke))
        .and_then(|()| cli.verb.perform(&desk));
    match done {
        Ok(exit) => exit,
        Err(failure) if failure.is_broken_pipe() => Exit::Fine,
        Err(failure) => {
            output.failure(&failure);
            failure.exit
        }
    }
}
