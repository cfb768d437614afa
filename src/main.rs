//! Arguments in, exit code out. The only file that prints to standard output or ends the process.

#![allow(clippy::print_stderr, reason = "this is the file that prints")]

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use glimpsed::cli::{Arguments, Streams};
use glimpsed::error::Error;

/// sysexits.h: the command was used incorrectly.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Printing can only fail when the stream is closed; then nobody is told.
            let _ = error.print();
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked_for { ExitCode::SUCCESS } else { USAGE.into() };
        }
    };
    let mut streams = Streams { out: Box::new(std::io::stdout()), terminal: std::io::stderr().is_terminal() };
    match arguments.run(&mut streams) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Config(problems)) => {
            let count = problems.len();
            let plural = if count == 1 { "" } else { "s" };
            eprintln!("{}\n\n{count} problem{plural} in the configuration", problems.render(streams.terminal));
            Error::Config(problems).exit_code().into()
        }
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code().into()
        }
    }
}
