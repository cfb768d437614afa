//! Times inference alone, for `inference.py`, which alternates it with other runtimes.
//!
//! usage: inference BACKEND MODEL.onnx [THREADS]. Prints the load time; then each line on standard input is a number of runs, and is
//! answered by the milliseconds of each. A line that is empty is answered by the peak of the resident memory in kB.

use std::io::BufRead;
use std::time::Instant;

use glimpsed::infer::Model;
use glimpsed::models::spec::{Backend, InputHints, LabelSource, ModelSpec};
use glimpsed::models::threads::Threads;
use glimpsed::preprocess::Tensor;

#[allow(clippy::print_stdout, clippy::expect_used, reason = "a bench")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // `cargo bench` and `cargo test` start every bench; there is nothing to do then.
    let [backend, path, threads @ ..] = arguments.as_slice() else { return };
    let spec = ModelSpec {
        name: "bench".into(),
        path: path.into(),
        labels: LabelSource::ImageNet,
        sha256: None,
        input: InputHints { mean: Some([0.5; 3]), std: Some([0.5; 3]), ..InputHints::default() },
        backend: match backend.as_str() {
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
    let mut model = Model::load(&spec).expect("a model that loads");
    println!("{:.3}", start.elapsed().as_secs_f64() * 1000.0);
    let mut tensor = Tensor::for_input(&model.input);
    match &mut tensor {
        Tensor::F32(values) => {
            values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 511) as f32 / 255.5 - 1.0);
        }
        Tensor::U8(values) => values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 251) as u8),
    }
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if line.is_empty() {
            let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            println!("{}", peak.trim().trim_end_matches(" kB"));
            continue;
        }
        let times = (0..line.parse().expect("a number of runs")).map(|_| {
            let start = Instant::now();
            model.raw_scores(&tensor).expect("a picture can be labelled");
            format!("{:.4}", start.elapsed().as_secs_f64() * 1000.0)
        });
        println!("{}", times.collect::<Vec<_>>().join(" "));
    }
}
