//! Each stage of a frame's way, alone: from the camera's bytes to what is published.
//!
//! `make bench` runs it and is told by criterion how each stage compares with the last run, which is kept in
//! target/criterion. Frames are made of the bundled photographs as a camera would send them.

#![allow(clippy::expect_used, reason = "a bench")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use glimpsed_core::capture::mjpeg::{Next, Splitter};
use glimpsed_core::config::Sources;
use glimpsed_core::decide::gate::{Gate, GateRules};
use glimpsed_core::decide::{Decider, Seen};
use glimpsed_core::domain::classification::Classification;
use glimpsed_core::domain::frame::{Encoding, Frame, Range, RawFormat};
use glimpsed_core::domain::framing::Rotation;
use glimpsed_core::infer::Model;
use glimpsed_core::infer::labeller::Labeller;
use glimpsed_core::models::catalog;
use glimpsed_core::payload::classification_json;
use glimpsed_core::preprocess::Preprocessor;
use glimpsed_core::preprocess::samples::Samples;
use glimpsed_core::preprocess::source::FrameDecoder;
use glimpsed_core::preprocess::thumbnail::Thumbnail;
use glimpsed_inference::{InputSpec, Tensor};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;

const SIZES: [(u32, u32); 2] = [(640, 480), (1280, 720)];

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn load(name: &str) -> Model {
    Model::load(&catalog::find(name).expect("bundled").spec(&[models()])).expect("loads")
}

/// What the bundled model takes.
fn input() -> InputSpec {
    load("efficientnet-lite0").input
}

fn camera_jpeg((width, height): (u32, u32)) -> Vec<u8> {
    let photo = image::open(models().join("photos/coffee.png")).expect("bundled").into_rgb8();
    let frame = image::imageops::resize(&photo, width, height, FilterType::CatmullRom);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&frame).expect("encodes");
    bytes
}

fn camera_raw(format: RawFormat, (width, height): (u32, u32)) -> Vec<u8> {
    (0..format.bytes(width, height)).map(|at| (at / 977 % 251) as u8).collect()
}

/// The camera's stream to single pictures.
fn split(criterion: &mut Criterion) {
    let stream = camera_jpeg(SIZES[0]).repeat(10);
    let mut picture = Vec::new();
    criterion.bench_function("split/10 pictures", |bencher| {
        bencher.iter(|| {
            let mut splitter = Splitter::new();
            let mut pictures = 0;
            for part in stream.chunks(64 << 10) {
                splitter.push(part);
                while splitter.next_into(&mut picture) == Next::Picture {
                    pictures += 1;
                }
            }
            black_box(pictures)
        });
    });
}

/// A JPEG as far as the model needs it.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let preprocessor = Preprocessor::new(input(), Rotation::None);
    let mut decoder = FrameDecoder::default();
    for size in SIZES {
        let bytes = camera_jpeg(size);
        group.bench_function(BenchmarkId::from_parameter(format_args!("{}x{}", size.0, size.1)), |bencher| {
            bencher.iter(|| {
                let wanted = |width, height| preprocessor.wanted(width, height);
                decoder.decode(Encoding::Jpeg, black_box(&bytes), wanted).expect("decodes");
            });
        });
    }
    group.finish();
}

/// What was decoded to the model's tensor.
fn prepare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prepare");
    let mut preprocessor = Preprocessor::new(input(), Rotation::None);
    let mut tensor = Tensor::for_input(&input());
    for size in SIZES {
        let name = |what: &str| BenchmarkId::new(what, format_args!("{}x{}", size.0, size.1));
        let bytes = camera_jpeg(size);
        let mut decoder = FrameDecoder::default();
        let wanted = |width, height| preprocessor.wanted(width, height);
        decoder.decode(Encoding::Jpeg, &bytes, wanted).expect("decodes");
        group.bench_function(name("jpeg"), |bencher| {
            bencher.iter(|| preprocessor.prepare(decoder.samples(&bytes), &mut tensor));
        });
        let (width, height) = (size.0 as usize, size.1 as usize);
        let yuyv = camera_raw(RawFormat::Yuyv, size);
        group.bench_function(name("yuyv"), |bencher| {
            bencher.iter(|| {
                preprocessor.prepare(
                    Samples::raw(RawFormat::Yuyv, Range::Video, [width, height], black_box(&yuyv)),
                    &mut tensor,
                );
            });
        });
        let nv12 = camera_raw(RawFormat::Nv12, size);
        group.bench_function(name("nv12"), |bencher| {
            bencher.iter(|| {
                preprocessor.prepare(
                    Samples::raw(RawFormat::Nv12, Range::Video, [width, height], black_box(&nv12)),
                    &mut tensor,
                );
            });
        });
    }
    group.finish();
}

/// Whether it is the same picture as before.
fn gate(criterion: &mut Criterion) {
    let (width, height) = (SIZES[0].0 as usize, SIZES[0].1 as usize);
    let yuyv = camera_raw(RawFormat::Yuyv, SIZES[0]);
    let preprocessor = Preprocessor::new(input(), Rotation::None);
    let rules = GateRules { min_luma: 10.0, min_change: 6.0, max_fps: None, ttl: Duration::from_secs(5) };
    let (mut gate, mut thumbnail, mut now) = (Gate::new(rules), Thumbnail::default(), Duration::ZERO);
    criterion.bench_function("gate/yuyv 640x480", |bencher| {
        bencher.iter(|| {
            now += Duration::from_millis(33);
            let region = preprocessor.framing().before_turning();
            thumbnail.take(Samples::raw(RawFormat::Yuyv, Range::Video, [width, height], black_box(&yuyv)), region);
            black_box(gate.judge(&thumbnail, now))
        });
    });
}

fn infer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("infer");
    for name in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        let mut model = load(name);
        let tensor = Tensor::for_input(&model.input);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                model.probabilities(black_box(&tensor)).expect("runs");
            });
        });
    }
    group.finish();
}

/// What holds, and what is said of it.
fn decide(criterion: &mut Criterion) {
    let text = format!("[model]\ndirectory = {:?}\n", models());
    let rules = Sources::alone("glimpsed.toml", text).load().expect("valid").first().labels.clone();
    let model = load("efficientnet-lite0-int8");
    let labels = model.labels().clone();
    let mut decider = Decider::new(labels, &rules, Default::default(), Duration::from_secs(3600));
    let mut labeller = Labeller::new(model, Rotation::None, rules.answering());
    let answer: Classification = labeller
        .label(&mut FrameDecoder::default(), &Frame::from_bytes(Encoding::Jpeg, camera_jpeg(SIZES[0])))
        .expect("labels");
    let mut now = Duration::ZERO;
    criterion.bench_function("decide", |bencher| {
        bencher.iter(|| {
            now += Duration::from_millis(33);
            decider.observe(answer.clone(), Seen::Scores(labeller.probabilities()), now)
        });
    });
    criterion.bench_function("publish", |bencher| bencher.iter(|| classification_json(black_box(&answer))));
}

criterion_group! {
    name = stages;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = split, decode, prepare, gate, infer, decide
}
criterion_main!(stages);
