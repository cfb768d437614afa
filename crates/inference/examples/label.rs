//! Labels a photograph: the number of its class in ImageNet's order, and how likely that is.
//!
//! usage: cargo run -p glimpsed-inference --no-default-features --example label MODEL.onnx PHOTOGRAPH

use std::error::Error;
use std::io::Write;
use std::path::Path;

use glimpsed_inference::{Backend, InputHints, Source, Tensor, load, softmax};
use image::imageops::{FilterType, resize};

fn main() -> Result<(), Box<dyn Error>> {
    let [_, model, picture] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: label MODEL PICTURE".into());
    };
    let (mean, std) = ([127.0 / 255.0; 3], [128.0 / 255.0; 3]);
    let hints = InputHints { mean: Some(mean), std: Some(std), ..InputHints::default() };
    let source = Source { path: Path::new(model), sha256: None, input: &hints, backend: Backend::Auto };
    let mut loaded = load(&source)?;
    let (width, height) = (loaded.inspection.input.width, loaded.inspection.input.height);
    let pixels = resize(&image::open(picture)?.to_rgb8(), width as u32, height as u32, FilterType::Triangle);
    let value = |at: usize| {
        let (channel, pixel) = (at / (width * height), at % (width * height));
        (f32::from(pixels.as_raw()[3 * pixel + channel]) / 255.0 - mean[channel]) / std[channel]
    };
    let tensor = Tensor::F32((0..3 * width * height).map(value).collect());
    let mut scores = Vec::new();
    loaded.classifier.run(&tensor, &mut scores)?;
    softmax(&mut scores);
    let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).ok_or("no classes")?;
    writeln!(std::io::stdout(), "class {best}: {:.1} %", 100.0 * scores[best])?;
    Ok(())
}
