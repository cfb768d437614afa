//! Which of a model's two files labels, and that the reason is told.

use serde_json::Value;

use crate::support::{Broker, ConfigFile, glimpsed, run};

const AUTO: &str = "[model]\nprecision = \"auto\"\n";

/// What `doctor` says of the model, with a state directory that stays.
fn doctor(config: &ConfigFile, state: &str) -> String {
    let output = glimpsed(&["doctor", "--json", "-c", &config.path()]).env("STATE_DIRECTORY", state).output();
    let findings: Value = serde_json::from_slice(&output.expect("it runs").stdout).expect("JSON");
    let model = findings.as_array().expect("findings").iter().find(|one| one["subject"] == "model").expect("a model");
    model["says"].as_str().expect("words").to_owned()
}

#[test]
fn auto_measures_once_remembers_and_says_why() {
    let config = ConfigFile::new(AUTO);
    let state = tempfile::tempdir().expect("a directory");
    let directory = state.path().to_str().expect("UTF-8");
    let first = doctor(&config, directory);
    assert!(first.contains(" ms with fp32 here") || first.contains("int8 saves too little"), "{first}");
    let file = state.path().join("precision.json");
    let measured = std::fs::read_to_string(&file).expect("remembered");
    // The same words, because nothing is measured again.
    let reason = |says: &str| says.split_once("; ").expect("a reason").1.to_owned();
    assert_eq!(reason(&doctor(&config, directory)), reason(&first));
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), measured);
    // What is remembered decides, either way.
    let mut verdicts: Value = serde_json::from_str(&measured).expect("JSON");
    for (fp32, int8, precision) in [(10.0, 5.0, "(int8)"), (5.0, 10.0, "(fp32)")] {
        verdicts[0]["fp32_ms"] = fp32.into();
        verdicts[0]["int8_ms"] = int8.into();
        std::fs::write(&file, verdicts.to_string()).expect("writable");
        assert!(doctor(&config, directory).contains(precision), "{precision}");
    }
    // Another program or processor is another question.
    verdicts[0]["key"] = "of another processor".into();
    std::fs::write(&file, verdicts.to_string()).expect("writable");
    doctor(&config, directory);
    let both: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("there")).expect("JSON");
    assert_eq!(both.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_damaged_int8_file_leaves_the_other_to_label_though_it_was_found_slower() {
    let config = ConfigFile::new("[model]\ndirectory = \".\"\nprecision = \"auto\"\n");
    let beside = |name: &str| std::path::Path::new(&config.path()).with_file_name(name);
    for name in ["efficientnet-lite0.onnx", "efficientnet-lite0-int8.onnx"] {
        std::fs::copy(crate::support::root().join("models").join(name), beside(name)).expect("copied");
    }
    let state = tempfile::tempdir().expect("a directory");
    let directory = state.path().to_str().expect("UTF-8");
    doctor(&config, directory);
    let file = state.path().join("precision.json");
    let mut verdicts: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("there")).expect("JSON");
    (verdicts[0]["fp32_ms"], verdicts[0]["int8_ms"]) = (10.0.into(), 5.0.into());
    std::fs::write(&file, verdicts.to_string()).expect("writable");
    std::fs::write(beside("efficientnet-lite0-int8.onnx"), "damaged").expect("writable");
    let says = doctor(&config, directory);
    assert!(says.contains("(fp32)") && says.contains("the int8 file cannot be used"), "{says}");
}

#[test]
fn auto_works_where_nothing_can_be_written() {
    let config = ConfigFile::new(AUTO);
    let output = glimpsed(&["classify", "models/photos/coffee.png", "-c", &config.path()])
        .env("STATE_DIRECTORY", "/proc/no-such-place")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("espresso"));
}

#[test]
fn int8_is_taken_when_it_is_asked_for_and_its_absence_is_a_problem() {
    let file = ConfigFile::new("[model]\nprecision = \"int8\"\n");
    let ran = run(&["check", "-c", &file.path()]);
    assert!(ran.stdout.contains("efficientnet-lite0 (int8)"), "{ran:?}");
    // A model without a second file is taken as it is.
    let own = "[model]\nactive = \"efficientnet-lite0-int8\"\nprecision = \"int8\"\n";
    assert_eq!(run(&["check", "-c", &ConfigFile::new(own).path()]).code, 0);
    let absent =
        "[models.mine]\npath = \"m.onnx\"\nint8 = \"q.onnx\"\n[model]\nactive = \"mine\"\nprecision = \"int8\"\n";
    let file = ConfigFile::new(absent);
    std::fs::write(file.path().replace("glimpsed.toml", "m.onnx"), "").expect("writable");
    let ran = run(&["check", "-c", &file.path()]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("`model.precision` asks for a file that is not there"), "{ran:?}");
}

#[test]
fn the_precision_is_switched_over_mqtt_between_two_frames() {
    let broker = Broker::start();
    let mut heard = broker.subscribe("glimpsed/#", &[]);
    let text = format!("[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n", broker.url());
    let _daemon = ConfigFile::replay(10, &text).daemon();
    assert_eq!(heard.next("/test/classification").json()["model"]["precision"], "fp32");
    let port = broker.port.to_string();
    let set = |value: &str| {
        let arguments = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "glimpsed/test/precision/set", "-m", value];
        assert!(std::process::Command::new("mosquitto_pub").args(arguments).status().expect("installed").success());
    };
    set("int8");
    heard.find("int8", |message| {
        let frame = message.topic.ends_with("/classification").then(|| message.json())?;
        (frame["model"]["precision"] == "int8" && frame["model"]["name"] == "efficientnet-lite0").then_some(())
    });
    let info = broker.retained_json("glimpsed/test/info", |info| info["models"][0]["precision"] == "int8");
    assert_eq!(info["models"][0]["precision_reason"], "int8, because `precision` says so");
    assert_eq!(broker.retained_payload("glimpsed/test/precision/state"), "int8");
    set("auto");
    let measured =
        |info: &Value| info["models"][0]["precision_reason"].as_str().is_some_and(|why| why.contains(" ms "));
    broker.retained_json("glimpsed/test/info", measured);
    assert_eq!(broker.retained_payload("glimpsed/test/precision/state"), "auto");
}
