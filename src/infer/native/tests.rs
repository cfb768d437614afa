//! Whole networks on every set of kernels that this processor has.

use std::path::Path;

use super::kernels::Kernels;
use super::plan::Strips;
use super::run::Network;
use super::{compile, fuse, plan, quantised, read};
use crate::infer::onnx::{self, graph::Graph, pb::ModelProto};
use crate::models::spec::{Backend, InputHints, InputSpec, LabelSource, ModelSpec};
use crate::models::threads::Threads;
use crate::preprocess::Tensor;

/// A model's file, and its input with pixels from -1 to 1.
pub(super) fn open(path: &Path) -> (ModelProto, InputSpec) {
    let spec = ModelSpec {
        name: "test".into(),
        path: path.into(),
        labels: LabelSource::ImageNet,
        sha256: None,
        input: InputHints { mean: Some([0.5; 3]), std: Some([0.5; 3]), ..InputHints::default() },
        backend: Backend::Native,
        threads: Threads::default(),
        int8: None,
    };
    let file = onnx::read(&spec).expect("it is there");
    let (input, _) = Graph::new(&file.proto, &file.path).expect("a graph").input(&spec).expect("an input");
    (file.proto, input)
}

/// What each set of kernels, the portable ones last, answers to the same picture when so many threads share it.
fn answers(model: &str, threads: usize) -> Vec<(&'static str, Vec<f32>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model).with_extension("onnx");
    let (proto, input) = open(&path);
    let mut picture = Tensor::for_input(&input);
    if let Tensor::F32(values) = &mut picture {
        values.iter_mut().enumerate().for_each(|(at, value)| *value = ((at % 224) as f32 / 112.0 - 1.0) * 0.9);
    }
    let answer = |kernels: Kernels| {
        let mut compiled = compile(proto.clone(), &input, kernels).expect("the kernels have all of it");
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
    for model in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model).with_extension("onnx");
        let (proto, input) = open(&path);
        let mut picture = Tensor::for_input(&input);
        if let Tensor::F32(values) = &mut picture {
            values.iter_mut().enumerate().for_each(|(at, value)| *value = (at % 509) as f32 / 254.0 - 1.0);
        }
        let network = |strips: Strips| {
            let mut layers = read::layers(proto.clone(), &input).expect("supported");
            fuse::fold(&mut layers).expect("supported");
            quantised::recognise(&mut layers);
            fuse::merge(&mut layers);
            plan::plan(layers, &input, Kernels::detect(), strips).expect("supported")
        };
        let scores = |network: &mut Network, threads: usize| {
            let mut scores = Vec::new();
            network.share_among(threads);
            network.evaluate(&picture, &mut scores).expect("runs");
            scores
        };
        let (mut whole, mut strips) = (network(Strips::Never), network(Strips::WhereWorthWhile));
        assert!(strips.result_bytes() < whole.result_bytes() * 3 / 4, "{model} has strips");
        let expected = scores(&mut whole, 1);
        for threads in [1, 2, 3, 8] {
            assert!(scores(&mut strips, threads) == expected, "{model} on {threads} threads");
        }
    }
}
