//! Where Prometheus reads the devices: `fleet targets`.

use std::process::Command;
use std::time::Instant;

use super::devices::{publish, says, well};
use super::fleet;
use crate::support::{Broker, PATIENCE, Running, glimpsed};

const EVERYWHERE: &str = r#"{"http": {"listening": true, "address": "0.0.0.0:8080"}}"#;

#[test]
fn the_document_is_what_prometheus_takes_and_names_those_that_it_leaves_out() {
    let broker = Broker::start();
    publish(broker.port, ["gate-1", "gate-2"].into_iter().flat_map(well));
    publish(broker.port, [says("gate-1", "health", EVERYWHERE)].into_iter());
    publish(
        broker.port,
        [says("gate-2", "health", r#"{"http": {"listening": true, "address": "127.0.0.1:8080"}}"#)].into_iter(),
    );
    let ran = fleet(&broker, &["targets", "--address", "{device}.example.org:{port}"]);
    assert_eq!((ran.code, ran.json()[0]["targets"][0].as_str()), (0, Some("gate-1.example.org:8080")), "{ran:?}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("glimpsed.json");
    let ran = fleet(&broker, &["targets", "--address", "{device}:{port}", "-o", file.to_str().expect("UTF-8")]);
    assert_eq!(ran.stdout, "left out: gate-2: its page answers the device itself alone\n1 devices\n", "{ran:?}");
    let configuration = directory.path().join("prometheus.yml");
    let jobs = "scrape_configs:\n  - job_name: glimpsed\n    file_sd_configs: [{ files: [glimpsed.json] }]\n";
    std::fs::write(&configuration, jobs).expect("writable");
    let checked =
        Command::new("promtool").args(["check", "config"]).arg(&configuration).output().expect("promtool is installed");
    assert!(checked.status.success(), "{checked:?}");
    let ran = fleet(&broker, &["targets"]);
    assert!(ran.code == 64 && ran.stderr.contains("--address"), "nobody has said where the devices may be: {ran:?}");
    let ran = fleet(&broker, &["targets", "--address", "example.org"]);
    assert!(ran.code == 64 && ran.stderr.contains("write `{device}` where its id stands"), "{ran:?}");
    let ran = fleet(&broker, &["targets", "--within", "192.0.2.0/24", "-o", "/no/such/folder/file"]);
    assert!(ran.code == 1 && ran.stderr.contains("cannot write `/no/such/folder/file`"), "{ran:?}");
}

#[test]
fn a_file_that_would_not_be_whole_is_not_written_and_following_ends() {
    let broker = Broker::start();
    publish(broker.port, well("gate-1").into_iter().chain([says("gate-1", "health", EVERYWHERE)]));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("glimpsed.json");
    std::fs::write(&file, "of before").expect("writable");
    let path = file.to_str().expect("UTF-8");
    let arguments = ["targets", "--address", "{device}:{port}", "-o", path, "--follow", "--patience", "100ms"];
    let ran = fleet(&broker, &arguments);
    let said = "not all devices had said where they are, so no targets are written";
    assert!(ran.code == 1 && ran.stderr.contains(said), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), "of before");
}

#[test]
fn the_file_follows_the_devices_also_after_the_broker_was_away() {
    let mut broker = Broker::start();
    publish(broker.port, well("gate-1").into_iter().chain([says("gate-1", "health", EVERYWHERE)]));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("glimpsed.json");
    let url = broker.url();
    let path = file.to_str().expect("UTF-8");
    let arguments =
        ["fleet", "targets", "--broker", &url, "--address", "{device}:{port}", "-o", path, "--follow", "--every", "1s"];
    let mut running = Running::start(&mut glimpsed(&arguments));
    let until_it_has = |text: &str| {
        let deadline = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&file).is_ok_and(|found| found.contains(text)) {
            assert!(Instant::now() < deadline, "no {text}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    until_it_has("gate-1:8080");
    publish(broker.port, well("gate-2").into_iter().chain([says("gate-2", "health", EVERYWHERE)]));
    until_it_has("gate-2:8080");
    broker.kill();
    broker.restart();
    publish(broker.port, well("gate-3").into_iter().chain([says("gate-3", "health", EVERYWHERE)]));
    until_it_has("gate-3:8080");
    until_it_has("gate-1:8080");
    let kinds = ["status", "info", "health", "state", "enabled/state"];
    publish(broker.port, kinds.into_iter().map(|kind| says("gate-3", kind, "")));
    let deadline = Instant::now() + PATIENCE;
    while std::fs::read_to_string(&file).is_ok_and(|found| found.contains("gate-3")) {
        assert!(Instant::now() < deadline, "what is removed stays");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    until_it_has("gate-1:8080");
    running.signal(rustix::process::Signal::TERM);
    assert!(running.wait().success());
}
