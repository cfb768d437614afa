//! Arguments in, exit code out. The only file that prints to standard output or ends the process.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;
use clap::error::ErrorKind;
use glimpsed::app::Off;
use glimpsed::cli::{Arguments, Done, Streams};
use glimpsed_base::leaving;
use glimpsed_core::error::Error;
use glimpsed_core::telemetry::panics::thin_out;

/// sysexits.h: the command was used incorrectly.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    thin_out();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                // Printing fails only when the stream is closed, and then there is no reader.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            // It quotes the arguments.
            complain(leaving::clean(&error.render().to_string()).trim_end());
            return USAGE.into();
        }
    };
    let mut streams = Streams { out: Box::new(std::io::stdout()), terminal: std::io::stderr().is_terminal() };
    match arguments.run(&mut streams) {
        Ok(Done::Finished) => ExitCode::SUCCESS,
        Ok(Done::Restart(off)) => start_again(&off),
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
fn start_again(off: &Off) -> ExitCode {
    const CAMERA_OFF: &str = "--camera-off";
    const VIEW_OFF: &str = "--view-off=";
    let error = match glimpsed::control::program() {
        Ok(program) => {
            // Those of `--view-off NAME` without `=` cannot be told from others' values, so they stay; off twice is off.
            let is_off = |argument: &OsString| {
                argument == CAMERA_OFF || argument.to_str().is_some_and(|argument| argument.starts_with(VIEW_OFF))
            };
            let arguments = std::env::args_os().skip(1).filter(|argument| !is_off(argument));
            let mut command = Command::new(program);
            command.args(arguments);
            match off {
                Off::All => command.arg(CAMERA_OFF),
                Off::Views(views) => command.args(views.iter().map(|view| format!("{VIEW_OFF}{view}"))),
            };
            command.exec()
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
