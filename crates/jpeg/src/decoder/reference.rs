//! The decoder against libjpeg-turbo: samplings x scan scripts x restart intervals x orientations (`tests/fixtures/make_jpegs.py`).

use super::tests::{everything, planes};
use super::*;

const SAMPLINGS: [&str; 6] = ["1x1", "2x1", "1x2", "2x2", "4x1", "2x2-2x1"];
const SCANS: [&str; 5] = ["together", "separate", "chroma", "progressive", "spectral"];
const RESTARTS: [&str; 2] = ["", "-restarts"];

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/fixtures/jpegs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

fn fixtures() -> impl Iterator<Item = (&'static str, String)> {
    SAMPLINGS.into_iter().flat_map(|sampling| {
        let names = move |scans| RESTARTS.map(|restarts| format!("{sampling}-{scans}{restarts}.jpg"));
        SCANS.into_iter().flat_map(names).map(move |name| (sampling, name))
    })
}

/// Width, height and RGB or grey bytes.
fn pixels(name: &str) -> (usize, usize, Vec<u8>) {
    let bytes = fixture(name);
    let mut lines = bytes.splitn(4, |&byte| byte == b'\n');
    let size = String::from_utf8(lines.nth(1).expect("a size").to_vec()).expect("digits");
    let (width, height) = size.split_once(' ').expect("two numbers");
    (width.parse().expect("digits"), height.parse().expect("digits"), lines.nth(1).expect("pixels").to_vec())
}

/// The pixels of the decoded planes, with chroma repeated.
fn shown(decoder: &Decoder, width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let sample = |plane: &Plane| {
                let place = |at: usize, axis: usize| (at as f64 * plane.scale[axis] + plane.start[axis]) as usize;
                f64::from(plane.pixels[place(y, 1) * plane.stride + place(x, 0)])
            };
            match (decoder.colours(), decoder.planes()) {
                (Colours::YCbCr, [luma, blue, red]) => {
                    let (luma, blue, red) = (sample(luma), sample(blue) - 128.0, sample(red) - 128.0);
                    let rgb = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue];
                    out.extend(rgb.map(|value| value.round() as u8));
                }
                (_, planes) => out.extend(planes.iter().map(|plane| sample(plane) as u8)),
            }
        }
    }
    out
}

fn decoded(bytes: &[u8]) -> (Decoder, Header) {
    let mut decoder = Decoder::default();
    let header = decoder.read(bytes).expect("a JPEG");
    decoder.decode(bytes, &header, &everything(8)).expect("undamaged");
    (decoder, header)
}

fn assert_same(name: &str, found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let most = found.iter().zip(expected).map(|(found, expected)| found.abs_diff(*expected)).max();
    assert!(most <= Some(2), "{name}: {most:?}");
}

#[test]
fn every_sampling_in_every_order_of_scans_is_libjpeg_turbo_s_picture() {
    for (sampling, name) in fixtures() {
        let (decoder, header) = decoded(&fixture(&name));
        let (width, height, expected) = pixels(&format!("{sampling}.ppm"));
        assert_eq!([header.width, header.height], [width, height]);
        assert_same(&name, &shown(&decoder, width, height), &expected);
    }
}

#[test]
fn grey_and_rgb_pictures_are_libjpeg_turbo_s() {
    for (name, colours) in [("grey", Colours::Grey), ("rgb", Colours::Rgb)] {
        let (decoder, _) = decoded(&fixture(&format!("{name}.jpg")));
        assert_eq!(decoder.colours(), colours);
        let (width, height, expected) = pixels(&format!("{name}.ppm"));
        assert_same(name, &shown(&decoder, width, height), &expected);
    }
}

#[test]
fn at_every_size_the_order_of_the_scans_makes_no_difference() {
    for (sampling, name) in fixtures() {
        for block in 1..=8 {
            let found = planes(&fixture(&name), &everything(block)).expect("decodes");
            let expected = planes(&fixture(&format!("{sampling}-together.jpg")), &everything(block)).expect("decodes");
            for (found, expected) in found.iter().zip(&expected) {
                let rows = |plane: &Plane| -> Vec<Vec<u8>> {
                    plane
                        .pixels
                        .chunks(plane.stride)
                        .take(plane.height)
                        .map(|row| row[..plane.width].to_vec())
                        .collect()
                };
                assert_eq!(rows(found), rows(expected), "{name}, {block}");
            }
        }
    }
}

/// The picture with an orientation tag.
fn tagged(bytes: &[u8], orientation: u8) -> Vec<u8> {
    let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], &[0; 6]].concat();
    let length = (2 + 6 + tiff.len() as u16).to_be_bytes();
    [&bytes[..2], &[0xFF, 0xE1], &length, b"Exif\0\0", &tiff, &bytes[2..]].concat()
}

#[test]
fn orientations_turn_every_sampling_in_every_order_of_scans() {
    for (sampling, name) in fixtures() {
        let (width, height, expected) = pixels(&format!("{sampling}.ppm"));
        for orientation in 1..=8 {
            let (mut decoder, header) = decoded(&tagged(&fixture(&name), orientation));
            assert_eq!(header.orientation, orientation);
            decoder.turn(orientation);
            let (across, down) = if orientation >= 5 { (height, width) } else { (width, height) };
            let found = shown(&decoder, across, down);
            // Where the middle of each side is: by the definition of the tag in Exif.
            let shown_at = |x: usize, y: usize| match orientation {
                1 => (x, y),
                2 => (width - 1 - x, y),
                3 => (width - 1 - x, height - 1 - y),
                4 => (x, height - 1 - y),
                5 => (y, x),
                6 => (height - 1 - y, x),
                7 => (height - 1 - y, width - 1 - x),
                _ => (y, width - 1 - x),
            };
            let mut turned = vec![0; expected.len()];
            for (at, pixel) in expected.chunks(3).enumerate() {
                let (x, y) = shown_at(at % width, at / width);
                turned[3 * (y * across + x)..][..3].copy_from_slice(pixel);
            }
            assert_same(&format!("{name}, {orientation}"), &found, &turned);
        }
    }
}

#[test]
fn a_picture_without_its_end_is_decoded_unless_it_lacks_a_block() {
    for (_, name) in fixtures() {
        let bytes = fixture(&name);
        let expected = planes(&bytes, &everything(8));
        assert!(expected.is_ok() && bytes.ends_with(&[0xFF, 0xD9]));
        let unmarked = &bytes[..bytes.len() - 2];
        assert_eq!(planes(unmarked, &everything(8)), expected, "{name}");
        for kept in (bytes.len() / 8..bytes.len() - 6).step_by(7) {
            for end in [&[][..], &[0xFF, 0xD9]] {
                let cut = [&bytes[..kept], end].concat();
                assert!(planes(&cut, &everything(8)).is_err(), "{name}: {kept} of {} bytes, {end:?}", bytes.len());
            }
        }
    }
}

#[test]
fn stray_bytes_between_segments_change_nothing() {
    for (_, name) in fixtures() {
        let bytes = fixture(&name);
        let expected = planes(&bytes, &everything(8));
        let mut with = bytes[..2].to_vec();
        let mut at = 2;
        while bytes[at + 1] != 0xDA {
            let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            with.extend_from_slice(&bytes[at..end]);
            with.extend_from_slice(&[0x00, 0x77, 0x00]);
            at = end;
        }
        with.extend_from_slice(&bytes[at..]);
        assert_eq!(planes(&with, &everything(8)), expected, "{name}");
    }
}

#[test]
fn what_is_not_decoded_is_named() {
    let refused = planes(&fixture("arithmetic.jpg"), &everything(8));
    assert_eq!(refused, Err(Refusal::Unsupported(Unsupported("is coded arithmetically"))));
}

#[test]
fn the_size_follows_the_budget_and_a_progressive_picture_needs_more() {
    let wanted = |budget| Wanted { budget, ..everything(8) };
    for (name, least) in [("2x2-together.jpg", 300), ("2x2-progressive.jpg", 1500)] {
        let bytes = fixture(name);
        for budget in [100_000, 10_000, least] {
            let planes = planes(&bytes, &wanted(budget)).expect("in a smaller size");
            assert!(planes.iter().map(|plane| plane.pixels.len()).sum::<usize>() <= budget);
        }
        assert!(matches!(planes(&bytes, &wanted(50)), Err(Refusal::TooLarge { bytes }) if bytes > 50), "{name}");
    }
}
