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

use std::time::Instant;

use glimpsed::infer::Model;
use glimpsed::models::labels::LabelSource;
use glimpsed::models::spec::ModelSpec;
use glimpsed::models::threads::Threads;
use glimpsed_inference::{Backend, InputHints, Kernels, Tensor};
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
    let spec = ModelSpec {
        name: "bench".into(),
        path: path.into(),
        labels: LabelSource::ImageNet,
        sha256: None,
        input: InputHints { mean: Some([0.5; 3]), std: Some([0.5; 3]), ..InputHints::default() },
        backend: match backend {
            "auto" => Backend::Auto,
            "tract" => Backend::Tract,
            _ => Backend::Native,
        },
        threads: threads.map_or(Threads::default(), |threads| Threads::Fixed(threads.parse().expect("a number"))),
        background: None,
        int8: None,
    };
    let start = Instant::now();
    let mut model = Model::load_onto(&spec, set).expect("a model that loads");
    println!("{:.3}", start.elapsed().as_secs_f64() * 1000.0);
    let mut tensor = Tensor::for_input(&model.input);
    match &mut tensor {
        Tensor::F32(values) => {
            values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 511) as f32 / 255.5 - 1.0);
        }
        Tensor::U8(values) => values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 251) as u8),
    }
    let run = |model: &mut Model| {
        model.raw_scores(&tensor).expect("a picture can be labelled");
    };
    lines::serve(&mut model, run, |model, question| {
        let inspection = &model.inspection;
        if question == "work" {
            return format!("{} {} {}", inspection.macs, inspection.precision, set.name);
        }
        let scores = model.raw_scores(&tensor).expect("a picture can be labelled");
        let mut classes: Vec<usize> = (0..scores.len()).collect();
        classes.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
        classes.iter().take(3).map(usize::to_string).collect::<Vec<_>>().join(" ")
    });
}
