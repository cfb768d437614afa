//! The head against scikit-learn's logistic regression; `fixtures/make.py` made the reference values.

#![allow(clippy::expect_used, clippy::print_stderr, reason = "a test fails by panicking, and prints its figures")]

use std::str::FromStr;

use glimpsed_teach::{Head, Vectors};

/// The words of a fixture, in turn.
struct Words<'a>(std::str::SplitAsciiWhitespace<'a>);

impl Words<'_> {
    fn next<T: FromStr>(&mut self) -> T {
        self.0.next().and_then(|word| word.parse().ok()).expect("a number")
    }

    fn several(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// The largest difference of a probability.
fn difference(fixture: &str) -> f32 {
    let mut words = Words(fixture.split_ascii_whitespace());
    let [classes, length, taught, asked] = [0; 4].map(|_| words.next::<usize>());
    let (mut vectors, mut labels) = (Vectors::new(length), Vec::new());
    for _ in 0..taught {
        labels.push(words.next());
        vectors.push(&words.several(length)).expect("usable");
    }
    let head = Head::fit(&vectors, &labels, classes).expect("a fit");
    let mut found = Vec::new();
    let mut largest = 0.0_f32;
    for _ in 0..asked {
        head.probabilities(&words.several(length), &mut found);
        assert_eq!(found.len(), classes);
        for (found, expected) in found.iter().zip(words.several(classes)) {
            largest = largest.max((found - expected).abs());
        }
    }
    assert!(words.0.next().is_none(), "the whole fixture was read");
    largest
}

#[test]
fn probabilities_are_those_of_scikit_learn_within_a_thousandth() {
    for (name, fixture) in [
        ("two classes", include_str!("fixtures/two-classes.txt")),
        ("five classes", include_str!("fixtures/five-classes.txt")),
        ("more pictures than numbers", include_str!("fixtures/more-pictures-than-numbers.txt")),
        ("copies", include_str!("fixtures/copies.txt")),
        ("one class that is much larger", include_str!("fixtures/one-picture-each-but-one.txt")),
    ] {
        let difference = difference(fixture);
        eprintln!("{name}: {difference:.1e}");
        assert!(difference < 1e-3, "{name}: {difference}");
    }
}
