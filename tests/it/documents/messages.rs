//! What the program says against the pages that explain it, in both directions.

use std::path::{Path, PathBuf};

use crate::support::root;

/// The pages whose headings of the third order are messages.
const PAGES: [&str; 3] = ["docs/troubleshooting.md", "docs/command-errors.md", "docs/interface-errors.md"];

/// What ends a command or is the answer of an interface stands behind one of these.
const ERRORS: [&str; 10] = [
    "#[error(",
    "Failed(",
    "failed(",
    "Unreachable(",
    "Refused(",
    "Unavailable(",
    "Error::io(",
    "Io { what:",
    "complain(&format!(",
    "StatusCode::",
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the source").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The program's source, without its tests.
fn sources() -> Vec<String> {
    let crates = std::fs::read_dir(root().join("crates")).expect("the crates").flatten();
    let folders = crates.map(|entry| entry.path().join("src")).filter(|folder| folder.is_dir());
    let mut files = Vec::new();
    folders.chain([root().join("src")]).for_each(|folder| rust_files(&folder, &mut files));
    let source = |file: &PathBuf| {
        // A quote as a character would begin a literal.
        let text = std::fs::read_to_string(file).expect("text").replace("'\"'", "");
        text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
    };
    files.iter().filter(|file| file.file_name().is_some_and(|name| name != "tests.rs")).map(source).collect()
}

/// What stands before the closing quote, with `…` for what is put in and a space for a line's end, and where that is passed.
fn literal(source: &str) -> (String, usize) {
    let (mut text, mut characters) = (String::new(), source.char_indices().peekable());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, at + 1),
            '\\' => match characters.next() {
                Some((_, '\n')) => while characters.next_if(|(_, next)| next.is_whitespace()).is_some() {},
                Some((_, 'n')) => text.push(' '),
                Some((_, escaped)) => text.push(escaped),
                None => {}
            },
            '{' => {
                text.push('…');
                while characters.next().is_some_and(|(_, inner)| inner != '}') {}
            }
            other => text.push(other),
        }
    }
    (text, source.len())
}

fn literals(mut source: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(start) = source.find('"') {
        let (literal, end) = literal(&source[start + 1..]);
        found.push(literal);
        source = source.get(start + 1 + end..).unwrap_or_default();
    }
    found
}

/// The messages of warnings and errors in the log, which people see without having asked for them.
fn warnings() -> Vec<String> {
    let mut found = Vec::new();
    for source in sources() {
        for call in ["tracing::warn!(", "tracing::error!("] {
            let calls = source.split(call).skip(1);
            found.extend(calls.filter_map(|call| literals(call.split(");").next().unwrap_or_default()).pop()));
        }
    }
    with_words(found)
}

/// The messages of what fails when somebody has asked for it.
fn errors() -> Vec<String> {
    let is_in_between = |letter: char| letter.is_alphanumeric() || letter.is_whitespace() || "_:&!(,.".contains(letter);
    let mut found = Vec::new();
    for source in sources() {
        for marker in ERRORS {
            let messages = source
                .split(marker)
                .skip(1)
                .filter_map(|rest| rest.trim_start_matches(is_in_between).strip_prefix('"'));
            found.extend(messages.map(|rest| literal(rest).0));
        }
    }
    with_words(found)
}

/// Without those that are another's message and nothing else.
fn with_words(mut messages: Vec<String>) -> Vec<String> {
    messages.retain(|message| message.chars().any(char::is_alphabetic));
    messages
}

fn headings() -> Vec<String> {
    let page = |page| std::fs::read_to_string(root().join(page)).expect("the page");
    let text: String = PAGES.into_iter().map(page).collect();
    text.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

/// Each message has a heading or stands in the list with a reason, and the list has no others.
fn each_is_explained_or_listed(messages: &[String], list: &str, is_explained: impl Fn(&str) -> bool) {
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let list: Vec<(&str, &str)> = lines.map(|line| line.split_once(" -- ").expect("a reason")).collect();
    let is_listed = |message: &str| list.iter().any(|(listed, _)| *listed == message);
    let missing: Vec<&String> =
        messages.iter().filter(|message| !is_explained(message) && !is_listed(message)).collect();
    assert!(missing.is_empty(), "neither a heading in {PAGES:?} nor a reason in the list: {missing:#?}");
    for (message, reason) in list {
        assert!(messages.iter().any(|said| said == message), "nothing says: {message}");
        assert!(!is_explained(message), "it has a heading: {message}");
        assert!(reason.len() > 10, "{message}: {reason}");
    }
}

#[test]
fn every_heading_of_the_pages_about_messages_is_what_the_program_says() {
    let said: Vec<String> = sources().iter().flat_map(|source| literals(source)).collect();
    let headings = headings();
    assert!(headings.len() > 150, "only {}", headings.len());
    for heading in &headings {
        assert!(said.iter().any(|literal| literal.contains(heading)), "nothing in the program says: {heading}");
        assert_eq!(headings.iter().filter(|other| *other == heading).count(), 1, "twice: {heading}");
    }
}

#[test]
fn every_warning_of_the_log_is_explained_or_says_all_that_there_is_to_say() {
    let headings = headings();
    let is_explained =
        |message: &str| headings.iter().any(|heading| message.contains(heading) || heading.contains(message));
    each_is_explained_or_listed(&warnings(), include_str!("warnings_without_heading.txt"), is_explained);
}

#[test]
fn every_error_that_ends_a_command_or_answers_a_request_is_explained_or_says_all_that_there_is_to_say() {
    let (errors, headings) = (errors(), headings());
    assert!(errors.len() > 300, "only {}", errors.len());
    let is_explained = |message: &str| headings.iter().any(|heading| message.contains(heading));
    each_is_explained_or_listed(&errors, include_str!("errors_without_heading.txt"), is_explained);
}

#[test]
fn a_message_is_read_as_the_program_says_it() {
    let said = |source: &str| literals(source);
    assert_eq!(
        said(
            r#"a("one {x:?} two"), b("three \
        four\n")"#
        ),
        ["one … two", "three four "]
    );
}
