//! Photographs of every kind, good and bad, through `glimpsed classify`.

use glimpsed::domain::frame::Encoding;
use glimpsed::preprocess::decode::{DecodeError, decode};
use glimpsed::preprocess::picture::RgbImage;

use crate::support::{fixture, run};

/// The first label of a fixture, or the error.
fn classify(name: &str) -> Result<String, String> {
    let path = fixture("images").join(name);
    let path = path.to_str().expect("UTF-8");
    let ran = run(&["classify", "--json", path]);
    let answers = ran.json();
    match answers[0]["error"].as_str() {
        Some(error) => {
            assert_eq!(ran.code, 1, "{ran:?}");
            assert_eq!(ran.stderr, format!("error: {error}\n"), "one line that names the file and the cause");
            Err(error.replace(path, name))
        }
        None => {
            assert_eq!(ran.code, 0, "{ran:?}");
            Ok(answers[0]["top"][0]["label"].as_str().expect("a label").to_owned())
        }
    }
}

fn load(name: &str) -> RgbImage {
    let mut picture = RgbImage::default();
    decode(Encoding::File, &std::fs::read(fixture("images").join(name)).expect(name), &mut picture).expect(name);
    picture
}

fn cats(name: &str) {
    let label = classify(name).expect(name);
    assert!(label.contains("cat") || label == "tabby", "{name}: {label}");
}

#[test]
fn a_cat_is_a_cat_in_every_kind_of_picture() {
    for name in ["upright.jpg", "cmyk.jpg", "progressive.jpg", "rgb-16bit.png", "rgba.png", "animated.png"] {
        cats(name);
    }
}

#[test]
fn grey_and_palette_pictures_are_labelled() {
    for name in ["grey.jpg", "grey-16bit.png", "palette.png"] {
        classify(name).expect(name);
    }
}

#[test]
fn a_photograph_is_turned_the_way_its_orientation_tag_says() {
    let (turned, upright) = (load("exif-rotated-6.jpg"), load("upright.jpg"));
    assert_eq!((turned.width, turned.height), (upright.width, upright.height));
    let sum: u64 = turned.pixels.iter().zip(&upright.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / turned.pixels.len() as f64;
    // Each was compressed on its own, which makes 2.5.
    assert!(mean < 4.0, "mean difference {mean}");
}

#[test]
fn sixteen_bits_are_scaled_not_cut() {
    let picture = load("grey-16bit.png");
    assert!(picture.pixels.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    let brightest = picture.pixels.iter().max().expect("pixels");
    let darkest = picture.pixels.iter().min().expect("pixels");
    assert!(*brightest > 150 && *darkest < 80, "{darkest} to {brightest}");
}

#[test]
fn bad_pictures_get_an_error_that_says_what_they_are() {
    let errors = [
        "zero-byte.jpg",
        "text.jpg",
        "animated.gif",
        "truncated.jpg",
        "truncated.png",
        "huge-30000x30000.png",
        "huge-header-65535x65535.jpg",
        "missing.jpg",
    ]
    .map(|name| classify(name).expect_err(name));
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_their_labels() {
    let good = fixture("images/upright.jpg");
    let bad = fixture("images/text.jpg");
    let ran = run(&["classify", bad.to_str().expect("UTF-8"), good.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("upright.jpg") && ran.stdout.contains(" %"), "{ran:?}");
    assert!(ran.stderr.contains("text.jpg is text, not a picture"), "{ran:?}");
}

#[test]
fn a_frame_of_garbage_is_an_error_in_every_encoding() {
    let mut picture = RgbImage::default();
    for bytes in [&[][..], &[0xFF, 0xD8], &[0xFF, 0xD8, 0xFF, 0xD9], &[0xFF; 100], b"hello"] {
        assert!(decode(Encoding::Jpeg, bytes, &mut picture).is_err(), "{bytes:?}");
    }
    let huge = std::fs::read(fixture("images/huge-header-65535x65535.jpg")).expect("a fixture");
    let error = decode(Encoding::Jpeg, &huge, &mut picture).expect_err("too large");
    assert_eq!(error, DecodeError::TooLarge { width: 65535, height: 65535, max_pixels: 64_000_000 });
}
