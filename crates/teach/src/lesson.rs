//! A lesson: everything that is learnt from labelled pictures.

use crate::gram::Gram;
use crate::head::{Head, fitted};
use crate::quality::Quality;
use crate::refusal::{Refusal, counts};
use crate::span::Span;
use crate::strangeness::Strangeness;
use crate::vectors::{COPY, Vectors};

/// What is learnt from labelled pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The last matrix.
    pub head: Head,
    /// How good it is.
    pub quality: Quality,
    /// When a picture is unlike all of these; `None` with fewer than ten pictures of a class.
    pub strangeness: Option<Strangeness>,
    /// The pictures that taught it: all but those that are copies of one before them in their class. Indices rise.
    pub kept: Vec<usize>,
    /// The number of pictures of each class among them.
    pub counts: Vec<usize>,
}

impl Lesson {
    /// Learns from the vectors of labelled pictures. `labels` has the class of each, counted from 0, and pictures of a class are
    /// in the order in which they were taken. It takes n² numbers of 4 bytes for n pictures meanwhile.
    ///
    /// # Errors
    /// As [`Head::fit`], where copies count once.
    pub fn of(vectors: &Vectors, labels: &[usize], classes: usize) -> Result<Self, Refusal> {
        Refusal::check(vectors.len(), labels, classes)?;
        let mut gram = Gram::new(vectors);
        let kept = without_copies(&gram, labels);
        gram.keep(&kept);
        let labels: Vec<usize> = kept.iter().map(|&index| labels[index]).collect();
        Refusal::check(kept.len(), &labels, classes)?;
        let counts = counts(&labels, classes);
        let strangeness = Strangeness::of(&gram, &counts);
        let span = Span::of(&mut gram);
        let solution = fitted(&span, &labels, classes, |_| true);
        Ok(Self {
            head: Head::of(&solution, &gram, vectors, |picture| kept[picture]),
            quality: Quality::of(&span, &labels, classes, &kept),
            strangeness,
            kept,
            counts,
        })
    }
}

fn without_copies(gram: &Gram, labels: &[usize]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for picture in 0..gram.pictures {
        let is_copy = |&other: &usize| labels[other] == labels[picture] && gram.cosine(picture, other) > COPY;
        if !kept.iter().any(is_copy) {
            kept.push(picture);
        }
    }
    kept
}
