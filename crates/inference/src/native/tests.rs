//! Tests of whole networks on every set of kernels that this processor can run.

use std::path::Path;

use super::compile::{compile, layers};
use super::constant::Constant;
use super::fusion::Fusion;
use super::kernels::Kernels;
use super::layer::{Conv, Element, Layer, Limits, Op, PoolKind, Quant, Shape, Weights, Window};
use super::plan;
use super::run::Network;
use crate::input::{Backend, InputHints, InputSpec};
use crate::onnx::graph::Graph;
use crate::onnx::pb::TensorProto;
use crate::onnx::pb::tensor_proto::DataType;
use crate::onnx::{Decoded, OnnxFile};
use crate::source::Source;
use crate::tensor::Tensor;
use proptest::prelude::*;

/// A decoded model, and its input with pixels normalised to -1..=1.
pub(super) fn open(path: &Path) -> (Decoded, InputSpec) {
    let input = InputHints { mean: Some([0.5; 3]), std: Some([0.5; 3]), ..InputHints::default() };
    let source = Source { path, sha256: None, input: &input, backend: Backend::Native };
    let mut file = OnnxFile::open(&source).expect("it is there");
    let decoded = file.decode().expect("a model");
    let (input, _) = Graph::new(&decoded.proto, &file.path).expect("a graph").input(&input).expect("an input");
    (decoded, input)
}

/// The scores of each set of kernels, the portable one last, for the same picture with this number of threads.
fn answers(model: &str, threads: usize) -> Vec<(&'static str, Vec<f32>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(model).with_extension("onnx");
    let (model, input) = open(&path);
    let mut picture = Tensor::for_input(&input);
    if let Tensor::F32(values) = &mut picture {
        values.iter_mut().enumerate().for_each(|(at, value)| *value = ((at % 224) as f32 / 112.0 - 1.0) * 0.9);
    }
    let answer = |kernels: Kernels| {
        let mut compiled = compile(model.clone(), &input, kernels).expect("the kernels have all of it");
        assert_eq!(compiled.classifier.set_threads(threads), threads);
        let mut scores = Vec::new();
        compiled.classifier.run(&picture, &mut scores).expect("runs");
        (kernels.name, scores)
    };
    Kernels::available().map(answer).collect()
}

#[test]
fn a_network_of_integers_answers_the_same_on_all_kernels_to_the_last_bit() {
    let answers = answers("efficientnet-lite0-int8", 1);
    let (_, expected) = answers.last().expect("the portable kernels");
    for (name, scores) in &answers {
        assert!(scores == expected, "{name}");
    }
}

#[test]
fn a_network_of_floats_answers_the_same_on_all_kernels_within_a_thousandth() {
    let answers = answers("efficientnet-lite0", 1);
    let (_, expected) = answers.last().expect("the portable kernels");
    for (name, scores) in &answers {
        let largest = scores.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest < 1e-3, "{name}: {largest}");
    }
}

#[test]
fn threads_that_share_a_picture_answer_as_one_does_to_the_last_bit() {
    for model in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        let alone = answers(model, 1);
        for threads in [2, 3, 8] {
            assert!(answers(model, threads) == alone, "{model} on {threads} threads");
        }
    }
}

#[test]
fn inverted_residuals_in_strips_answer_as_whole_ones_do_to_the_last_bit() {
    let bundled = ["../../models/efficientnet-lite0", "../../models/efficientnet-lite0-int8"];
    let small = ["tests/fixtures/exports/wide-opset13", "tests/fixtures/exports/wide-qdq"];
    for model in bundled.into_iter().chain(small) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(model).with_extension("onnx");
        let (file, input) = open(&path);
        let mut picture = Tensor::for_input(&input);
        if let Tensor::F32(values) = &mut picture {
            values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 509) as f32 / 254.0 - 1.0);
        }
        let network = |fusion: Fusion| {
            let layers = layers(file.clone(), &input).expect("supported");
            plan::plan(layers, &input, Kernels::detect(), fusion).expect("supported")
        };
        let scores = |network: &mut Network, threads: usize| {
            let mut scores = Vec::new();
            network.share_among(threads);
            network.evaluate(&picture, &mut scores).expect("runs");
            scores
        };
        let (mut whole, mut strips) = (network(Fusion::Never), network(Fusion::WhereWorthWhile));
        assert!(strips.result_bytes() < whole.result_bytes() * 3 / 4, "{model} has strips");
        assert!(strips.joined()[0] > 0 && whole.joined() == [0; 3], "{model}");
        // The last convolution of the small models has too few channels for a fused pooling.
        assert_eq!(strips.joined()[1], usize::from(bundled.contains(&model)), "{model}");
        let additions = strips.joined()[2];
        assert!(if model.ends_with("int8") { additions == 9 } else { additions < 2 }, "{model}: {additions}");
        let expected = scores(&mut whole, 1);
        for threads in [1, 2, 3, 8] {
            assert!(scores(&mut strips, threads) == expected, "{model} on {threads} threads");
        }
    }
}

/// The input layer.
fn input(shape: Shape, element: Element) -> Layer {
    Layer { name: "input".into(), op: Op::Input, inputs: vec![], shape, element, limits: Limits::NONE }
}

/// A convolution of floats with random weights.
fn conv(
    seed: u64,
    name: &str,
    inputs: Vec<usize>,
    from: Shape,
    outputs: usize,
    window: Window,
    depthwise: bool,
) -> Layer {
    let groups = if depthwise { from.channels } else { 1 };
    let each = from.channels / groups;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut numbers = |count: usize| (0..count).map(|_| random.f32() - 0.5).collect::<Vec<_>>();
    let dims = [outputs, each, window.size[0], window.size[1]];
    let weights = TensorProto {
        data_type: DataType::Float as i32,
        dims: dims.map(|side| side as i64).into(),
        float_data: numbers(dims.iter().product()),
        ..TensorProto::default()
    };
    let constant = Constant::whole(weights).expect("as many numbers as its shape says");
    let weights = Weights { constant, scales: None, input_major: false };
    let bias = numbers(outputs);
    let op = Conv { window, weights, outputs, inputs: each, groups, bias, gain: None };
    let [height, width] = window.output(from).expect("it fits");
    let shape = Shape { height, width, channels: outputs };
    let limits = Limits::new(-3.0, 3.0);
    Layer { name: name.into(), op: Op::Conv(Box::new(op)), inputs, shape, element: Element::F32, limits }
}

/// The scores of a network of these layers and a global average pooling, for a picture of the first layer's shape.
fn answer(layers: Vec<Layer>, fusion: Fusion, threads: usize) -> Vec<f32> {
    answer_of(layers, fusion, threads).0
}

/// As [`answer`], with the numbers of fused steps ([`Network::joined`]).
fn answer_of(layers: Vec<Layer>, fusion: Fusion, threads: usize) -> (Vec<f32>, [usize; 3]) {
    answer_on(Kernels::detect(), layers, fusion, threads)
}

fn answer_on(kernels: Kernels, mut layers: Vec<Layer>, fusion: Fusion, threads: usize) -> (Vec<f32>, [usize; 3]) {
    let (first, last) = (layers[0].shape, layers[layers.len() - 1].shape);
    let whole = Window { size: [last.height, last.width], ..Window::POINT };
    layers.push(Layer {
        name: "mean".into(),
        op: Op::Pool(PoolKind::Average { with_padding: false }, whole),
        inputs: vec![layers.len() - 1],
        shape: Shape { height: 1, width: 1, ..last },
        element: Element::F32,
        limits: Limits::NONE,
    });
    let element = match layers[0].element {
        Element::F32 => crate::input::Element::F32,
        Element::U8(_) => crate::input::Element::U8,
    };
    let spec = InputSpec { element, ..InputSpec::stretched(first.width, first.height) };
    let mut network = plan::plan(layers, &spec, kernels, fusion).expect("kernels for all of it");
    let mut picture = Tensor::for_input(&spec);
    match &mut picture {
        Tensor::F32(values) => {
            values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 61) as f32 / 30.0 - 1.0);
        }
        Tensor::U8(values) => values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 251) as u8),
    }
    let mut scores = Vec::new();
    network.share_among(threads);
    network.evaluate(&picture, &mut scores).expect("runs");
    (scores, network.joined())
}

/// A residual addition in an inverted residual.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Added {
    Nothing,
    /// The input of the first convolution is added to the last one's result.
    Input,
    /// The input of the first convolution is added to its own result.
    InputToExpanded,
    /// The input of the last convolution is added to its own result.
    Filtered,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn inverted_residuals_of_any_shape_answer_the_same_in_strips(
        height in 7usize..40, width in 7usize..24, channels in 1usize..40, side in prop::sample::select(vec![1usize, 2, 3, 5, 7]),
        stride in 1usize..3, pads in prop::array::uniform4(0usize..4), threads in 1usize..4, seed: u64,
        added in prop::sample::select(vec![Added::Nothing, Added::Input, Added::InputToExpanded, Added::Filtered]),
    ) {
        let picture = Shape { height, width, channels: 3 };
        let window = Window { size: [side; 2], stride: [stride; 2], dilation: [1, 1], pads };
        let input = input(picture, Element::F32);
        let first = conv(seed, "first", vec![0], picture, channels, Window::POINT, false);
        // The addition needs the same number of channels.
        let many = if added == Added::InputToExpanded { channels } else { 3 * channels };
        let expand = conv(seed ^ 1, "expand", vec![1], first.shape, many, Window::POINT, false);
        let depthwise = conv(seed ^ 2, "depthwise", vec![2], expand.shape, many, window, true);
        let few = if added == Added::Filtered { many } else { channels };
        let project = conv(seed ^ 3, "project", vec![3], depthwise.shape, few, Window::POINT, false);
        let mut layers = vec![input, first, expand, depthwise, project];
        match added {
            Added::Input if layers[4].shape == layers[1].shape => layers[4].inputs.push(1),
            Added::InputToExpanded => layers[2].inputs.push(1),
            Added::Filtered => layers[4].inputs.push(3),
            Added::Nothing | Added::Input => {}
        }
        let whole = answer(layers.clone(), Fusion::Never, 1);
        prop_assert_eq!(whole, answer(layers, Fusion::WherePossible, threads));
    }

    #[test]
    fn means_of_a_convolution_are_the_same_if_it_is_never_there_as_a_whole(
        height in 1usize..12, width in 1usize..12, channels in 1usize..40, outputs in 1usize..200, stride in 1usize..3, threads in 1usize..4,
        side in 1usize..4, seed: u64,
    ) {
        let picture = Shape { height, width, channels: 3 };
        let window = Window { size: [side; 2], stride: [stride; 2], dilation: [1, 1], pads: [1; 4] };
        let input = input(picture, Element::F32);
        let first = conv(seed, "first", vec![0], picture, channels, Window::POINT, false);
        let last = conv(seed ^ 1, "last", vec![1], first.shape, outputs, window, false);
        let layers = vec![input, first, last];
        let whole = answer(layers.clone(), Fusion::Never, 1);
        let (found, joined) = answer_of(layers, Fusion::WherePossible, threads);
        prop_assert_eq!(whole, found);
        // A 3x3 convolution may run by Winograd's algorithm, and is not fused then.
        prop_assert!(joined == [0, 1, 0] || (side == 3 && joined == [0; 3]));
    }

    #[test]
    fn the_first_convolution_of_bytes_is_as_defined_and_the_same_on_all_kernels(
        height in 8usize..30, width in 8usize..30, outputs in 1usize..40, side in prop::sample::select(vec![1usize, 2, 3, 5, 7]),
        stride in 1usize..3, dilation in 1usize..3, pads in prop::array::uniform4(0usize..4), zero_point: u8, seed: u64,
    ) {
        let from = Shape { height, width, channels: 3 };
        let window = Window { size: [side; 2], stride: [stride; 2], dilation: [dilation; 2], pads };
        let Some([rows, columns]) = window.output(from) else { return Ok(()) };
        let mut random = fastrand::Rng::with_seed(seed);
        let weights: Vec<i8> = (0..outputs * 3 * side * side).map(|_| random.i8(-127..)).collect();
        let constant = Constant::whole(TensorProto {
            data_type: DataType::Int8 as i32,
            dims: [outputs, 3, side, side].map(|side| side as i64).into(),
            raw_data: bytemuck::cast_slice(&weights).to_vec(),
            ..TensorProto::default()
        });
        let bias: Vec<f32> = (0..outputs).map(|_| random.f32() - 0.5).collect();
        // The picture of `answer_on`.
        let byte = |row: isize, column: isize, channel: usize| {
            let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
            let at = if inside { (row as usize * width + column as usize) * 3 + channel } else { 0 };
            if inside { (at % 251) as i64 - i64::from(zero_point) } else { 0 }
        };
        let mean = |output: usize| {
            let pixels = (0..rows * columns).map(|pixel| {
                let each = (0..3 * side * side).map(|at| {
                    let (channel, tap) = (at / (side * side), at % (side * side));
                    let row = (pixel / columns * stride + tap / side * dilation) as isize - pads[0] as isize;
                    let column = (pixel % columns * stride + tap % side * dilation) as isize - pads[1] as isize;
                    byte(row, column, channel) * i64::from(weights[output * 3 * side * side + at])
                });
                let real = each.sum::<i64>() as f64 * 0.02 * 0.01 + f64::from(bias[output]);
                (real / 0.05).round().clamp(-100.0, 155.0) * 0.05
            });
            pixels.sum::<f64>() / (rows * columns) as f64
        };
        let defined: Vec<f64> = (0..outputs).map(mean).collect();
        let weights = Weights { constant: constant.expect("bytes"), scales: Some(vec![0.01]), input_major: false };
        let op = Conv { window, weights, outputs, inputs: 3, groups: 1, bias, gain: None };
        let input = input(from, Element::U8(Quant { scale: 0.02, zero_point }));
        let made = Shape { height: rows, width: columns, channels: outputs };
        let conv = Layer {
            name: "conv".into(), op: Op::Conv(Box::new(op)), inputs: vec![0], shape: made, limits: Limits::NONE,
            element: Element::U8(Quant { scale: 0.05, zero_point: 100 }),
        };
        let floats = Layer {
            name: "floats".into(), op: Op::Dequantise, inputs: vec![1], shape: made, limits: Limits::NONE, element: Element::F32,
        };
        let layers = [input, conv, floats];
        let answers: Vec<_> = Kernels::available()
            .map(|kernels| (kernels.name, answer_on(kernels, layers.to_vec(), Fusion::Never, 1).0))
            .collect();
        let (_, expected) = answers.last().expect("the portable kernels");
        // A pixel may be rounded in the other direction.
        let lost = |(found, defined): (&f32, &f64)| (f64::from(*found) - defined).abs();
        prop_assert!(expected.iter().zip(&defined).map(lost).all(|lost| lost < 0.051));
        for (name, scores) in &answers {
            prop_assert_eq!(scores, expected, "{}", name);
        }
    }

    #[test]
    fn threads_that_share_a_winograd_convolution_answer_as_one_does(
        height in 4usize..30, width in 4usize..30, channels in 16usize..50, pads in prop::array::uniform4(0usize..2), seed: u64,
        threads in 2usize..6,
    ) {
        let picture = Shape { height, width, channels: 3 };
        let window = Window { size: [3, 3], stride: [1, 1], dilation: [1, 1], pads };
        let input = input(picture, Element::F32);
        let first = conv(seed, "first", vec![0], picture, channels, Window::POINT, false);
        let second = conv(seed ^ 1, "second", vec![1], first.shape, channels, window, false);
        let layers = vec![input, first, second];
        let alone = answer(layers.clone(), Fusion::WhereWorthWhile, 1);
        prop_assert_eq!(alone, answer(layers, Fusion::WhereWorthWhile, threads));
    }
}
