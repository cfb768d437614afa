//! The words of the manual: those that a reader looks for, and none that need a second thought.

use clap::{Command, CommandFactory};
use glimpsed::cli::Arguments;
use glimpsed_core::config::reference;

use super::{pages, prose, text};

/// Words that say less than the plain one behind them.
const PRIVATE: [(&str, &str); 11] = [
    ("petted", "restarted"),
    ("mended", "corrected"),
    ("wishes", "settings"),
    ("gone on with", "continued"),
    ("whoever", "the one who"),
    ("says so", "reports it"),
    ("second look", "second opinion"),
    ("so-called", "nothing"),
    ("read it again", "reload"),
    ("last wish", "last will"),
    ("thrown out", "disconnected"),
];

/// What each line has that a plainer word stands for.
fn private_words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '-';
        let words = format!(" {} ", line.to_lowercase().replace(|letter: char| !is_part(letter), " "));
        let private = PRIVATE.iter().filter(|(word, _)| words.contains(&format!(" {word} ")));
        found.extend(private.map(|(word, plain)| format!("{word:?}, say {plain:?}: {line}")));
    }
    found
}

#[test]
fn the_manual_has_no_word_of_our_own_where_the_field_has_one() {
    // What was changed is told as it was called then.
    let pages = pages().into_iter().filter(|page| !page.ends_with("CHANGELOG.md"));
    let found = pages.flat_map(|page| {
        let found = private_words(&prose(&text(&page)));
        found.into_iter().map(move |word| format!("{}: {word}", page.display()))
    });
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);
}

/// `--help` of a command and of those below it.
fn help(command: &mut Command) -> String {
    let own = command.render_long_help().to_string();
    command.get_subcommands_mut().fold(own, |all, inner| all + &help(inner))
}

#[test]
fn neither_help_nor_the_man_page_of_the_configuration_has_such_a_word() {
    assert_eq!(private_words(&help(&mut Arguments::command())), [""; 0]);
    assert_eq!(private_words(&reference::manual_page()), [""; 0]);
}

/// What people look for, in the words of other programs.
#[test]
fn the_words_that_people_search_for_are_in_the_manual() {
    let all: String = pages().iter().map(|page| text(page).to_lowercase()).collect();
    let wanted = [
        "uptime",
        "latency",
        "frame rate",
        "hysteresis",
        "last will",
        "availability",
        "upgrade",
        "security",
        "notification",
        "backup",
        "rtsp",
        "https",
        "confidence threshold",
        "debounce",
        "retained",
        "qos",
        "node-red",
        "automation",
        "region of interest",
        "fine-tuning",
        "fps",
        "password",
        "acl",
        "home assistant",
        "jetson",
        "raspberry pi",
    ];
    let missing: Vec<&str> = wanted.into_iter().filter(|word| !all.contains(word)).collect();
    assert_eq!(missing, [""; 0]);
}
