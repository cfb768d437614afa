//! How long fitting takes: `cargo run --release -p glimpsed-teach --example fit`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use glimpsed_teach::{Head, Lesson, Vectors};

fn main() {
    println!("classes x pictures: fit, and with folds and threshold; memory of the vectors");
    for (classes, each) in [(2, 10), (6, 50), (10, 100), (10, 200)] {
        let (vectors, labels) = clouds(classes, each);
        let mut fits: Vec<f64> = (0..5).map(|_| time(|| Head::fit(&vectors, &labels, classes).is_ok())).collect();
        fits.sort_by(f64::total_cmp);
        let lesson = time(|| Lesson::of(&vectors, &labels, classes).is_ok());
        println!("{classes} x {each}: {:.1} ms, {lesson:.0} ms; {:.1} MB", fits[2], vectors.bytes() as f64 / 1e6);
    }
}

fn time(work: impl FnOnce() -> bool) -> f64 {
    let begun = Instant::now();
    assert!(work(), "it can be fitted");
    begun.elapsed().as_secs_f64() * 1000.0
}

/// Vectors as a network gives them: 1280 numbers that are not negative, most of them small, around a centre for each class.
fn clouds(classes: usize, each: usize) -> (Vectors, Vec<usize>) {
    let mut random = fastrand::Rng::with_seed(1);
    let mut draw = || (0..1280).map(|_| random.f32().powi(4) * 2.0).collect::<Vec<f32>>();
    let centres: Vec<Vec<f32>> = (0..classes).map(|_| draw()).collect();
    let (mut vectors, mut labels) = (Vectors::new(1280), Vec::new());
    for index in 0..classes * each {
        let class = index % classes;
        let picture: Vec<f32> = draw().iter().zip(&centres[class]).map(|(own, centre)| own + 0.3 * centre).collect();
        if vectors.push(&picture).is_ok() {
            labels.push(class);
        }
    }
    (vectors, labels)
}
