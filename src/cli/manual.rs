//! `glimpsed manual`: the manual pages, for packages.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::roff::{Roff, bold, italic, roman};

use glimpsed_core::config::{DEFAULT_PATH, reference};
use glimpsed_core::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The directory to write them to
    directory: PathBuf,
}

/// `command` is the whole command line.
pub(super) fn run(options: &Options, command: Command) -> Result<()> {
    let failed = |cause| Error::Io { what: format!("cannot write to {}", options.directory.display()), cause };
    fs::create_dir_all(&options.directory).map_err(failed)?;
    // `glimpsed-help` would repeat `--help`.
    let command = command.disable_help_subcommand(true);
    clap_mangen::generate_to(command, &options.directory).map_err(failed)?;
    let first = options.directory.join("glimpsed.1");
    let mut page = fs::OpenOptions::new().append(true).open(&first).map_err(failed)?;
    page.write_all(around_the_commands().render().as_bytes()).map_err(failed)?;
    fs::write(options.directory.join("glimpsed.toml.5"), reference::manual_page()).map_err(failed)
}

/// What clap does not know of the program.
fn around_the_commands() -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [
        ("0", "Fine."),
        ("1", "Failed."),
        ("64", "Used in a wrong way."),
        ("69", "A camera or a broker cannot be reached."),
        ("78", "The configuration or a model is wrong."),
    ] {
        page.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    page.control("SH", ["FILES"]);
    for (path, meaning) in [
        (DEFAULT_PATH, "The configuration, read where no other is named with -c."),
        ("/var/lib/glimpsed/models", "Models that were fetched."),
        ("/usr/share/glimpsed/models", "The models that come with glimpsed."),
    ] {
        page.control("TP", []).text([italic(path)]).text([roman(meaning)]);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("glimpsed.toml"), roman("(5), "), bold("mosquitto_sub"), roman("(1)")]);
    page
}
