//! From the classroom to what is told of it.

use super::classroom::Classroom;
use super::lessons::Chosen;
use super::report::{ClassReport, LessonReport, MistakeReport, Report, UndoReport};
use glimpsed_teach::{Enough, Few, Lesson};

/// The pictures of a class that are named; the others are listed on request.
const NEWEST: usize = 12;

/// The mistakes that are named.
const MISTAKES: usize = 24;

impl Classroom {
    pub(super) fn report(&self) -> Report {
        let Classroom { lessons, store, training, lesson, changes, written, .. } = self;
        let known = lesson.as_ref().filter(|_| !self.is_behind());
        let names = |class: usize| {
            let of_class = training.pictures.iter().zip(&training.classes).rev().filter(move |(_, of)| **of == class);
            of_class.filter_map(|(path, _)| Some(path.file_name()?.to_string_lossy().into_owned()))
        };
        let classes = training.labels.iter().enumerate().map(|(class, label)| ClassReport {
            label: label.clone(),
            pictures: names(class).count(),
            newest: names(class).take(NEWEST).collect(),
        });
        Report {
            pictures: store.pictures(),
            looking: None,
            behind: self.is_behind(),
            classes: classes.collect(),
            // What was learnt before a change names pictures that may be elsewhere.
            lesson: known.and_then(|lesson| lesson.as_ref().ok()).map(|lesson| lesson_of(self, lesson)),
            missing: known.and_then(|lesson| lesson.as_ref().err()).map(ToString::to_string),
            written: *written,
            undo: changes.back().map(|change| UndoReport { what: change.what.clone(), at: change.at.to_string() }),
            unsure: self.unsure.report(&self.lessons.view),
            ..Report::opening(lessons)
        }
    }
}

fn lesson_of(classroom: &Classroom, lesson: &Lesson) -> LessonReport {
    let (training, quality) = (&classroom.training, &lesson.quality);
    let label = |class: usize| training.labels[class].clone();
    let is_guess = matches!(quality.enough(), Enough::No(Few::Nothing | Few::AStart));
    let mistakes = quality.mistakes.iter().take(MISTAKES).filter_map(|mistake| {
        let name = training.pictures[mistake.picture].file_name()?.to_string_lossy().into_owned();
        let picture = Chosen { label: label(mistake.class), name };
        Some(MistakeReport { picture, said: label(mistake.said), confidence: mistake.confidence })
    });
    LessonReport {
        right: (!is_guess).then(|| quality.in_words()),
        enough: quality.enough().in_words(),
        copies: training.pictures.len() - lesson.kept.len(),
        labels: training.labels.clone(),
        confusion: quality.confusion.clone(),
        hard: quality.hard_pairs().into_iter().map(|pair| pair.map(label)).collect(),
        mistakes: mistakes.collect(),
    }
}
