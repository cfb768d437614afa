//! The preprocessing against Pillow's and torchvision's.

use std::path::{Path, PathBuf};

use glimpsed_core::domain::frame::{Encoding, Range, RawFormat};
use glimpsed_core::domain::framing::Rotation;
use glimpsed_core::infer::Model;
use glimpsed_core::preprocess::Preprocessor;
use glimpsed_core::preprocess::decode::decode;
use glimpsed_core::preprocess::picture::RgbImage;
use glimpsed_core::preprocess::source::FrameDecoder;
use glimpsed_inference::{ChannelOrder, Element, Fit, InputSpec, Layout, Tensor};

use crate::support::{bundled, fixture, photos, shared};

/// Mean and largest difference from the reference, in units of 1/255.
fn difference(photo: &str, fit: Fit, reference: &str) -> (f64, u8) {
    let spec = InputSpec {
        height: 224,
        width: 224,
        layout: Layout::Nhwc,
        element: Element::U8,
        channels: ChannelOrder::Rgb,
        mean: [0.0; 3],
        std: [1.0; 3],
        fit,
    };
    let mut picture = RgbImage::default();
    let bytes = std::fs::read(photos().join(photo)).expect("a bundled photograph");
    decode(Encoding::File, &bytes, &mut picture).expect("decodes");
    let mut tensor = Tensor::for_input(&spec);
    Preprocessor::new(spec, Rotation::None).prepare(&picture, &mut tensor);
    let Tensor::U8(ours) = tensor else { panic!("u8 was asked for") };
    let theirs =
        image::open(fixture(&format!("preprocess/{reference}.png"))).expect("a fixture").into_rgb8().into_raw();
    assert_eq!(ours.len(), theirs.len());
    let differences: Vec<u8> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.abs_diff(*theirs)).collect();
    let mean = differences.iter().map(|&one| f64::from(one)).sum::<f64>() / differences.len() as f64;
    let largest = differences.into_iter().max().unwrap_or(0);
    eprintln!("{reference}: mean difference {mean:.4}, largest {largest}");
    (mean, largest)
}

#[test]
fn crops_are_torchvisions_within_one_step_on_average() {
    for photo in ["chelsea.png", "coffee.png", "rocket.jpg"] {
        let name = photo.split('.').next().expect("a name");
        let (mean, _) = difference(photo, Fit::Crop { shorter_px: 256 }, &format!("{name}-224"));
        assert!(mean < 1.0, "{photo}: {mean}");
    }
}

#[test]
fn stretched_pictures_are_pillows_to_a_rounding() {
    for photo in ["chelsea.png", "coffee.png"] {
        let name = photo.split('.').next().expect("a name");
        let (mean, largest) = difference(photo, Fit::Stretch, &format!("{name}-stretch-224"));
        assert!(mean < 0.5 && largest <= 1, "{photo}: {mean}, {largest}");
    }
}

/// A photograph as a camera of this size sends it.
pub(crate) fn camera_jpeg(photo: &Path, width: u32, height: u32) -> Vec<u8> {
    let picture = image::open(photo).expect("a photograph").into_rgb8();
    // Its middle, in the camera's shape.
    let (across, down) = picture.dimensions();
    let (cut_width, cut_height) = (across.min(down * width / height), down.min(across * height / width));
    let cut = image::imageops::crop_imm(
        &picture,
        (across - cut_width) / 2,
        (down - cut_height) / 2,
        cut_width.max(1),
        cut_height.max(1),
    );
    let filter = image::imageops::FilterType::CatmullRom;
    let frame = image::imageops::resize(&cut.to_image(), width, height, filter);
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&frame).expect("encodes");
    bytes
}

/// What a model of 224 pixels sees of a frame that is decoded small, and of the same one decoded whole.
fn small_and_whole(bytes: &[u8], spec: &InputSpec) -> [Tensor; 2] {
    let mut preprocessor = Preprocessor::new(spec.clone(), Rotation::None);
    let (mut small, mut whole) = (Tensor::for_input(spec), Tensor::for_input(spec));
    let mut decoder = FrameDecoder::default();
    decoder.decode(Encoding::Jpeg, bytes, |width, height| preprocessor.wanted(width, height)).expect("decodes");
    preprocessor.prepare(decoder.samples(bytes), &mut small);
    // By another decoder.
    let picture = image::load_from_memory(bytes).expect("decodes").into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    preprocessor.prepare(&RgbImage { width, height, pixels: picture.into_raw() }, &mut whole);
    [small, whole]
}

#[test]
fn a_frame_that_is_decoded_small_is_labelled_like_the_whole_one() {
    let mut photographs: Vec<PathBuf> =
        ["chelsea.png", "coffee.png", "rocket.jpg"].map(|name| photos().join(name)).into();
    if let Some(more) = shared("photos") {
        let entries = std::fs::read_dir(more).expect("a directory").map(|entry| entry.expect("an entry").path());
        photographs.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "png" || end == "jpg")));
    }
    let mut model = Model::load(&bundled("efficientnet-lite0")).expect("loads");
    let input = model.input.clone();
    let mut bytes = model.input.clone();
    bytes.element = Element::U8;
    let (mut sum, mut count, mut agree, mut confidence) = (0.0, 0_u32, 0_u32, 0.0_f32);
    for photo in &photographs {
        for (width, height) in [(640, 480), (1280, 720), (1920, 1080)] {
            let jpeg = camera_jpeg(photo, width, height);
            let [Tensor::U8(small), Tensor::U8(whole)] = small_and_whole(&jpeg, &bytes) else { panic!("bytes") };
            let differences = small.iter().zip(&whole).map(|(small, whole)| f64::from(small.abs_diff(*whole)));
            let mean = differences.sum::<f64>() / small.len() as f64;
            assert!(mean < 2.0, "{}, {width}x{height}: {mean}", photo.display());
            (sum, count) = (sum + mean, count + 1);
            let [small, whole] = small_and_whole(&jpeg, &input).map(|tensor| model.classify(&tensor, 2).expect("runs"));
            confidence = confidence.max((small[0].confidence - whole[0].confidence).abs());
            let same = small[0].class_id == whole[0].class_id;
            agree += u32::from(same);
            // Two labels that are about as likely may change places.
            let margin = whole[0].confidence - whole[1].confidence;
            assert!(same || margin < 0.05, "{}, {width}x{height}: {margin}", photo.display());
        }
    }
    eprintln!(
        "{count} frames: mean difference {:.3} of 255, {agree} with the same best label, its confidence at most {confidence:.3} apart",
        sum / f64::from(count)
    );
    assert!(f64::from(agree) > 0.95 * f64::from(count));
}

/// The RGB picture of a frame with video's range, by the definition of BT.601; colours are repeated.
fn by_definition(format: RawFormat, (width, height): (usize, usize), bytes: &[u8]) -> RgbImage {
    let (pixels, half) = (width * height, width / 2 * (height / 2));
    let colour = |x: usize, y: usize| {
        let (pair, block) = (2 * (y * width + (x & !1)), y / 2 * (width / 2) + x / 2);
        let at = |offset: usize| f64::from(bytes[offset]);
        match format {
            RawFormat::Grey => return [at(y * width + x); 3],
            RawFormat::Rgb => return [0, 1, 2].map(|colour| at(3 * (y * width + x) + colour)),
            RawFormat::Bgr => return [2, 1, 0].map(|colour| at(3 * (y * width + x) + colour)),
            _ => {}
        }
        let [luma, blue, red] = match format {
            RawFormat::Yuyv => [at(pair + 2 * (x & 1)), at(pair + 1), at(pair + 3)],
            RawFormat::Yvyu => [at(pair + 2 * (x & 1)), at(pair + 3), at(pair + 1)],
            RawFormat::Uyvy => [at(pair + 2 * (x & 1) + 1), at(pair), at(pair + 2)],
            RawFormat::Nv12 => [at(y * width + x), at(pixels + 2 * block), at(pixels + 2 * block + 1)],
            RawFormat::Nv21 => [at(y * width + x), at(pixels + 2 * block + 1), at(pixels + 2 * block)],
            _ => [at(y * width + x), at(pixels + block), at(pixels + half + block)],
        };
        let (luma, blue, red) = (1.164 * (luma - 16.0), blue - 128.0, red - 128.0);
        [luma + 1.596 * red, luma - 0.392 * blue - 0.813 * red, luma + 2.017 * blue]
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = rows.flat_map(|(x, y)| colour(x, y).map(|value| value.round().clamp(0.0, 255.0) as u8)).collect();
    RgbImage { width, height, pixels }
}

#[test]
fn raw_frames_become_what_their_rgb_picture_becomes() {
    let picture = image::open(photos().join("coffee.png")).expect("a photograph").into_rgb8();
    let (width, height) = (picture.width() & !1, picture.height() & !1);
    let mut random = 12345_u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 28) as u8
    };
    for format in RawFormat::ALL {
        // Slopes and a little noise, in whatever the format's bytes mean.
        let bytes: Vec<u8> =
            (0..format.bytes(width, height)).map(|at| (60 + at / 2900 % 120) as u8 + noise()).collect();
        let encoding = Encoding::Raw { format, range: Range::Video, width, height };
        let spec = InputSpec { fit: Fit::Crop { shorter_px: 256 }, ..InputSpec::stretched(224, 224) };
        let mut preprocessor = Preprocessor::new(spec.clone(), Rotation::None);
        let (mut direct, mut by_rgb) = (Tensor::for_input(&spec), Tensor::for_input(&spec));
        let mut decoder = FrameDecoder::default();
        decoder.decode(encoding, &bytes, |width, height| preprocessor.wanted(width, height)).expect("a frame");
        preprocessor.prepare(decoder.samples(&bytes), &mut direct);
        preprocessor.prepare(&by_definition(format, (width as usize, height as usize), &bytes), &mut by_rgb);
        let (Tensor::U8(direct), Tensor::U8(by_rgb)) = (direct, by_rgb) else { panic!("bytes were asked for") };
        let sum: u32 = direct.iter().zip(&by_rgb).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let mean = f64::from(sum) / direct.len() as f64;
        eprintln!("{format:?}: mean difference {mean:.3}");
        assert!(mean < 1.5, "{format:?}: {mean}");
    }
}
