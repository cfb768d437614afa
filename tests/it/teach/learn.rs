//! From a folder of pictures to a model.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use glimpsed_inference::Tensor;

use super::{Place, Scene, dataset, jpeg, scene, text};
use crate::support::{glimpsed, root, shared};

const TWO: [(&str, Scene); 2] = [("closed", Scene::Bars), ("open", Scene::Rings)];

/// Pictures that were not in the dataset.
fn others(kind: Scene, count: u64) -> (tempfile::TempDir, Vec<String>) {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = (0..count).map(|seed| {
        let path = directory.path().join(format!("{seed}.jpg"));
        std::fs::write(&path, jpeg(&scene(kind, 1000 + seed))).expect("writable");
        text(&path).to_owned()
    });
    let paths = paths.collect();
    (directory, paths)
}

fn labels_of(place: &Place, model: &str, files: &[String]) -> Vec<(String, f64, bool)> {
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let answers = place.json(&[&["classify", "--model", model, "-k1"], &files[..]].concat());
    let answers = answers.as_array().expect("a list").iter().map(|answer| {
        let top = &answer["top"][0];
        let label = top["label"].as_str().expect("a label").to_owned();
        (label, top["confidence"].as_f64().expect("a number"), answer["strange"] == true)
    });
    answers.collect()
}

#[test]
fn two_folders_become_a_model_that_labels_other_pictures_of_them() {
    for base in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        let place = Place::new("[model]\nactive = \"door\"\n");
        // An active model that is yet to be taught is a mistake that is told.
        assert_eq!(place.run(&["check"]).code, 78);
        let place = Place::new("");
        let dataset = dataset(&TWO, 12);
        let learnt = place.json(&["teach", text(dataset.path()), "--base", base, "-o", "door"]);
        assert_eq!(learnt["confusion"].as_array().map(Vec::len), Some(2), "{learnt}");
        assert!(learnt["accuracy"].as_f64() > Some(0.9), "{learnt}");
        for (label, kind) in TWO {
            let (_pictures, files) = others(kind, 5);
            for (found, confidence, _) in labels_of(&place, "door", &files) {
                assert!(found == label && confidence > 0.7, "{base}: {found} {confidence}, not {label}");
            }
        }
        let (_pictures, files) = others(Scene::Slope, 5);
        let strange = labels_of(&place, "door", &files).iter().filter(|(_, _, strange)| *strange).count();
        assert!(strange >= 4, "{base}: {strange} of 5 foreign pictures");
        let inspected = place.json(&["models", "inspect", "door"]);
        let backend = inspected[0]["backend"].as_str().expect("a backend");
        // Without vector instructions tract is faster.
        let why = inspected[0]["not_native"].as_str().unwrap_or_default();
        assert!(backend.starts_with("native") || why.contains("no kernels for this processor"), "{inspected}");
        let description = std::fs::read_to_string(place.file("door.toml")).expect("written");
        for part in [learnt["base"]["sha256"].as_str().expect("a hash"), "strange_below", "closed"] {
            assert!(description.contains(part), "{part}: {description}");
        }
        assert_eq!(std::fs::read_to_string(place.file("door.txt")).expect("written"), "closed\nopen\n");
    }
}

#[test]
fn a_taught_model_can_be_the_active_one_and_the_base_of_another() {
    let place = Place::new("");
    let dataset = dataset(&TWO, 3);
    let says = place.run(&["teach", text(dataset.path()), "-o", "door"]);
    assert_eq!(says.code, 0, "{says:?}");
    assert!(says.stdout.contains("A start. Ten of each tell more."), "{says:?}");
    assert!(!says.stdout.contains("in 20"), "too few to say how good it is: {says:?}");
    let again = place.json(&["teach", text(dataset.path()), "--base", "door", "-o", "second"]);
    assert_eq!(again["base"]["name"], "door");
    let config =
        format!("{}\n[model]\nactive = \"second\"\n", std::fs::read_to_string(place.config.path()).expect("readable"));
    std::fs::write(place.config.path(), config).expect("writable");
    let checked = place.run(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.contains("model second (fp32)"), "{checked:?}");
}

#[test]
fn what_cannot_be_taught_is_refused_and_says_what_would_be_right() {
    let place = Place::new("");
    let refused = |arguments: &[&str], says: &str| {
        let ran = place.run(arguments);
        assert!(ran.code == 1 && ran.stderr.contains(says), "{says}: {ran:?}");
    };
    let empty = tempfile::tempdir().expect("a directory");
    refused(&["teach", text(empty.path()), "-o", "x"], "a folder of pictures for each label is meant");
    let one = dataset(&TWO[..1], 3);
    refused(&["teach", text(one.path()), "-o", "x"], "two classes are the least");
    let few = dataset(&TWO, 1);
    refused(&["teach", text(few.path()), "-o", "x"], "`closed` has one");
    let two = dataset(&TWO, 3);
    refused(&["teach", text(two.path()), "-o", "a b"], "cannot be a model's name");
    refused(&["teach", text(two.path()), "-o", "mobilenet-v2"], "is the name of another model");
    refused(&["teach", text(two.path()), "--base", "mobilenet-v9", "-o", "x"], "no model named `mobilenet-v9`");
    refused(&["teach", "/no/such/folder"], "is no folder");
    refused(&["teach"], "nothing can be learnt");
    std::fs::write(two.path().join("open/00.jpg"), "no picture").expect("writable");
    let without = place.run(&["teach", text(two.path()), "-o", "x"]);
    assert!(without.code == 0 && without.stdout.contains("left out: "), "{without:?}");
    assert_eq!(place.run(&["teach", "add", "open"]).code, 64);
}

#[test]
fn pictures_that_look_the_same_count_once() {
    let place = Place::new("");
    let dataset = dataset(&TWO, 4);
    for copy in 0..20 {
        let path = dataset.path().join(format!("open/copy{copy}.jpg"));
        std::fs::copy(dataset.path().join("open/01.jpg"), path).expect("copied");
    }
    let learnt = place.json(&["teach", text(dataset.path()), "-o", "door"]);
    assert_eq!(learnt["copies"], 20);
    assert_eq!(learnt["labels"][1]["pictures"], 4);
}

#[test]
fn a_model_that_is_there_survives_wherever_teaching_is_killed() {
    let place = Place::new("");
    let dataset = dataset(&TWO, 3);
    place.json(&["teach", text(dataset.path()), "-o", "door"]);
    let (_pictures, files) = others(Scene::Bars, 1);
    let begun = std::time::Instant::now();
    place.json(&["teach", text(dataset.path()), "-o", "door"]);
    let whole = begun.elapsed();
    for part in 1..=6_u32 {
        let mut command = glimpsed(&["teach", text(dataset.path()), "-o", "door", "-c", &place.config.path()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        std::thread::sleep(whole * part / 7 + Duration::from_millis(5));
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert_eq!(labels_of(&place, "door", &files)[0].0, "closed", "killed after {part} sevenths");
    }
    place.json(&["teach", text(dataset.path()), "-o", "door"]);
    let left: Vec<_> = std::fs::read_dir(place.directory.path())
        .expect("listed")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("UTF-8"))
        .filter(|name| !name.starts_with(".tmp"))
        .collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn two_that_teach_at_once_do_not_mix_their_files() {
    let place = Place::new("");
    let dataset = dataset(&TWO, 3);
    let locked = std::fs::File::open(place.directory.path()).expect("a directory");
    locked.lock().expect("locked");
    let refused = place.run(&["teach", text(dataset.path()), "-o", "door"]);
    assert!(refused.code == 1 && refused.stderr.contains("another `glimpsed teach` does so"), "{refused:?}");
    drop(locked);
    assert_eq!(place.run(&["teach", text(dataset.path()), "-o", "door"]).code, 0);
}

#[test]
fn a_base_that_was_changed_since_is_told() {
    let place = Place::new("base = \"efficientnet-lite0-int8\"\n");
    let dataset = dataset(&TWO, 3);
    place.json(&["teach", text(dataset.path()), "-o", "door", "--base", "efficientnet-lite0"]);
    let says = place.run(&["teach", "status"]);
    assert!(says.stdout.contains("since then `base` in [teach] has become efficientnet-lite0-int8"), "{says:?}");
}

#[test]
fn a_region_or_rotation_that_was_changed_since_is_told_by_whoever_uses_the_model() {
    let place = Place::new("");
    let dataset = dataset(&TWO, 3);
    place.json(&["teach", "import", text(dataset.path())]);
    place.json(&["teach", "-o", "door"]);
    let before = std::fs::read_to_string(place.config.path()).expect("readable");
    let after = |rest: &str| {
        let config = format!("{before}\n[model]\nactive = \"door\"\n{rest}");
        std::fs::write(place.config.path(), config).expect("writable");
        let checked = place.run(&["check"]);
        assert_eq!(checked.code, 0, "{checked:?}");
        checked.stdout
    };
    assert!(!after("").contains("warning"));
    assert!(
        after("[camera]\nrotate = 90\n").contains("warning: since `door` was taught `rotate` in [camera] has changed")
    );
    let moved = after("[roi]\nx = 0.2\ny = 0.2\nwidth = 0.5\nheight = 0.5\n");
    assert!(moved.contains("warning: since `door` was taught the region has changed"), "{moved}");
}

#[test]
fn a_taught_model_that_is_damaged_is_refused_by_name() {
    let place = Place::new("[model]\nactive = \"door\"\n");
    std::fs::write(place.file("door.toml"), "nonsense").expect("writable");
    let checked = place.run(&["check"]);
    assert!(checked.code == 78 && checked.stderr.contains("is not the description of a taught model"), "{checked:?}");
    assert!(!checked.stderr.contains("names no model"), "{checked:?}");
}

/// Of the labelled pictures that are not part of the project.
#[test]
fn parking_places_are_learnt_from_ten_pictures_of_each() {
    let Some(set) = shared("teach/parking") else { return };
    let place = Place::new("");
    let directory = tempfile::tempdir().expect("a directory");
    let mut asked = Vec::new();
    for class in std::fs::read_dir(&set).expect("listed").flatten() {
        let label = class.file_name().into_string().expect("UTF-8");
        std::fs::create_dir(directory.path().join(&label)).expect("a folder");
        let pictures = glimpsed_base::files::pictures_in(&class.path()).expect("listed");
        for (index, picture) in pictures.iter().enumerate() {
            let name = picture.file_name().expect("a name");
            if index % 10 == 0 {
                std::fs::copy(picture, directory.path().join(&label).join(name)).expect("copied");
            } else if index % 5 == 1 {
                asked.push((label.clone(), text(picture).to_owned()));
            }
        }
    }
    for base in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        place.json(&["teach", text(directory.path()), "-o", "parking", "--base", base]);
        let files: Vec<String> = asked.iter().map(|(_, file)| file.clone()).collect();
        let answers = labels_of(&place, "parking", &files);
        let right = answers.iter().zip(&asked).filter(|((found, _, _), (label, _))| found == label).count();
        assert!(right * 100 >= asked.len() * 85, "{base}: {right} of {}", asked.len());
    }
}

/// Prints what onnxruntime says of a tensor of floats in a file.
const ASK_ONNXRUNTIME: &str = "
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
picture = numpy.fromfile(sys.argv[2], '<f4').reshape(1, 3, 224, 224)
[scores] = session.run(None, {session.get_inputs()[0].name: picture})
print(*scores.ravel())
";

#[test]
#[ignore = "needs onnxruntime: make test-models"]
fn onnxruntime_gives_the_answers_of_a_taught_model() {
    // Integers are rounded in other places there, as in the models themselves.
    for (base, tolerance) in [("efficientnet-lite0", 1e-5), ("efficientnet-lite0-int8", 2e-2)] {
        let place = Place::new("");
        let dataset = dataset(&TWO, 5);
        place.json(&["teach", text(dataset.path()), "-o", "door", "--base", base]);
        let hints = crate::support::bundled(base).input;
        let path = place.file("door.onnx");
        let source = glimpsed_inference::Source {
            path: &path,
            sha256: None,
            input: &hints,
            backend: glimpsed_inference::Backend::Auto,
        };
        let mut loaded = glimpsed_inference::load(&source).expect("a model");
        for kind in [Scene::Bars, Scene::Rings, Scene::Slope] {
            let picture = scene(kind, 77);
            let mut tensor = Tensor::for_input(&loaded.inspection.input);
            let view = glimpsed_core::domain::framing::Framing::default();
            let mut preprocessor = glimpsed_core::preprocess::Preprocessor::new(loaded.inspection.input.clone(), view);
            let (width, height) = (picture.width() as usize, picture.height() as usize);
            preprocessor.prepare(
                glimpsed_core::preprocess::samples::Samples::rgb(width, height, picture.as_raw()),
                &mut tensor,
            );
            let Tensor::F32(floats) = &tensor else { panic!("floats") };
            let bytes: Vec<u8> = floats.iter().flat_map(|number| number.to_le_bytes()).collect();
            let file = place.file("tensor.f32");
            std::fs::write(&file, bytes).expect("writable");
            let mut theirs = probabilities_of_onnxruntime(&path, &file);
            let mut ours = Vec::new();
            loaded.classifier.run(&tensor, &mut ours).expect("runs");
            glimpsed_inference::softmax(&mut ours);
            glimpsed_inference::softmax(&mut theirs);
            let apart = ours.iter().zip(&theirs).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
            eprintln!("{base}, {kind:?}: {ours:?}, apart by {apart:e}");
            assert!(ours.len() == theirs.len() && apart < tolerance, "{base}, {kind:?}: {ours:?} {theirs:?}");
        }
    }
}

fn probabilities_of_onnxruntime(model: &Path, tensor: &Path) -> Vec<f32> {
    let python = root().join("target/models-venv/bin/python");
    let done = Command::new(python).arg("-c").arg(ASK_ONNXRUNTIME).arg(model).arg(tensor).output();
    let done = done.expect("make test-models makes the environment");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let says = String::from_utf8(done.stdout).expect("UTF-8");
    says.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}
