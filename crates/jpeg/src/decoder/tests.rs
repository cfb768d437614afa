//! The decoder against that of the `image` crate (zune-jpeg), on pictures that its encoder made.

use image::codecs::jpeg::JpegEncoder;
use proptest::prelude::*;

use super::*;

/// Waves and edges in all colours.
fn picture(width: u32, height: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let wave =
            |period: f32, phase: f32| (127.0 + 100.0 * (x as f32 / period + y as f32 / 17.0 + phase).sin()) as u8;
        let edge = if (x / 20 + y / 14) % 2 == 0 { 30 } else { 0 };
        image::Rgb([wave(9.0, 0.0).saturating_add(edge), wave(23.0, 1.0), wave(31.0, 2.0).saturating_sub(edge)])
    })
}

/// The whole picture as the `image` crate decodes it.
fn whole(bytes: &[u8]) -> image::RgbImage {
    image::load_from_memory(bytes).expect("decodes").to_rgb8()
}

fn encoded(picture: &image::RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).expect("encodes");
    bytes
}

pub(super) fn everything(block: usize) -> Wanted {
    Wanted { block, columns: 0..1 << 16, rows: 0..1 << 16, budget: 1 << 30 }
}

pub(super) fn planes(bytes: &[u8], wanted: &Wanted) -> Result<Vec<Plane>, Refusal> {
    let mut decoder = Decoder::default();
    let header = decoder.read(bytes)?;
    decoder.decode(bytes, &header, wanted)?;
    Ok(decoder.planes().to_vec())
}

/// The mean absolute difference between the means of our luma blocks and of zune-jpeg's.
fn difference(bytes: &[u8], block: usize) -> f64 {
    let whole = whole(bytes);
    let planes = planes(bytes, &everything(block)).expect("decodes");
    let plane = &planes[0];
    let luma = |x: usize, y: usize| {
        let image::Rgb(pixel) = *whole.get_pixel(x as u32, y as u32);
        0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
    };
    let (mut sum, mut count) = (0.0, 0);
    for (row, column) in (0..whole.height() as usize / 8)
        .flat_map(|row| (0..whole.width() as usize / 8).map(move |column| (row, column)))
    {
        let pixels = |side: usize| (0..side).flat_map(move |y| (0..side).map(move |x| (x, y)));
        let theirs: f64 = pixels(8).map(|(x, y)| luma(8 * column + x, 8 * row + y)).sum::<f64>() / 64.0;
        let at = |x: usize, y: usize| plane.pixels[(row * block + y) * plane.stride + column * block + x];
        let ours = pixels(block).map(|(x, y)| f64::from(at(x, y))).sum::<f64>() / (block * block) as f64;
        sum += (ours - theirs).abs();
        count += 1;
    }
    sum / f64::from(count)
}

#[test]
fn every_size_has_the_brightness_of_the_whole_picture() {
    let bytes = encoded(&picture(203, 117), 90);
    for block in 1..=8 {
        let difference = difference(&bytes, block);
        assert!(difference < 1.0, "{block}: {difference}");
    }
}

#[test]
fn the_full_size_is_what_another_decoder_gives() {
    let bytes = encoded(&picture(203, 117), 90);
    let whole = whole(&bytes);
    let planes = planes(&bytes, &everything(8)).expect("decodes");
    assert_eq!([planes[0].width, planes[0].height], [203, 117]);
    let mut differences = Vec::new();
    for (at, pixel) in whole.as_raw().chunks(3).enumerate() {
        let (x, y) = (at % 203, at / 203);
        let [luma, blue, red] = [0, 1, 2].map(|plane: usize| {
            let plane = &planes[plane];
            let [across, down] = plane.scale;
            let (x, y) = ((x as f64 * across) as usize, (y as f64 * down) as usize);
            f64::from(plane.pixels[y * plane.stride + x])
        });
        let green = luma - 0.344136 * (blue - 128.0) - 0.714136 * (red - 128.0);
        differences.push((green.clamp(0.0, 255.0) - f64::from(pixel[1])).abs());
    }
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    assert!(mean < 2.5, "{mean}");
}

#[test]
fn what_is_not_looked_at_shows_the_means_of_its_blocks() {
    let bytes = encoded(&picture(160, 96), 95);
    let whole = &planes(&bytes, &everything(8)).expect("decodes")[0];
    let part = &planes(&bytes, &Wanted { columns: 64..96, rows: 32..64, ..everything(8) }).expect("decodes")[0];
    let pixel = |plane: &Plane, x: usize, y: usize| plane.pixels[y * plane.stride + x];
    assert!((32..64).all(|y| (64..96).all(|x| pixel(part, x, y) == pixel(whole, x, y))));
    let corner: Vec<u8> = (0..8).flat_map(|y| (0..8).map(move |x| (x, y))).map(|(x, y)| pixel(part, x, y)).collect();
    let mean = (0..64).map(|at| f64::from(pixel(whole, at % 8, at / 8))).sum::<f64>() / 64.0;
    assert!(corner.iter().all(|&byte| byte == corner[0]) && (f64::from(corner[0]) - mean).abs() < 1.0);
}

#[test]
fn a_picture_that_is_cut_short_is_refused() {
    let bytes = encoded(&picture(160, 96), 90);
    for length in [0, 1, 2, 20, 100, 400, bytes.len() / 2, bytes.len() - 40] {
        let cut = &bytes[..length];
        let expected = if length < 2 { Refusal::Damaged("it does not begin like one") } else { Refusal::CutShort };
        assert_eq!(planes(cut, &everything(4)), Err(expected), "{length}");
    }
}

#[test]
fn restart_markers_are_followed_whatever_bytes_are_left_before_them() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/images/restarts.jpg"))
        .expect("a fixture");
    assert!(difference(&bytes, 8) < 1.0 && difference(&bytes, 4) < 1.0);
    let expected = planes(&bytes, &everything(4)).expect("decodes");
    let marker = bytes.windows(2).position(|two| two == [0xFF, 0xD0]).expect("a restart marker");
    for stray in [&[0x00][..], &[0x5A, 0x12, 0x00], &[0xFF]] {
        let with = [&bytes[..marker], stray, &bytes[marker..]].concat();
        assert_eq!(planes(&with, &everything(4)), Ok(expected.clone()), "{stray:?}");
    }
    let lost = [&bytes[..marker], &bytes[marker + 2..]].concat();
    assert!(matches!(planes(&lost, &everything(4)), Err(Refusal::Damaged(_))), "a marker that is not there");
}

#[test]
fn tables_of_a_number_that_there_is_not_are_refused() {
    let good = encoded(&picture(64, 48), 90);
    let segment = |marker: u8| good.windows(2).position(|two| two == [0xFF, marker]).expect("a segment");
    let (frame, scan) = (segment(0xC0), segment(0xDA));
    for at in [frame + 12, scan + 6] {
        let mut bytes = good.clone();
        bytes[at] |= 4;
        assert!(matches!(planes(&bytes, &everything(4)), Err(Refusal::Damaged(_))), "{at}");
    }
}

#[test]
fn grey_pictures_have_one_plane() {
    let grey = image::GrayImage::from_fn(61, 40, |x, y| image::Luma([(x * 3 + y) as u8]));
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&grey).expect("encodes");
    let planes = planes(&bytes, &everything(8)).expect("decodes");
    assert_eq!(planes.len(), 1);
    assert!(
        (0..40)
            .all(|y| (0..61).all(|x| { planes[0].pixels[y * planes[0].stride + x].abs_diff((x * 3 + y) as u8) < 8 }))
    );
}

#[test]
fn the_tables_that_all_cameras_use_may_be_missing() {
    let bytes = encoded(&picture(64, 48), 90);
    let expected = planes(&bytes, &everything(4)).expect("decodes");
    // Segment by segment, without the Huffman tables.
    let (mut at, mut without) = (2, bytes[..2].to_vec());
    while bytes[at + 1] != 0xDA {
        let length = 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] != 0xC4 {
            without.extend_from_slice(&bytes[at..at + length]);
        }
        at += length;
    }
    without.extend_from_slice(&bytes[at..]);
    assert!(without.len() + 400 < bytes.len());
    assert_eq!(planes(&without, &everything(4)), Ok(expected));
}

#[test]
fn a_progressive_picture_whose_coefficients_are_too_many_is_decoded_one_colour_after_another() {
    for name in ["1x1", "2x1", "2x2", "2x2-2x1"] {
        for kind in ["progressive", "spectral", "progressive-restarts"] {
            let read = |kind: &str| {
                let path = format!("{}/../../tests/fixtures/jpegs/{name}-{kind}.jpg", env!("CARGO_MANIFEST_DIR"));
                std::fs::read(path).expect("a fixture")
            };
            let least = |bytes: &[u8]| {
                let nothing = Wanted { budget: 0, ..everything(8) };
                let Err(Refusal::TooLarge { bytes: budget }) = planes(bytes, &nothing) else { panic!("no budget") };
                (budget, planes(bytes, &Wanted { budget, ..everything(8) }))
            };
            let (expected_budget, expected) = least(&read("together"));
            let (budget, found) = least(&read(kind));
            assert_eq!(found, expected, "{name}-{kind}");
            assert!(budget < 8 * expected_budget, "{name}-{kind}: {budget}, {expected_budget}");
        }
    }
}

proptest! {
    #[test]
    fn damaged_bytes_never_end_it(at in 0usize..4000, byte: u8, cut in 0usize..6000, block in 1usize..=8) {
        let mut bytes = encoded(&picture(120, 90), 85);
        let index = at % bytes.len();
        bytes[index] = byte;
        bytes.truncate(cut.max(2));
        let _ = planes(&bytes, &everything(block));
    }
}
