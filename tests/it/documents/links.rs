//! Each link leads to something that is there, and each page can be reached.

use std::collections::BTreeSet;
use std::path::Path;

use super::{markdown, pages, prose, text};
use crate::support::root;

/// What GitHub and mdBook make of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|character| character.is_alphanumeric() || " -_".contains(*character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    prose(&text(page))
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(_, heading)| anchor(heading))
        .collect()
}

/// Where the links and pictures of a text lead.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [("](", ')'), ("src=\"", '"')] {
        found.extend(text.split(open).skip(1).filter_map(|rest| Some(rest.split_once(close)?.0.to_owned())));
    }
    found.retain(|link| !link.contains("://") && !link.contains(char::is_whitespace));
    found
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        for link in links(&prose(&text(&page))) {
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            let is_there = target.exists() && (heading.is_empty() || anchors(&target).contains(heading));
            if !is_there {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 150, "only {count} links");
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn each_page_is_in_the_table_of_contents() {
    let contents: BTreeSet<String> = links(&text(&root().join("docs/SUMMARY.md"))).into_iter().collect();
    let mut missing: Vec<String> = markdown("docs")
        .iter()
        .map(|page| page.file_name().expect("a name").to_string_lossy().into_owned())
        .filter(|page| page != "SUMMARY.md" && !contents.contains(page))
        .collect();
    missing.sort();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
}

#[test]
fn the_readme_can_be_read_in_three_minutes() {
    let words = text(&root().join("README.md")).split_whitespace().count();
    assert!(words < 600, "README.md has {words} words; what is more belongs into docs/");
}

#[test]
fn headings_become_anchors_as_on_github() {
    assert_eq!(anchor("1. The package"), "1-the-package");
    assert_eq!(anchor("What `B/status` is, and why"), "what-bstatus-is-and-why");
    assert_eq!(
        links("[a](b.md#c) <img src=\"d.webp\"> [e](https://example.org) text](not a link)"),
        ["b.md#c", "d.webp"]
    );
}
