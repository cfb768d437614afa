//! What a model's numbers mean: networks with the ends that people export, beside onnxruntime's answers, and those that are refused.

use std::path::{Path, PathBuf};

use glimpsed_core::domain::framing::Rotation;
use glimpsed_core::infer::Model;
use glimpsed_core::models::labels::LabelSource;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::preprocess::Preprocessor;
use glimpsed_core::preprocess::picture::RgbImage;
use glimpsed_inference::pb::tensor_proto::DataType;
use glimpsed_inference::pb::{ModelProto, TensorProto};
use glimpsed_inference::{FitChoice, InputHints, Scores, Tensor, sigmoid, softmax};
use serde_json::Value;

use crate::onnx::Fixture;
use crate::onnx::builder::{input, model, node};
use crate::support::{bundled, fixture, shared};

const PICTURES: [&str; 3] = ["cat96", "parrot96", "sunflower96"];

/// Labels, line by line.
pub(crate) fn lines(labels: &[&str]) -> String {
    labels.join("\n")
}

/// A network of the shared cases, fed as its README says.
pub(crate) fn case(directory: &Path, name: &str, labels: &str) -> ModelSpec {
    let mut spec = crate::support::model(name, directory.join(format!("{name}.onnx")), Some((0.0, 1.0)));
    spec.labels = LabelSource::File(directory.join(labels));
    spec.input.fit = Some(FitChoice::Stretch);
    spec
}

pub(crate) fn load(spec: &ModelSpec) -> Model {
    Model::load(spec).unwrap_or_else(|error| panic!("{}: {error}", spec.path.display()))
}

pub(crate) fn refusal(spec: &ModelSpec) -> String {
    Model::load(spec).err().unwrap_or_else(|| panic!("{} was not refused", spec.path.display())).to_string()
}

/// The probabilities for a picture in a file.
fn probabilities(model: &mut Model, picture: &Path) -> Vec<f32> {
    let image = image::open(picture).expect("a picture").into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let picture = RgbImage { width, height, pixels: image.into_raw() };
    let mut tensor = Tensor::for_input(&model.input);
    Preprocessor::new(model.input.clone(), Rotation::None).prepare(&picture, &mut tensor);
    model.probabilities(&tensor).expect("runs").to_vec()
}

/// onnxruntime's numbers for each picture.
fn answers(name: &str) -> [Vec<f32>; 3] {
    let text = std::fs::read_to_string(fixture("ends/answers.json")).expect("the answers");
    let answers: Value = serde_json::from_str(&text).expect("JSON");
    PICTURES.map(|picture| {
        let numbers = answers[name][picture].as_array().unwrap_or_else(|| panic!("no answer of {name}"));
        numbers.iter().map(|number| number.as_f64().expect("a number") as f32).collect()
    })
}

/// What a file of the catalogue means is not confirmed again at each start, so it is here: with all test pictures, as for any other file.
#[test]
fn the_numbers_of_the_bundled_models_are_confirmed_as_logits() {
    for name in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        let catalogued = bundled(name);
        let own = ModelSpec { sha256: None, int8: None, ..catalogued.clone() };
        let photo = crate::support::photos().join("coffee.png");
        let [known, confirmed] = [&catalogued, &own].map(|spec| probabilities(&mut load(spec), &photo));
        assert_eq!(known, confirmed, "{name}");
        let wrong = ModelSpec { input: InputHints { scores: Some(Scores::Softmax), ..own.input.clone() }, ..own };
        assert!(refusal(&wrong).contains("scores"), "{name}");
    }
}

/// Compares its probabilities with those that `meant` makes of onnxruntime's numbers.
pub(crate) fn assert_answers(directory: &Path, spec: &ModelSpec, meant: fn(&mut Vec<f32>), within: f32) {
    let mut model = load(spec);
    for (picture, mut expected) in PICTURES.iter().zip(answers(&spec.name)) {
        meant(&mut expected);
        let found = probabilities(&mut model, &directory.join(format!("{picture}.png")));
        assert_eq!(found.len(), expected.len(), "{}", spec.name);
        let furthest = found.iter().zip(&expected).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(furthest <= within, "{} of {picture}: {furthest} from {expected:?}", spec.name);
    }
}

/// A probability is right within this.
pub(crate) const CLOSE: f32 = 5e-5;

fn as_they_are(_: &mut Vec<f32>) {}

pub(crate) const LOGITS: fn(&mut Vec<f32>) = |numbers| softmax(numbers);

#[test]
fn a_softmax_by_hand_or_with_bounds_behind_it_is_not_applied_twice() {
    let Some(directory) = shared("cases/models") else { return };
    for name in ["h-manual-softmax", "h-softmax-clamp"] {
        let spec = case(&directory, name, "labels-10.txt");
        assert_answers(&directory, &spec, as_they_are, CLOSE);
        assert_eq!(load(&spec).inspection.scores, Scores::Softmax, "{name}");
    }
}

#[test]
fn sigmoids_of_several_labels_are_independent_probabilities() {
    let Some(directory) = shared("cases/models") else { return };
    let spec = case(&directory, "h-sigmoid-multilabel", "labels-10.txt");
    assert_answers(&directory, &spec, as_they_are, CLOSE);
    assert!(load(&spec).labels().are_independent);
}

#[test]
fn one_sigmoid_is_the_probability_of_the_second_of_two_labels() {
    let Some(directory) = shared("cases/models") else { return };
    let spec = case(&directory, "h-sigmoid1", "labels-2.txt");
    assert_answers(&directory, &spec, |numbers| numbers.insert(0, 1.0 - numbers[0]), CLOSE);
    let model = load(&spec);
    assert_eq!(model.inspection.scores, Scores::Binary);
    // Labels that an editor on Windows wrote.
    let marked = load(&case(&directory, "h-sigmoid1", "bom.txt"));
    assert_eq!(marked.labels().iter().map(|label| &**label).collect::<Vec<_>>(), ["cat", "dog"]);
    assert!(!model.labels().are_independent);
}

#[test]
fn a_map_from_labels_to_probabilities_is_read_through() {
    let Some(directory) = shared("cases/models") else { return };
    assert_answers(&directory, &case(&directory, "cv", "labels-10.txt"), as_they_are, CLOSE);
}

#[test]
fn networks_of_the_shared_cases_that_cannot_be_right_are_refused_with_the_remedy() {
    let Some(directory) = shared("cases/models") else { return };
    let trained = refusal(&case(&directory, "bntrain", "labels-10.txt"));
    assert!(trained.contains("BatchNormalization") && trained.contains("call `model.eval()`"), "{trained}");
    let fewer = refusal(&case(&directory, "h-three-two-labels", "labels-2.txt"));
    assert!(fewer.contains("3 classes") && fewer.contains("has 2 labels"), "{fewer}");
    let one = refusal(&case(&directory, "h-sigmoid1", "labels-10.txt"));
    assert!(one.contains("gives one number") && one.contains("has 10 labels"), "{one}");
}

#[test]
fn dynamic_quantisation_answers_as_onnxruntime_does() {
    let Some(directory) = shared("cases/models") else { return };
    assert_answers(&directory, &case(&directory, "sq-dyn-QUInt8", "labels-10.txt"), LOGITS, CLOSE);
}

#[test]
fn a_wrong_key_is_refused_with_the_right_one() {
    let Some(directory) = shared("cases/models") else { return };
    let wrong = [
        ("h-softmax-clamp", "labels-10.txt", Scores::Logits, "softmax"),
        ("h-softmax-clamp", "labels-10.txt", Scores::Sigmoid, "softmax"),
        ("h-sigmoid-multilabel", "labels-10.txt", Scores::Softmax, "sigmoid"),
        ("h-sigmoid-multilabel", "labels-10.txt", Scores::Logits, "sigmoid"),
        ("h-sigmoid-multilabel", "labels-10.txt", Scores::SigmoidLogits, "sigmoid"),
        ("h-sigmoid1", "labels-2.txt", Scores::Logits, "binary"),
        ("h-sigmoid1", "labels-2.txt", Scores::Softmax, "binary"),
    ];
    for (name, labels, declared, right) in wrong {
        let mut spec = case(&directory, name, labels);
        spec.input.scores = Some(declared);
        let refused = refusal(&spec);
        assert!(refused.contains(&format!("set it to \"{right}\"")), "{name} as {declared}: {refused}");
    }
}

#[test]
fn probabilities_that_are_declared_of_logits_are_refused() {
    let fixture = Fixture::of(&ending(&[("Identity", &["logits"], "y")], &[]));
    for declared in [Scores::Softmax, Scores::Sigmoid, Scores::Binary] {
        let mut spec = fixture.spec(&lines(&RGB));
        spec.input.scores = Some(declared);
        let refused = refusal(&spec);
        assert!(refused.contains("set it to \"logits\""), "{declared}: {refused}");
        assert!(!declared.name().contains("sigmoid") || refused.contains("\"sigmoid-logits\" is for"), "{refused}");
    }
}

/// A network of three logits, ten times the means of red, green and blue, with these nodes behind them. `y` is the output.
pub(crate) fn ending(nodes: &[(&str, &[&str], &str)], constants: &[(&str, &[f32])]) -> ModelProto {
    let mut all = vec![
        node("GlobalAveragePool", &["x"], "pooled"),
        node("Flatten", &["pooled"], "means"),
        node("Mul", &["means", "ten"], "logits"),
    ];
    all.extend(nodes.iter().map(|(operator, inputs, output)| node(operator, inputs, output)));
    let constant = |(name, values): &(&str, &[f32])| TensorProto {
        name: (*name).into(),
        data_type: DataType::Float as i32,
        dims: if values.len() == 1 { Vec::new() } else { vec![values.len() as i64] },
        float_data: values.to_vec(),
        ..TensorProto::default()
    };
    let mut weights: Vec<TensorProto> = constants.iter().map(constant).collect();
    weights.push(constant(&("ten", &[10.0])));
    model(all, vec![input("x", DataType::Float, &[None, Some(3), Some(8), Some(8)])], weights)
}

pub(crate) const RGB: [&str; 3] = ["r", "g", "b"];

/// What it says of a picture of one colour.
pub(crate) fn of_colour(model: &mut Model, colour: [u8; 3]) -> Vec<f32> {
    let picture = RgbImage { width: 8, height: 8, pixels: colour.repeat(64) };
    let mut tensor = Tensor::for_input(&model.input);
    Preprocessor::new(model.input.clone(), Rotation::None).prepare(&picture, &mut tensor);
    model.probabilities(&tensor).expect("runs").to_vec()
}

pub(crate) const ORANGE: [u8; 3] = [255, 102, 0];

fn assert_orange(proto: &ModelProto, scores: Option<Scores>, expected: &[f32]) {
    let fixture = Fixture::of(proto);
    let mut spec = fixture.spec(&lines(&RGB[..expected.len()]));
    spec.input.scores = scores;
    let found = of_colour(&mut load(&spec), ORANGE);
    let close = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < CLOSE);
    assert!(close, "{found:?}, not {expected:?}");
}

pub(crate) fn exclusive() -> Vec<f32> {
    let mut numbers = vec![10.0, 4.0, 0.0];
    softmax(&mut numbers);
    numbers
}

fn independent() -> Vec<f32> {
    let mut numbers = vec![10.0, 4.0, 0.0];
    sigmoid(&mut numbers);
    numbers
}

#[test]
fn probabilities_come_out_whatever_form_they_had() {
    assert_orange(&ending(&[("LogSoftmax", &["logits"], "y")], &[]), None, &exclusive());
    let percent = [("Softmax", &["logits"][..], "p"), ("Mul", &["p", "hundred"][..], "y")];
    assert_orange(&ending(&percent, &[("hundred", &[100.0])]), None, &exclusive());
    let mean =
        [("Softmax", &["logits"][..], "p"), ("Add", &["p", "p"][..], "twice"), ("Mul", &["twice", "half"][..], "y")];
    assert_orange(&ending(&mean, &[("half", &[0.5])]), None, &exclusive());
    assert_orange(&ending(&[("Sigmoid", &["logits"], "y")], &[]), None, &independent());
}

#[test]
fn logits_of_labels_that_do_not_exclude_each_other_are_declared() {
    let proto = ending(&[("Identity", &["logits"], "y")], &[]);
    assert_orange(&proto, None, &exclusive());
    assert_orange(&proto, Some(Scores::SigmoidLogits), &independent());
}

#[test]
fn what_the_graph_leaves_open_is_asked_for_with_the_numbers_seen() {
    let proto = ending(&[("Softplus", &["logits"], "y")], &[]);
    let fixture = Fixture::of(&proto);
    let mut spec = fixture.spec(&lines(&RGB));
    let refused = refusal(&spec);
    assert!(refused.contains("`Softplus` (at `y`)") && refused.contains("set `scores` in [models.m] to"), "{refused}");
    assert!(refused.contains("for 3 test pictures they went from 0.693 to"), "{refused}");
    spec.input.scores = Some(Scores::Softmax);
    assert!(refusal(&spec).contains("`scores = \"softmax\"` does not fit"), "{}", refusal(&spec));
    spec.input.scores = Some(Scores::Logits);
    assert_eq!(of_colour(&mut load(&spec), ORANGE).len(), 3);
}

#[test]
fn a_graph_that_contradicts_its_numbers_is_refused() {
    // Over the wrong dimension each class is certain.
    let mut proto = ending(&[("Softmax", &["logits"], "y")], &[]);
    let softmax = proto.graph.as_mut().expect("a graph").node.last_mut().expect("a node");
    softmax.attribute.push(crate::onnx::builder::attribute("axis", &[0]));
    let refused = refusal(&Fixture::of(&proto).spec(&lines(&RGB)));
    assert!(refused.contains("contradicts itself") && refused.contains("added up to 3 to 3"), "{refused}");
    assert!(refused.contains("\"sigmoid\" if they are"), "{refused}");
}

#[test]
fn one_number_of_any_size_is_asked_about() {
    let proto = ending(&[("Slice", &["logits", "from", "to", "axis"], "y")], &[]);
    let mut proto = with_integers(proto, &[("from", &[0]), ("to", &[1]), ("axis", &[1])]);
    proto.graph.as_mut().expect("a graph").output = vec![input("y", DataType::Float, &[None, Some(1)])];
    let fixture = Fixture::of(&proto);
    let mut spec = fixture.spec("not\nred");
    let refused = refusal(&spec);
    assert!(refused.contains("one number of any size") && refused.contains("\"sigmoid-logits\""), "{refused}");
    spec.input.scores = Some(Scores::SigmoidLogits);
    let mut model = load(&spec);
    assert!(of_colour(&mut model, ORANGE)[1] > 0.999 && !model.labels().are_independent);
    assert!((of_colour(&mut model, [0; 3])[0] - 0.5).abs() < CLOSE);
    let only = ModelSpec { labels: fixture.spec("red").labels, ..spec };
    assert!(load(&only).labels().are_independent, "it is true or it is not");
}

pub(crate) fn with_integers(mut proto: ModelProto, constants: &[(&str, &[i64])]) -> ModelProto {
    let weights = &mut proto.graph.as_mut().expect("a graph").initializer;
    weights.extend(constants.iter().map(|(name, values)| TensorProto {
        name: (*name).into(),
        data_type: DataType::Int64 as i32,
        dims: vec![values.len() as i64],
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }));
    proto
}

#[test]
fn of_several_outputs_the_one_that_fits_the_labels_is_read() {
    let mut proto = ending(&[("Identity", &["pooled"], "vector"), ("Softmax", &["logits"], "y")], &[]);
    let graph = proto.graph.as_mut().expect("a graph");
    graph.output.insert(0, input("vector", DataType::Float, &[None, Some(1280)]));
    assert_orange(&proto, None, &exclusive());
    // Logits and what is made of them say the same.
    graph_outputs(&mut proto, &[("logits", 3), ("y", 3)]);
    assert_orange(&proto, None, &exclusive());
}

pub(crate) fn graph_outputs(proto: &mut ModelProto, outputs: &[(&str, i64)]) {
    let declared = outputs.iter().map(|(name, length)| input(name, DataType::Float, &[None, Some(*length)]));
    proto.graph.as_mut().expect("a graph").output = declared.collect();
}

#[test]
fn several_outputs_that_fit_are_listed_and_one_is_chosen_by_its_name() {
    let mut proto = ending(&[("Sigmoid", &["logits"], "y"), ("Neg", &["logits"], "other")], &[]);
    graph_outputs(&mut proto, &[("other", 3), ("y", 3)]);
    let fixture = Fixture::of(&proto);
    let mut spec = fixture.spec(&lines(&RGB));
    let refused = refusal(&spec);
    assert!(refused.contains("`other` (3 numbers), `y` (3 numbers)"), "{refused}");
    assert!(refused.contains("set `output` in [models.m]"), "{refused}");
    spec.input.output = Some("y".into());
    assert!(load(&spec).labels().are_independent);
    spec.input.output = Some("z".into());
    assert!(refusal(&spec).contains("has no output `z`; it has `other` (3 numbers)"), "{}", refusal(&spec));
}

#[test]
fn the_number_of_the_best_class_alone_is_refused() {
    let mut proto = ending(&[("ArgMax", &["logits"], "y")], &[]);
    proto.graph.as_mut().expect("a graph").output = vec![input("y", DataType::Int64, &[None, Some(1)])];
    let refused = refusal(&Fixture::of(&proto).spec(&lines(&RGB)));
    assert!(refused.contains("number of the best class alone") && refused.contains("ArgMax"), "{refused}");
    let sorted = with_integers(ending(&[("TopK", &["logits", "three"], "y")], &[]), &[("three", &[3])]);
    let refused = refusal(&Fixture::of(&sorted).spec(&lines(&RGB)));
    assert!(refused.contains("sorted; export it without that last step (TopK)"), "{refused}");
}

#[test]
fn a_file_without_a_label_is_refused() {
    let proto = ending(&[("Identity", &["logits"], "y")], &[]);
    for nothing in ["", "\n\n", "\u{feff}"] {
        let refused = refusal(&Fixture::of(&proto).spec(nothing));
        assert!(refused.contains("holds no label") && refused.contains("one line for each class"), "{refused}");
    }
}

#[test]
fn the_key_of_the_configuration_names_each_kind_of_number() {
    let config = |scores: &str| {
        let text = format!("[models.m]\npath = \"m.onnx\"\nscores = \"{scores}\"\noutput = \"y\"\n");
        let file = crate::support::ConfigFile::new(&text);
        crate::support::run(&["config", "show", "-c", &file.path()])
    };
    for scores in ["auto", "logits", "softmax", "sigmoid", "binary", "sigmoid-logits"] {
        let ran = config(scores);
        assert!(ran.stdout.contains(scores), "{ran:?}");
    }
    let wrong = config("probabilities");
    assert!(wrong.stderr.contains("sigmoid-logits"), "{wrong:?}");
}

/// For the paths of the cases.
#[test]
fn every_case_has_an_answer_of_onnxruntime() {
    let Some(directory) = shared("cases/models") else { return };
    let files: Vec<PathBuf> = std::fs::read_dir(directory).expect("a directory").flatten().map(|e| e.path()).collect();
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "onnx")) {
        assert!(!answers(&file.file_stem().expect("a name").to_string_lossy())[0].is_empty());
    }
}
