//! Times inference alone, for `inference.py` and `peers/`, which alternate it with other runtimes.
//!
//! usage: inference BACKEND MODEL.onnx [THREADS]. The backend may also be the name of a set of kernels. Prints the load time, then
//! answers lines (see `lines`); `best` is answered by the three classes with the highest scores, `work` by the multiplications
//! of a picture, the precision and the set of kernels.
//!
//! usage: inference sets. Lists the sets of kernels that this processor has.
//!
//! usage: inference peak fp32|int8 SET. The arithmetic peak of a core with that set's instructions, in the same way.

mod lines;
mod peak;

use std::path::Path;
use std::time::Instant;

use glimpsed_inference::{Backend, InputHints, InputSpec, Kernels, Source, Tensor, load_onto};
use peak::Peak;

#[allow(clippy::print_stdout, reason = "a bench")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sets"] => Kernels::available().filter(Kernels::are_fast).for_each(|kernels| println!("{}", kernels.name)),
        ["peak", precision, set] => serve_peak(precision, set),
        [backend, path, threads @ ..] => serve_model(backend, path, threads.first().copied()),
        // `cargo bench` and `cargo test` start every bench; there is nothing to do then.
        _ => {}
    }
}

#[allow(clippy::print_stdout, clippy::expect_used, reason = "a bench")]
fn serve_peak(precision: &str, set: &str) {
    assert!(Kernels::available().any(|kernels| kernels.name == set), "this processor has no {set}");
    let mut peak = Peak::of(set, precision).expect("a set with a peak");
    println!("0");
    lines::serve(&mut peak, Peak::run, |peak, _| peak.macs().to_string());
}

#[allow(clippy::print_stdout, clippy::expect_used, reason = "a bench")]
fn serve_model(backend: &str, path: &str, threads: Option<&str>) {
    let set = match backend {
        "auto" | "native" | "tract" => Kernels::detect(),
        name => Kernels::available().find(|kernels| kernels.name == name).expect("a set that this processor has"),
    };
    let hints = InputHints { mean: Some([0.5; 3]), std: Some([0.5; 3]), ..InputHints::default() };
    let backend = match backend {
        "auto" => Backend::Auto,
        "tract" => Backend::Tract,
        _ => Backend::Native,
    };
    let source = Source { path: Path::new(path), sha256: None, input: &hints, backend };
    let start = Instant::now();
    let mut loaded = load_onto(&source, set).expect("a model that loads");
    if let Some(threads) = threads {
        loaded.classifier.set_threads(threads.parse().expect("a number"));
    }
    let loading = start.elapsed();
    let tensor = picture(&loaded.inspection.input);
    let mut scores = Vec::new();
    // The first run allocates the workspace and touches every weight: part of what a user waits for.
    let start = Instant::now();
    loaded.classifier.run(&tensor, &mut scores).expect("a picture can be labelled");
    println!("{:.3}", (loading + start.elapsed()).as_secs_f64() * 1000.0);
    let classify = |scores: &mut Vec<f32>| {
        loaded.classifier.run(&tensor, scores).expect("a picture can be labelled");
    };
    let inspection = &loaded.inspection;
    lines::serve(&mut scores, classify, |scores, question| {
        if question == "work" {
            return format!("{} {} {}", inspection.macs, inspection.precision, set.name);
        }
        let mut classes: Vec<usize> = (0..scores.len()).collect();
        classes.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
        classes.iter().take(3).map(usize::to_string).collect::<Vec<_>>().join(" ")
    });
}

/// Values over the whole range of the input, always the same.
fn picture(input: &InputSpec) -> Tensor {
    let mut tensor = Tensor::for_input(input);
    match &mut tensor {
        Tensor::F32(values) => {
            values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 511) as f32 / 255.5 - 1.0);
        }
        Tensor::U8(values) => values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 251) as u8),
    }
    tensor
}
