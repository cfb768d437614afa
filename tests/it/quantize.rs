//! models/quantize.py as a user runs it. `make test-models` makes the environment that it needs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{ConfigFile, photos, root, run};

fn python() -> PathBuf {
    root().join("target/models-venv/bin/python")
}

fn quantize(arguments: &[&str]) -> Output {
    let script = root().join("models/quantize.py");
    Command::new(python()).arg(script).args(arguments).output().expect("make test-models makes the environment")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
#[ignore = "needs onnxruntime: make test-models"]
fn an_export_with_batch_normalisation_becomes_an_int8_model_that_runs_and_agrees() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("int8.onnx");
    let model = crate::support::exported("resnet-opset7");
    let done = quantize(&[text(&model), text(&photos()), "--family", "unit", "-o", text(&out)]);
    let says = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{says} {}", String::from_utf8_lossy(&done.stderr));
    assert!(says.contains("the same first label as before on"), "{says}");
    let labels = directory.path().join("labels.txt");
    std::fs::write(&labels, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj").expect("writable");
    let table =
        |name: &str, path: &Path| format!("[models.{name}]\npath = {path:?}\nlabels = {labels:?}\nfamily = \"unit\"\n");
    let config = ConfigFile::new(&(table("before", &model) + &table("after", &out)));
    let inspected = run(&["models", "inspect", "after", "--json", "-c", &config.path()]).json();
    assert_eq!(inspected[0]["precision"], "int8");
    let compared = run(&[
        "compare",
        "--rounds",
        "1",
        "--runs",
        "2",
        "--json",
        "--model",
        "before",
        "--model",
        "after",
        "--images",
        text(&root().join("tests/fixtures/images/upright.jpg").parent().map(Path::to_owned).expect("a parent")),
        "--reference",
        "before",
        "-c",
        &config.path(),
    ]);
    let agreement = &compared.json()["models"][1]["agreement"];
    assert!(agreement["same"].as_u64() >= agreement["of"].as_u64().map(|of| of - of / 4), "{agreement}");
}

#[test]
#[ignore = "needs onnxruntime: make test-models"]
fn what_inspect_says_is_enough_and_the_bundled_model_keeps_its_answers() {
    let directory = tempfile::tempdir().expect("a directory");
    let (out, told) = (directory.path().join("int8.onnx"), directory.path().join("told.json"));
    std::fs::write(&told, run(&["models", "inspect", "efficientnet-lite0", "--json"]).stdout).expect("writable");
    let done = Command::new(python())
        .arg(root().join("models/quantize.py"))
        .args(["-", text(&photos()), "-o", text(&out)])
        .stdin(std::fs::File::open(&told).expect("written"))
        .output()
        .expect("it runs");
    let says = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(says.contains("on 3 of 3 photographs"), "{says} {}", String::from_utf8_lossy(&done.stderr));
    let config =
        ConfigFile::new(&format!("[models.efficientnet-lite0]\nint8 = {out:?}\n[model]\nprecision = \"int8\"\n"));
    let answers = run(&["classify", "--json", "-c", &config.path(), text(&photos().join("coffee.png"))]).json();
    assert_eq!(answers[0]["top"][0]["label"], "espresso");
}

#[test]
#[ignore = "needs onnxruntime: make test-models"]
fn mistakes_are_said_in_a_sentence() {
    let directory = tempfile::tempdir().expect("a directory");
    let model = root().join("models/efficientnet-lite0.onnx");
    let int8 = root().join("models/efficientnet-lite0-int8.onnx");
    let (empty, out) = (text(directory.path()), directory.path().join("o.onnx"));
    let pictures = photos();
    for (arguments, says) in [
        (vec![text(&model), text(&pictures)], "how its input is scaled"),
        (vec!["absent.onnx", text(&pictures), "--family", "unit"], "is not there"),
        (vec![text(&int8), text(&pictures), "--family", "unit"], "is quantised already"),
        (vec![text(&model), empty, "--family", "unit"], "holds no .jpg"),
        (vec!["models/imagenet-labels.txt", text(&pictures), "--family", "unit"], "is not an ONNX model"),
    ] {
        let failed = quantize(&[&arguments[..], &["-o", text(&out)]].concat());
        let error = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(!failed.status.success() && error.contains(says) && !error.contains("Traceback"), "{error}");
    }
}
