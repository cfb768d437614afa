//! The small networks of the suite: each kind of layer that the native kernels have, alone and fused.

use glimpsed_inference::pb::ModelProto;
use glimpsed_inference::pb::tensor_proto::DataType;

use crate::builder::{Network, node};

type Build = fn(&mut Network) -> ModelProto;

/// A name and a network for each.
pub(crate) fn cases() -> Vec<(&'static str, ModelProto)> {
    CASES.iter().map(|(name, build)| (*name, build(&mut Network::new(11)))).collect()
}

const CASES: &[(&str, Build)] = &[
    ("a convolution of 3x3", |net| net.conv([3, 20], 3, 1, [1; 4], 1).classify(20)),
    ("a convolution of 3x3 with stride 2", |net| net.conv([3, 33], 3, 2, [0, 0, 1, 1], 1).classify(33)),
    ("a convolution of 5x5 with uneven padding", |net| net.conv([3, 9], 5, 1, [2, 0, 1, 2], 1).classify(9)),
    ("a convolution of 7x7 with stride 2", |net| net.conv([3, 16], 7, 2, [3; 4], 1).classify(16)),
    ("a convolution of 1x1", |net| net.conv([3, 70], 1, 1, [0; 4], 1).conv([70, 40], 1, 1, [0; 4], 1).classify(40)),
    ("a wide convolution of 3x3", |net| {
        net.conv([3, 64], 3, 1, [1; 4], 1).conv([64, 48], 3, 1, [1; 4], 1).classify(48)
    }),
    ("a convolution in groups", |net| net.conv([3, 24], 3, 1, [1; 4], 1).conv([24, 36], 3, 1, [1; 4], 4).classify(36)),
    ("a dilated convolution", |net| net.conv([3, 12], 3, 1, [2; 4], 1).dilate(2).classify(12)),
    ("a depthwise convolution of 3x3", |net| {
        net.conv([3, 24], 1, 1, [0; 4], 1).conv([24, 24], 3, 1, [1; 4], 24).classify(24)
    }),
    ("a depthwise convolution of 3x3 with stride 2", |net| {
        net.conv([3, 40], 1, 1, [0; 4], 1).conv([40, 40], 3, 2, [1; 4], 40).classify(40)
    }),
    ("a depthwise convolution of 5x5", |net| {
        net.conv([3, 17], 1, 1, [0; 4], 1).conv([17, 17], 5, 1, [2; 4], 17).classify(17)
    }),
    ("a depthwise convolution with a multiplier", |net| {
        net.conv([3, 8], 1, 1, [0; 4], 1).conv([8, 24], 3, 1, [1; 4], 8).classify(24)
    }),
    ("batch normalisation behind a convolution", |net| {
        net.conv([3, 20], 3, 1, [1; 4], 1).normalise(20).push("Relu", &[], &[]).classify(20)
    }),
    ("batch normalisation of the picture", |net| net.normalise(3).conv([3, 8], 3, 1, [0; 4], 1).classify(8)),
    ("bounds by Relu and Clip", |net| {
        let [low, high] = [net.constant(&[], vec![0.0]), net.constant(&[], vec![0.4])];
        net.conv([3, 20], 3, 1, [1; 4], 1).push("Relu", &[], &[]).conv([20, 20], 1, 1, [0; 4], 1);
        net.push("Clip", &[&low, &high], &[]).classify(20)
    }),
    ("bounds for each channel", |net| {
        net.conv([3, 20], 3, 1, [1; 4], 1);
        let bounds = net.weight(&[1, 20, 1, 1], -0.3, 0.3);
        net.push("Max", &[&bounds], &[]).classify(20)
    }),
    ("a residual addition", |net| {
        net.conv([3, 24], 3, 1, [1; 4], 1);
        let before = net.last.clone();
        net.conv([24, 24], 3, 1, [1; 4], 1).push("Add", &[&before], &[]).push("Relu", &[], &[]).classify(24)
    }),
    ("an inverted residual", |net| {
        net.conv([3, 16], 3, 2, [1; 4], 1);
        let before = net.last.clone();
        net.conv([16, 96], 1, 1, [0; 4], 1).push("Relu", &[], &[]).conv([96, 96], 3, 1, [1; 4], 96);
        net.push("Relu", &[], &[]).conv([96, 16], 1, 1, [0; 4], 1).push("Add", &[&before], &[]).classify(16)
    }),
    ("a sum and a product with constants", |net| {
        net.conv([3, 20], 3, 1, [1; 4], 1);
        let [gain, shift] = [net.weight(&[1, 20, 1, 1], 0.5, 1.5), net.weight(&[20, 1, 1], -1.0, 1.0)];
        net.push("Mul", &[&gain], &[]).push("Add", &[&shift], &[]).push("Relu", &[], &[]).classify(20)
    }),
    ("padding of its own", |net| {
        let [pads, value] = [net.integers(&[0, 0, 1, 0, 0, 0, 2, 1]), net.constant(&[], vec![0.0])];
        net.push("Pad", &[&pads, &value], &[]).conv([3, 20], 3, 2, [0; 4], 1).classify(20)
    }),
    ("the largest of a window", |net| {
        let pooling: [(&str, &[i64]); 3] = [("kernel_shape", &[3, 3]), ("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])];
        net.conv([3, 20], 3, 1, [1; 4], 1).push("MaxPool", &[], &pooling).classify(20)
    }),
    ("the mean of a window", |net| {
        let pooling: [(&str, &[i64]); 2] = [("kernel_shape", &[3, 2]), ("strides", &[2, 2])];
        net.conv([3, 20], 3, 1, [1; 4], 1).push("AveragePool", &[], &pooling).classify(20)
    }),
    ("a concatenation", |net| {
        net.conv([3, 20], 3, 1, [1; 4], 1);
        let one = net.last.clone();
        net.conv([20, 12], 1, 1, [0; 4], 1).push("Concat", &[&one], &[("axis", &[1])]).classify(32)
    }),
    ("a mean by ReduceMean, and a matrix product", |net| {
        net.conv([3, 20], 3, 1, [1; 4], 1).push("ReduceMean", &[], &[("axes", &[2, 3]), ("keepdims", &[0])]);
        let matrix = net.weight(&[20, 3], -1.0, 1.0);
        net.push("MatMul", &[&matrix], &[]).finish()
    }),
    ("a softmax at its end", |net| {
        net.conv([3, 3], 3, 1, [1; 4], 1).push("GlobalAveragePool", &[], &[]).push("Flatten", &[], &[]);
        net.push("Softmax", &[], &[("axis", &[1])]).finish()
    }),
    ("weights of bytes with a scale for each column", |net| {
        net.conv([3, 8], 3, 1, [0; 4], 1).push("GlobalAveragePool", &[], &[]).push("Flatten", &[], &[]);
        let scales = net.weight(&[3], 0.01, 0.1);
        let bytes = net.bytes(DataType::Int8, &[8, 3], (0..24).map(|at| at * 37 % 255 - 127).collect());
        let zeros = net.bytes(DataType::Int8, &[3], vec![0; 3]);
        let before = net.last.clone();
        let mut dequantised = node("DequantizeLinear", &[&bytes, &scales, &zeros], "");
        dequantised.attribute = vec![crate::builder::attribute("axis", &[1])];
        net.add(dequantised);
        let matrix = std::mem::replace(&mut net.last, before);
        net.push("MatMul", &[&matrix], &[]).finish()
    }),
    ("convolutions of bytes", |net| {
        net.round(1.0 / 127.0, 128).conv_of_bytes([3, 32], 3, 1).round(0.02, 120);
        net.conv_of_bytes([32, 24], 1, 1).round(0.02, 128).classify(24)
    }),
    ("a depthwise convolution of bytes", |net| {
        net.round(1.0 / 127.0, 128).conv_of_bytes([3, 24], 1, 1).round(0.02, 128);
        net.conv_of_bytes([24, 24], 3, 24).round(0.02, 100).classify(24)
    }),
    ("an addition of bytes", |net| {
        net.round(1.0 / 127.0, 128).conv_of_bytes([3, 24], 3, 1).round(0.02, 128);
        let before = net.last.clone();
        net.conv_of_bytes([24, 24], 1, 1).round(0.03, 128).push("Add", &[&before], &[]).round(0.04, 128).classify(24)
    }),
];
