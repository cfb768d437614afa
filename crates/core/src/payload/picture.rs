//! Draws labels into a picture.

use font8x8::UnicodeFonts;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use super::words::status_name;
use crate::domain::classification::{Answer, Status};
use crate::domain::frame::Encoding;
use crate::domain::framing::Framing;
use crate::preprocess::decode::decode_view;
use crate::preprocess::encode::{self, PictureError};
use crate::preprocess::picture::RgbImage;

/// JPEG quality for viewing; a 640x480 picture takes about 60 kB.
const QUALITY: u8 = 80;

/// Size of a letter of the font, in pixels.
const LETTER: usize = 8;

/// This many letters fit across the picture, whatever its size.
const LETTERS_ACROSS: usize = 40;

const INK: [u8; 3] = [255, 255, 255];

/// The background of the letters keeps this fraction of its brightness.
const DIMMED: (u16, u16) = (1, 4);

/// The picture with the answer's labels drawn in, as a JPEG file.
///
/// # Errors
/// When a side is longer than the 65535 pixels that a JPEG file can hold.
pub fn jpeg(mut picture: RgbImage, answer: &Answer) -> Result<Vec<u8>, PictureError> {
    draw(&mut picture, &lines(answer));
    encode(&picture)
}

/// The picture as a JPEG file, without labels.
///
/// # Errors
/// As [`jpeg`].
pub fn encode(picture: &RgbImage) -> Result<Vec<u8>, PictureError> {
    encode::jpeg(picture, QUALITY)
}

/// What a view sees of a frame, upright and without labels, as a JPEG file whose longer side has at most `side` pixels.
///
/// # Errors
/// Why the frame is no picture.
pub fn of_view(encoding: Encoding, bytes: &[u8], view: Framing, side: usize) -> Result<Vec<u8>, PictureError> {
    encode(&decode_view(encoding, bytes, view, side)?)
}

/// Makes a picture for people, on a thread for blocking work. One is made after the other in the whole process, because of the memory that
/// each takes: viewers, changes and notices may all want one of the same frame.
///
/// # Errors
/// When `make` panics.
pub async fn in_turn<T: Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    static TURN: Semaphore = Semaphore::const_new(1);
    // It is never closed.
    let _turn = TURN.acquire().await;
    spawn_blocking(make).await
}

fn lines(answer: &Answer) -> Vec<String> {
    let unsure = (answer.status != Status::Known).then(|| status_name(answer.status).to_owned());
    let top = answer.top.iter().map(|ranked| format!("{:>3.0} % {}", 100.0 * ranked.confidence, ranked.label));
    unsure.into_iter().chain(top).collect()
}

/// Draws the lines into the lower left corner, on a dimmed background. What does not fit is clipped.
fn draw(picture: &mut RgbImage, lines: &[String]) {
    let scale = (picture.width / (LETTERS_ACROSS * LETTER)).max(1);
    let step = LETTER * scale;
    let height = (lines.len() * (step + scale) + 2 * scale).min(picture.height);
    let top = picture.height - height;
    let row_bytes = picture.width * 3;
    for byte in picture.pixels.iter_mut().skip(top * row_bytes) {
        *byte = (u16::from(*byte) * DIMMED.0 / DIMMED.1) as u8;
    }
    for (number, line) in lines.iter().enumerate() {
        let y = top + scale + number * (step + scale);
        for (column, letter) in line.chars().enumerate() {
            let Some(bitmap) = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter)) else {
                continue;
            };
            stamp(picture, &bitmap, (scale + column * step, y), scale);
        }
    }
}

fn stamp(picture: &mut RgbImage, bitmap: &[u8; LETTER], (left, top): (usize, usize), scale: usize) {
    for y in 0..LETTER * scale {
        for x in 0..LETTER * scale {
            let lit = bitmap[y / scale] >> (x / scale) & 1 == 1;
            let inside = left + x < picture.width && top + y < picture.height;
            if lit && inside {
                let at = ((top + y) * picture.width + left + x) * 3;
                picture.pixels[at..at + 3].copy_from_slice(&INK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::classification::tests_support::frame;
    use crate::domain::framing::{Region, Rotation};
    use proptest::prelude::*;

    fn grey(width: usize, height: usize) -> RgbImage {
        RgbImage { width, height, pixels: vec![200; width * height * 3] }
    }

    #[test]
    fn labels_stand_in_the_lower_part_and_the_rest_is_untouched() {
        let mut picture = grey(640, 480);
        draw(&mut picture, &lines(&frame(1, Some("tabby")).answer));
        let rows: Vec<&[u8]> = picture.pixels.chunks(640 * 3).collect();
        assert!(rows[..450].iter().all(|row| row.iter().all(|&byte| byte == 200)));
        let below: Vec<u8> = rows[460..].concat();
        assert!(below.contains(&255) && below.contains(&50) && !below.contains(&200));
    }

    #[test]
    fn the_file_is_a_jpeg_of_the_same_size() {
        let bytes = jpeg(grey(64, 48), &frame(1, None).answer).expect("a JPEG");
        let decoded = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).expect("a picture");
        assert_eq!((decoded.width(), decoded.height()), (64, 48));
        assert!(jpeg(grey(65_536, 1), &frame(1, None).answer).is_err());
    }

    #[test]
    fn what_a_view_sees_is_its_region_upright_and_no_larger_than_wanted() {
        let file = encode(&grey(400, 200)).expect("a JPEG");
        let region = Region { x: 0.0, y: 0.5, width: 1.0, height: 0.5 };
        let view = Framing { rotation: Rotation::Quarter, region };
        for (side, size) in [(1000, (200, 200)), (100, (100, 100))] {
            let bytes = of_view(Encoding::Jpeg, &file, view, side).expect("a JPEG");
            let seen = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).expect("a picture");
            assert_eq!((seen.width(), seen.height()), size);
        }
        assert!(of_view(Encoding::Jpeg, b"nothing", view, 100).is_err());
    }

    proptest! {
        #[test]
        fn any_label_fits_any_picture_or_is_cut_off(
            width in 1usize..400, height in 1usize..60, lines in proptest::collection::vec("\\PC{0,60}", 0..5)
        ) {
            draw(&mut grey(width, height), &lines);
        }
    }
}
