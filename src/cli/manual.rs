//! `glimpsed manual`: the manual pages, for packages.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
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
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_pages(command, &options.directory).map_err(failed)?;
    fs::write(options.directory.join("glimpsed.toml.5"), reference::manual_page()).map_err(failed)
}

/// What is typed, and what it does. A page shows those of its command.
const EXAMPLES: [(&str, &str); 20] = [
    ("glimpsed setup", "Prints a link that opens the page once, to set the device up from another machine."),
    ("glimpsed check", "Tells everything that is wrong with the configuration."),
    ("glimpsed config show --set", "Prints what is set, with the file and the line of each."),
    ("glimpsed doctor", "Tests configuration, model, camera, broker and board."),
    ("glimpsed run -c glimpsed.toml", "Runs the daemon in the foreground."),
    ("glimpsed cameras list", "Lists the cameras with their formats and stable names."),
    ("glimpsed cameras probe /dev/video0", "Grabs frames of a camera and times them."),
    ("glimpsed classify --json cat.jpg", "Labels a photograph, for a script."),
    ("glimpsed models fetch mobilenet-v2", "Downloads a model of the catalogue, or resumes the download."),
    ("glimpsed models inspect efficientnet-lite0", "Shows layers, memory, input and output of a model."),
    ("glimpsed compare --images photos", "Measures the models side by side on this device."),
    ("glimpsed teach door", "Learns a label from each folder in the folder `door`."),
    ("glimpsed teach add open 1.jpg 2.jpg", "Keeps two pictures under the label `open`."),
    ("glimpsed mqtt test", "Tests the connection to the broker step by step, permissions included."),
    ("glimpsed notify test", "Sends a notice of each rule at once."),
    ("glimpsed fleet top --sort temperature", "Shows all devices of the broker in a live table, the warmest last."),
    ("glimpsed fleet check --devices ids", "Tells who of the devices in the file `ids` is not well."),
    (
        "glimpsed fleet compare --html boards.html",
        "Makes all devices measure their models, and writes a page about it.",
    ),
    (
        "glimpsed fleet targets --within 192.168.1.0/24 -o targets.json --follow",
        "Keeps the list of devices for Prometheus up to date.",
    ),
    (
        "glimpsed fleet set threshold 0.4 --where device=gate-*",
        "Sets the confidence threshold of some devices, after a question.",
    ),
];

/// The pages of a command and of those below it.
fn write_pages(command: Command, directory: &Path) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write_pages(inner.clone(), directory)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let footer = concat!("glimpsed ", env!("CARGO_PKG_VERSION"));
    let path = Man::new(command).source(footer).manual("glimpsed").generate_to(directory)?;
    let mut page = fs::OpenOptions::new().append(true).open(path)?;
    page.write_all(examples_of(&name).render().as_bytes())?;
    if name == "glimpsed" { page.write_all(around_the_commands().render().as_bytes()) } else { Ok(()) }
}

/// Those of the command with the page of this name.
fn examples_of(page_name: &str) -> Roff {
    let mut page = Roff::new();
    let words: Vec<&str> = page_name.split('-').collect();
    let own = EXAMPLES.iter().filter(|(line, _)| line.split(' ').take(words.len()).eq(words.iter().copied()));
    for (number, (line, meaning)) in own.enumerate() {
        if number == 0 {
            page.control("SH", ["EXAMPLES"]);
        }
        page.control("TP", []).text([bold(*line)]).text([roman(*meaning)]);
    }
    page
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
        ("/etc/glimpsed/conf.d/*.toml", "Read after it, sorted by name; the last file that sets a key wins."),
        ("/var/lib/glimpsed/models", "Models that were fetched."),
        ("/usr/share/glimpsed/models", "The models that come with glimpsed."),
    ] {
        page.control("TP", []).text([italic(path)]).text([roman(meaning)]);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("glimpsed.toml"), roman("(5), "), bold("mosquitto_sub"), roman("(1)")]);
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::CommandFactory;

    #[test]
    fn each_example_can_be_typed() {
        for (line, _) in EXAMPLES {
            let parsed = Arguments::command().try_get_matches_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("wrong"));
        }
    }

    #[test]
    fn each_page_has_the_program_in_its_footer_and_its_own_examples() {
        let directory = tempfile::tempdir().expect("a directory");
        run(&Options { directory: directory.path().to_owned() }, Arguments::command()).expect("written");
        let page = |name: &str| fs::read_to_string(directory.path().join(name)).expect("a page");
        for name in ["glimpsed.1", "glimpsed-check.1", "glimpsed-mqtt-test.1", "glimpsed.toml.5"] {
            assert!(
                page(name).contains(concat!("\"glimpsed ", env!("CARGO_PKG_VERSION"), "\"")),
                "{name}: {}",
                page(name)
            );
        }
        assert!(page("glimpsed.1").contains("EXAMPLES") && page("glimpsed.1").contains("EXIT STATUS"));
        let classify = page("glimpsed-classify.1");
        assert!(classify.contains("cat.jpg") && !classify.contains("fetch"), "{classify}");
    }
}
