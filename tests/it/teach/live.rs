//! Teaching a running daemon over MQTT, and the frames that it asks about.

use serde_json::{Value, json};

use super::{Place, Scene, dataset, jpeg, kept, scene, text};
use crate::support::{Broker, ConfigFile, Running, free_port, glimpsed};
use crate::web::client::Server;

/// A daemon whose view was taught `bars` and `rings`, and whose camera shows something else.
struct Taught {
    broker: Broker,
    place: Place,
    port: u16,
    config: String,
    _directory: tempfile::TempDir,
    daemon: Running,
    _camera: tempfile::TempDir,
}

impl Taught {
    fn new(teach: &str) -> Self {
        let (place, broker, port) = (Place::new(""), Broker::start(), free_port());
        let dataset = dataset(&[("bars", Scene::Bars), ("rings", Scene::Rings)], 12);
        for label in ["bars", "rings"] {
            let pictures = glimpsed_base::files::pictures_in(&dataset.path().join(label)).expect("listed");
            let pictures: Vec<&str> = pictures.iter().map(|path| text(path)).collect();
            place.json(&[&["teach", "add", label], &pictures[..]].concat());
        }
        place.json(&["teach"]);
        let camera = tempfile::tempdir().expect("a directory");
        // Unlike each other, or they would teach nothing.
        for turn in 0..4_i32 {
            let slope = image::imageops::huerotate(&scene(Scene::Slope, 1), 90 * turn);
            let slope = if turn % 2 == 0 { image::imageops::rotate90(&slope) } else { slope };
            std::fs::write(camera.path().join(format!("{turn}.jpg")), jpeg(&slope)).expect("writable");
        }
        let settings = format!(
            "[device]\nid = \"test\"\n[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
             [camera]\nsource = \"replay\"\npath = {:?}\nfps = 4.0\n[model]\nactive = \"main\"\n[teach]\ndirectory = {:?}\n{teach}",
            broker.url(),
            camera.path(),
            place.directory.path()
        );
        let (config, _directory) = ConfigFile::new(&settings).keep();
        let mut daemon = Running::start(glimpsed(&["run", "-c", &config]).env_remove("GLIMPSED_HTTP_LISTEN"));
        daemon.line_with("connected to the broker");
        Self { broker, place, port, config, _directory, daemon, _camera: camera }
    }

    fn publish(&self, topic: &str, payload: &str) {
        let port = self.broker.port.to_string();
        let mut command = std::process::Command::new("mosquitto_pub");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-q",
            "1",
            "-t",
            &format!("glimpsed/test/{topic}"),
            "-m",
            payload,
        ]);
        assert!(command.status().expect("installed").success());
    }

    fn retained(&self, topic: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.broker.retained_json(&format!("glimpsed/test/{topic}"), is)
    }

    /// Publishes, and returns the answer.
    fn ask(&self, topic: &str, payload: &str) -> Value {
        let mut answers = self.broker.subscribe("glimpsed/test/response/teach", &[]);
        self.publish(topic, payload);
        serde_json::from_str(&answers.next("/response/teach").payload).expect("JSON")
    }

    /// Until the text is retained.
    fn retained_text(&self, topic: &str, text: &str) {
        let topic = format!("glimpsed/test/{topic}");
        let told = (0..50).map(|_| self.broker.retained_payload(&topic)).find(|told| told.trim() == text);
        assert!(told.is_some(), "{topic} is {:?}", self.broker.retained_payload(&topic));
    }

    fn page(&self) -> Server {
        Server { address: (std::net::Ipv4Addr::LOCALHOST, self.port).into() }
    }
}

#[test]
fn frames_that_look_like_nothing_that_was_taught_are_called_strange_and_kept_for_somebody_to_say_what_they_show() {
    let device = Taught::new("");
    let mut frames = device.broker.subscribe("glimpsed/test/classification", &[]);
    let frame: Value = serde_json::from_str(&frames.next("/classification").payload).expect("JSON");
    assert_eq!((&frame["model"]["name"], &frame["strange"]), (&json!("main"), &json!(true)), "{frame}");
    let unsure = device.retained("unsure", |unsure| unsure["count"].as_u64() > Some(0));
    assert!(unsure["newest"].is_string() && unsure.to_string().len() < 200, "no picture: {unsure}");
    let told = device.page().until("/api/v1/views/main/teach", |told| told["report"]["looking"].is_null());
    let newest = &told["report"]["unsure"][0];
    let picture = device.page().get(&format!("/api/v1/views/main/teach/unsure?id={}", newest["id"]));
    let size = picture.body.len();
    assert!(picture.status == 200 && picture.body.starts_with(&[0xff, 0xd8]) && size <= 30 << 10, "{told}: {size}");
}

#[test]
fn frames_are_not_kept_where_nobody_is_to_be_asked() {
    let mut device = Taught::new("ask = false\n");
    let mut frames = device.broker.subscribe("glimpsed/test/classification", &[]);
    for _ in 0..10 {
        frames.next("/classification");
    }
    assert_eq!(device.retained("unsure", |_| true)["count"], 0);
    let settings = std::fs::read_to_string(&device.config).expect("readable").replace("ask = false", "ask = true");
    std::fs::write(&device.config, settings).expect("writable");
    device.daemon.line_with("the configuration was read again");
    device.retained("unsure", |unsure| unsure["count"].as_u64() > Some(0));
}

#[test]
fn a_label_is_taught_over_mqtt_and_labelled_with_at_once() {
    let device = Taught::new("");
    let discovery = |is: &dyn Fn(&Value) -> bool| device.broker.retained_json("homeassistant/device/test/config", is);
    let components = &discovery(&|_| true)["components"];
    assert_eq!(components["teach_label"]["options"], json!(["bars", "rings"]));
    assert_eq!(components["teach_add"]["command_topic"], "glimpsed/test/teach/add");
    assert_eq!(device.broker.retained_payload("glimpsed/test/teach/label/state").trim(), "bars");
    let state = device.retained("teach/state", |_| true);
    assert_eq!((&state["pictures"], &state["classes"][1]), (&json!(24), &json!({ "label": "rings", "pictures": 12 })));

    // A door contact says what is to be seen, as often as the door moves.
    for pictures in 1..=3 {
        let answer = (0..20).map(|_| device.ask("teach/add", r#"{"label": "slope", "transaction": 7}"#));
        let kept = answer.into_iter().find(|answer| answer["data"]["copy"] == false).expect("another picture");
        assert_eq!(
            (&kept["status"], &kept["data"]["pictures"], &kept["transaction"]),
            (&json!("ok"), &json!(pictures), &json!(7))
        );
    }
    assert_eq!(kept(&device.place, "slope").len(), 3);
    // The new label can be chosen, and a button keeps a picture under it.
    let discovered = discovery(&|message| message["components"]["teach_label"]["options"][2] == "slope");
    assert_eq!(discovered["components"]["unsure"]["state_topic"], "glimpsed/test/unsure");
    device.publish("teach/label/set", "slope");
    device.retained_text("teach/label/state", "slope");
    assert_eq!(device.ask("teach/add", "PRESS")["data"]["label"], "slope");

    let answer = device.ask("request/teach", "{}");
    assert_eq!((&answer["status"], &answer["data"]["model"]), (&json!("ok"), &json!("main")), "{answer}");
    device.retained("state", |state| state["label"] == "slope");
    assert_eq!(device.retained("teach/state", |state| state["written"] == true)["classes"][2]["label"], "slope");
}

#[test]
fn what_cannot_be_taught_is_answered_with_what_is_wrong() {
    let device = Taught::new("");
    for (payload, says) in [
        ("slope", r#"expected {"label": "..."}"#),
        (r#"{"label": "../../etc"}"#, "is no label"),
        (r#"{"label": ""}"#, "is no label"),
        (r#"{"labels": "open"}"#, "unknown member `labels`"),
    ] {
        let answer = device.ask("teach/add", payload);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(answer["status"] == "error" && error.contains(says), "{payload}: {answer}");
    }
    assert_eq!(kept(&device.place, "bars").len(), 12);
}

#[test]
fn a_device_that_is_not_taught_says_so_and_has_no_entities_for_it() {
    let broker = Broker::start();
    let photos = crate::support::photos();
    let settings = format!(
        "[device]\nid = \"test\"\n[mqtt]\nurl = {:?}\n[camera]\nsource = \"replay\"\npath = {photos:?}\nfps = 2.0\n",
        broker.url()
    );
    let mut daemon = ConfigFile::new(&settings).daemon();
    daemon.line_with("connected to the broker");
    let mut answers = broker.subscribe("glimpsed/test/response/teach", &[]);
    let port = broker.port.to_string();
    let publish =
        ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "glimpsed/test/teach/add", "-m", "{\"label\": \"open\"}"];
    assert!(std::process::Command::new("mosquitto_pub").args(publish).status().expect("installed").success());
    let answer: Value = serde_json::from_str(&answers.next("/response/teach").payload).expect("JSON");
    assert_eq!(answer["error"], "teaching is off; set `directory` in [teach] to keep pictures");
    let discovery = broker.retained_json("homeassistant/device/test/config", |_| true);
    assert_eq!(discovery["components"]["teach_label"], json!({ "platform": "select" }), "its removal");
    assert!(
        !broker.retained("glimpsed/test/#").iter().any(|topic| topic.contains("teach") || topic.contains("unsure"))
    );
}

#[test]
fn doctor_says_whether_what_the_camera_shows_looks_like_what_was_taught() {
    let place = Place::new("");
    let dataset = dataset(&[("bars", Scene::Bars), ("rings", Scene::Rings)], 12);
    assert_eq!(place.run(&["teach", text(dataset.path()), "-o", "door"]).code, 0);
    let camera = tempfile::tempdir().expect("a directory");
    for (kind, verdict, says) in [
        (Scene::Bars, "ok", "looks like what `door` was taught with"),
        (Scene::Slope, "warning", "unlike all that `door` was taught with: has it moved"),
    ] {
        std::fs::write(camera.path().join("1.jpg"), jpeg(&scene(kind, 3))).expect("writable");
        let settings = format!(
            "[camera]\nsource = \"replay\"\npath = {:?}\n[model]\nactive = \"door\"\n[teach]\ndirectory = {:?}\n",
            camera.path(),
            place.directory.path()
        );
        let config = ConfigFile::new(&settings);
        let findings = crate::support::run(&["doctor", "--json", "-c", &config.path()]).json();
        let finding = findings.as_array().expect("a list").iter().find(|finding| finding["subject"] == "view");
        let finding = finding.unwrap_or_else(|| panic!("{findings}"));
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(finding["says"].as_str().expect("words").contains(says), "{finding}");
    }
}
