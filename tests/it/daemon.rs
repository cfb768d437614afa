//! `glimpsed run` against a real mosquitto, and against brokers that are none.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Broker, ConfigFile, Running, glimpsed};

/// What a stop may take, signal to exit.
const STOP: Duration = Duration::from_secs(2);

fn with_broker(url: &str, rest: &str) -> String {
    format!(
        "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n[mqtt]\nurl = {url:?}\nclassification_interval = \"0s\"\n{rest}"
    )
}

/// Stops it and asserts that this was clean and quick.
fn stop(daemon: &mut Running, signal: Signal) {
    let asked = Instant::now();
    daemon.signal(signal);
    let status = daemon.wait();
    assert!(status.success(), "{status}; {:?}", daemon.rest());
    assert!(asked.elapsed() < STOP, "took {:?}", asked.elapsed());
}

#[test]
fn photographs_in_top_3_labels_out() {
    let broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let config = ConfigFile::replay(5, &with_broker(&broker.url(), ""));
    let mut daemon = config.daemon();

    let status = subscriber.next("/test/status");
    assert_eq!((status.topic.as_str(), status.payload.as_str(), status.qos), ("glimpsed/test/status", "online", 1));
    let info = subscriber.next("/info").json();
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["models"][0]["name"], "efficientnet-lite0");
    assert_eq!(info["config"]["camera.fps"]["value"], 5.0);

    // Offline, if it is told at all, before the first frame; then online.
    subscriber.find("a camera", |message| {
        (message.topic.ends_with("/camera/status") && message.payload == "online").then_some(())
    });
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 3 {
        let message = subscriber.next("/classification");
        assert_eq!((message.qos, message.retained), (0, false));
        let payload = message.json();
        seen.insert(payload["source"].as_str().expect("a file").to_owned(), payload);
    }
    let label = |file: &str| seen[file]["label"].as_str().expect("a label").to_owned();
    assert!(label("chelsea.png").contains("cat"));
    assert_eq!(label("coffee.png"), "espresso");
    assert_eq!(label("rocket.jpg"), "missile");
    for payload in seen.values() {
        is_a_classification(payload);
    }
    let state = subscriber.next("/test/state").json();
    assert!(state["since"].is_string());
    is_a_classification(&state);

    stop(&mut daemon, Signal::TERM);
    assert_eq!(subscriber.next("/test/camera/status").payload, "offline");
    assert_eq!(subscriber.next("/test/status").payload, "offline");
}

/// The payload as the contract with the users has it.
fn is_a_classification(payload: &Value) {
    assert_eq!(payload["v"], 1, "{payload}");
    assert!(payload["ts"].as_str().is_some_and(|ts| ts.parse::<jiff::Timestamp>().is_ok()), "{payload}");
    assert_eq!(payload["camera"], "main");
    assert!(payload["seq"].as_u64().is_some_and(|seq| seq > 0));
    assert_eq!(payload["model"]["precision"], "fp32");
    assert_eq!(payload["model"]["sha256"].as_str().map(str::len), Some(64));
    assert!(["known", "unknown"].contains(&payload["status"].as_str().expect("a status")));
    assert!(payload["confidence"].as_f64().is_some_and(|confidence| (0.0..=1.0).contains(&confidence)));
    assert_eq!(payload["cached"], false);
    let top = payload["top"].as_array().expect("a list");
    assert_eq!(top.len(), 3);
    let confidences: Vec<f64> = top.iter().map(|one| one["confidence"].as_f64().expect("a number")).collect();
    assert!(confidences.is_sorted_by(|a, b| a >= b), "{payload}");
    assert!(top.iter().all(|one| one["label"].is_string() && one["class_id"].as_u64().is_some_and(|id| id < 1000)));
    for stage in ["capture", "decode", "preprocess", "infer", "total"] {
        assert!(payload["timing_ms"][stage].as_f64().is_some_and(|time| time >= 0.0), "{stage}: {payload}");
    }
}

#[test]
fn retained_topics_wait_for_who_comes_later() {
    let broker = Broker::start();
    let mut early = broker.subscribe("glimpsed/#", &[]);
    let _daemon = ConfigFile::replay(5, &with_broker(&broker.url(), "")).daemon();
    early.next("/test/day");
    early.next("/test/state");
    let expected = [
        "camera/status",
        "day",
        "enabled/state",
        "info",
        "model/state",
        "precision/state",
        "state",
        "status",
        "threshold/state",
    ];
    assert_eq!(broker.retained("glimpsed/#"), expected.map(|topic| format!("glimpsed/test/{topic}")));
    assert_eq!(broker.retained("homeassistant/#"), ["homeassistant/device/test/config"]);
}

#[test]
fn a_killed_daemon_is_declared_offline_by_its_will() {
    let broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/test/status", &[]);
    let mut daemon = ConfigFile::replay(5, &with_broker(&broker.url(), "")).daemon();
    assert_eq!(subscriber.next("/test/status").payload, "online");
    daemon.signal(Signal::KILL);
    daemon.wait();
    assert_eq!(subscriber.next("/test/status").payload, "offline");
}

#[test]
fn a_broker_that_restarts_gets_everything_retained_again() {
    let mut broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let config = ConfigFile::replay(5, &with_broker(&broker.url(), "[stdout]\nformat = \"json\"\n"));
    let mut daemon = config.daemon();
    subscriber.next("/test/state");
    broker.kill();
    daemon.line_with("not connected to the broker");
    // Labelling goes on meanwhile.
    for _ in 0..5 {
        daemon.line_with("\"top\":");
    }
    broker.restart();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    assert_eq!(subscriber.next("/test/status").payload, "online");
    subscriber.next("/info");
    subscriber.next("/test/state");
    subscriber.next("/classification");
    stop(&mut daemon, Signal::INT);
}

/// Frames are labelled and the daemon stops in time, whatever the broker is; returns its log.
fn works_without(url: &str, wait_for: &str) -> String {
    let config = ConfigFile::replay(20, &with_broker(url, "[stdout]\nformat = \"json\"\n"));
    let mut daemon = config.daemon();
    let mut log = None;
    let mut labelled = 0;
    daemon.find(wait_for, |line| {
        labelled += usize::from(line.contains("\"top\":"));
        if line.contains(wait_for) {
            log = Some(line.to_owned());
        }
        (log.is_some() && labelled >= 10).then_some(())
    });
    stop(&mut daemon, Signal::TERM);
    log.expect("a line")
}

#[test]
fn a_broker_that_refuses_does_not_stop_the_labels() {
    let port = crate::support::free_port();
    let log = works_without(&format!("mqtt://127.0.0.1:{port}"), "not connected to the broker");
    assert!(log.contains("connection refused; is the broker running"), "{log}");
}

#[test]
fn a_broker_that_refuses_the_password_is_named_in_plain_words() {
    let broker = Broker::with("allow_anonymous false");
    let log = works_without(&broker.url(), "not connected to the broker");
    assert!(log.contains("check `username`, `password_file`"), "{log}");
}

#[test]
fn a_broker_that_never_answers_does_not_stop_the_labels() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // Connections are accepted by the kernel and never answered.
    let log = works_without(&format!("mqtt://127.0.0.1:{port}"), "not connected to the broker");
    assert!(log.contains("no answer within 5 s"), "{log}");
}

#[test]
fn a_broker_that_answers_garbage_does_not_stop_the_labels() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(10) {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 64];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\xFF\xFF\xFF\xFF\xFF\xFF");
        }
    });
    let log = works_without(&format!("mqtt://127.0.0.1:{port}"), "not connected to the broker");
    assert!(log.contains("cause="), "{log}");
}

#[test]
fn a_password_from_a_file_opens_the_broker_and_is_never_shown() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let passwords = directory.path().join("passwords");
    let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["me", "hunter2"]).status();
    assert!(made.expect("mosquitto_passwd is installed").success());
    // mosquitto gives up root's rights before it reads the file.
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    std::fs::set_permissions(&passwords, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let broker = Broker::with(&format!("allow_anonymous false\npassword_file {}", passwords.display()));
    let mut subscriber = broker.subscribe("glimpsed/#", &["-u", "me", "-P", "hunter2"]);

    let secret = directory.path().join("secret");
    crate::support::write_secret(&secret, "hunter2\n");
    let rest = format!("username = \"me\"\npassword_file = {secret:?}\n[log]\nlevel = \"trace\"\n");
    let mut daemon = ConfigFile::replay(5, &with_broker(&broker.url(), &rest)).daemon();
    let info = subscriber.next("/info").payload;
    assert!(!info.contains("hunter2"));
    subscriber.next("/classification");
    stop(&mut daemon, Signal::TERM);
    assert!(daemon.rest().iter().all(|line| !line.contains("hunter2")));
}

#[test]
fn json_lines_can_be_read_by_a_script() {
    let config = ConfigFile::replay(50, "loop = false\n[stdout]\nformat = \"json\"\n");
    let output = glimpsed(&["run", "-c", &config.path()]).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let files: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|frame| frame["source"].as_str().expect("a file").to_owned())
        .collect();
    assert_eq!(files, ["chelsea.png", "coffee.png", "rocket.jpg"], "each photograph once, none dropped");
}

#[test]
fn half_a_picture_at_the_end_of_a_file_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let rocket = std::fs::read(crate::support::photos().join("rocket.jpg")).expect("bundled");
    let stream = directory.path().join("cut.mjpeg");
    std::fs::write(&stream, [&rocket[..], &rocket, &rocket[..9000]].concat()).expect("writable");
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"replay\"\npath = {stream:?}\nfps = 100\nloop = false\n[stdout]\nformat = \"text\"\n"
    ));
    let mut daemon = config.daemon();
    daemon.line_with("the stream ends inside of it");
    assert!(daemon.wait().success());
    assert!(daemon.rest().iter().any(|line| line.contains("damaged=1")), "{:?}", daemon.rest());
}

#[test]
fn an_mjpeg_file_is_played_frame_by_frame() {
    let rocket = std::fs::read(crate::support::photos().join("rocket.jpg")).expect("a bundled photograph");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let stream = directory.path().join("day.mjpeg");
    std::fs::write(&stream, [&rocket[..], b"junk", &rocket[..5000], &rocket, &rocket].concat()).expect("writable");
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"replay\"\npath = {stream:?}\nfps = 100\nloop = false\n[stdout]\nformat = \"text\"\n"
    ));
    let output = glimpsed(&["run", "-c", &config.path()]).output().expect("runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.lines().all(|line| line.contains("day.mjpeg  missile")), "{text}");
}

#[test]
fn a_bad_photograph_is_reported_and_the_next_one_labelled() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("a.jpg"), "not a picture").expect("writable");
    std::fs::copy(crate::support::photos().join("coffee.png"), directory.path().join("b.png")).expect("copied");
    let path = directory.path();
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"replay\"\npath = {path:?}\nfps = 100\nloop = false\n[stdout]\nformat = \"text\"\n"
    ));
    let mut daemon = config.daemon();
    daemon.line_with("a.jpg is text, not a picture");
    daemon.line_with("b.png  espresso");
    assert!(daemon.wait().success());
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_daemon() {
    let broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let config = ConfigFile::replay(20, &with_broker(&broker.url(), "[stdout]\nformat = \"text\"\n"));
    let mut child =
        glimpsed(&["run", "-c", &config.path()]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    drop(child.stdout.take());
    for _ in 0..10 {
        subscriber.next("/classification");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).expect("running");
    assert!(child.wait().expect("ends").success());
}

#[test]
fn a_reader_that_stalls_does_not_stop_the_daemon() {
    let broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let config = ConfigFile::replay(50, &with_broker(&broker.url(), "[stdout]\nformat = \"json\"\n"));
    /// Ends with the test, however that ends.
    struct Stalled(std::process::Child);
    impl Drop for Stalled {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut command = glimpsed(&["run", "-c", &config.path()]);
    let mut daemon = Stalled(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts"));
    // A pipe holds 64 KiB, and the queue behind it 256 lines of some 500 bytes: 400 labels overflow both.
    // Patience for a hundred at a time: a busy machine is slow, a daemon that stands still is found all the same.
    for count in [100, 200, 300, 400] {
        subscriber.find("more labels", |message| {
            (message.topic.ends_with("/classification") && message.json()["seq"].as_u64() >= Some(count)).then_some(())
        });
    }
    let asked = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&daemon.0), Signal::TERM).expect("running");
    assert!(daemon.0.wait().expect("ends").success());
    assert!(asked.elapsed() < STOP, "took {:?}", asked.elapsed());
}

#[test]
fn a_source_without_a_picture_ends_with_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("begun.mjpeg");
    std::fs::write(&path, b"\xFF\xD8 and no more").expect("writable");
    let config = ConfigFile::new(&format!("[camera]\nsource = \"replay\"\npath = {path:?}\nloop = false\n"));
    let mut daemon = config.daemon();
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(daemon.rest().iter().any(|line| line.contains("the source has ended and nothing was labelled")));
}

#[test]
fn a_missing_camera_is_retried_and_never_ends_the_daemon() {
    let config = ConfigFile::new("[camera]\ndevice = \"/dev/video-none\"\nreconnect_min = \"50ms\"\n");
    let mut daemon = config.daemon();
    for _ in 0..3 {
        let line = daemon.line_with("no frames");
        assert!(
            line.contains("cannot open camera /dev/video-none") && line.contains("is the camera plugged in?"),
            "{line}"
        );
    }
    stop(&mut daemon, Signal::INT);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // A frozen broker holds the farewell up; a second signal does not wait for it.
    let mut broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let mut daemon = ConfigFile::replay(5, &with_broker(&broker.url(), "")).daemon();
    subscriber.next("/classification");
    broker.freeze();
    daemon.signal(Signal::TERM);
    daemon.line_with("stopping");
    daemon.signal(Signal::TERM);
    let status = daemon.wait();
    assert_eq!(status.code(), Some(1));
    assert!(daemon.rest().iter().any(|line| line.contains("SIGTERM again: ended at once")));
}

#[test]
fn a_frozen_broker_does_not_hold_up_the_stop() {
    let mut broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let mut daemon = ConfigFile::replay(5, &with_broker(&broker.url(), "")).daemon();
    subscriber.next("/classification");
    broker.freeze();
    stop(&mut daemon, Signal::TERM);
}

#[test]
fn a_broken_configuration_ends_the_start_with_exit_code_78() {
    let config = ConfigFile::new("[camera]\nfps = 0\n");
    let mut daemon = config.daemon();
    assert_eq!(daemon.wait().code(), Some(78));
    assert!(daemon.rest().iter().any(|line| line.contains("`camera.fps` must be from 0.1 to 1000")));
}
