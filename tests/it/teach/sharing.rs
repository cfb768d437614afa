//! Several taught models over one network.

use std::time::Duration;

use glimpsed_core::domain::classification::Answering;
use glimpsed_core::domain::frame::{Encoding, Frame};
use glimpsed_core::domain::framing::{Framing, Region};
use glimpsed_core::infer::labeller::Labeller;
use glimpsed_core::infer::{Model, Networks};
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::models::taught;
use glimpsed_core::preprocess::source::FrameDecoder;
use glimpsed_inference::Tensor;

use super::{Place, Scene, dataset, jpeg, scene, text};

fn specs(place: &Place) -> Vec<ModelSpec> {
    let models = taught::all(place.directory.path());
    models
        .into_iter()
        .map(|(name, found)| {
            let (taught, files) = found.expect("whole");
            taught.spec(&name, &files)
        })
        .collect()
}

fn taught_twice(bases: [&str; 2]) -> Place {
    let place = Place::new("");
    let lessons =
        [[("bars", Scene::Bars), ("rings", Scene::Rings)], [("round", Scene::Rings), ("upright", Scene::Bars)]];
    for ((labels, name), base) in lessons.iter().zip(["first", "second"]).zip(bases) {
        let dataset = dataset(labels, 6);
        let says = place.run(&["teach", text(dataset.path()), "--base", base, "-o", name]);
        assert_eq!(says.code, 0, "{says:?}");
    }
    place
}

#[test]
fn models_of_one_base_share_its_network_and_answer_as_if_they_were_alone() {
    for base in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        let (place, networks) = (taught_twice([base; 2]), Networks::default());
        let load = |spec: &ModelSpec| Model::load_among(spec, &networks).expect("loads");
        let mut together: Vec<Model> = specs(&place).iter().map(load).collect();
        assert_eq!(networks.count(), 1, "{base}");
        for (shared, spec) in together.iter_mut().zip(specs(&place)) {
            // The whole file, without its last matrix being known.
            let mut alone = Model::load(&ModelSpec { taught: None, ..spec.clone() }).expect("loads");
            assert_eq!((&shared.id, shared.labels()), (&alone.id, alone.labels()));
            let (one, other) = (&shared.inspection, &alone.inspection);
            assert_eq!(
                (one.classes, one.macs, one.parameters, one.layers, one.file_bytes, one.precision, &one.operators),
                (
                    other.classes,
                    other.macs,
                    other.parameters,
                    other.layers,
                    other.file_bytes,
                    other.precision,
                    &other.operators
                ),
            );
            let mut tensor = Tensor::for_input(&alone.input);
            let mut random = fastrand::Rng::with_seed(5);
            match &mut tensor {
                Tensor::F32(values) => values.fill_with(|| random.f32()),
                Tensor::U8(values) => values.fill_with(|| random.u8(..)),
            }
            let expected = alone.probabilities(&tensor).expect("runs").to_vec();
            let found = shared.probabilities(&tensor).expect("runs");
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{base}, {}: {found}, alone {expected}", spec.name);
            }
        }
        drop(together);
        assert_eq!(networks.count(), 0, "it is freed with the last of them");
    }
}

#[test]
fn models_of_different_bases_share_nothing() {
    let (place, networks) = (taught_twice(["efficientnet-lite0", "efficientnet-lite0-int8"]), Networks::default());
    let models: Vec<Model> =
        specs(&place).iter().map(|spec| Model::load_among(spec, &networks).expect("loads")).collect();
    assert_eq!((models.len(), networks.count()), (2, 2));
}

#[test]
fn the_network_looks_once_at_what_several_views_see_alike() {
    let (place, networks) = (taught_twice(["efficientnet-lite0"; 2]), Networks::default());
    let answering = Answering { top_k: 2, unknown_below: 0.0 };
    let mut views: Vec<Labeller> = specs(&place)
        .iter()
        .map(|spec| Labeller::new(Model::load_among(spec, &networks).expect("loads"), Framing::default(), answering))
        .collect();
    let frames = [Scene::Bars, Scene::Rings].map(|kind| Frame::from_bytes(Encoding::Jpeg, jpeg(&scene(kind, 77))));
    let mut label = |view: usize, frame: usize, number: u64| {
        let mut decoder = FrameDecoder::default();
        let frame = &frames[frame];
        decoder
            .decode(frame.encoding, &frame.bytes, |width, height| views[view].wanted(width, height))
            .expect("a frame");
        let decoded = views[view].decoded(&decoder, frame, Duration::ZERO);
        let answer = decoded.classify(Some(number)).expect("runs").answer;
        // A tensor is prepared only for a network that is going to run.
        (answer.top[0].label.to_string(), answer.timing.preprocess_ms > 0.0)
    };
    assert_eq!(label(0, 0, 1), ("bars".into(), true));
    assert!(!label(1, 0, 1).1, "the same frame");
    assert_eq!(label(1, 1, 2), ("round".into(), true));
    assert!(!label(0, 1, 2).1, "the same frame");
    let region = Region { x: 0.0, y: 0.0, width: 0.5, height: 1.0 };
    views[0].set_framing(Framing { region, ..Framing::default() });
    let mut label = |view: usize| {
        let mut decoder = FrameDecoder::default();
        let frame = &frames[1];
        decoder
            .decode(frame.encoding, &frame.bytes, |width, height| views[view].wanted(width, height))
            .expect("a frame");
        let decoded = views[view].decoded(&decoder, frame, Duration::ZERO);
        decoded.classify(Some(2)).expect("runs").answer.timing.preprocess_ms > 0.0
    };
    assert!(label(0), "another part of the same frame");
    assert!(label(1), "the whole frame again, after a part");
}
