//! The native kernels beside tract, which knows nothing of them, on networks of every shape; and networks that lie.

use glimpsed::infer::{Model, ModelError};
use glimpsed::models::labels::LabelSource;
use glimpsed_inference::pb::attribute_proto::AttributeType;
use glimpsed_inference::pb::tensor_proto::DataType;
use glimpsed_inference::pb::{AttributeProto, ModelProto, NodeProto, TensorProto};
use glimpsed_inference::{Backend, Tensor};
use proptest::prelude::*;

use crate::onnx::{Fixture, input, model, node};
use crate::support::{bundled, shared};

/// A network under construction: each step reads what the one before wrote.
struct Network {
    random: fastrand::Rng,
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
    last: String,
}

impl Network {
    fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, nodes: Vec::new(), weights: Vec::new(), last: "x".into() }
    }

    fn weight(&mut self, dims: &[usize], low: f32, high: f32) -> String {
        let values = (0..dims.iter().product()).map(|_| low + self.random.f32() * (high - low)).collect();
        let name = format!("w{}", self.weights.len());
        let dims = dims.iter().map(|&side| side as i64).collect();
        let data_type = DataType::Float as i32;
        self.weights.push(TensorProto {
            name: name.clone(),
            data_type,
            dims,
            float_data: values,
            ..Default::default()
        });
        name
    }

    fn push(&mut self, operator: &str, more: &[&str], integers: &[(&str, &[i64])]) -> &mut Self {
        let output = format!("t{}", self.nodes.len());
        let inputs: Vec<&str> = std::iter::once(self.last.as_str()).chain(more.iter().copied()).collect();
        let mut made = node(operator, &inputs, &output);
        made.name.clone_from(&output);
        made.attribute = integers.iter().map(|(name, values)| attribute(name, values)).collect();
        self.nodes.push(made);
        self.last = output;
        self
    }

    fn conv(&mut self, channels: [usize; 2], size: usize, stride: i64, pads: [i64; 4], groups: usize) -> &mut Self {
        let reach = 1.0 / ((channels[0] / groups * size * size) as f32).sqrt();
        let weights = self.weight(&[channels[1], channels[0] / groups, size, size], -reach, reach);
        let bias = self.weight(&[channels[1]], -0.5, 0.5);
        let integers: [(&str, &[i64]); 3] =
            [("strides", &[stride, stride]), ("pads", &pads), ("group", &[groups as i64])];
        self.push("Conv", &[&weights, &bias], &integers)
    }

    /// The last convolution's window.
    fn dilate(&mut self, dilation: i64) -> &mut Self {
        let conv = self.nodes.last_mut().expect("a convolution");
        conv.attribute.push(attribute("dilations", &[dilation, dilation]));
        self
    }

    fn normalise(&mut self, channels: usize) -> &mut Self {
        let [scale, variance] = [self.weight(&[channels], 0.5, 1.5), self.weight(&[channels], 0.5, 1.5)];
        let [shift, mean] = [self.weight(&[channels], -0.5, 0.5), self.weight(&[channels], -0.5, 0.5)];
        self.push("BatchNormalization", &[&scale, &shift, &mean, &variance], &[])
    }

    fn classify(&mut self, channels: usize) -> ModelProto {
        self.push("GlobalAveragePool", &[], &[]).push("Flatten", &[], &[]);
        let (weights, bias) = (self.weight(&[3, channels], -1.0, 1.0), self.weight(&[3], -1.0, 1.0));
        self.push("Gemm", &[&weights, &bias], &[("transB", &[1])]).finish()
    }

    /// What was pushed last is the answer.
    fn finish(&mut self) -> ModelProto {
        self.nodes.last_mut().expect("just pushed").output[0] = "y".into();
        let declared = input("x", DataType::Float, &[None, Some(3), Some(17), Some(14)]);
        model(std::mem::take(&mut self.nodes), vec![declared], std::mem::take(&mut self.weights))
    }
}

fn attribute(name: &str, values: &[i64]) -> AttributeProto {
    let single = matches!(name, "group" | "transB" | "axis" | "ceil_mode");
    AttributeProto {
        name: name.to_owned(),
        r#type: if single { AttributeType::Int } else { AttributeType::Ints } as i32,
        i: if single { values[0] } else { 0 },
        ints: if single { Vec::new() } else { values.to_vec() },
        ..Default::default()
    }
}

fn load(proto: &ModelProto, backend: Backend) -> Result<Model, ModelError> {
    let fixture = Fixture::of(proto);
    Model::load(&glimpsed::models::spec::ModelSpec { backend, ..fixture.spec("r\ng\nb") })
}

/// The largest difference of the two backends on a picture of noise.
fn difference(proto: &ModelProto) -> f32 {
    let mut random = fastrand::Rng::with_seed(1);
    let [native, tract] = [Backend::Native, Backend::Tract].map(|backend| {
        let mut model = load(proto, backend).expect("loads");
        let mut tensor = Tensor::for_input(&model.input);
        random.seed(1);
        if let Tensor::F32(values) = &mut tensor {
            values.iter_mut().for_each(|value| *value = random.f32() * 2.0 - 1.0);
        }
        model.raw_scores(&tensor).expect("runs").to_vec()
    });
    native.iter().zip(&tract).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// From two channels on: tract 0.23.9 answers wrongly where a padded 1x1 convolution has one output channel (onnxruntime
    /// 1.32.0 answers as we do).
    #[test]
    fn networks_of_every_shape_answer_as_tract_does(
        seed: u64, stem in 2usize..40, wide in 1usize..70, size in 1usize..6, stride in 1i64..3, side in prop::sample::select(vec![3usize, 5]),
        pads in prop::array::uniform4(0i64..3), bounded: bool, normalised: bool, pooled: bool,
    ) {
        let mut network = Network::new(seed);
        network.conv([3, stem], size, stride, pads, 1);
        if normalised {
            network.normalise(stem);
        }
        let before = network.last.clone();
        network.conv([stem, wide], 1, 1, [0; 4], 1);
        if bounded {
            network.push("Relu", &[], &[]);
        }
        if wide > 1 {
            let around = (side / 2) as i64;
            network.conv([wide, wide], side, 1, [around; 4], wide);
        }
        network.conv([wide, stem], 1, 1, [0; 4], 1).push("Add", &[&before], &[]);
        network.push("Relu", &[], &[]);
        if pooled {
            network.push("MaxPool", &[], &[("kernel_shape", &[2, 2]), ("strides", &[2, 2]), ("pads", &[1, 1, 0, 0])]);
        }
        let found = difference(&network.classify(stem));
        prop_assert!(found < 1e-3, "differs by {found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn groups_dilation_and_bounds_of_channels_answer_as_tract_does(
        seed: u64, groups in 1usize..9, inputs in 1usize..9, outputs in 1usize..9, size in 1usize..4, dilation in 1i64..3,
        pads in prop::array::uniform4(0i64..3), deep in prop::sample::select(vec![3usize, 5, 7]), multiplier in 1usize..4,
        normalised: bool, smaller: bool, ceil in 0i64..2,
    ) {
        // From two channels on, as above.
        let (stem, wide) = (groups * inputs * 2, groups * outputs * 2);
        let mut network = Network::new(seed);
        if normalised {
            network.normalise(3);
        }
        network.conv([3, stem], 3, 1, [1; 4], 1);
        network.conv([stem, wide], size, 1, pads, groups).dilate(dilation);
        let bounds = network.weight(&[1, wide, 1, 1], -0.3, 0.3);
        network.push(if smaller { "Min" } else { "Max" }, &[&bounds], &[]).push("Relu", &[], &[]);
        network.conv([wide, wide * multiplier], deep, 2, [(deep / 2) as i64; 4], wide).dilate(dilation);
        let pooling: [(&str, &[i64]); 3] = [("kernel_shape", &[3, 2]), ("strides", &[2, 2]), ("ceil_mode", &[ceil])];
        network.push("MaxPool", &[], &pooling);
        let found = difference(&network.classify(wide * multiplier));
        prop_assert!(found < 1e-3, "differs by {found}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_network_that_lies_about_itself_is_an_error_and_never_a_panic(
        victim in 0usize..8, number in prop::sample::select(vec![-1i64, 0, 1, 2, 7, 63, 65, 1 << 20, 1 << 40, i64::MAX, i64::MIN]),
        place in 0usize..4, what in 0usize..6,
    ) {
        let mut network = Network::new(7);
        network.conv([3, 20], 3, 2, [1; 4], 1).normalise(20);
        network.conv([20, 20], 3, 1, [1; 4], 20).push("Relu", &[], &[]);
        network.push("MaxPool", &[], &[("kernel_shape", &[2, 2]), ("strides", &[2, 2]), ("pads", &[1, 1, 0, 0])]);
        let mut proto = network.classify(20);
        let graph = proto.graph.as_mut().expect("a graph");
        let (nodes, weights) = (graph.node.len(), graph.initializer.len());
        match what {
            0 => {
                let attributes = &mut graph.node[victim % nodes].attribute;
                attributes.iter_mut().for_each(|attribute| {
                    attribute.i = number;
                    attribute.ints.iter_mut().skip(place).for_each(|value| *value = number);
                });
            }
            1 => graph.initializer[victim % weights].dims.iter_mut().skip(place).for_each(|side| *side = number),
            2 => graph.initializer[victim % weights].float_data.truncate(place),
            3 => graph.initializer[victim % weights].float_data.fill(f32::NAN),
            4 => {
                let swapped = graph.node[victim % nodes].output[0].clone();
                graph.node[0].input[0] = swapped;
            }
            _ => graph.node[victim % nodes].input.truncate(place),
        }
        // Either is right; what must not happen is a panic, or memory without end.
        let _ = load(&proto, Backend::Native);
    }
}

#[test]
fn a_matrix_of_integers_with_a_scale_for_each_column_answers_as_tract_does() {
    let mut network = Network::new(9);
    network.conv([3, 8], 3, 1, [0; 4], 1).push("GlobalAveragePool", &[], &[]).push("Flatten", &[], &[]);
    let scales = network.weight(&[3], 0.01, 0.1);
    let bytes = |name: &str, dims: Vec<i64>, int32_data: Vec<i32>| TensorProto {
        name: name.into(),
        data_type: DataType::Int8 as i32,
        dims,
        int32_data,
        ..Default::default()
    };
    network.weights.push(bytes("bytes", vec![8, 3], (0..24).map(|at| at * 37 % 255 - 127).collect()));
    network.weights.push(bytes("zeros", vec![3], vec![0; 3]));
    let mut dequantised = node("DequantizeLinear", &["bytes", &scales, "zeros"], "matrix");
    dequantised.attribute = vec![attribute("axis", &[1])];
    network.nodes.push(dequantised);
    let found = difference(&network.push("MatMul", &["matrix"], &[]).finish());
    assert!(found < 1e-3, "differs by {found}");
}

#[test]
fn the_native_kernels_refuse_what_they_cannot_run_and_name_the_operator() {
    let mut network = Network::new(3);
    network.conv([3, 8], 3, 1, [0; 4], 1).push("Sigmoid", &[], &[]);
    let proto = network.classify(8);
    let error = load(&proto, Backend::Native).err().expect("refused").to_string();
    assert_eq!(
        error,
        "cannot run on the native kernels: Sigmoid (at `t1`): an operator that has no kernel; leave `backend` out, and tract runs it"
    );
    let model = load(&proto, Backend::Auto).expect("tract has it");
    assert_eq!(model.inspection.backend, "tract");
    assert!(model.inspection.not_native.is_some());
}

#[test]
fn what_the_native_kernels_would_read_differently_is_refused() {
    let refused = |change: &dyn Fn(&mut Network)| {
        let mut network = Network::new(5);
        network.conv([3, 8], 3, 1, [0; 4], 1);
        change(&mut network);
        load(&network.classify(8), Backend::Native).err().expect("refused").to_string()
    };
    let three = refused(&|network| {
        let (low, lower) = (network.weight(&[1], 0.0, 1.0), network.weight(&[1], -1.0, 0.0));
        network.push("Max", &[&low, &lower], &[]);
    });
    assert!(three.contains("it does not have two inputs"), "{three}");
    let dilated = [("kernel_shape", &[2, 2][..]), ("dilations", &[2, 2]), ("pads", &[1, 1, 1, 1])];
    let padding = refused(&|network| {
        network.push("MaxPool", &[], &dilated);
    });
    assert!(padding.contains("its windows may see nothing but padding"), "{padding}");
    // ONNX's GlobalAveragePool takes the last two dimensions for rows and columns, whatever they are.
    let moved = refused(&|network| {
        network.push("Transpose", &[], &[("perm", &[0, 2, 3, 1])]);
    });
    assert!(moved.contains("not a mean over a picture"), "{moved}");
}

#[test]
fn a_small_weight_that_many_layers_share_does_not_fill_the_memory() {
    let mut network = Network::new(5);
    network.conv([3, 1024], 1, 1, [0; 4], 1).conv([1024, 1024], 1, 1, [0; 4], 1);
    let shared = network.nodes.last().expect("a layer").input[1].clone();
    for _ in 0..300 {
        network.push("Conv", &[&shared], &[]);
    }
    let error = load(&network.classify(1024), Backend::Native).err().expect("refused").to_string();
    assert!(error.contains("its weights are enormous"), "{error}");
}

/// Where two integer computations differ, rounding does; a step of the last layer's scale is 0.065 here.
#[test]
fn integers_answer_as_the_same_numbers_do_in_floats() {
    let mut answers = [Backend::Native, Backend::Tract].map(|backend| {
        let spec = glimpsed::models::spec::ModelSpec { backend, ..bundled("efficientnet-lite0-int8") };
        let mut model = Model::load(&spec).expect("loads");
        let mut tensor = Tensor::for_input(&model.input);
        if let Tensor::F32(values) = &mut tensor {
            values.iter_mut().enumerate().for_each(|(at, value)| *value = ((at % 224) as f32 / 112.0 - 1.0) * 0.9);
        }
        model.raw_scores(&tensor).expect("runs").to_vec()
    });
    let [native, tract] = &mut answers;
    let largest = native.iter().zip(tract.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    eprintln!("largest difference {largest}");
    assert!(largest <= 0.3, "{largest}");
}

#[test]
fn the_usual_networks_run_on_the_native_kernels_as_a_whole() {
    let mut specs = vec![bundled("efficientnet-lite0"), bundled("efficientnet-lite0-int8")];
    if let Some(directory) = shared("models") {
        for name in ["mobilenet-v1", "mobilenet-v2", "mobilenet-v2-int8"] {
            specs.push(crate::support::model(name, directory.join(format!("{name}.onnx")), Some((0.5, 0.5))));
        }
        let bytes = "mobilenet-v2-int8-nhwc-u8";
        specs.push(crate::support::model(bytes, directory.join(format!("{bytes}.onnx")), None));
    }
    for mut spec in specs {
        spec.backend = Backend::Native;
        assert_eq!(spec.labels, LabelSource::ImageNet);
        let model = Model::load(&spec).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
        assert!(model.inspection.backend.starts_with("native"), "{}", spec.name);
    }
}

#[test]
fn integers_are_onnxruntimes_own_to_the_last_bit() {
    let Some(directory) = shared("models") else { return };
    let name = "mobilenet-v2-int8";
    let mut spec = crate::support::model(name, directory.join(format!("{name}.onnx")), Some((0.5, 0.5)));
    spec.backend = Backend::Native;
    assert!(crate::bundle::compare_with_reference(&spec) == 0.0);
}
