//! Any bytes as a frame of every kind: an error at worst, and a picture is as large as it says.
#![no_main]

use glimpsed_core::domain::frame::{Encoding, Range, RawFormat};
use glimpsed_core::preprocess::decode::{DecodeError, decode};
use glimpsed_core::preprocess::picture::RgbImage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // `decode` turns a panic of the libraries' decoders into an error; libFuzzer's hook would abort before.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |data: &[u8]| {
        let mut picture = RgbImage::default();
        for encoding in [Encoding::Jpeg, Encoding::File] {
            let decoded = decode(encoding, data, &mut picture);
            check(&decoded, &picture);
        }
        let [width, height, pixels @ ..] = data else { return };
        for format in RawFormat::ALL {
            let encoding = Encoding::Raw { format, range: Range::Video, width: u32::from(*width), height: u32::from(*height) };
            let decoded = decode(encoding, pixels, &mut picture);
            check(&decoded, &picture);
            if gave_up(&decoded) {
                // No library is involved, so the panic was ours.
                std::process::abort();
            }
        }
    }
);

fn check(decoded: &Result<(), DecodeError>, picture: &RgbImage) {
    if decoded.is_ok() && picture.pixels.len() != 3 * picture.width * picture.height {
        std::process::abort();
    }
}

fn gave_up(decoded: &Result<(), DecodeError>) -> bool {
    matches!(decoded, Err(DecodeError::GaveUp { .. }))
}
