//! The names of a model's classes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::classification::Labels;
use glimpsed_base::{budget, files, leaving};

/// The names of the 1000 ImageNet classes in class order, one per line.
pub const IMAGENET_LABELS: &str = include_str!("../../../../models/imagenet-labels.txt");

/// The source of the class names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelSource {
    /// The built-in list of the 1000 ImageNet classes.
    ImageNet,
    File(PathBuf),
    /// Those that this model file has itself, or else the built-in list.
    Own(PathBuf),
}

/// Labels that are told of those that are repeated.
const MAX_TOLD: usize = 5;

/// Home Assistant limits a state to 255 characters.
const MAX_LABEL_LENGTH: usize = 255;

/// The names of a model's classes, as they were read.
#[derive(Debug, Clone)]
pub struct LabelList {
    pub labels: Labels,
    /// `imagenet`, or the file.
    pub source: String,
    /// The labels that several classes have, with the lines of the first two, counted from 1.
    pub repeated: Vec<(Arc<str>, usize, usize)>,
}

impl LabelSource {
    /// Reads the labels.
    ///
    /// # Errors
    /// The file, and why it cannot be used.
    pub fn read(&self) -> Result<LabelList, (String, String)> {
        let path = match self {
            Self::ImageNet => return Ok(imagenet()),
            // A file that cannot be read is reported when it is loaded.
            Self::Own(model) => return Ok(own(model).unwrap_or_else(imagenet)),
            Self::File(path) => path,
        };
        let source = path.display().to_string();
        let text = match files::read_text(path, budget::LABELS) {
            Ok(text) => text,
            Err(cause) => return Err((source, format!("it {cause}"))),
        };
        // Editors on Windows put a byte-order mark before the first label.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        match mistake(text.trim_end()) {
            Some(cause) => Err((source, cause)),
            None => {
                let labels = Labels::parse(text);
                Ok(LabelList { repeated: repeated(&labels), labels, source })
            }
        }
    }
}

fn imagenet() -> LabelList {
    LabelList { labels: Labels::parse(IMAGENET_LABELS), source: "imagenet".into(), repeated: Vec::new() }
}

/// The labels in a model file.
fn own(model: &Path) -> Option<LabelList> {
    let declared = glimpsed_inference::declared(model).ok()?;
    let from = declared.labels_from?;
    let labels: Labels = declared.labels.iter().map(String::as_str).collect();
    let source = format!("{} ({})", model.display(), from.replace('`', ""));
    Some(LabelList { repeated: repeated(&labels), labels, source })
}

impl LabelList {
    /// A sentence about labels that several classes have. That may be meant: two of ImageNet's classes are called `crane`.
    pub fn warning(&self) -> Option<String> {
        let told = self.repeated.iter().take(MAX_TOLD);
        let mut told: Vec<String> =
            told.map(|(label, first, second)| format!("`{label}` in line {first} and in line {second}")).collect();
        if self.repeated.len() > MAX_TOLD {
            told.push(format!("{} more that are repeated", self.repeated.len() - MAX_TOLD));
        }
        (!told.is_empty()).then(|| format!("`{}` has the label {}", self.source, told.join(", ")))
    }
}

/// The first line that cannot be a label, and why. One that is missing would shift all others.
fn mistake(text: &str) -> Option<String> {
    text.lines().enumerate().find_map(|(index, line)| {
        let wrong = if line.len() > MAX_LABEL_LENGTH {
            format!("has more than {MAX_LABEL_LENGTH} bytes")
        } else if line.trim().is_empty() {
            "is empty; there is one line for each class, so give that class a name, such as `-`, or remove the line"
                .into()
        } else if line.trim().contains(leaving::is_control) {
            "holds a control character".into()
        } else {
            return None;
        };
        Some(format!("line {} {wrong}", index + 1))
    })
}

fn repeated(labels: &Labels) -> Vec<(Arc<str>, usize, usize)> {
    let mut lines: HashMap<&Arc<str>, (usize, usize)> = HashMap::new();
    let mut found = Vec::new();
    for (line, label) in labels.iter().enumerate().map(|(index, label)| (index + 1, label)) {
        let (first, times) = lines.entry(label).or_insert((line, 0));
        *times += 1;
        if *times == 2 {
            found.push((label.clone(), *first, line));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LabelList, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("labels.txt");
        std::fs::write(&file, text).expect("writable");
        LabelSource::File(file).read().map_err(|(_, cause)| cause)
    }

    #[test]
    fn a_line_that_is_no_label_is_named() {
        assert!(read("cat\n\ndog\n").expect_err("empty").starts_with("line 2 is empty; "));
        assert_eq!(read("cat\ndog\u{1b}[2J\n").expect_err("escape"), "line 2 holds a control character");
        assert_eq!(read(&"x".repeat(256)).expect_err("long"), "line 1 has more than 255 bytes");
    }

    #[test]
    fn marks_and_ends_of_other_systems_are_no_part_of_a_label() {
        let list = read("\u{feff}cat\r\ndog \r\n\r\n\n").expect("labels");
        let labels: Vec<&str> = list.labels.iter().map(|label| &**label).collect();
        assert_eq!(labels, ["cat", "dog"]);
        assert_eq!(list.warning(), None);
    }

    #[test]
    fn a_label_of_several_classes_is_told() {
        let warning = read("crane\ncat\ncrane\n").expect("labels").warning().expect("a warning");
        assert!(warning.ends_with("has the label `crane` in line 1 and in line 3"), "{warning}");
        let warning = read("crane\ncat\ncrane\ncat\ncat\n").expect("labels").warning().expect("a warning");
        assert!(warning.ends_with("`crane` in line 1 and in line 3, `cat` in line 2 and in line 4"), "{warning}");
        let many: String = (0..20).map(|number| format!("label {}\n", number % 10)).collect();
        let warning = read(&many).expect("labels").warning().expect("a warning");
        assert!(warning.ends_with("`label 4` in line 5 and in line 15, 5 more that are repeated"), "{warning}");
    }
}
