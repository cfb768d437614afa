//! `glimpsed completions`

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use super::streams::Streams;
use glimpsed_core::error::Result;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Supported,
}

/// Those that Debian packages put completions in place for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Supported {
    Bash,
    Zsh,
    Fish,
}

/// `command` is the whole command line.
pub(super) fn run(options: &Options, command: Command, streams: &mut Streams) -> Result<()> {
    let shell = match options.shell {
        Supported::Bash => Shell::Bash,
        Supported::Zsh => Shell::Zsh,
        Supported::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut advertised(command), "glimpsed", &mut script);
    streams.print(&String::from_utf8_lossy(&script))
}

/// The command without the subcommands that `--help` hides; `clap_complete` would offer them.
fn advertised(command: Command) -> Command {
    let shown = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).cloned();
    Command::new("glimpsed")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(shown)
}
