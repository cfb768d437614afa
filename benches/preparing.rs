//! Times decoding and preprocessing alone, for `peers/`, which alternates it with OpenCV, Pillow and turbojpeg.
//!
//! usage: preparing decode|prepare DIRECTORY. Takes the JPEG files of the directory in turn as if they were a camera's frames:
//! `decode` as far as a model of 224x224 needs them, `prepare` further to its floats. Prints 0, then answers lines (see
//! `lines`); `mean` is answered by the mean of the floats of each picture.

#[path = "../crates/inference/benches/lines/mod.rs"]
mod lines;

use glimpsed_core::domain::frame::Encoding;
use glimpsed_core::domain::framing::Rotation;
use glimpsed_core::preprocess::Preprocessor;
use glimpsed_core::preprocess::source::FrameDecoder;
use glimpsed_inference::{ChannelOrder, Element, Fit, InputSpec, Layout, Tensor};

struct Preparing {
    frames: Vec<Vec<u8>>,
    next: usize,
    decoder: FrameDecoder,
    preprocessor: Preprocessor,
    /// Whether more than the time of decoding is wanted.
    whole: bool,
    tensor: Tensor,
}

impl Preparing {
    #[allow(clippy::expect_used, reason = "a bench")]
    fn run(&mut self) {
        let bytes = &self.frames[self.next];
        let wanted = |width, height| self.preprocessor.wanted(width, height);
        self.decoder.decode(Encoding::Jpeg, bytes, wanted).expect("a picture that can be decoded");
        if self.whole {
            self.preprocessor.prepare(self.decoder.samples(bytes), &mut self.tensor);
        }
        self.next = (self.next + 1) % self.frames.len();
    }

    /// Of what was prepared last.
    fn mean(&self) -> f64 {
        let Tensor::F32(values) = &self.tensor else { return 0.0 };
        values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
    }
}

#[allow(clippy::print_stdout, clippy::expect_used, reason = "a bench")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // `cargo bench` and `cargo test` start every bench; there is nothing to do then.
    let [steps, directory] = arguments.as_slice() else { return };
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jpg"))
        .collect();
    files.sort();
    let spec = InputSpec {
        height: 224,
        width: 224,
        layout: Layout::Nchw,
        element: Element::F32,
        channels: ChannelOrder::Rgb,
        mean: [127.0 / 255.0; 3],
        std: [128.0 / 255.0; 3],
        fit: Fit::Crop { shorter_px: 256 },
    };
    let mut preparing = Preparing {
        frames: files.iter().map(|file| std::fs::read(file).expect("a file")).collect(),
        next: 0,
        decoder: FrameDecoder::default(),
        tensor: Tensor::for_input(&spec),
        preprocessor: Preprocessor::new(spec, Rotation::None),
        whole: steps == "prepare",
    };
    println!("0");
    lines::serve(&mut preparing, Preparing::run, |preparing, _| {
        preparing.next = 0;
        let means = (0..preparing.frames.len()).map(|_| {
            preparing.run();
            format!("{:.5}", preparing.mean())
        });
        means.collect::<Vec<_>>().join(" ")
    });
}
