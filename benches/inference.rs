//! Times inference alone, for `inference.py` and `peers/`, which alternate it with other runtimes.
//!
//! usage: inference BACKEND MODEL.onnx [THREADS]. The backend may also be one of the instruction sets that `inference sets`
//! lists. Prints the load time, then answers lines (see `lines`); `best` is answered by the three classes with the highest
//! scores.

mod lines;

use std::time::Instant;

use glimpsed::infer::{Kernels, Model};
use glimpsed::models::spec::{Backend, InputHints, LabelSource, ModelSpec};
use glimpsed::models::threads::Threads;
use glimpsed::preprocess::Tensor;

#[allow(clippy::print_stdout, clippy::expect_used, reason = "a bench")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // `cargo bench` and `cargo test` start every bench; there is nothing to do then.
    let (backend, path, threads) = match arguments.as_slice() {
        [word] if word == "sets" => {
            Kernels::available().filter(Kernels::are_fast).for_each(|kernels| println!("{}", kernels.name));
            return;
        }
        [backend, path, threads @ ..] => (backend, path, threads),
        _ => return,
    };
    let set = Kernels::available().find(|kernels| kernels.name == *backend);
    let spec = ModelSpec {
        name: "bench".into(),
        path: path.into(),
        labels: LabelSource::ImageNet,
        sha256: None,
        input: InputHints { mean: Some([0.5; 3]), std: Some([0.5; 3]), ..InputHints::default() },
        backend: match backend.as_str() {
            _ if set.is_some() => Backend::Native,
            "native" => Backend::Native,
            "tract" => Backend::Tract,
            _ => Backend::Auto,
        },
        threads: threads
            .first()
            .map_or(Threads::default(), |threads| Threads::Fixed(threads.parse().expect("a number"))),
        int8: None,
    };
    let start = Instant::now();
    let mut model = Model::load_onto(&spec, set.unwrap_or_else(Kernels::detect)).expect("a model that loads");
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
    lines::serve(&mut model, run, |model, _| {
        let scores = model.raw_scores(&tensor).expect("a picture can be labelled");
        let mut classes: Vec<usize> = (0..scores.len()).collect();
        classes.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
        classes.iter().take(3).map(usize::to_string).collect::<Vec<_>>().join(" ")
    });
}
