//! The documents against the program, and against each other.

mod blocks;
mod commands;
mod guides;
mod links;
mod messages;
mod words;

use std::path::PathBuf;

use crate::support::root;

/// The pages of the manual, and what stands at the top.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["", "docs", "models", "crates"].iter().flat_map(|folder| markdown(folder)).collect();
    let crates =
        std::fs::read_dir(root().join("crates")).expect("the crates").map(|entry| entry.expect("an entry").path());
    pages.extend(crates.map(|folder| folder.join("README.md")).filter(|page| page.is_file()));
    assert!(pages.len() > 30, "only {}", pages.len());
    pages
}

fn markdown(folder: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

fn text(page: &std::path::Path) -> String {
    std::fs::read_to_string(page).expect("text")
}

/// What stands between ``` and ```, with the word behind the first of them.
fn fenced(text: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\n```") {
        let (language, inside) = rest[at + 4..].split_once('\n').unwrap_or_default();
        let Some(end) = inside.find("\n```") else { break };
        blocks.push((language.trim(), &inside[..end]));
        rest = &inside[end + 4..];
    }
    blocks
}

/// The text without what is between ``` and ```.
fn prose(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.map(|line| format!("{line}\n")).collect()
}
