//! Networks of random shapes: the native kernels beside tract, which knows nothing of them.

use glimpsed_inference::Backend;
use glimpsed_inference::pb::ModelProto;
use proptest::prelude::*;

use crate::builder::Network;
use crate::runners::{load, noise, scores};

/// The largest difference of the two backends on a picture of noise.
fn difference(proto: &ModelProto) -> f32 {
    let [native, tract] = [Backend::Native, Backend::Tract].map(|backend| {
        let mut loaded = load(proto, backend).expect("loads");
        let picture = noise(&loaded.inspection);
        scores(&mut loaded, &picture)
    });
    crate::runners::difference(&native, &tract)
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
