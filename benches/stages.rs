//! Times what happens to a frame before inference, for `make bench-peers` and for whoever changes it.
//!
//! usage: stages FORMAT[:WIDTHxHEIGHT] FILE SIDE SHORTER. FORMAT is `jpeg`, `yuyv`, `nv12` or `rgb`; the frame becomes what
//! a model of SIDE pixels sees of it, its shorter side resized to SHORTER. Then each line on standard input is a number of
//! runs, and is answered by the milliseconds of each: decoding, then preparing.

use std::io::BufRead;
use std::time::Instant;

use glimpsed::config::typed::Rotation;
use glimpsed::frame::{Encoding, RawFormat};
use glimpsed::models::spec::{Element, Fit, InputSpec, Layout};
use glimpsed::preprocess::source::FrameDecoder;
use glimpsed::preprocess::{Preprocessor, Tensor};

#[allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a bench")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // `cargo bench` and `cargo test` start every bench; there is nothing to do then.
    let [format, file, side, shorter] = arguments.as_slice() else { return };
    let (format, size) = format.split_once(':').unwrap_or((format, "0x0"));
    let (width, height) = size.split_once('x').expect("WIDTHxHEIGHT");
    let [width, height] = [width, height].map(|length| length.parse().expect("a number"));
    let encoding = match format {
        "jpeg" => Encoding::Jpeg,
        "yuyv" => Encoding::Raw { format: RawFormat::Yuyv, width, height },
        "nv12" => Encoding::Raw { format: RawFormat::Nv12, width, height },
        "rgb" => Encoding::Raw { format: RawFormat::Rgb, width, height },
        _ => panic!("jpeg, yuyv, nv12 or rgb"),
    };
    let bytes = std::fs::read(file).expect("a file");
    let side = side.parse().expect("a number");
    let spec = InputSpec {
        element: Element::F32,
        layout: Layout::Nchw,
        mean: [0.5; 3],
        std: [0.5; 3],
        fit: Fit::Crop { shorter_px: shorter.parse().expect("a number") },
        ..InputSpec::stretched(side, side)
    };
    let mut tensor = Tensor::for_input(&spec);
    let mut preprocessor = Preprocessor::new(spec, Rotation::None);
    let mut decoder = FrameDecoder::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let times = (0..line.parse().expect("a number of runs")).map(|_| {
            let start = Instant::now();
            let wanted = |width, height| preprocessor.wanted(width, height);
            decoder.decode(encoding, &bytes, wanted).expect("a frame");
            let decoded = Instant::now();
            preprocessor.prepare(decoder.samples(&bytes), &mut tensor);
            let milliseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1000.0;
            format!("{:.4} {:.4}", milliseconds(start, decoded), milliseconds(decoded, Instant::now()))
        });
        println!("{}", times.collect::<Vec<_>>().join(" "));
    }
}
