//! Photographs of every kind, good and bad, through `glimpsed classify`.

use glimpsed_core::domain::frame::Encoding;
use glimpsed_core::preprocess::decode::{DecodeError, decode};
use glimpsed_core::preprocess::picture::RgbImage;

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
    assert_eq!(error, DecodeError::TooLarge { width: 65535, height: 65535, max_pixels: 256_000_000 });
}

/// Mean difference of a picture's pixels from those that libjpeg-turbo made of it.
fn from_libjpeg_turbo(encoding: Encoding, name: &str, reference: &str) -> f64 {
    let read = |name: &str| std::fs::read(fixture("jpegs").join(name)).expect(name);
    let mut picture = RgbImage::default();
    decode(encoding, &read(name), &mut picture).expect(name);
    // P6, its size, 255, and then the pixels.
    let expected = read(reference).splitn(4, |&byte| byte == b'\n').last().expect("pixels").to_vec();
    assert_eq!(picture.pixels.len(), expected.len(), "{name}");
    let differences = picture.pixels.iter().zip(&expected).map(|(ours, theirs)| f64::from(ours.abs_diff(*theirs)));
    differences.sum::<f64>() / picture.pixels.len() as f64
}

#[test]
fn jpegs_of_every_kind_are_libjpeg_turbo_s_pictures_as_files_and_as_frames() {
    for sampling in ["1x1", "2x1", "1x2", "2x2", "4x1", "2x2-2x1"] {
        let reference = format!("{sampling}.ppm");
        let mut means = Vec::new();
        for scans in ["together", "separate", "chroma", "progressive", "spectral"] {
            for restarts in ["", "-restarts"] {
                let name = format!("{sampling}-{scans}{restarts}.jpg");
                means.extend([Encoding::File, Encoding::Jpeg].map(|kind| from_libjpeg_turbo(kind, &name, &reference)));
            }
        }
        // Our chroma is interpolated, and the reference's is repeated.
        assert!(means.iter().all(|mean| (mean - means[0]).abs() < 1e-9 && *mean < 12.0), "{sampling}: {means:?}");
    }
    assert!(from_libjpeg_turbo(Encoding::File, "1x1-separate.jpg", "1x1.ppm") < 0.6);
}

#[test]
fn a_jpeg_that_is_not_read_is_named_and_not_called_damaged() {
    let path = fixture("jpegs").join("arithmetic.jpg");
    let ran = run(&["classify", path.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 1);
    let expected =
        "is a JPEG picture of a kind that glimpsed does not read: it is coded arithmetically; save it as a plain JPEG";
    assert!(ran.stderr.contains(expected), "{ran:?}");
}

#[test]
fn a_whole_picture_without_its_end_is_labelled_and_half_of_one_with_an_end_is_not() {
    let whole = std::fs::read(fixture("images/upright.jpg")).expect("a fixture");
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let unmarked = file("unmarked.jpg", &whole[..whole.len() - 2]);
    let half = file("half.jpg", &[&whole[..whole.len() / 2], &[0xFF, 0xD9]].concat());
    let top = |path: &str| run(&["classify", "--json", path]).json()[0]["top"].clone();
    assert_eq!(top(&unmarked), top(fixture("images/upright.jpg").to_str().expect("UTF-8")));
    let ran = run(&["classify", &half]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("is cut short: parts of the JPEG picture are missing"), "{ran:?}");
}

#[test]
fn the_formats_of_telephones_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, head, expected) in [
        (
            "photo.heic",
            &b"\0\0\0\x18ftypheic\0\0\0\0"[..],
            "is a HEIC (set the telephone's camera to \"most compatible\")",
        ),
        ("photo.avif", b"\0\0\0\x18ftypavif\0\0\0\0", "is an AVIF"),
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\0\0", "is an MP4 or similar video"),
        ("._photo.jpg", b"\0\x05\x16\x07\0\x02\0\0", "is an AppleDouble file"),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, head).expect("writable");
        let ran = run(&["classify", path.to_str().expect("UTF-8")]);
        assert!(ran.code == 1 && ran.stderr.contains(expected), "{ran:?}");
    }
}

#[test]
fn webp_photographs_are_labelled_like_others() {
    cats("cat.webp");
    cats("cat-lossless.webp");
}
