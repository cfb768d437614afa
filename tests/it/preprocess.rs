//! The preprocessing against Pillow's and torchvision's.

use glimpsed::config::typed::Rotation;
use glimpsed::frame::Encoding;
use glimpsed::models::spec::{ChannelOrder, Element, Fit, InputSpec, Layout};
use glimpsed::preprocess::decode::{RgbImage, decode};
use glimpsed::preprocess::{Preprocessor, Tensor};

use crate::support::{fixture, photos};

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
    Preprocessor::new(spec, Rotation::None).prepare(&picture, &mut tensor).expect("a whole picture");
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
