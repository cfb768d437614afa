//! One list of small networks, which every set of kernels and tract must answer alike.

use glimpsed_inference::{Backend, Kernels, Precision};
use prost::Message;

use crate::cases::cases;
use crate::runners::{difference, load_bytes, noise, scores};

/// The sum of a hundred products of numbers below one differs by less, whatever the order of additions.
const FLOATS: f32 = 1e-4;

#[test]
fn every_set_of_kernels_answers_as_the_portable_one() {
    let sets: Vec<Kernels> = Kernels::available().collect();
    for (name, proto) in cases() {
        let bytes = proto.encode_to_vec();
        let answers: Vec<_> = sets
            .iter()
            .map(|&kernels| {
                let mut loaded = load_bytes(&bytes, Backend::Native, kernels)
                    .unwrap_or_else(|error| panic!("{name} on {}: {error}", kernels.name));
                let picture = noise(&loaded.inspection);
                (kernels.name, loaded.inspection.precision, scores(&mut loaded, &picture))
            })
            .collect();
        let (_, precision, expected) = answers.last().expect("the portable kernels");
        // Sums of integers are exact, so their order does not count.
        let allowed = if *precision == Precision::Int8 { 0.0 } else { FLOATS };
        for (set, _, answer) in &answers {
            let found = difference(answer, expected);
            assert!(found <= allowed, "{name} on {set} differs by {found}");
        }
    }
}

#[test]
fn a_picture_shared_among_threads_has_the_same_answer() {
    for (name, proto) in cases() {
        let bytes = proto.encode_to_vec();
        let mut loaded = load_bytes(&bytes, Backend::Native, Kernels::detect()).expect("loads");
        let picture = noise(&loaded.inspection);
        let alone = scores(&mut loaded, &picture);
        for threads in [2, 3] {
            assert_eq!(loaded.classifier.set_threads(threads), threads);
            assert_eq!(scores(&mut loaded, &picture), alone, "{name} with {threads} threads");
        }
    }
}

#[cfg(feature = "tract")]
#[test]
fn tract_answers_as_the_kernels() {
    for (name, proto) in cases() {
        let bytes = proto.encode_to_vec();
        let [native, tract] = [Backend::Native, Backend::Tract].map(|backend| {
            let mut loaded = load_bytes(&bytes, backend, Kernels::detect())
                .unwrap_or_else(|error| panic!("{name} on {backend:?}: {error}"));
            let picture = noise(&loaded.inspection);
            (loaded.inspection.precision, scores(&mut loaded, &picture))
        });
        // tract adds up quantised numbers in floats: a value near the middle of two bytes may be rounded to either.
        let allowed = if native.0 == Precision::Int8 { 0.05 } else { FLOATS };
        let found = difference(&native.1, &tract.1);
        assert!(found <= allowed, "{name} differs by {found}: {:?} {:?}", native.1, tract.1);
    }
}
