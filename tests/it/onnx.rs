//! Model files with their labels and their configuration: those that cannot be used, unusual ones that can, and the usual
//! networks on the native kernels.

use std::path::PathBuf;

use glimpsed_core::domain::framing::Rotation;
use glimpsed_core::infer::Model;
use glimpsed_core::models::labels::LabelSource;
use glimpsed_core::models::spec::{Family, ModelSpec};
use glimpsed_core::models::threads::Threads;
use glimpsed_core::preprocess::Preprocessor;
use glimpsed_core::preprocess::picture::RgbImage;
use glimpsed_inference::pb::ModelProto;
use glimpsed_inference::pb::tensor_proto::DataType;
use glimpsed_inference::{Backend, ChannelOrder, InputHints, Layout, Scores, Tensor};
use prost::Message;

use crate::support::{bundled, root, run, shared};
use builder::{attribute, input, model, node};

#[allow(dead_code, reason = "the networks of the crate's own tests need the rest")]
#[path = "../../crates/inference/tests/networks/builder.rs"]
pub(crate) mod builder;

/// Three classes: the means of red, green and blue.
fn mean_colour(channels_at: usize, element: DataType) -> ModelProto {
    let mut dims = [Some(8); 4];
    dims[0] = None;
    dims[channels_at] = Some(3);
    let nodes = if channels_at == 1 {
        vec![node("GlobalAveragePool", &["x"], "pooled"), node("Flatten", &["pooled"], "y")]
    } else {
        let mut transpose = node("Transpose", &["x"], "planes");
        transpose.attribute.push(attribute("perm", &[0, 3, 1, 2]));
        vec![transpose, node("GlobalAveragePool", &["planes"], "pooled"), node("Flatten", &["pooled"], "y")]
    };
    model(nodes, vec![input("x", element, &dims)], vec![])
}

/// Loads a file with these bytes and labels.
pub(crate) struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("m.onnx"), bytes).expect("writable");
        Self { directory }
    }

    pub(crate) fn of(model: &ModelProto) -> Self {
        Self::new(&model.encode_to_vec())
    }

    pub(crate) fn spec(&self, labels: &str) -> ModelSpec {
        let file = self.directory.path().join("labels.txt");
        std::fs::write(&file, labels).expect("writable");
        ModelSpec {
            name: "m".into(),
            path: self.directory.path().join("m.onnx"),
            labels: LabelSource::File(file),
            sha256: None,
            input: InputHints { mean: Some([0.0; 3]), std: Some([1.0; 3]), ..InputHints::default() },
            backend: Backend::Auto,
            threads: Threads::default(),
            background: None,
            taught: None,
            int8: None,
        }
    }

    fn load(&self, labels: &str) -> Result<Model, String> {
        self.load_spec(&self.spec(labels))
    }

    fn load_spec(&self, spec: &ModelSpec) -> Result<Model, String> {
        Model::load(spec)
            .map_err(|error| error.to_string().replace(self.directory.path().to_str().expect("UTF-8"), "DIR"))
    }
}

fn error(bytes: &[u8]) -> String {
    Fixture::new(bytes).load("r\ng\nb").err().expect("refused")
}

/// What the model says of a picture of one colour.
fn label_of(model: &mut Model, colour: [u8; 3]) -> Vec<(String, f32)> {
    let picture = RgbImage { width: 16, height: 16, pixels: colour.repeat(256) };
    let mut tensor = Tensor::for_input(&model.input);
    Preprocessor::new(model.input.clone(), Rotation::None).prepare(&picture, &mut tensor);
    let top = model.classify(&tensor, 2).expect("runs");
    top.into_iter().map(|ranked| (ranked.label.to_string(), ranked.confidence)).collect()
}

#[test]
fn layouts_are_read_from_the_shape() {
    for (channels_at, layout) in [(1, Layout::Nchw), (3, Layout::Nhwc)] {
        let mut model = Fixture::of(&mean_colour(channels_at, DataType::Float)).load("r\ng\nb\n").expect("loads");
        assert_eq!(model.input.layout, layout);
        assert_eq!(label_of(&mut model, [0, 255, 0])[0].0, "g");
        assert_eq!(label_of(&mut model, [0, 0, 255])[0].0, "b");
    }
}

#[test]
fn a_background_class_that_is_declared_is_never_reported() {
    let fixture = Fixture::of(&mean_colour(1, DataType::Float));
    let spec = ModelSpec { background: Some(true), ..fixture.spec("g\nb") };
    let mut model = fixture.load_spec(&spec).expect("loads");
    assert!(model.background_class);
    // Red is the background here, and keeps its share: the other two have what is left, and not all of it.
    let top = label_of(&mut model, [255, 0, 0]);
    assert_eq!(top.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), ["g", "b"]);
    let expected = 1.0 / (1f32.exp() + 2.0);
    assert!((top[0].1 - expected).abs() < 1e-5, "{top:?}");
}

#[test]
fn a_label_that_is_missing_is_no_background_class() {
    let fixture = Fixture::of(&mean_colour(1, DataType::Float));
    let refused = fixture.load("g\nb").err().expect("refused");
    assert!(refused.contains("3 classes") && refused.contains("background = true"), "{refused}");
    let declared = ModelSpec { background: Some(true), ..fixture.spec("r\ng\nb") };
    assert!(fixture.load_spec(&declared).is_err(), "every class has a label, so none is a background class");
}

#[test]
fn a_softmax_in_the_graph_is_not_applied_twice() {
    let mut proto = mean_colour(1, DataType::Float);
    let graph = proto.graph.as_mut().expect("a graph");
    graph.node[1].output[0] = "logits".into();
    graph.node.push(node("Softmax", &["logits"], "probabilities"));
    graph.node.push(node("Identity", &["probabilities"], "y"));
    let mut model = Fixture::of(&proto).load("r\ng\nb").expect("loads");
    assert_eq!(model.inspection.scores, Scores::Softmax);
    let confidence = label_of(&mut model, [255, 0, 0])[0].1;
    let expected = 1f32.exp() / (1f32.exp() + 2.0);
    assert!((confidence - expected).abs() < 1e-5, "{confidence}");
}

#[test]
fn an_open_size_is_asked_for_and_taken_from_the_configuration() {
    let mut proto = mean_colour(1, DataType::Float);
    proto.graph.as_mut().expect("a graph").input[0] = input("x", DataType::Float, &[None, Some(3), None, None]);
    let fixture = Fixture::of(&proto);
    assert!(fixture.load("r\ng\nb").err().expect("open").contains("set `input = [height, width]` in [models.m]"));
    let mut spec = fixture.spec("r\ng\nb");
    spec.input.size = Some([32, 24]);
    let model = fixture.load_spec(&spec).expect("loads");
    assert_eq!(model.input.shape(), [1, 3, 32, 24]);
}

#[test]
fn a_float_model_of_unknown_scaling_asks_for_it() {
    let fixture = Fixture::of(&mean_colour(1, DataType::Float));
    let mut spec = fixture.spec("r\ng\nb");
    spec.input = InputHints::default();
    let error = fixture.load_spec(&spec).err().expect("refused");
    assert!(error.contains("does not say how its input is scaled; set `family` in [models.m]"), "{error}");
}

#[test]
fn numbers_that_are_no_probabilities_are_refused_where_probabilities_were_declared() {
    let mut spec = bundled("efficientnet-lite0");
    spec.input.scores = Some(Scores::Softmax);
    let error = Model::load(&spec).err().expect("refused").to_string();
    assert!(error.contains("gives numbers that are no probabilities"), "{error}");
    assert!(error.contains("leave `scores` out or set it to \"logits\""), "{error}");
}

#[test]
fn labels_that_do_not_match_are_refused_with_both_counts() {
    let error =
        Fixture::of(&mean_colour(1, DataType::Float)).load("one\ntwo\nthree\nfour\nfive").err().expect("refused");
    insta::assert_snapshot!(error);
}

#[test]
fn files_that_are_no_model_are_refused() {
    let whole = std::fs::read(bundled("efficientnet-lite0-int8").path).expect("the bundled model");
    let picture = std::fs::read(root().join("models/photos/rocket.jpg")).expect("a bundled photograph");
    let errors =
        [error(b""), error(b"hello, this is text"), error(&picture), error(&whole[..whole.len() / 2]), error(&[0; 64])];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn another_file_under_a_catalogue_name_is_refused_by_its_hash() {
    let mut spec = bundled("efficientnet-lite0");
    spec.path = PathBuf::from(root()).join("models/efficientnet-lite0-int8.onnx");
    let error = Model::load(&spec).err().expect("refused").to_string();
    assert!(error.contains("its sha256 is e7a57e36"), "{error}");
    assert!(error.contains("not 2cb0d83d"), "{error}");
}

#[test]
fn inspect_prints_what_the_file_holds() {
    let ran = run(&["models", "inspect", "--json", "efficientnet-lite0"]);
    let model = &ran.json()[0];
    assert_eq!(model["parameters"], 4_631_000);
    assert_eq!(model["macs"], 385_187_552);
    assert_eq!(model["file_bytes"], 18_543_741);
    assert_eq!(model["output"], serde_json::json!([1, 1000]));
    assert_eq!(model["input"]["layout"], "NCHW");
    assert_eq!(model["precision"], "fp32");
}

#[test]
fn a_family_stands_for_mean_and_deviation() {
    assert_eq!(Family::Inception.hints().mean, Some([0.5; 3]));
    assert_eq!(Family::Caffe.hints().channels, Some(ChannelOrder::Bgr));
    let text = "[models.mine]\npath = \"m.onnx\"\nlabels = \"l.txt\"\nfamily = \"unit\"\n[model]\nactive = \"mine\"\n";
    let config = crate::support::ConfigFile::new(text);
    let beside = |name: &str| config.path().replace("glimpsed.toml", name);
    std::fs::copy(crate::support::exported("squeezenet-opset8"), beside("m.onnx")).expect("copied");
    std::fs::write(beside("l.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").expect("writable");
    let ran = crate::support::run(&["models", "inspect", "mine", "--json", "-c", &config.path()]);
    assert_eq!(ran.json()[0]["input"]["std"][0], 1.0, "{ran:?}");
    let both = crate::support::ConfigFile::new(&text.replace("family", "mean = [0.0, 0.0, 0.0]\nfamily"));
    let ran = crate::support::run(&["check", "-c", &both.path()]);
    assert!(ran.stderr.contains("`models.mine.family` contradicts `mean` and `std`"), "{ran:?}");
}

/// Where two integer computations differ, rounding does; a step of the last layer's scale is 0.065 here.
#[test]
fn integers_answer_as_the_same_numbers_do_in_floats() {
    let mut answers = [Backend::Native, Backend::Tract].map(|backend| {
        let spec = ModelSpec { backend, ..bundled("efficientnet-lite0-int8") };
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
