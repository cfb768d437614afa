//! How good a lesson is, estimated by folds: pictures are left out, and the others have to name them.

use crate::head::fitted;
use crate::refusal::counts;
use crate::span::Span;
use crate::words::{Enough, Few, share_in_words};

/// The folds: each picture is left out once, with a fifth of its class.
const FOLDS: usize = 5;

/// The number of equal intervals of confidence in the calibration error.
const BINS: usize = 10;

/// The share of two classes' pictures that are taken for each other from which on they are hard to tell apart.
const HARD: f64 = 0.15;

/// A picture that the others named wrongly: perhaps it is labelled wrongly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// Its index among the vectors.
    pub picture: usize,
    /// Its class.
    pub class: usize,
    /// The class that was said.
    pub said: usize,
    /// How sure that was, 0 to 1.
    pub confidence: f32,
}

/// How good a lesson is, estimated by folds (stratified cross-validation). A fold is a run of pictures of a class, not a random
/// choice, because neighbours of a video are nearly the same, and would vouch for each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// The number of folds: five, or as many as the smallest class has pictures.
    pub folds: usize,
    /// The number of pictures.
    pub pictures: usize,
    /// The share of pictures that were named rightly, 0 to 1, as the mean over classes (balanced accuracy).
    pub accuracy: f64,
    /// By how much the confidence differs from the share of right answers, 0 to 1 (expected calibration error, ten intervals).
    pub calibration_error: f64,
    /// How often each class (row) was taken for each (column).
    pub confusion: Vec<Vec<usize>>,
    /// The pictures that were named wrongly, surest first.
    pub mistakes: Vec<Mistake>,
}

impl Quality {
    /// `origin` has the vector of each picture.
    pub(crate) fn of(span: &Span, labels: &[usize], classes: usize, origin: &[usize]) -> Self {
        let (fold, folds) = folds(labels, classes);
        let mut confusion = vec![vec![0; classes]; classes];
        let mut mistakes = Vec::new();
        let mut bins = [Bin::default(); BINS];
        for this in 0..folds {
            let solution = fitted(span, labels, classes, |picture| fold[picture] != this);
            for (picture, row) in solution.probabilities.chunks_exact(classes).enumerate() {
                if fold[picture] != this {
                    continue;
                }
                let best = (0..classes).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or_default();
                let (class, confidence) = (labels[picture], row[best]);
                confusion[class][best] += 1;
                bins[((confidence * BINS as f64) as usize).min(BINS - 1)].add(confidence, best == class);
                if best != class {
                    let confidence = confidence as f32;
                    mistakes.push(Mistake { picture: origin[picture], class, said: best, confidence });
                }
            }
        }
        mistakes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.picture.cmp(&b.picture)));
        let shares = confusion.iter().enumerate().map(|(class, row)| {
            let all: usize = row.iter().sum();
            row[class] as f64 / all.max(1) as f64
        });
        let accuracy = shares.sum::<f64>() / classes as f64;
        let calibration_error = bins.iter().map(Bin::error).sum::<f64>() / labels.len().max(1) as f64;
        Self { folds, pictures: labels.len(), accuracy, calibration_error, confusion, mistakes }
    }

    /// The accuracy for people, such as `about 19 in 20`. Few pictures prove little: twenty that were all right are not more than
    /// `about 19 in 20`.
    pub fn in_words(&self) -> String {
        let pictures = self.pictures as f64;
        format!("about {}", share_in_words(self.accuracy.min((pictures + 1.0) / (pictures + 2.0))))
    }

    /// Whether there are enough pictures, by the smallest class.
    pub fn enough(&self) -> Enough {
        let smallest = self.confusion.iter().map(|row| row.iter().sum::<usize>()).min().unwrap_or_default();
        match smallest {
            0..2 => Enough::No(Few::Nothing),
            2..10 => Enough::No(Few::AStart),
            _ if smallest < 20 || (self.confusion.len() > 5 && smallest < 50) => Enough::MoreWouldHelp,
            _ => Enough::Yes,
        }
    }

    /// The pairs of classes that are hard to tell apart, hardest first.
    pub fn hard_pairs(&self) -> Vec<[usize; 2]> {
        let row = |class: usize| self.confusion[class].iter().sum::<usize>();
        let mut pairs = Vec::new();
        for one in 0..self.confusion.len() {
            for other in one + 1..self.confusion.len() {
                let mixed = self.confusion[one][other] + self.confusion[other][one];
                let share = mixed as f64 / (row(one) + row(other)).max(1) as f64;
                if mixed > 1 && share >= HARD {
                    pairs.push((share, [one, other]));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        pairs.into_iter().map(|(_, pair)| pair).collect()
    }
}

/// The fold of each picture, and their number. The pictures of a class are divided into runs, as equal as can be.
fn folds(labels: &[usize], classes: usize) -> (Vec<usize>, usize) {
    let counts = counts(labels, classes);
    let folds = counts.iter().copied().min().unwrap_or_default().min(FOLDS);
    let mut seen = vec![0; classes];
    let fold = labels.iter().map(|&label| {
        let fold = seen[label] * folds / counts[label];
        seen[label] += 1;
        fold
    });
    (fold.collect(), folds)
}

/// The answers of one interval of confidence.
#[derive(Clone, Copy, Default)]
struct Bin {
    confidence: f64,
    right: f64,
}

impl Bin {
    fn add(&mut self, confidence: f64, right: bool) {
        self.confidence += confidence;
        self.right += f64::from(u8::from(right));
    }

    fn error(&self) -> f64 {
        (self.confidence - self.right).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_runs_and_each_has_its_share_of_every_class() {
        let labels = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        assert_eq!(folds(&labels, 2), (vec![0, 0, 1, 2, 2, 3, 4, 0, 1, 2, 3, 4], 5));
        assert_eq!(folds(&[0, 1, 0, 1, 1], 2), (vec![0, 0, 1, 0, 1], 2));
    }

    fn quality(confusion: Vec<Vec<usize>>) -> Quality {
        let pictures = confusion.iter().flatten().sum();
        let accuracy = 1.0;
        Quality { folds: 5, pictures, accuracy, calibration_error: 0.0, confusion, mistakes: Vec::new() }
    }

    #[test]
    fn twenty_right_pictures_are_no_more_than_nineteen_in_twenty() {
        assert_eq!(quality(vec![vec![10, 0], vec![0, 10]]).in_words(), "about 19 in 20");
        assert_eq!(quality(vec![vec![500, 0], vec![0, 500]]).in_words(), "about 99 in 100");
    }

    #[test]
    fn classes_that_are_taken_for_each_other_are_named() {
        let quality = quality(vec![vec![6, 3, 1], vec![2, 8, 0], vec![0, 0, 10]]);
        assert_eq!(quality.hard_pairs(), [[0, 1]]);
    }

    #[test]
    fn how_many_pictures_are_enough_depends_on_the_number_of_classes() {
        let with = |each: usize, classes: usize| quality(vec![[vec![each], vec![0; classes - 1]].concat(); classes]);
        assert_eq!(with(9, 2).enough(), Enough::No(Few::AStart));
        assert_eq!(with(10, 2).enough(), Enough::MoreWouldHelp);
        assert_eq!(with(20, 2).enough(), Enough::Yes);
        assert_eq!(with(20, 6).enough(), Enough::MoreWouldHelp);
    }
}
