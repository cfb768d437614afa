//! Why there is no camera and no broker, as the interface and MQTT tell it.

use serde_json::Value;

use super::Server;
use crate::support::{Broker, ConfigFile, complaints, photos};

/// Whether the text is a moment of the last minute.
fn is_recent(since: &Value) -> bool {
    let since: jiff::Timestamp = since.as_str().expect("a text").parse().expect("a time");
    let age = jiff::Timestamp::now().duration_since(since).as_secs();
    (0..60).contains(&age)
}

#[test]
fn a_camera_that_is_not_there_says_why_and_since_when() {
    let broker = Broker::start();
    let text =
        "[device]\nid = \"test\"\n[camera]\ndevice = \"/dev/no-such-camera\"\n[http]\nlisten = \"127.0.0.1:0\"\n";
    let mut daemon = ConfigFile::new(&format!("{text}[mqtt]\nurl = {:?}\n", broker.url())).daemon();
    let server = Server::of(&mut daemon);
    let reason = "cannot open camera /dev/no-such-camera: there is no such device; is the camera plugged in?";
    let state = server.until("/api/v1/state", |state| state["camera"]["reason"] == reason);
    assert_eq!((&state["camera"]["status"], &state["camera"]["fault"]), (&"offline".into(), &"missing".into()));
    assert!(is_recent(&state["camera"]["since"]), "{state}");
    assert_eq!(state["health"]["problems"][0], reason);
    let mut document = server.get("/api/v1/openapi.json").json();
    document["$ref"] = "#/components/schemas/State".into();
    assert_eq!(complaints(&document, &state), [""; 0], "{state}");
    // Long before the health that comes every minute; Home Assistant's problem sensor has its reason from there.
    let health = broker.retained_json("glimpsed/test/health", |health| health["problems"][0] == reason);
    assert_eq!(health["camera"]["reason"], reason);
    assert_eq!(health["camera"]["since"], state["camera"]["since"], "it is so since it was first");
}

#[test]
fn the_reason_goes_with_the_fault_and_no_password_is_in_it() {
    let broker = Broker::start();
    let directory = tempfile::tempdir().expect("a directory");
    let go = directory.path().join("go");
    let script = format!(
        ": rtsp://admin:hunter2@cam/1; while [ -e {} ]; do cat {}; sleep 0.1; done; exit 3",
        go.display(),
        photos().join("rocket.jpg").display()
    );
    let argv = ["sh", "-c", &script];
    let text = format!(
        "[device]\nid = \"test\"\n[camera]\nsource = \"command\"\ncommand = {argv:?}\nreconnect_min = \"50ms\"\nreconnect_max = \"100ms\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[mqtt]\nurl = {:?}\n",
        broker.url()
    );
    let mut daemon = ConfigFile::new(&text).daemon();
    let server = Server::of(&mut daemon);
    let ended = |state: &Value| {
        state["camera"]["reason"].as_str().is_some_and(|reason| reason.ends_with("it ended (exit status: 3)"))
    };
    server.until("/api/v1/state", ended);
    broker.retained_json("glimpsed/test/health", |health| health["problems"][0].is_string());
    std::fs::write(&go, "").expect("writable");
    let online = server.until("/api/v1/state", |state| state["camera"]["status"] == "online");
    assert_eq!((&online["camera"]["fault"], &online["camera"]["reason"]), (&Value::Null, &Value::Null));
    assert_eq!(online["health"]["problems"], Value::Array(Vec::new()));
    broker.retained_json("glimpsed/test/health", |health| health["problems"][0].is_null());
    std::fs::remove_file(&go).expect("it is there");
    let lost = server.until("/api/v1/state", ended);
    assert!(is_recent(&lost["camera"]["since"]) && lost["camera"]["since"] != online["camera"]["since"], "{lost}");
    let health = broker.retained_json("glimpsed/test/health", |health| health["problems"][0].is_string());
    let told = [lost, health].map(|told| told.to_string()).concat();
    assert!(told.matches("********@cam/1").count() >= 4 && !told.contains("hunter2"), "{told}");
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait();
    assert!(daemon.rest().iter().all(|line| !line.contains("hunter2")));
}

#[test]
fn a_broker_that_is_not_reached_says_why() {
    let refuses = Broker::with("allow_anonymous false");
    let closed = format!("mqtt://127.0.0.1:{}", crate::support::free_port());
    for (url, why) in [
        (closed, "connection refused; is the broker running"),
        (refuses.url(), "check `username`, `password_file`"),
        ("mqtt://no-such-host.invalid:1883".to_owned(), "the name `no-such-host.invalid` cannot be resolved"),
    ] {
        let mut daemon =
            ConfigFile::replay(5, &format!("[mqtt]\nurl = {url:?}\n[http]\nlisten = \"127.0.0.1:0\"\n")).daemon();
        let server = Server::of(&mut daemon);
        let told = |mqtt: &Value| mqtt["last_error"].as_str().is_some_and(|cause| cause.contains(why));
        let state = server.until("/api/v1/state", |state| told(&state["health"]["mqtt"]));
        assert_eq!(
            (&state["health"]["mqtt"]["broker"], &state["health"]["mqtt"]["connected"]),
            (&url.into(), &false.into())
        );
    }
}
