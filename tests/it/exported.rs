//! The forms in which people export models: precisions, weights in a second file, kinds of inputs, what the file says of itself; and labels that
//! do not exclude each other, all the way to the broker.

use glimpsed_core::models::spec::ModelSpec;
use glimpsed_inference::pb::tensor_proto::DataType;
use glimpsed_inference::pb::{ModelProto, StringStringEntryProto, TensorProto};
use glimpsed_inference::{Backend, softmax};
use prost::Message as _;
use serde_json::Value;

use crate::answers::{
    CLOSE, LOGITS, ORANGE, RGB, assert_answers, case, ending, exclusive, graph_outputs, lines, load, of_colour,
    refusal, with_integers,
};
use crate::onnx::Fixture;
use crate::onnx::builder::{input, model, node};
use crate::support::{Broker, ConfigFile, photos, run, shared};

#[test]
fn half_precision_is_widened_and_runs_on_the_native_kernels() {
    let Some(directory) = shared("cases/models") else { return };
    for name in ["small-fp16", "small-fp16-keep_io"] {
        let spec = case(&directory, name, "labels-10.txt");
        assert_answers(&directory, &spec, LOGITS, CLOSE);
        assert!(load(&spec).inspection.backend.starts_with("native"), "{name}");
        assert_answers(&directory, &ModelSpec { backend: Backend::Tract, ..spec }, LOGITS, CLOSE);
    }
}

#[test]
fn weights_in_a_second_file_are_read_and_hashed_with_the_model() {
    let Some(directory) = shared("cases/models") else { return };
    let spec = case(&directory, "default-eval", "labels-10.txt");
    assert_answers(&directory, &spec, LOGITS, CLOSE);
    assert_answers(&directory, &ModelSpec { backend: Backend::Tract, ..spec.clone() }, LOGITS, CLOSE);
    let inspection = load(&spec).inspection;
    assert_eq!(inspection.weights_file.as_deref(), Some("default-eval.onnx.data"));
    let both = ["default-eval.onnx", "default-eval.onnx.data"]
        .map(|name| std::fs::read(directory.join(name)).expect(name))
        .concat();
    assert_eq!(inspection.sha256, glimpsed_inference::sha256_of_all(&both[..]).expect("hashed"));
    assert_eq!(inspection.file_bytes, both.len() as u64);

    let copied = tempfile::tempdir().expect("a directory");
    let path = copied.path().join("m.onnx");
    std::fs::copy(&spec.path, &path).expect("copied");
    let lone = ModelSpec { path, ..spec };
    assert!(refusal(&lone).contains("`default-eval.onnx.data`), which is not there: copy it"), "{}", refusal(&lone));
    let beside = copied.path().join("default-eval.onnx.data");
    std::fs::write(&beside, &both[..1000]).expect("written");
    assert!(refusal(&lone).contains("belongs to another model, or is cut short"), "{}", refusal(&lone));
}

#[test]
fn a_picture_is_gray_for_a_model_of_one_channel() {
    let Some(directory) = shared("cases/models") else { return };
    let spec = case(&directory, "h-gray", "labels-10.txt");
    assert_answers(&directory, &spec, LOGITS, CLOSE);
    let mut uneven = spec;
    uneven.input.mean = Some([0.485, 0.456, 0.406]);
    assert!(refusal(&uneven).contains("three different numbers"), "{}", refusal(&uneven));
}

/// The colour's means times ten, of a network whose input has this type and shape.
fn of_input(element: DataType, dims: &[Option<i64>], nodes: &[(&str, &[&str], &str)]) -> ModelProto {
    let mut proto = ending(nodes, &[("zero", &[0.0]), ("byte", &[255.0])]);
    proto.graph.as_mut().expect("a graph").input = vec![input("x", element, dims)];
    proto
}

#[test]
fn a_fixed_batch_of_several_pictures_is_read_as_one() {
    let dims = [Some(4), Some(3), Some(8), Some(8)];
    for backend in [Backend::Native, Backend::Tract] {
        let reshaped = of_input(DataType::Float, &dims, &[("Reshape", &["logits", "shape"], "y")]);
        let fixture = Fixture::of(&with_integers(reshaped, &[("shape", &[4, 3])]));
        let spec = ModelSpec { backend, ..fixture.spec(&lines(&RGB)) };
        assert_eq!(load(&spec).input.shape(), [1, 3, 8, 8]);
        let close = of_colour(&mut load(&spec), ORANGE).iter().zip(exclusive()).all(|(a, b)| (a - b).abs() < CLOSE);
        assert!(close, "{backend:?}");
    }
}

#[test]
fn floats_of_sixty_four_bits_are_read_as_those_of_thirty_two() {
    let dims = [None, Some(3), Some(8), Some(8)];
    for backend in [Backend::Native, Backend::Tract] {
        let mut proto = of_input(DataType::Double, &dims, &[("Cast", &["logits"], "y")]);
        let graph = proto.graph.as_mut().expect("a graph");
        let mut to = crate::onnx::builder::attribute("to", &[]);
        (to.i, to.r#type) =
            (DataType::Float as i64, glimpsed_inference::pb::attribute_proto::AttributeType::Int as i32);
        graph.node.last_mut().expect("a node").attribute.push(to);
        for weight in &mut graph.initializer {
            weight.data_type = DataType::Double as i32;
            weight.double_data = std::mem::take(&mut weight.float_data).into_iter().map(f64::from).collect();
        }
        let fixture = Fixture::of(&proto);
        let spec = ModelSpec { backend, ..fixture.spec(&lines(&RGB)) };
        let close = of_colour(&mut load(&spec), ORANGE).iter().zip(exclusive()).all(|(a, b)| (a - b).abs() < CLOSE);
        assert!(close, "{backend:?}");
    }
}

#[test]
fn an_alpha_is_opaque_and_brightness_is_weighed() {
    let average = |channels: i64| {
        let mut nodes = vec![node("GlobalAveragePool", &["x"], "pooled"), node("Flatten", &["pooled"], "y")];
        if channels == 1 {
            nodes.push(node("Sigmoid", &["y"], "z"));
        }
        let mut proto =
            model(nodes, vec![input("x", DataType::Float, &[None, Some(channels), Some(8), Some(8)])], vec![]);
        let (name, length) = if channels == 1 { ("z", 1) } else { ("y", 4) };
        graph_outputs(&mut proto, &[(name, length)]);
        proto
    };
    let fixture = Fixture::of(&average(4));
    let mut model = load(&fixture.spec("r\ng\nb\na"));
    let mut expected = vec![1.0, 0.4, 0.0, 1.0];
    softmax(&mut expected);
    let found = of_colour(&mut model, ORANGE);
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < CLOSE), "{found:?}");
    let gray = Fixture::of(&average(1));
    let found = of_colour(&mut load(&gray.spec("dark\nbright")), ORANGE)[1];
    // (255 * 0.299 + 102 * 0.587) / 255
    let brightness = 136.0_f32 / 255.0;
    assert!((found - 1.0 / (1.0 + (-brightness).exp())).abs() < CLOSE, "{found}");
}

/// `x` quantised to signed bytes or to 16 bits and back.
fn quantised(element: DataType, scale: f32, zero_point: i32) -> ModelProto {
    let signed_input = element == DataType::Int8;
    let mut proto = ending(&[("Identity", &["logits"], "y")], &[("scale", &[scale])]);
    let graph = proto.graph.as_mut().expect("a graph");
    graph.initializer.push(TensorProto {
        name: "zero_point".into(),
        data_type: element as i32,
        int32_data: vec![zero_point],
        ..TensorProto::default()
    });
    graph.node[0].input = vec!["dequantised".into()];
    let bytes = if signed_input { "x" } else { "bytes" };
    graph.node.insert(0, node("DequantizeLinear", &[bytes, "scale", "zero_point"], "dequantised"));
    if signed_input {
        graph.input = vec![input("x", element, &[None, Some(3), Some(8), Some(8)])];
    } else {
        graph.node.insert(0, node("QuantizeLinear", &["x", "scale", "zero_point"], "bytes"));
    }
    proto
}

#[test]
fn signed_bytes_and_sixteen_bits_are_read_as_the_numbers_that_they_stand_for() {
    let each = [quantised(DataType::Int8, 1.0 / 255.0, -128), quantised(DataType::Uint16, 2.0 / 65535.0, 32768)];
    for (proto, backend) in each.iter().flat_map(|proto| [(proto, Backend::Native), (proto, Backend::Tract)]) {
        let fixture = Fixture::of(proto);
        let spec = ModelSpec { backend, ..fixture.spec(&lines(&RGB)) };
        let found = of_colour(&mut load(&spec), ORANGE);
        assert!(found.iter().zip(exclusive()).all(|(a, b)| (a - b).abs() < CLOSE), "{backend:?}: {found:?}");
    }
}

/// A network of three sigmoids with these metadata.
fn said(entries: &[(&str, &str)]) -> ModelProto {
    let mut proto = ending(&[("Sigmoid", &["logits"], "y")], &[]);
    proto.metadata_props = entries.iter().map(|(key, value)| entry(key, value)).collect();
    proto
}

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.into(), value: value.into() }
}

/// A configuration whose only table of a model has nothing but a path, with the network beside it.
fn lone(proto: &ModelProto, rest: &str) -> ConfigFile {
    let config = ConfigFile::new(&format!("[models.mine]\npath = \"mine.onnx\"\n{rest}"));
    std::fs::write(config.path().replace("glimpsed.toml", "mine.onnx"), proto.encode_to_vec()).expect("writable");
    config
}

#[test]
fn labels_and_scaling_in_the_file_need_no_key() {
    let made = [
        ("names", "{0: 'red', 1: 'green', 2: 'blue'}"),
        ("author", "Ultralytics"),
        ("task", "classify"),
        ("imgsz", "[8, 8]"),
    ];
    let config = lone(&said(&made), "");
    let photo = photos().join("coffee.png");
    let photo = photo.to_str().expect("UTF-8");
    let ran = run(&["classify", "--json", "-c", &config.path(), "--model", "mine", photo]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()[0]["top"][0]["label"], "red", "{ran:?}");
    let inspected = run(&["models", "inspect", "-c", &config.path(), "mine"]);
    for says in [
        "(metadata names)",
        "red, green, blue",
        "its task is `classify`",
        "8x8 pixels from metadata `imgsz`",
        "because Ultralytics made it",
        "sigmoid (ends in `Sigmoid` (at `y`))",
    ] {
        assert!(inspected.stdout.contains(says), "{says}: {inspected:?}");
    }
    let json = run(&["models", "inspect", "--json", "-c", &config.path(), "mine"]).json();
    assert_eq!(json[0]["declared"]["labels_from"], "metadata `names`");
    assert_eq!((json[0]["scores"].as_str(), json[0]["labels"]["count"].as_u64()), (Some("sigmoid"), Some(3)));
}

#[test]
fn a_file_is_inspected_though_nothing_is_configured_for_it_and_the_model_that_labels_is_not_here() {
    let config = ConfigFile::new("[model]\nactive = \"gone\"\n[models.gone]\npath = \"gone.onnx\"\n");
    let file = config.path().replace("glimpsed.toml", "made.onnx");
    std::fs::write(&file, said(&[("names", "['red', 'green', 'blue']")]).encode_to_vec()).expect("writable");
    let json = run(&["models", "inspect", "--json", "-c", &config.path(), &file]).json();
    assert_eq!((json[0]["name"].as_str(), json[0]["labels"]["first"][0].as_str()), (Some("made"), Some("red")));
    assert_eq!(json[0]["to_set"][0]["key"], "family");
    let told = run(&["models", "inspect", "-c", &config.path(), &file]).stdout;
    assert!(told.contains("set `family` in [models.made]") && !told.contains("x / 255"), "{told}");
    let listed = run(&["models", "list", "-c", &config.path()]);
    assert!(listed.code == 0 && listed.stdout.contains("gone"), "{listed:?}");
    let gone = run(&["models", "inspect", "-c", &config.path(), "gone.onnx"]);
    assert!(gone.code == 78 && gone.stderr.contains("gone.onnx"), "{gone:?}");
}

#[test]
fn a_key_of_the_configuration_comes_before_what_the_file_says() {
    let proto = said(&[("names", "['red', 'green', 'blue']"), ("author", "Ultralytics")]);
    let config = lone(&proto, "labels = \"own.txt\"\nfamily = \"inception\"\n");
    std::fs::write(config.path().replace("glimpsed.toml", "own.txt"), "rot\ngelb\nblau\n").expect("writable");
    let json = run(&["models", "inspect", "--json", "-c", &config.path(), "mine"]).json();
    assert_eq!(json[0]["labels"]["first"][0], "rot");
    assert_eq!(json[0]["input"]["mean"][0], 0.5);
}

#[test]
fn a_model_of_another_task_is_refused() {
    let refused = refusal(&Fixture::of(&said(&[("task", "detect")])).spec(&lines(&RGB)));
    assert!(refused.contains("its task is `detect`"), "{refused}");
}

#[test]
fn models_with_labels_of_their_own_are_compared_without_images_of_them() {
    let config = lone(&said(&[("names", "['red', 'green', 'blue']")]), "family = \"unit\"\n");
    let more = ["--rounds", "1", "--runs", "3", "--json", "--model", "mine"];
    let ran = run(&[&["compare", "-c", &config.path()][..], &more].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = &ran.json()["models"][0];
    assert_eq!((row["name"].as_str(), row["infer_ms"]["runs"].as_u64()), (Some("mine"), Some(3)), "{ran:?}");
    assert_eq!(row["accuracy"], Value::Null, "nothing says what the photographs show in its words");
    let beside = run(&[&["compare", "-c", &config.path(), "--model", "efficientnet-lite0-int8"][..], &more].concat());
    let rows = beside.json()["models"].clone();
    let accuracy = |name: &str| {
        let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["name"] == name)).expect("a row");
        row["accuracy"].clone()
    };
    assert_eq!((accuracy("efficientnet-lite0-int8")["top1"].as_u64(), accuracy("mine")), (Some(3), Value::Null));
}

#[test]
fn several_labels_hold_at_once_over_mqtt_and_each_is_an_entity() {
    let Some(directory) = shared("cases/models") else { return };
    let pictures = tempfile::tempdir().expect("a directory");
    std::fs::copy(directory.join("cat96.png"), pictures.path().join("cat96.png")).expect("copied");
    let broker = Broker::start();
    let mut subscriber = broker.subscribe("#", &[]);
    let config = ConfigFile::new(&format!(
        "[device]\nid = \"test\"\n[camera]\nsource = \"replay\"\npath = {:?}\nfps = 5\n[models.several]\npath = {:?}\nlabels = {:?}\nfamily = \"unit\"\nfit = \"stretch\"\n[model]\nactive = \"several\"\n[labels]\nenter = 0.8\nconsecutive = 1\n[mqtt]\nurl = {:?}\n[homeassistant]\nenabled = true\n",
        pictures.path(),
        directory.join("h-sigmoid-multilabel.onnx"),
        directory.join("labels-10.txt"),
        broker.url()
    ));
    let _daemon = config.daemon();
    let state = subscriber.find("a state", |message| {
        let state = message.topic.ends_with("/test/state").then(|| message.json())?;
        (state["status"] == "known").then_some(state)
    });
    let held: Vec<&str> =
        state["labels"].as_array().expect("labels").iter().filter_map(|one| one["label"].as_str()).collect();
    assert_eq!((state["label"].as_str(), held), (Some("c0"), vec!["c0", "c5", "c9"]), "{state}");
    assert!(
        state["labels"][2]["confidence"].as_f64().is_some_and(|confidence| (confidence - 0.807).abs() < 1e-3),
        "{state}"
    );
    let sum: f64 = state["top"].as_array().expect("top").iter().filter_map(|one| one["confidence"].as_f64()).sum();
    assert!(sum > 2.5, "independent confidences: {state}");
    let event = subscriber.next("/test/event").json();
    assert_eq!(event["labels"], serde_json::json!(["c0", "c5", "c9"]));
    let components = broker
        .retained_json("homeassistant/device/test/config", |payload| payload["components"].get("shows_c0").is_some());
    let sensors =
        components["components"].as_object().expect("components").keys().filter(|key| key.starts_with("shows_"));
    assert_eq!(sensors.count(), 10);
}
