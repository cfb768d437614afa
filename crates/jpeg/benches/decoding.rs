//! A camera's picture: finding its end, and decoding it to the size that a model needs.

#![allow(clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use glimpsed_jpeg::Scanner;
use glimpsed_jpeg::decoder::{Decoder, Wanted};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;

const SIZES: [(u32, u32); 2] = [(640, 480), (1280, 720)];

fn camera_jpeg((width, height): (u32, u32)) -> Vec<u8> {
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/photos/coffee.png");
    let photo = image::open(photo).expect("bundled").into_rgb8();
    let frame = image::imageops::resize(&photo, width, height, FilterType::CatmullRom);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&frame).expect("encodes");
    bytes
}

fn scan(criterion: &mut Criterion) {
    let picture = camera_jpeg(SIZES[0]);
    criterion.bench_function("scan/640x480", |bencher| {
        bencher.iter(|| Scanner::default().scan(black_box(&picture)));
    });
}

/// Each block of 8x8 pixels becomes `block` pixels wide and high.
fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let mut decoder = Decoder::default();
    for size in SIZES {
        let bytes = camera_jpeg(size);
        for block in [8, 4, 2, 1] {
            let name = BenchmarkId::new(format!("{}x{}", size.0, size.1), format_args!("{block} of 8"));
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let header = decoder.read(black_box(&bytes)).expect("a header");
                    let (columns, rows) = (0..header.width, 0..header.height);
                    let wanted = Wanted { block, columns, rows, budget: 64 << 20 };
                    decoder.decode(&bytes, &header, &wanted).expect("decodes");
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, scan, decode);
criterion_main!(benches);
