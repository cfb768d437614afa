//! Guides are of one shape, so that a reader finds the same thing at the same place.

use super::{markdown, prose, text};
use crate::support::root;

/// Below the title and, if there is one, a picture.
const SHAPE: [&str; 4] = ["Least configuration", "Options", "What can go wrong", "See also"];

/// The pages that the table of contents lists as guides.
fn guides() -> Vec<String> {
    let contents = text(&root().join("docs/SUMMARY.md"));
    let guides = contents.split("\n# ").find_map(|part| part.strip_prefix("Guides\n")).expect("guides");
    guides.lines().filter_map(|line| Some(line.split_once("](")?.1.trim_end_matches(')').to_owned())).collect()
}

fn sections(page: &str) -> Vec<String> {
    prose(page).lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect()
}

#[test]
fn each_guide_has_the_sections_of_the_shape() {
    let guides = guides();
    assert!(guides.len() > 15, "only {guides:?}");
    for guide in guides {
        let page = text(&root().join("docs").join(&guide));
        assert_eq!(sections(&page), SHAPE, "{guide}");
        let parts: Vec<&str> = page.split("\n## ").collect();
        let (wrong, more) = (parts[SHAPE.len() - 1], parts[SHAPE.len()]);
        assert!(wrong.contains("\n- ") || wrong.contains("\n### "), "{guide}: nothing can go wrong");
        assert!(more.contains(".md"), "{guide}: nothing else to see");
    }
}

#[test]
fn each_page_about_a_camera_leads_to_the_messages_that_it_can_meet() {
    for page in markdown("docs").iter().filter(|page| page.to_string_lossy().ends_with("camera.md")) {
        assert!(text(page).contains("(troubleshooting.md#"), "{}", page.display());
    }
}

#[test]
fn a_heading_in_a_block_is_none() {
    assert_eq!(sections("# a\n\n## b\n\n```sh\n## c\n```\n"), ["b"]);
}
