//! `glimpsed compare`, with real models in real processes.

use std::process::Command;

use serde_json::Value;

use crate::support::{Broker, ConfigFile, glimpsed, run};

const QUICK: [&str; 5] = ["compare", "--rounds", "1", "--runs", "3"];
const BOTH: [&str; 4] = ["--model", "efficientnet-lite0", "--model", "efficientnet-lite0-int8"];

fn compare(more: &[&str]) -> crate::support::Ran {
    run(&[&QUICK[..], more].concat())
}

/// The row of a model.
fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["models"].as_array().expect("models").iter().find(|row| row["name"] == name).expect(name)
}

#[test]
fn the_bundled_models_are_measured_and_one_is_recommended() {
    let ran = compare(&[&BOTH[..], &["--json"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.json();
    assert_eq!(report["pictures"]["labelled"], 3);
    let (fp32, int8) = (row(&report, "efficientnet-lite0"), row(&report, "efficientnet-lite0-int8"));
    for row in [fp32, int8] {
        assert_eq!((&row["accuracy"]["top1"], &row["accuracy"]["of"]), (&3.into(), &3.into()), "{row}");
        assert_eq!(row["residual"], true);
        assert_eq!(row["macs"].as_u64().map(|macs| macs * 2), row["flops"].as_u64());
        let latency = &row["infer_ms"];
        assert_eq!(latency["runs"], 3);
        assert!(latency["p50"].as_f64() > Some(0.0) && latency["p95"].as_f64() >= latency["p50"].as_f64(), "{row}");
        let memory = row["peak_memory_bytes"].as_u64().expect("memory");
        assert!((5_000_000..500_000_000).contains(&memory), "{memory}");
    }
    assert!(fp32["peak_memory_bytes"].as_u64() > int8["peak_memory_bytes"].as_u64(), "a quarter of the weights");
    let kinds: Vec<&str> =
        report["advice"].as_array().expect("advice").iter().filter_map(|one| one["kind"].as_str()).collect();
    assert_eq!(kinds, ["fastest", "most accurate", "smallest", "balanced"]);
    assert_eq!(report["advice"][2]["model"], "efficientnet-lite0-int8");
}

#[test]
fn it_is_written_as_table_markdown_and_page() {
    let directory = tempfile::tempdir().expect("a directory");
    for (format, holds) in [
        ("table", "agreement is with efficientnet-lite0"),
        ("markdown", "| efficientnet-lite0-int8 | int8 | 3/3 |"),
        ("html", "<svg"),
    ] {
        let file = directory.path().join(format);
        let ran = compare(&[&BOTH[..], &["--format", format, "-o", file.to_str().expect("UTF-8")]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
        let text = std::fs::read_to_string(&file).expect("written");
        assert!(text.contains(holds), "{format}: {text}");
    }
}

#[test]
fn a_model_that_fails_takes_nothing_with_it() {
    let config = ConfigFile::new("[models.broken]\npath = \"broken.onnx\"\n");
    std::fs::write(config.path().replace("glimpsed.toml", "broken.onnx"), "no model").expect("writable");
    let ran = compare(&["-c", &config.path(), "--model", "broken", "--model", "efficientnet-lite0-int8", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.json();
    assert!(row(&report, "broken")["error"].as_str().expect("an error").contains("is not an ONNX model"));
    assert_eq!(row(&report, "efficientnet-lite0-int8")["accuracy"]["top1"], 3);
    let ran = compare(&["-c", &config.path(), "--model", "broken"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no model could be measured") && ran.stderr.contains("broken"), "{ran:?}");
}

#[test]
fn labels_come_from_directories_and_a_slip_is_found_before_anything_is_measured() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |label: &str, photo: &str| {
        let to = directory.path().join(label);
        std::fs::create_dir_all(&to).expect("made");
        std::fs::copy(crate::support::photos().join(photo), to.join(photo)).expect("copied");
    };
    place("egyptian_cat|tiger_cat", "chelsea.png");
    place("wok", "coffee.png");
    std::fs::write(directory.path().join("wok/broken.jpg"), "no picture").expect("writable");
    let images = ["--images", directory.path().to_str().expect("UTF-8"), "--model", "efficientnet-lite0-int8"];
    let report = compare(&[&images[..], &["--json"]].concat()).json();
    let row = row(&report, "efficientnet-lite0-int8");
    assert_eq!((&row["accuracy"]["top1"], &row["accuracy"]["of"]), (&1.into(), &3.into()), "a wok it is not");
    assert!(row["failed"][0].as_str().expect("a failure").contains("broken.jpg"), "{row}");
    place("expresso", "coffee.png");
    let ran = compare(&images);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("`expresso`, which no model has for a label") && ran.stderr.contains("espresso"),
        "{ran:?}"
    );
}

#[test]
fn a_name_that_is_none_and_a_model_that_is_not_there_are_told_apart() {
    let unknown = compare(&["--model", "efficientnet-lite"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("did you mean"), "{unknown:?}");
    let absent = compare(&["--model", "resnet-18"]);
    assert!(absent.stderr.contains("`glimpsed models fetch resnet-18`"), "{absent:?}");
    let reference = compare(&[&BOTH[..], &["--reference", "mobilenet-v2"]].concat());
    assert!(reference.stderr.contains("is not among the compared models"), "{reference:?}");
}

/// The process that this one has started.
fn child_of(pid: u32) -> Option<u32> {
    let output = Command::new("pgrep").args(["-P", &pid.to_string()]).output().expect("pgrep");
    String::from_utf8_lossy(&output.stdout).lines().next()?.parse().ok()
}

#[test]
fn the_measuring_process_ends_with_its_parent() {
    let mut ran = glimpsed(&["compare", "--rounds", "50", "--runs", "10000", "--model", "efficientnet-lite0"]);
    let mut running = crate::support::Running::start(&mut ran);
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    let child = loop {
        if let Some(child) = child_of(running.child.id()) {
            break child;
        }
        assert!(std::time::Instant::now() < deadline, "it never starts");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    // By its number: others measure meanwhile.
    while std::path::Path::new(&format!("/proc/{child}")).exists() {
        assert!(std::time::Instant::now() < deadline, "it is left behind");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn while_the_daemon_compares_it_answers_others_and_goes_on_labelling() {
    let broker = Broker::start();
    let mut heard = broker.subscribe("glimpsed/#", &[]);
    let _daemon =
        ConfigFile::replay(5, &format!("[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n", broker.url()))
            .daemon();
    heard.next("/test/classification");
    let ask = |command: &str| {
        let port = broker.port.to_string();
        let topic = format!("glimpsed/test/request/{command}");
        let status =
            Command::new("mosquitto_pub").args(["-h", "127.0.0.1", "-p", &port, "-t", &topic, "-m", "{}"]).status();
        assert!(status.expect("mosquitto_pub is installed").success());
    };
    ask("compare");
    ask("compare");
    let second = heard.next("/response/compare").json();
    assert!(second["error"].as_str().expect("refused").contains("another comparison is under way"), "{second}");
    ask("health");
    assert_eq!(heard.next("/response/health").json()["status"], "ok");
    let mut frames = 0;
    let first = heard.find("the report", |message| {
        frames += usize::from(message.topic.ends_with("/classification"));
        message.topic.ends_with("/response/compare").then(|| message.json())
    });
    assert_eq!(first["status"], "ok", "{first}");
    let models = first["data"]["models"].as_array().expect("models");
    assert!(models.len() >= 2 && models.iter().all(|row| row["infer_ms"]["runs"].as_u64() > Some(0)), "{first}");
    assert_eq!(first["data"]["pictures"]["count"], 4, "the camera's and the bundled ones");
    assert!(frames > 5, "{frames}");
}
