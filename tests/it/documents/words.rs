//! The words of the manual: those that a reader looks for, and none that need a second thought.

use super::{pages, prose, text};

/// Words that say less than the plain one behind them.
const PRIVATE: [(&str, &str); 8] = [
    ("petted", "restarted"),
    ("mended", "corrected"),
    ("wishes", "settings"),
    ("gone on with", "continued"),
    ("whoever", "the one who"),
    ("says so", "reports it"),
    ("second look", "second opinion"),
    ("so-called", "nothing"),
];

#[test]
fn the_manual_has_no_word_of_our_own_where_the_field_has_one() {
    let mut found = Vec::new();
    for page in pages() {
        // What was changed is told as it was called then.
        if page.ends_with("CHANGELOG.md") {
            continue;
        }
        for (number, line) in prose(&text(&page)).lines().enumerate() {
            let words = format!(
                " {} ",
                line.to_lowercase().replace(|letter: char| !letter.is_alphanumeric() && letter != '-', " ")
            );
            let private = PRIVATE.iter().filter(|(word, _)| words.contains(&format!(" {word} ")));
            found.extend(private.map(|(word, plain)| {
                format!("{}: {word:?}, say {plain:?}: line {number} of its prose", page.display())
            }));
        }
    }
    assert_eq!(found, [""; 0]);
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
