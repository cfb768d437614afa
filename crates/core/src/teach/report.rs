//! What teaching tells of itself, for the page and for programs.

use serde::Serialize;

use super::lessons::{Chosen, Lessons};

/// How things are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What is taught; the model that is written has the same name.
    pub name: String,
    pub base: String,
    pub pictures: usize,
    pub max_pictures: usize,
    /// While pictures are looked at for the first time: how many were, and of how many.
    pub looking: Option<[usize; 2]>,
    /// Whether pictures have come that nothing was learnt from yet.
    pub behind: bool,
    pub classes: Vec<ClassReport>,
    pub lesson: Option<LessonReport>,
    /// Why nothing can be learnt, or why nothing can be taught at all.
    pub missing: Option<String>,
    /// Whether the model in the directory is what was learnt.
    pub written: bool,
    pub undo: Option<UndoReport>,
    /// Frames that could not be told surely, newest first.
    pub unsure: Vec<UnsureReport>,
    /// Whether the thread has ended; the next request starts another.
    #[serde(skip)]
    pub ended: bool,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    pub label: String,
    pub pictures: usize,
    /// Names of the newest, newest first.
    pub newest: Vec<String>,
}

/// What was learnt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LessonReport {
    /// `about 19 in 20`; nothing with fewer than ten pictures of a class, because it would be a guess.
    pub right: Option<String>,
    /// Whether there are enough pictures, as a sentence; empty if there are.
    pub enough: &'static str,
    /// The pictures that look like others of their class, and are left out.
    pub copies: usize,
    pub labels: Vec<String>,
    /// How often each label (row) was taken for each (column).
    pub confusion: Vec<Vec<usize>>,
    /// Pairs of labels that are hard to tell apart.
    pub hard: Vec<[String; 2]>,
    /// Pictures that the others would name otherwise, surest first.
    pub mistakes: Vec<MistakeReport>,
}

/// A picture that is perhaps labelled wrongly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MistakeReport {
    #[serde(flatten)]
    pub picture: Chosen,
    pub said: String,
    pub confidence: f32,
}

/// A frame that could not be told surely.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnsureReport {
    pub id: u64,
    pub said: String,
    pub confidence: f32,
    pub at: String,
}

/// What the next undo takes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UndoReport {
    pub what: String,
    pub at: String,
}

impl Report {
    pub(super) fn opening(lessons: &Lessons) -> Self {
        Self {
            name: lessons.name.clone(),
            base: lessons.base.name.clone(),
            pictures: 0,
            max_pictures: lessons.max_pictures,
            looking: Some([0, 0]),
            behind: true,
            classes: Vec::new(),
            lesson: None,
            missing: None,
            written: false,
            undo: None,
            unsure: Vec::new(),
            ended: false,
        }
    }

    pub(super) fn looking(&self, done: usize, total: usize) -> Self {
        Self { looking: Some([done, total]), ..self.clone() }
    }

    pub(super) fn failed(self, cause: String) -> Self {
        Self { looking: None, missing: Some(cause), ended: true, ..self }
    }
}
