//! Any bytes as a frame of every kind: an error at worst, and a picture is as large as it says.
#![no_main]

use glimpsed::domain::frame::{Encoding, RawFormat};
use glimpsed_jpeg::baseline::{Decoder, Wanted};
use glimpsed_jpeg::{Scan, Scanner, huffman};
use glimpsed::preprocess::decode::{DecodeError, decode};
use glimpsed::preprocess::picture::RgbImage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // `decode` turns a panic of the libraries' decoders into an error; libFuzzer's hook would abort before.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |data: &[u8]| {
        read_markers(data);
        decode_small(data);
        let mut picture = RgbImage::default();
        for encoding in [Encoding::Jpeg, Encoding::File] {
            let decoded = decode(encoding, data, &mut picture);
            check(&decoded, &picture);
        }
        let [width, height, pixels @ ..] = data else { return };
        for format in [RawFormat::Yuyv, RawFormat::Nv12, RawFormat::Grey, RawFormat::Rgb] {
            let encoding = Encoding::Raw { format, width: u32::from(*width), height: u32::from(*height) };
            let decoded = decode(encoding, pixels, &mut picture);
            check(&decoded, &picture);
            if gave_up(&decoded) {
                // No library is involved, so the panic was ours.
                std::process::abort();
            }
        }
    }
);

/// Our own part of reading a JPEG, outside of what catches panics.
fn read_markers(data: &[u8]) {
    let scan = std::panic::catch_unwind(|| {
        let mut completed = Vec::new();
        let _ = huffman::complete(data, &mut completed);
        Scanner::default().scan(data)
    });
    match scan {
        Ok(Scan::Complete(end)) if end > data.len() => std::process::abort(),
        Ok(_) => {}
        Err(_) => std::process::abort(),
    }
}

/// Our own decoder, at a size and of a part that the bytes choose, outside of what catches panics.
fn decode_small(data: &[u8]) {
    let decoded = std::panic::catch_unwind(|| {
        let mut decoder = Decoder::default();
        let Ok(header) = decoder.read(data) else { return };
        // What is larger would be refused before.
        if header.width * header.height > 1 << 22 {
            return;
        }
        let choice = usize::from(data[data.len() / 2]);
        let (columns, rows) = (choice..header.width.max(choice), 0..header.height / (1 + choice % 3));
        let _ = decoder.decode(data, &header, &Wanted { block: 1 + choice % 8, columns, rows });
    });
    if decoded.is_err() {
        std::process::abort();
    }
}

fn check(decoded: &Result<(), DecodeError>, picture: &RgbImage) {
    if decoded.is_ok() && picture.pixels.len() != 3 * picture.width * picture.height {
        std::process::abort();
    }
}

fn gave_up(decoded: &Result<(), DecodeError>) -> bool {
    matches!(decoded, Err(DecodeError::Corrupt { kind: "encoded", .. }))
}
