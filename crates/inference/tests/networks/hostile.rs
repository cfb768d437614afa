//! Networks that lie about themselves, damaged files, and weights that point elsewhere.

use glimpsed_inference::pb::tensor_proto::DataType;
use glimpsed_inference::pb::{AttributeProto, ModelProto, StringStringEntryProto, TensorProto};
use glimpsed_inference::{Backend, Kernels};
use proptest::prelude::*;

use crate::builder::{Network, input, model, node};
use crate::runners::{load, load_bytes, message};

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

/// The mean of each colour, of a picture of 8x8.
fn mean_colour() -> ModelProto {
    let declared = input("x", DataType::Float, &[None, Some(3), Some(8), Some(8)]);
    let nodes = vec![node("GlobalAveragePool", &["x"], "pooled"), node("Flatten", &["pooled"], "y")];
    model(nodes, vec![declared], Vec::new())
}

fn refused(proto: &ModelProto) -> String {
    message(load(proto, Backend::Auto))
}

#[test]
fn weights_in_other_files_are_refused_before_they_are_opened() {
    let mut proto = mean_colour();
    proto.graph.as_mut().expect("a graph").initializer.push(TensorProto {
        name: "w".into(),
        data_type: DataType::Float as i32,
        dims: vec![1],
        data_location: Some(1),
        external_data: vec![entry("location", "../../etc/passwd")],
        ..Default::default()
    });
    let refused = refused(&proto);
    assert!(refused.starts_with("keeps weights in another file (`../../etc/passwd`)"), "{refused}");
    assert!(refused.contains("not a plain name in the same directory"), "{refused}");
}

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.into(), value: value.into() }
}

#[test]
fn weights_that_pretend_to_be_in_the_model_file_are_refused_where_they_cannot_be_or_end_behind_it() {
    let pretending = |offset: usize| TensorProto {
        name: "w".into(),
        data_type: DataType::Float as i32,
        dims: vec![1],
        external_data: vec![entry("location", ""), entry("offset", &offset.to_string()), entry("length", "4")],
        ..Default::default()
    };
    let mut proto = mean_colour();
    proto.graph.as_mut().expect("a graph").initializer.push(pretending(usize::MAX));
    assert!(refused(&proto).contains("cut short or damaged"), "{}", refused(&proto));
    let graph = proto.graph.as_mut().expect("a graph");
    graph.initializer.clear();
    graph.node[0].attribute.push(AttributeProto { tensors: vec![pretending(0)], ..Default::default() });
    assert!(refused(&proto).contains("keeps weights in another file"), "{}", refused(&proto));
}

#[test]
fn a_weight_that_is_shorter_than_its_shape_is_an_error() {
    let mut proto = mean_colour();
    let graph = proto.graph.as_mut().expect("a graph");
    graph.initializer.push(TensorProto {
        name: "w".into(),
        data_type: DataType::Float as i32,
        dims: vec![10, 100],
        raw_data: vec![0; 4],
        ..Default::default()
    });
    graph.node[1].output[0] = "flat".into();
    graph.node.push(node("Add", &["flat", "w"], "y"));
    for backend in BACKENDS {
        assert!(load(&proto, *backend).is_err(), "{backend:?}");
    }
}

const BACKENDS: &[Backend] =
    if cfg!(feature = "tract") { &[Backend::Native, Backend::Tract] } else { &[Backend::Native] };

#[test]
fn a_flipped_byte_of_a_file_is_an_error_and_never_a_panic() {
    for name in ["mobilenet-v2-qdq", "efficientnet-lite-opset21"] {
        let whole = std::fs::read(crate::exports::file(name)).expect("a fixture");
        // The graph's structure is before and behind the weights: some places of each, always the same.
        let places = (0..24).map(|index| index * 37).chain((1..24).map(|index| whole.len() - index * 211));
        for place in places {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x55;
            for backend in BACKENDS {
                // Either is right; what must not happen is a panic.
                let _ = load_bytes(&damaged, *backend, Kernels::detect());
            }
        }
    }
}
