//! A daemon with two cameras and three views.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Broker, ConfigFile, Running, free_port, glimpsed, photos};

/// The daemon with its files, its broker, and the port of its page.
pub(super) struct Device {
    pub daemon: Running,
    pub broker: Broker,
    pub port: u16,
    pub config: String,
    pub text: String,
    state: tempfile::TempDir,
    _directory: tempfile::TempDir,
}

impl Device {
    pub(super) fn new(views: &str) -> Self {
        let (broker, port, photos) = (Broker::start(), free_port(), photos());
        let cat = photos.join("chelsea.png");
        let text = format!(
            "[device]\nid = \"test\"\n[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
             [privacy]\npublish_image = true\n\
             [cameras.yard]\nsource = \"replay\"\npath = {photos:?}\nfps = 4.0\n\
             [cameras.desk]\nsource = \"replay\"\npath = {cat:?}\nfps = 5.0\n{views}",
            broker.url()
        );
        let (config, directory) = ConfigFile::new(&text).keep();
        let state = tempfile::tempdir().expect("a directory");
        let daemon = Self::spawn(&config, &state);
        Self { daemon, broker, port, config, text, state, _directory: directory }
    }

    fn spawn(config: &str, state: &tempfile::TempDir) -> Running {
        let mut command = glimpsed(&["run", "-c", config]);
        let mut daemon =
            Running::start(command.env("STATE_DIRECTORY", state.path()).env_remove("GLIMPSED_HTTP_LISTEN"));
        daemon.line_with("connected to the broker");
        daemon
    }

    /// Stops it, edits the file, and starts it again.
    pub(super) fn restart_with(&mut self, edit: impl Fn(&str) -> String) {
        self.daemon.signal(rustix::process::Signal::TERM);
        assert!(self.daemon.wait().success());
        self.write(&edit(&self.text));
        self.daemon = Self::spawn(&self.config, &self.state);
    }

    pub(super) fn write(&mut self, text: &str) {
        self.text = text.to_owned();
        std::fs::write(&self.config, text).expect("writable");
    }

    /// Edits the file while it runs, and waits until it is in effect.
    pub(super) fn edit(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "{from} is not there");
        self.write(&self.text.replace(from, to));
        self.daemon.line_with("the configuration was read again");
    }

    pub(super) fn get(&self, path: &str) -> (u16, Vec<u8>) {
        request(self.port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    pub(super) fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }

    pub(super) fn publish(&self, topic: &str, payload: &str) {
        let port = self.broker.port.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload]);
        assert!(command.status().expect("installed").success());
    }
}

fn request(port: u16, text: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    stream.write_all(text.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = answer.split_off(end);
    (status, if head.to_lowercase().contains("transfer-encoding: chunked") { unchunked(&body) } else { body })
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).expect("a size"), 16).expect("a size");
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[(end + 4 + size).min(body.len())..];
    }
    whole
}

pub(super) const VIEWS: &str = "[views.left]\ncamera = \"yard\"\nregion = { width = 0.5 }\n\
     [views.right]\ncamera = \"yard\"\nname = \"The right half\"\nregion = { x = 0.5, width = 0.5 }\nmodel = \"efficientnet-lite0-int8\"\n\
     [views.cat]\ncamera = \"desk\"\n";

#[test]
fn each_view_and_each_camera_has_its_topics_its_entities_and_its_addresses() {
    let device = Device::new(VIEWS);
    let broker = &device.broker;
    // MQTT: the label of each view, and the state of each camera.
    let cat = broker.retained_json("glimpsed/test/view/cat/state", |state| state["status"] == "known");
    assert_eq!((&cat["view"], &cat["camera"]), (&json!("cat"), &json!("desk")));
    assert!(cat["label"].as_str().expect("a label").contains("cat"), "{cat}");
    for (view, model) in [("left", "efficientnet-lite0"), ("right", "efficientnet-lite0-int8")] {
        let state = broker.retained_json(&format!("glimpsed/test/view/{view}/state"), |_| true);
        assert_eq!(
            (&state["view"], &state["camera"], &state["model"]["name"]),
            (&json!(view), &json!("yard"), &json!(model))
        );
        assert_eq!(broker.retained_payload(&format!("glimpsed/test/view/{view}/model/state")).trim(), model);
    }
    for camera in ["yard", "desk"] {
        assert_eq!(broker.retained_payload(&format!("glimpsed/test/camera/{camera}/status")).trim(), "online");
    }
    let all = broker.retained("glimpsed/test/#");
    for nameless in ["state", "camera/status", "model/state"] {
        assert!(!all.contains(&format!("glimpsed/test/{nameless}")), "{all:?}");
    }
    let mut pictures = broker.subscribe("glimpsed/test/camera/+/image", &[]);
    let image = pictures.next("/image").topic;
    assert!(image.starts_with("glimpsed/test/camera/"), "{image}");
    // Home Assistant: one device, each view's entities named by it.
    let discovery = broker.retained_json("homeassistant/device/test/config", |_| true);
    let components = &discovery["components"];
    assert_eq!(components["view_right_label"]["name"], "The right half");
    assert_eq!(components["view_right_label"]["state_topic"], "glimpsed/test/view/right/state");
    assert_eq!(components["camera_desk_online"]["state_topic"], "glimpsed/test/camera/desk/status");
    assert!(components["label"].is_null() && components["fps"]["state_topic"] == "glimpsed/test/health");
    // HTTP.
    let views = device.json("/api/v1/views");
    let names: Vec<&str> = views.as_array().expect("a list").iter().filter_map(|view| view["name"].as_str()).collect();
    assert_eq!(names, ["cat", "left", "right"]);
    assert_eq!(views[1]["region"], json!({ "x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0 }));
    assert_eq!(device.json("/api/v1/views/right/state")["settings"]["model"], "efficientnet-lite0-int8");
    assert_eq!(device.json("/api/v1/state")["state"]["view"], "cat", "an address without a name means the first");
    assert!(!device.json("/api/v1/views/left/timeline").as_array().expect("a list").is_empty());
    let cameras = device.json("/api/v1/cameras");
    assert_eq!(cameras[1]["views"], json!(["left", "right"]));
    assert_eq!(cameras[0]["status"]["status"], "online");
    for camera in ["desk", "yard"] {
        let (status, jpeg) = device.get(&format!("/api/v1/cameras/{camera}/frame.jpeg"));
        assert!(status == 200 && jpeg.starts_with(&[0xff, 0xd8]), "{camera}: {status}");
    }
    assert_eq!(device.get("/api/v1/views/roof/state").0, 404);
    assert_eq!(device.get("/api/v1/cameras/roof/frame.jpeg").0, 404);
    let metrics = String::from_utf8(device.get("/metrics").1).expect("UTF-8");
    for expected in [
        "glimpsed_camera_up{camera=\"desk\"} 1",
        "glimpsed_frames_captured_total{camera=\"yard\"}",
        "glimpsed_frame_age_seconds{camera=\"yard\",view=\"left\"}",
        "glimpsed_label_changes_total{camera=\"desk\",view=\"cat\"}",
    ] {
        assert!(metrics.contains(expected), "no {expected} in\n{metrics}");
    }
    let health = broker.retained_json("glimpsed/test/health", |_| true);
    assert_eq!(health["cameras"].as_array().map(Vec::len), Some(2), "{health}");
}

#[test]
fn what_is_set_for_a_view_leaves_the_others_as_they_are() {
    let device = Device::new(VIEWS);
    let broker = &device.broker;
    let cat = |wanted: &'static str| {
        broker.retained_json("glimpsed/test/view/cat/state", move |state| state["status"] == wanted)
    };
    cat("known");
    device.publish("glimpsed/test/view/cat/threshold/set", "1");
    cat("unknown");
    device.publish("glimpsed/test/view/left/model/set", "efficientnet-lite0-int8");
    let mut left = broker.subscribe("glimpsed/test/view/left/classification", &[]);
    left.find("the other model's answer", |message| (message.json()["model"]["precision"] == "int8").then_some(()));
    assert_eq!(device.json("/api/v1/views/cat/state")["settings"]["model"], "efficientnet-lite0");
    assert_eq!(device.json("/api/v1/views/left/state")["settings"]["threshold"], 0.2);
    // The camera of the only view that is switched off is closed; that of two views stays open for the other.
    device.publish("glimpsed/test/view/cat/enabled/set", "OFF");
    device.publish("glimpsed/test/view/left/enabled/set", "OFF");
    let settled = |topic: &str, wanted: &str| {
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while broker.retained_payload(topic).trim() != wanted {
            assert!(std::time::Instant::now() < deadline, "{topic} is not {wanted}");
        }
    };
    settled("glimpsed/test/camera/desk/status", "disabled");
    settled("glimpsed/test/view/left/enabled/state", "OFF");
    settled("glimpsed/test/camera/yard/status", "online");
    let mut right = broker.subscribe("glimpsed/test/view/right/classification", &[]);
    right.next("/classification");
    device.publish("glimpsed/test/view/cat/enabled/set", "ON");
    settled("glimpsed/test/camera/desk/status", "online");
}

#[test]
fn a_request_says_which_view_it_means() {
    let device = Device::new(VIEWS);
    device.broker.retained_json("glimpsed/test/view/right/state", |state| state["status"] != Value::Null);
    let mut answers = device.broker.subscribe("glimpsed/test/response/snapshot", &[]);
    let mut ask = |request: Value| -> Value {
        device.publish("glimpsed/test/request/snapshot", &request.to_string());
        answers.find("an answer", |message| {
            let answer = message.json();
            (answer["transaction"] == request["transaction"]).then_some(answer)
        })
    };
    assert_eq!(ask(json!({ "transaction": 1, "view": "right" }))["data"]["topic"], "camera/yard/image");
    assert_eq!(ask(json!({ "transaction": 2 }))["data"]["topic"], "camera/desk/image", "the first");
    assert_eq!(ask(json!({ "transaction": 3, "view": "roof" }))["error"], "there is no view `roof`");
}

#[test]
fn a_region_is_edited_without_leaving_the_broker() {
    let mut device = Device::new("[views.cat]\ncamera = \"desk\"\nregion = { width = 0.5 }\n");
    device.edit("width = 0.5", "width = 0.6");
    let info = device.json("/api/v1/views");
    assert!(info.to_string().contains("0.6"), "{info}");
    device.daemon.signal(rustix::process::Signal::TERM);
    let log = device.daemon.rest();
    let connected = log.iter().filter(|line| line.contains("connected to the broker")).count();
    assert_eq!(connected, 1, "{log:#?}");
}

#[test]
fn a_camera_that_sends_nothing_leaves_the_others_as_they_are() {
    let device = Device::new(
        "[cameras.stuck]\nsource = \"command\"\ncommand = [\"sleep\", \"1000\"]\nstart_timeout = \"300ms\"\nframe_timeout = \"200ms\"\n\
         [views.cat]\ncamera = \"desk\"\n[views.dead]\ncamera = \"stuck\"\n",
    );
    let broker = &device.broker;
    let health = broker.retained_json("glimpsed/test/health", |health| {
        health["problems"].as_array().is_some_and(|problems| {
            problems.iter().any(|one| one.as_str().is_some_and(|one| one.starts_with("camera `stuck`: ")))
        })
    });
    assert_eq!(health["problems"].as_array().map(Vec::len), Some(1), "{health}");
    let cat = broker.retained_json("glimpsed/test/view/cat/state", |state| state["status"] == "known");
    assert_eq!(cat["camera"], "desk");
    assert_eq!(broker.retained_payload("glimpsed/test/camera/stuck/status").trim(), "offline");
    assert_eq!(device.get("/livez").0, 200);
}
