//! Lessons from vectors that are made up: clouds around a centre for each class.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use fastrand::Rng;
use glimpsed_teach::{Enough, Few, Head, Lesson, Refusal, Strangeness, Vectors};
use proptest::prelude::*;

const LENGTH: usize = 64;

/// A cloud: a direction of its own, with noise.
fn picture(centre: u64, spread: f32, random: &mut Rng) -> Vec<f32> {
    let mut own = Rng::with_seed(1000 + centre);
    // Most numbers are small and some are large, as after a ReLU.
    (0..LENGTH).map(|_| 4.0 * own.f32().powi(5) + spread * random.f32()).collect()
}

fn pictures(counts: &[usize], spread: f32, seed: u64) -> (Vectors, Vec<usize>) {
    let mut random = Rng::with_seed(seed);
    let (mut vectors, mut labels) = (Vectors::new(LENGTH), Vec::new());
    for (class, &count) in counts.iter().enumerate() {
        for _ in 0..count {
            vectors.push(&picture(class as u64, spread, &mut random)).expect("usable");
            labels.push(class);
        }
    }
    (vectors, labels)
}

#[test]
fn clouds_that_lie_apart_are_told_apart() {
    let (vectors, labels) = pictures(&[20, 20, 20], 1.5, 1);
    let lesson = Lesson::of(&vectors, &labels, 3).expect("a lesson");
    assert!(lesson.quality.accuracy > 0.95, "{:?}", lesson.quality);
    assert_eq!(lesson.quality.in_words(), "about 49 in 50");
    assert_eq!(lesson.quality.enough(), Enough::Yes);
    let mut random = Rng::with_seed(99);
    let mut says = Vec::new();
    for class in 0..3 {
        lesson.head.probabilities(&picture(class, 1.5, &mut random), &mut says);
        let best = (0..3).max_by(|&a, &b| says[a].total_cmp(&says[b])).expect("one");
        assert_eq!(best as u64, class, "{says:?}");
    }
}

#[test]
fn a_label_that_is_wrong_is_the_surest_mistake() {
    let (vectors, mut labels) = pictures(&[20, 20], 1.5, 2);
    labels[7] = 1;
    let lesson = Lesson::of(&vectors, &labels, 2).expect("a lesson");
    let surest = lesson.quality.mistakes.first().expect("a mistake");
    assert_eq!((surest.picture, surest.class, surest.said), (7, 1, 0));
}

#[test]
fn clouds_in_one_place_are_hard_to_tell_apart_and_it_is_said() {
    let mut random = Rng::with_seed(3);
    let (mut vectors, mut labels) = (Vectors::new(LENGTH), Vec::new());
    for index in 0..60 {
        vectors.push(&picture(u64::from(index % 3 == 0), 4.0, &mut random)).expect("usable");
        labels.push(index % 3);
    }
    let quality = Lesson::of(&vectors, &labels, 3).expect("a lesson").quality;
    assert_eq!(quality.hard_pairs().first(), Some(&[1, 2]), "{quality:?}");
}

#[test]
fn sixty_copies_of_a_picture_count_once_and_leave_the_threshold_as_it_is() {
    let (mut vectors, mut labels) = pictures(&[12, 12], 2.5, 4);
    let before = Lesson::of(&vectors, &labels, 2).expect("a lesson");
    let mut random = Rng::with_seed(5);
    let original = picture(0, 2.5, &mut Rng::with_seed(4));
    for _ in 0..60 {
        let copy: Vec<f32> = original.iter().map(|number| number + 0.01 * random.f32()).collect();
        vectors.push(&copy).expect("usable");
    }
    labels.extend([0; 60]);
    let after = Lesson::of(&vectors, &labels, 2).expect("a lesson");
    assert_eq!((after.kept.len(), &after.counts), (24, &before.counts));
    let apart =
        |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
    assert!(apart(&after.head.weights, &before.head.weights) < 1e-3);
    let threshold = |lesson: &Lesson| lesson.strangeness.expect("a threshold").least_cosine;
    assert!((threshold(&after) - threshold(&before)).abs() < 1e-4);
}

#[test]
fn about_one_in_twenty_right_pictures_is_strange_and_foreign_ones_are() {
    let (mut right, mut foreign) = (0, 0);
    for seed in 0..10 {
        let (vectors, labels) = pictures(&[20, 20], 2.0, 60 + seed);
        let lesson = Lesson::of(&vectors, &labels, 2).expect("a lesson");
        let strangeness = lesson.strangeness.expect("a threshold");
        let mut random = Rng::with_seed(7 + seed);
        let mut strange = |centre: u64| {
            let nearest = Strangeness::nearest(&picture(centre, 2.0, &mut random), &vectors).expect("one");
            strangeness.is_strange(nearest)
        };
        right += (0..100).filter(|index| strange(index % 2)).count();
        foreign += (0..100).filter(|index| strange(50 + index)).count();
    }
    assert!((10..80).contains(&right), "{right} of 1000");
    assert!(foreign > 900, "{foreign} of 1000");
}

#[test]
fn what_is_not_enough_is_refused_or_said() {
    let refusal = |counts: &[usize]| {
        let (vectors, labels) = pictures(counts, 2.0, 8);
        Lesson::of(&vectors, &labels, counts.len())
    };
    assert_eq!(refusal(&[5]), Err(Refusal::TooFewClasses));
    assert_eq!(refusal(&[5, 1]), Err(Refusal::TooFewPictures { class: 1, pictures: 1 }));
    assert_eq!(refusal(&[5, 0]), Err(Refusal::TooFewPictures { class: 1, pictures: 0 }));
    let lesson = refusal(&[2, 3]).expect("two of each are the least");
    assert_eq!((lesson.quality.enough(), lesson.quality.folds), (Enough::No(Few::AStart), 2));
    assert_eq!(lesson.strangeness, None);
    let (vectors, labels) = pictures(&[3, 3], 1.0, 9);
    assert_eq!(Head::fit(&vectors, &labels[1..], 2), Err(Refusal::Mismatch));
    assert_eq!(Head::fit(&vectors, &labels, 1), Err(Refusal::Mismatch));
    let mut same = Vectors::new(LENGTH);
    (0..6).for_each(|_| same.push(&[1.0; LENGTH]).expect("usable"));
    let all_copies = Lesson::of(&same, &[0, 0, 0, 1, 1, 1], 2);
    assert_eq!(all_copies, Err(Refusal::TooFewPictures { class: 0, pictures: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_pictures_give_finite_probabilities_and_the_same_ones_each_time(
        counts in proptest::collection::vec(2usize..9, 2..5), spread in 0.0f32..60_000.0, seed: u64,
    ) {
        let (vectors, labels) = pictures(&counts, spread, seed);
        let (one, other) = (Lesson::of(&vectors, &labels, counts.len()), Lesson::of(&vectors, &labels, counts.len()));
        prop_assert_eq!(&one, &other);
        // Pictures without noise are copies of one.
        let Ok(lesson) = one else { return Ok(()) };
        prop_assert!((0.0..=1.0).contains(&lesson.quality.accuracy) && lesson.quality.calibration_error.is_finite());
        let mut says = Vec::new();
        lesson.head.probabilities(&picture(0, spread, &mut Rng::with_seed(seed)), &mut says);
        prop_assert!((says.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{says:?}");
    }
}
