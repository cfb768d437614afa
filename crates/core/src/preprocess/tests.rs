use super::*;
use glimpsed_inference::{ChannelOrder, Element, Layout};

fn spec(element: Element, layout: Layout, channels: ChannelOrder) -> InputSpec {
    InputSpec { height: 1, width: 2, layout, element, channels, mean: [0.0; 3], std: [1.0; 3], fit: Fit::Stretch }
}

fn tensor(spec: InputSpec, rotation: Rotation) -> Tensor {
    let picture = RgbImage { width: 2, height: 1, pixels: vec![0, 51, 102, 153, 204, 255] };
    let mut tensor = Tensor::for_input(&spec);
    Preprocessor::new(spec, rotation).prepare(&picture, &mut tensor);
    tensor
}

#[test]
fn layouts_and_channel_orders_arrange_the_same_pixels() {
    use ChannelOrder::*;
    use Element::*;
    use Layout::*;
    assert_eq!(tensor(spec(U8, Nhwc, Rgb), Rotation::None), Tensor::U8(vec![0, 51, 102, 153, 204, 255]));
    assert_eq!(tensor(spec(U8, Nhwc, Bgr), Rotation::None), Tensor::U8(vec![102, 51, 0, 255, 204, 153]));
    assert_eq!(tensor(spec(U8, Nchw, Rgb), Rotation::None), Tensor::U8(vec![0, 153, 51, 204, 102, 255]));
    assert_eq!(tensor(spec(U8, Nchw, Bgr), Rotation::None), Tensor::U8(vec![102, 255, 51, 204, 0, 153]));
    let Tensor::F32(values) = tensor(spec(F32, Nchw, Rgb), Rotation::None) else { panic!("floats were asked for") };
    assert!(values.iter().zip([0.0, 0.6, 0.2, 0.8, 0.4, 1.0]).all(|(value, expected)| (value - expected).abs() < 1e-6));
}

#[test]
fn half_a_turn_swaps_the_pixels() {
    use ChannelOrder::*;
    use Element::*;
    use Layout::*;
    assert_eq!(tensor(spec(U8, Nhwc, Rgb), Rotation::Half), Tensor::U8(vec![153, 204, 255, 0, 51, 102]));
}

#[test]
fn quarter_turns_are_clockwise() {
    // 1 2        3 1        2 4
    // 3 4   ->   4 2   and  1 3
    let source: Vec<u8> = [1u8, 2, 3, 4].iter().flat_map(|&value| [value; 3]).collect();
    let turned = |rotation| {
        let mut out = vec![0; 12];
        turn(&source, 2, 2, rotation, &mut out);
        out.chunks(3).map(|pixel| pixel[0]).collect::<Vec<_>>()
    };
    assert_eq!(turned(Rotation::Quarter), [3, 1, 4, 2]);
    assert_eq!(turned(Rotation::ThreeQuarters), [2, 4, 1, 3]);
}

#[test]
fn a_picture_one_pixel_wide_is_resampled_like_any_other() {
    let spec = InputSpec {
        height: 8,
        width: 8,
        fit: Fit::Crop { shorter_px: 9 },
        ..spec(Element::U8, Layout::Nhwc, ChannelOrder::Rgb)
    };
    let picture = RgbImage { width: 1, height: 5000, pixels: vec![77; 15_000] };
    let mut tensor = Tensor::for_input(&spec);
    Preprocessor::new(spec, Rotation::None).prepare(&picture, &mut tensor);
    assert_eq!(tensor, Tensor::U8(vec![77; 192]));
}

#[test]
fn a_part_of_a_picture_has_its_own_pixels() {
    let pixels = (0..4 * 3).flat_map(|pixel| [pixel, 0, 0]).collect();
    let picture = RgbImage { width: 4, height: 3, pixels };
    let part = cut(&picture, Window { x: 1, y: 1, width: 2, height: 2 });
    let reds: Vec<u8> = part.pixels.iter().step_by(3).copied().collect();
    assert_eq!((part.width, part.height, reds), (2, 2, vec![5, 6, 9, 10]));
}
