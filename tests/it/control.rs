//! What can be changed while the daemon runs: by editing the file, by a signal, over MQTT.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Broker, ConfigFile, Received, Running, Subscriber, glimpsed};

/// A daemon with a broker and somebody who listens to all of it.
struct Bench {
    broker: Broker,
    heard: Subscriber,
    config: String,
    daemon: Running,
    _directory: tempfile::TempDir,
}

const EVERY_FRAME: &str = "classification_interval = \"0s\"\n";

impl Bench {
    /// Labels the bundled photographs ten times a second; `rest` stands behind the `[mqtt]` table.
    fn start(rest: &str) -> Self {
        let broker = Broker::start();
        let heard = broker.subscribe("#", &[]);
        let file = ConfigFile::replay(10, &Self::text(&broker, rest));
        let (config, directory) = file.keep();
        let daemon = Running::start(&mut glimpsed(&["run", "-c", &config]));
        let mut bench = Self { broker, heard, config, daemon, _directory: directory };
        bench.heard.next("/test/classification");
        bench
    }

    fn text(broker: &Broker, rest: &str) -> String {
        format!(
            "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n[mqtt]\nurl = {:?}\n{EVERY_FRAME}{rest}",
            broker.url()
        )
    }

    /// The file with one text replaced by another.
    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.config).expect("readable");
        assert!(text.contains(from), "no {from:?} in {text}");
        // As most editors do: written beside it and renamed.
        let beside = format!("{}.new", self.config);
        std::fs::write(&beside, text.replace(from, to)).expect("writable");
        std::fs::rename(&beside, &self.config).expect("renamed");
    }

    fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let port = self.broker.port.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload]).args(more);
        assert!(command.status().expect("mosquitto_pub is installed").success());
    }

    /// The response to a request.
    fn ask(&mut self, command: &str) -> Value {
        let transaction = json!({ "transaction": command }).to_string();
        self.publish(&format!("glimpsed/test/request/{command}"), &transaction, &[]);
        let topic = format!("glimpsed/test/response/{command}");
        self.heard.find(&topic, |message| {
            let response = (message.topic == topic).then(|| message.json())?;
            (response["transaction"] == command).then_some(response)
        })
    }

    /// The next message on a topic with this payload.
    fn until(&mut self, topic_end: &str, payload: &str) -> Received {
        self.heard.find(&format!("{payload} on {topic_end}"), |message| {
            (message.topic.ends_with(topic_end) && message.payload == payload).then_some(message)
        })
    }

    /// Which model labels from here on.
    fn labels_now(&self) -> String {
        let mut fresh = self.broker.subscribe("glimpsed/test/classification", &[]);
        let frame = fresh.next("/test/classification").json();
        frame["model"]["name"].as_str().expect("a name").to_owned()
    }

    /// The next frame that this model has labelled.
    fn labelled_by(&mut self, model: &str) -> Value {
        self.heard.find(model, |message| {
            let payload = message.topic.ends_with("/classification").then(|| message.json())?;
            (payload["model"]["name"] == model).then_some(payload)
        })
    }
}

#[test]
fn an_edited_file_switches_the_model_and_no_frame_goes_unlabelled() {
    let mut bench = Bench::start("[model]\nactive = \"efficientnet-lite0\"\n");
    bench.edit("active = \"efficientnet-lite0\"", "active = \"efficientnet-lite0-int8\"");
    // Photographs wait for their turn, so every number is there unless one was not labelled.
    let mut last = None;
    let mut switched = 0;
    while switched < 5 {
        let frame = bench.heard.next("/test/classification").json();
        let seq = frame["seq"].as_u64().expect("a number");
        assert!(last.is_none_or(|last| seq == last + 1), "{seq} after {last:?}");
        last = Some(seq);
        switched += u32::from(frame["model"]["name"] == "efficientnet-lite0-int8");
    }
    let new = |info: &Value| info["models"][0]["name"] == "efficientnet-lite0-int8";
    let info = bench.broker.retained_json("glimpsed/test/info", new);
    assert_eq!(info["config"]["model.active"]["value"], "efficientnet-lite0-int8");
    assert_eq!(info["config_error"], Value::Null);
}

#[test]
fn a_broken_edit_leaves_everything_running_and_says_what_is_wrong() {
    let mut bench = Bench::start("[model]\nactive = \"efficientnet-lite0\"\n");
    bench.edit("active = ", "activ = ");
    bench.daemon.line_with("the configuration was not changed");
    let info = bench.broker.retained_json("glimpsed/test/info", |info| info["config_error"].is_string());
    let error = info["config_error"].to_string();
    assert!(error.contains("activ") && error.contains("active"), "{error}");
    assert_eq!(bench.labels_now(), "efficientnet-lite0");
    // Mended, it is in effect.
    bench.edit("activ = \"efficientnet-lite0\"", "active = \"efficientnet-lite0-int8\"");
    bench.labelled_by("efficientnet-lite0-int8");
}

#[test]
fn a_model_that_does_not_load_leaves_the_old_one_and_the_old_configuration_in_effect() {
    let mut bench = Bench::start("[model]\nactive = \"efficientnet-lite0\"\n");
    let broken = format!("{}.onnx", bench.config);
    std::fs::write(&broken, "no model").expect("writable");
    bench.edit(
        "[model]\nactive = \"efficientnet-lite0\"",
        &format!("[models.broken]\npath = {broken:?}\n[model]\nactive = \"broken\""),
    );
    bench.daemon.line_with("is not an ONNX model");
    assert_eq!(bench.labels_now(), "efficientnet-lite0");
    bench.until("/model/state", "efficientnet-lite0");
}

#[test]
fn an_emptied_file_changes_nothing() {
    let mut bench = Bench::start("[model]\nactive = \"efficientnet-lite0\"\n");
    std::fs::write(&bench.config, "").expect("writable");
    bench.daemon.line_with("the configuration is empty");
    assert_eq!(bench.labels_now(), "efficientnet-lite0");
}

#[test]
fn a_hangup_reads_the_file_again_and_other_topics_follow_it() {
    let mut bench = Bench::start("base_topic = \"glimpsed\"\n[stdout]\nformat = \"none\"\n");
    bench.edit(
        "base_topic = \"glimpsed\"\n[stdout]\nformat = \"none\"",
        "base_topic = \"elsewhere\"\n[stdout]\nformat = \"text\"",
    );
    bench.daemon.signal(Signal::HUP);
    bench.until("glimpsed/test/status", "offline");
    bench.until("elsewhere/test/status", "online");
    bench.heard.next("elsewhere/test/classification");
    let wanted = |info: &Value| info["restart_required"] == json!(["stdout.format"]);
    let info = bench.broker.retained_json("elsewhere/test/info", wanted);
    assert_eq!(info["config"]["mqtt.base_topic"]["value"], "elsewhere");
    // Nothing retained is left behind.
    assert_eq!(bench.broker.retained("glimpsed/#"), [""; 0]);
}

#[test]
fn a_camera_is_exchanged_while_everything_else_runs_on() {
    let mut bench = Bench::start("");
    let photos = crate::support::photos();
    let one = photos.join("coffee.png");
    bench.edit(&format!("path = {photos:?}"), &format!("path = {one:?}"));
    bench.until("/camera/status", "offline");
    bench.until("/camera/status", "online");
    for _ in 0..5 {
        let frame = bench.heard.next("/test/classification").json();
        assert_eq!(frame["source"], "coffee.png");
    }
}

#[test]
fn settings_are_set_over_mqtt_and_shown_back() {
    let mut bench = Bench::start("");
    bench.publish("glimpsed/test/model/set", "efficientnet-lite0-int8", &[]);
    bench.until("/model/state", "efficientnet-lite0-int8");
    bench.labelled_by("efficientnet-lite0-int8");

    bench.publish("glimpsed/test/model/set", "no-such-model", &[]);
    bench.daemon.line_with("there is no model `no-such-model`");
    bench.until("/model/state", "efficientnet-lite0-int8");

    bench.publish("glimpsed/test/threshold/set", "1", &[]);
    bench.until("/threshold/state", "1");
    bench.heard.find("an unknown frame", |message| {
        let frame = message.topic.ends_with("/classification").then(|| message.json())?;
        (frame["status"] == "unknown").then_some(())
    });
    let event = bench.heard.find("the event", |message| {
        let event = message.topic.ends_with("/test/event").then(|| message.json())?;
        (event["status"] == "unknown").then_some(event)
    });
    assert!(event["previous"].is_string() && event["label"].is_null(), "{event}");
    // What was set stays set when the file is edited elsewhere.
    bench.edit("consecutive = 1", "consecutive = 2");
    bench.until("/model/state", "efficientnet-lite0-int8");
    bench.until("/threshold/state", "1");
}

#[test]
fn a_camera_that_is_switched_off_is_closed_and_its_label_grows_stale() {
    let mut bench = Bench::start("");
    bench.edit("fps = 10", "fps = 10\nframe_timeout = \"500ms\"");
    bench.until("/camera/status", "online");
    bench.publish("glimpsed/test/enabled/set", "OFF", &[]);
    bench.until("/camera/status", "disabled");
    bench.until("/enabled/state", "OFF");
    let state = bench.heard.find("a stale state", |message| {
        let state = message.topic.ends_with("/test/state").then(|| message.json())?;
        (state["status"] == "stale").then_some(state)
    });
    assert!(state["label"].is_null());
    // Off it stays, also over a restart; and what it has seen before is not told any more.
    bench.ask("restart");
    bench.until("/test/status", "online");
    bench.until("/camera/status", "disabled");
    std::thread::sleep(Duration::from_secs(1));
    bench.publish("glimpsed/test/enabled/set", "ON", &[]);
    bench.heard.find("the camera", |message| {
        assert!(!message.topic.ends_with("/classification"), "{message:?}");
        (message.topic.ends_with("/camera/status") && message.payload == "online").then_some(())
    });
    bench.heard.next("/test/classification");
}

#[test]
fn a_retained_command_is_never_acted_upon() {
    let mut bench = Bench::start("");
    bench.daemon.signal(Signal::TERM);
    assert!(bench.daemon.wait().success());
    bench.publish("glimpsed/test/model/set", "efficientnet-lite0-int8", &["-r"]);
    bench.publish("glimpsed/test/request/restart", "", &["-r"]);
    bench.daemon = Running::start(&mut glimpsed(&["run", "-c", &bench.config]));
    bench.daemon.line_with("is retained");
    assert_eq!(bench.labels_now(), "efficientnet-lite0");
    assert_eq!(bench.broker.retained("glimpsed/test/response/#"), [""; 0]);
}

#[test]
fn requests_are_answered_with_their_transaction() {
    let mut bench = Bench::start("");
    let health = bench.ask("health");
    assert_eq!(health["status"], "ok");
    assert!(health["data"]["labelled"].as_u64().is_some_and(|labelled| labelled > 0), "{health}");
    assert!(health["data"]["rss_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{health}");
    assert_eq!(
        bench.ask("reload"),
        json!({ "status": "ok", "data": { "restart_required": [] }, "transaction": "reload" })
    );
    let refused = bench.ask("snapshot");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("publish_image")), "{refused}");
}

#[test]
fn what_stands_in_the_file_is_not_told_with_its_mistakes_nor_logins_of_cameras() {
    let mut bench = Bench::start("");
    bench.edit("id = \"test\"", "id = \"test\"\npassword = \"hunter2\"");
    let info = bench.broker.retained_json("glimpsed/test/info", |info| info["config_error"].is_string());
    assert!(!info.to_string().contains("hunter2") && info["config_error"].to_string().contains("password"), "{info}");
    let response = bench.ask("reload");
    assert!(response["status"] == "error" && !response.to_string().contains("hunter2"), "{response}");

    bench.edit("\npassword = \"hunter2\"", "");
    bench.edit("[camera]", "[camera]\ncommand = [\"ffmpeg\", \"-i\", \"rtsp://me:hunter2@cam/\"]");
    let info = bench.broker.retained_json("glimpsed/test/info", |info| info["config_error"].is_null());
    assert_eq!(info["config"]["camera.command"]["value"][2], "rtsp://********@cam/");
    assert!(!info.to_string().contains("hunter2"), "{info}");
}

#[test]
fn events_wait_for_the_broker_through_a_change_of_its_settings() {
    let mut bench = Bench::start("keepalive = \"30s\"\n");
    let sent = bench.ask("health")["data"]["mqtt"]["connects"].as_u64();
    assert_eq!(sent, Some(1));
    bench.broker.kill();
    bench.daemon.line_with("not connected to the broker");
    // Some changes of the label that nobody hears, then another setting of the broker, then it is back.
    std::thread::sleep(Duration::from_secs(1));
    bench.edit("keepalive = \"30s\"", "keepalive = \"20s\"");
    bench.daemon.line_with("the configuration was read again");
    bench.broker.restart();
    bench.heard = bench.broker.subscribe("glimpsed/#", &[]);
    let mut last: Option<(u64, Value)> = None;
    for _ in 0..10 {
        let event = bench.heard.next("/test/event").json();
        let seq = event["seq"].as_u64().expect("a number");
        // Each photograph has another label, so each frame is a change: none is missing.
        if let Some((before, label)) = last {
            assert_eq!((seq, &event["previous"]), (before + 1, &label), "{event}");
        }
        last = Some((seq, event["label"].clone()));
    }
    let health = bench.ask("health");
    assert_eq!(health["data"]["mqtt"]["dropped_events"], 0, "{health}");
    assert_eq!(health["data"]["mqtt"]["connects"], 2, "counts go on: {health}");
}

#[test]
fn a_reload_that_changes_the_broker_s_settings_is_answered_over_the_next_session() {
    let mut bench = Bench::start("keepalive = \"30s\"\n");
    let text = std::fs::read_to_string(&bench.config).expect("readable");
    // In place and at once, so that the request may come before the watch has noticed.
    std::fs::write(&bench.config, text.replace("keepalive = \"30s\"", "keepalive = \"20s\"")).expect("writable");
    assert_eq!(bench.ask("reload")["status"], "ok");
}

#[test]
fn models_are_compared_on_the_camera_s_own_picture() {
    let mut bench = Bench::start("");
    // Two processes measure for seconds each, beside a daemon that labels.
    bench.heard.wait_for(Duration::from_secs(120));
    let response = bench.ask("compare");
    let models = response["data"]["models"].as_array().unwrap_or_else(|| panic!("{response}"));
    let names: Vec<&str> = models.iter().map(|model| model["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["efficientnet-lite0", "efficientnet-lite0-int8"]);
    for model in models {
        assert_eq!(model["parameters"], models[0]["parameters"], "the same network");
        assert!(model["infer_ms"]["p50"].as_f64().is_some_and(|time| time > 0.0), "{model}");
        assert_eq!(model["top"].as_array().map(Vec::len), Some(5));
    }
    let bytes = |model: &Value| model["file_bytes"].as_u64().expect("a size");
    assert!(bytes(&models[1]) < bytes(&models[0]) / 2);
}

#[test]
fn of_a_flood_of_commands_the_last_one_is_in_effect() {
    use std::io::Write;
    let mut bench = Bench::start("");
    let port = bench.broker.port.to_string();
    let mut sender = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-t", "glimpsed/test/threshold/set", "-l"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("mosquitto_pub is installed");
    let mut lines: String = (0..10_000).map(|number| format!("{}\n", f64::from(number) / 20_000.0)).collect();
    lines.push_str("0.75\n");
    sender.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
    assert!(sender.wait().expect("it ends").success());
    bench.until("/threshold/state", "0.75");
    // None of the photographs but one is that certain.
    let mut fresh = bench.broker.subscribe("glimpsed/test/classification", &[]);
    for _ in 0..6 {
        let frame = fresh.next("/test/classification").json();
        let confidence = frame["top"][0]["confidence"].as_f64().expect("a number");
        assert_eq!(frame["status"] == "known", confidence >= 0.75, "{frame}");
    }
    let health = bench.ask("health");
    assert_eq!(health["data"]["mqtt"]["refused_commands"], 0, "{health}");
}

#[test]
fn garbage_on_every_topic_that_is_listened_to_changes_nothing() {
    let mut bench = Bench::start("");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, bytes: Vec<u8>| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let payloads = [
        file("empty", Vec::new()),
        file("bytes", vec![0xFF; 100]),
        file("open", b"{".to_vec()),
        file("deep", [vec![b'['; 2000], vec![b']'; 2000]].concat()),
        file("long", vec![b'x'; 5000]),
        file("longer", vec![b'x'; 100_000]),
    ];
    let sets = ["enabled", "model", "precision", "threshold"].map(|key| format!("glimpsed/test/{key}/set"));
    let port = bench.broker.port.to_string();
    for topic in sets.iter().map(String::as_str).chain(["glimpsed/test/request/health", "homeassistant/status"]) {
        for payload in &payloads {
            let arguments = ["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-f", payload];
            assert!(Command::new("mosquitto_pub").args(arguments).status().expect("installed").success());
        }
    }
    let health = bench.ask("health");
    assert_eq!((&health["data"]["mqtt"]["connects"], &health["data"]["mqtt"]["failures"]), (&json!(1), &json!(0)));
    assert_eq!(bench.labels_now(), "efficientnet-lite0");
    for (key, value) in
        [("enabled", "ON"), ("model", "efficientnet-lite0"), ("precision", "fp32"), ("threshold", "0.2")]
    {
        let topic = format!("glimpsed/test/{key}/state");
        let retained = bench.broker.retained_payload(&topic);
        assert_eq!(retained, value, "{key}");
    }
}

#[test]
fn pictures_leave_the_device_only_when_publish_image_is_set() {
    let mut bench = Bench::start("");
    let events = (0..3).map(|_| bench.heard.next("/test/event")).count();
    let refused = bench.ask("snapshot");
    assert_eq!((events, refused["status"].as_str()), (3, Some("error")));
    let picture = bench.broker.retained_or_live("glimpsed/test/camera/image", Duration::from_secs(2));
    assert_eq!(picture, None);
    drop(bench);

    let mut bench = Bench::start("[privacy]\npublish_image = true\n");
    let port = bench.broker.port.to_string();
    let picture = || {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-t", "glimpsed/test/camera/image", "-C", "1", "-N", "-W", "20"]);
        command.output().expect("mosquitto_sub is installed").stdout
    };
    // The labels of the photographs change, so a picture comes without being asked for.
    let jpeg = picture();
    let decoded = image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg).expect("a JPEG");
    assert!(decoded.width() > 100 && decoded.height() > 100);
    let snapshot = bench.ask("snapshot");
    assert_eq!(snapshot["status"], "ok", "{snapshot}");
    assert!(snapshot["data"]["bytes"].as_u64().is_some_and(|bytes| bytes > 1000));
}

#[test]
fn a_restart_keeps_the_process_and_says_goodbye_and_hello() {
    let mut bench = Bench::start("");
    let response = bench.ask("restart");
    assert_eq!(response["status"], "ok");
    bench.until("/test/status", "offline");
    bench.until("/test/status", "online");
    bench.heard.next("/test/classification");
    assert!(bench.daemon.child.try_wait().expect("a child").is_none(), "the same process");
    bench.daemon.signal(Signal::TERM);
    assert!(bench.daemon.wait().success());
}

#[test]
fn home_assistant_is_told_again_after_it_has_started() {
    let mut bench = Bench::start("");
    bench.publish("homeassistant/status", "online", &[]);
    bench.heard.next("homeassistant/device/test/config");
    bench.until("/test/model/state", "efficientnet-lite0");
}
