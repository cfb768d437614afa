//! Networks that the native kernels cannot run, or would read differently: each is refused with its operator.

use glimpsed_inference::Backend;
use glimpsed_inference::pb::GraphProto;
use glimpsed_inference::pb::tensor_proto::DataType;

use crate::builder::{Network, input, model, node};
use crate::runners::{load, message};

#[test]
fn the_native_kernels_refuse_what_they_cannot_run_and_name_the_operator() {
    let mut network = Network::new(3);
    network.conv([3, 8], 3, 1, [0; 4], 1).push("Sigmoid", &[], &[]);
    let proto = network.classify(8);
    let refused = message(load(&proto, Backend::Native));
    assert_eq!(refused, "cannot run on the native kernels: Sigmoid (at `t1`): an operator that has no kernel");
    if cfg!(feature = "tract") {
        let loaded = load(&proto, Backend::Auto).expect("tract has it");
        assert_eq!(loaded.inspection.backend, "tract");
        assert!(loaded.inspection.not_native.is_some());
    }
}

#[test]
fn what_the_native_kernels_would_read_differently_is_refused() {
    let refused = |change: &dyn Fn(&mut Network)| {
        let mut network = Network::new(5);
        network.conv([3, 8], 3, 1, [0; 4], 1);
        change(&mut network);
        message(load(&network.classify(8), Backend::Native))
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
    let refused = message(load(&network.classify(1024), Backend::Native));
    assert!(refused.contains("its weights are enormous"), "{refused}");
}

#[test]
fn graphs_that_are_no_classifier_are_refused_with_the_reason() {
    let float = |dims: &[Option<i64>]| input("x", DataType::Float, dims);
    let refused = |change: &dyn Fn(&mut GraphProto), expected: &str| {
        let nodes = vec![node("GlobalAveragePool", &["x"], "pooled"), node("Flatten", &["pooled"], "y")];
        let mut proto = model(nodes, vec![float(&[None, Some(3), Some(8), Some(8)])], Vec::new());
        change(proto.graph.as_mut().expect("a graph"));
        let refused = message(load(&proto, Backend::Auto));
        assert!(refused.contains(expected), "{refused}\nbut expected\n{expected}");
    };
    if cfg!(feature = "tract") {
        refused(
            &|graph| graph.node.insert(0, node("FancyNewOperator", &["x"], "z")),
            "uses operators that are not supported: `FancyNewOperator` (at node `FancyNewOperator_1`)",
        );
    }
    refused(
        &|graph| graph.input[0] = float(&[None, Some(3)]),
        "its input has 2 dimensions; a picture classifier's has 4",
    );
    refused(
        &|graph| graph.input[0] = input("x", DataType::Int64, &[None, Some(3), Some(8), Some(8)]),
        "its input is of type INT64; export it with an input of float32, float16 or uint8",
    );
    refused(
        &|graph| graph.input[0] = float(&[Some(5000), Some(3), Some(8), Some(8)]),
        "its batch size is fixed to 5000; export it with 1",
    );
    refused(
        &|graph| graph.input[0] = float(&[None, Some(2), Some(8), Some(8)]),
        "no dimension of its input [?, 2, 8, 8] has the length 3 of a colour picture, or 1 or 4",
    );
    refused(
        &|graph| graph.input[0] = float(&[None, Some(3), Some(100_000), Some(100_000)]),
        "its input of 100000x100000 pixels is beyond the sides of 8 to 4096",
    );
    refused(&|graph| graph.input.push(input("second", DataType::Float, &[Some(1)])), "it has 2 inputs, not one");
    refused(&|graph| graph.node[0].input[0] = "nowhere".into(), "`nowhere` is used but nothing produces it");
    refused(&|graph| graph.output[0].name = "nowhere".into(), "`nowhere` is used but nothing produces it");
    refused(&|graph| graph.output.clear(), "is not an ONNX model: it has no output");
    refused(&|graph| graph.node.clear(), "is not an ONNX model: it holds no graph");
    if cfg!(feature = "tract") {
        refused(
            &|graph| {
                graph.node.truncate(1);
                graph.node[0] = node("Relu", &["x"], "y");
            },
            "its output has the shape [1, 3, 8, 8], not one number per class",
        );
    }
}
