//! Arguments in, exit code out. The only file that prints to standard output or ends the process.

use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use clap::error::ErrorKind;
use glimpsed::cli::{Arguments, Done, Streams};
use glimpsed::error::Error;
use glimpsed::telemetry::panics::thin_out;
use glimpsed_base::leaving;

/// sysexits.h: the command was used incorrectly.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    thin_out();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Printing fails only when the stream is closed, and then there is no reader.
            let _ = error.print();
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked_for { ExitCode::SUCCESS } else { USAGE.into() };
        }
    };
    let mut streams = Streams { out: Box::new(std::io::stdout()), terminal: std::io::stderr().is_terminal() };
    match arguments.run(&mut streams) {
        Ok(Done::Finished) => ExitCode::SUCCESS,
        Ok(Done::Restart { camera_off }) => start_again(camera_off),
        Err(Error::Config(problems)) => {
            complain(&format!("{}\n\n{} in the configuration", problems.render(streams.terminal), problems.tally()));
            Error::Config(problems).exit_code().into()
        }
        Err(error) => {
            complain(&format!("error: {}", leaving::clean(&error.to_string())));
            error.exit_code().into()
        }
    }
}

/// Replaces the process image. The process id stays, so a service manager sees no exit; the file may be another
/// version.
fn start_again(camera_off: bool) -> ExitCode {
    const CAMERA_OFF: &str = "--camera-off";
    let error = match glimpsed::control::program() {
        Ok(program) => {
            let arguments = std::env::args_os().skip(1).filter(|argument| argument != CAMERA_OFF);
            Command::new(program).args(arguments).args(camera_off.then_some(CAMERA_OFF)).exec()
        }
        Err(error) => error,
    };
    complain(&format!("error: cannot start again: {error}"));
    ExitCode::FAILURE
}

/// Unlike `eprintln`, does not panic when standard error cannot be written, because the exit code tells the same.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
