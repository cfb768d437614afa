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
