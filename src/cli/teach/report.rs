//! What was learnt, in words and as JSON.

use serde_json::{Value, json};

use crate::cli::table::render;
use glimpsed_core::models::taught::Taught;
use glimpsed_core::teach::training::Training;
use glimpsed_teach::{Enough, Few, Lesson};

/// The pictures that are listed as perhaps labelled wrongly.
const MOST_MISTAKES: usize = 10;

/// For people.
pub(super) fn text(name: &str, training: &Training, lesson: &Lesson) -> String {
    let quality = &lesson.quality;
    let copies = training.pictures.len() - lesson.kept.len();
    let mut says = format!("{name}: {} labels, {} pictures", training.labels.len(), training.pictures.len());
    if copies > 0 {
        says.push_str(&format!(", of which {copies} look the same as others and are left out"));
    }
    says.push_str("\n\n");
    let heading = [vec!["is \\ said".to_owned()], training.labels.clone(), vec!["pictures".to_owned()]].concat();
    let rows = training.labels.iter().zip(&quality.confusion).zip(&lesson.counts).map(|((label, row), pictures)| {
        let cells = row.iter().map(|&count| if count == 0 { "-".to_owned() } else { count.to_string() });
        std::iter::once(label.clone()).chain(cells).chain([pictures.to_string()]).collect()
    });
    says.push_str(&render(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()));
    says.push('\n');
    // With fewer than ten pictures of a label a share would be a guess.
    if !matches!(quality.enough(), Enough::No(Few::Nothing | Few::AStart)) {
        says.push_str(&format!("How good: {} right.\n", quality.in_words()));
    }
    for [one, other] in quality.hard_pairs() {
        let [one, other] = [one, other].map(|class| &training.labels[class]);
        says.push_str(&format!("Hard to tell apart: `{one}` and `{other}`.\n"));
    }
    let enough = quality.enough().in_words();
    if !enough.is_empty() {
        says.push_str(&format!("{enough}\n"));
    }
    if !quality.mistakes.is_empty() {
        says.push_str("Perhaps labelled wrongly, surest first:\n");
    }
    for mistake in quality.mistakes.iter().take(MOST_MISTAKES) {
        let path = training.pictures[mistake.picture].display();
        let said = &training.labels[mistake.said];
        says.push_str(&format!("  {path} looks like `{said}` ({:.0} %)\n", 100.0 * mistake.confidence));
    }
    if quality.mistakes.len() > MOST_MISTAKES {
        says.push_str(&format!("  and {} more\n", quality.mistakes.len() - MOST_MISTAKES));
    }
    for (path, cause) in &training.unreadable {
        says.push_str(&format!("left out: {} {cause}\n", path.display()));
    }
    says
}

/// For scripts.
pub(super) fn json(name: &str, training: &Training, lesson: &Lesson, taught: &Taught) -> Value {
    let quality = &lesson.quality;
    let label = |class: usize| training.labels[class].as_str();
    let mistakes = quality.mistakes.iter().map(|mistake| {
        json!({
            "file": training.pictures[mistake.picture],
            "label": label(mistake.class),
            "said": label(mistake.said),
            "confidence": mistake.confidence,
        })
    });
    let unreadable = training.unreadable.iter().map(|(path, cause)| json!({ "file": path, "error": cause }));
    json!({
        "name": name,
        "labels": taught.class,
        "pictures": taught.pictures,
        "copies": taught.copies,
        "base": taught.base,
        "sha256": taught.sha256,
        "folds": quality.folds,
        "accuracy": quality.accuracy,
        "calibration_error": quality.calibration_error,
        "in_words": quality.in_words(),
        "enough": quality.enough().in_words(),
        "confusion": quality.confusion,
        "hard_to_tell_apart": quality.hard_pairs().iter().map(|pair| pair.map(label)).collect::<Vec<_>>(),
        "mistakes": mistakes.collect::<Vec<_>>(),
        "strange_below": taught.strange_below,
        "unreadable": unreadable.collect::<Vec<_>>(),
    })
}
