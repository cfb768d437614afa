//! The documents against the program.

use std::path::Path;

use crate::support::root;

/// All string literals of the program, with `…` for what is put in.
fn literals(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("the source").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            literals(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            // A quote as a character would begin a literal.
            let source = std::fs::read_to_string(&entry).expect("text").replace("'\"'", "");
            let mut rest = source.as_str();
            while let Some(start) = rest.find('"') {
                let (literal, end) = literal(&rest[start + 1..]);
                found.push(literal);
                rest = rest.get(start + 1 + end..).unwrap_or_default();
            }
        }
    }
}

/// What stands before the closing quote, and where that is passed.
fn literal(source: &str) -> (String, usize) {
    let (mut text, mut characters) = (String::new(), source.char_indices().peekable());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, at + 1),
            '\\' => match characters.next() {
                Some((_, '\n')) => while characters.next_if(|(_, next)| next.is_whitespace()).is_some() {},
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

#[test]
fn every_heading_of_the_troubleshooting_page_is_what_the_program_says() {
    let mut said = Vec::new();
    ["src", "crates"].iter().for_each(|folder| literals(&root().join(folder), &mut said));
    let page = std::fs::read_to_string(root().join("docs/troubleshooting.md")).expect("the page");
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(headings.len() > 20, "only {}", headings.len());
    for heading in headings {
        assert!(said.iter().any(|literal| literal.contains(heading)), "nothing in the program says: {heading}");
    }
}

/// The messages of warnings and errors in the log, which people see without having asked for them.
fn warnings(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("the source").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            warnings(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&entry).expect("text");
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            for call in ["tracing::warn!(", "tracing::error!("] {
                for call in source.split(call).skip(1) {
                    let arguments = call.split(");").next().unwrap_or_default();
                    let mut message = None;
                    let mut rest = arguments;
                    while let Some(start) = rest.find('"') {
                        let (literal, end) = literal(&rest[start + 1..]);
                        message = Some(literal);
                        rest = rest.get(start + 1 + end..).unwrap_or_default();
                    }
                    found.extend(message);
                }
            }
        }
    }
}

#[test]
fn every_warning_of_the_log_is_explained_or_says_all_that_there_is_to_say() {
    let mut warnings_of_the_program = Vec::new();
    for entry in
        std::fs::read_dir(root().join("crates")).expect("the crates").flatten().filter(|entry| entry.path().is_dir())
    {
        warnings(&entry.path().join("src"), &mut warnings_of_the_program);
    }
    warnings(&root().join("src"), &mut warnings_of_the_program);
    // What is put in is the message of an error, which has its own.
    warnings_of_the_program.retain(|message| message.chars().any(char::is_alphabetic));
    let page = std::fs::read_to_string(root().join("docs/troubleshooting.md")).expect("the page");
    let plain = |text: &str| text.replace('\n', " ");
    let explained = |message: &str| {
        let message = plain(message);
        page.lines()
            .filter_map(|line| line.strip_prefix("### "))
            .any(|heading| message.contains(heading) || heading.contains(&message))
    };
    let exceptions =
        include_str!("without_heading.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let exceptions: Vec<(&str, &str)> = exceptions.map(|line| line.split_once(" -- ").expect("a reason")).collect();
    let listed = |message: &str| exceptions.iter().any(|(listed, _)| *listed == plain(message));
    let missing: Vec<&String> =
        warnings_of_the_program.iter().filter(|message| !explained(message) && !listed(message)).collect();
    assert!(
        missing.is_empty(),
        "no heading in docs/troubleshooting.md and no reason in without_heading.txt: {missing:#?}"
    );
    for (message, reason) in &exceptions {
        assert!(warnings_of_the_program.iter().any(|said| plain(said) == *message), "nothing says: {message}");
        assert!(!explained(message), "it has a heading: {message}");
        assert!(reason.len() > 10, "{message}: {reason}");
    }
}
