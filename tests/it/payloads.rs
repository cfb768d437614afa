//! What is published, against the published schemas and against Home Assistant's rules.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use glimpsed_core::domain::name::Name;
use glimpsed_core::payload::schemas;
use glimpsed_core::sinks::mqtt::Topics;
use glimpsed_core::sinks::mqtt::discovery::{self, Device, DeviceView, ViewLabel};
use serde_json::Value;

use crate::support::{Broker, ConfigFile, complaints, fixture, root};

fn schema_file(name: &str) -> PathBuf {
    root().join(format!("docs/schemas/{name}.schema.json"))
}

fn read(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .expect("JSON")
}

/// With nothing allowed that is not described.
fn strict(mut schema: Value) -> Value {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                members.values_mut().for_each(close);
                if members.contains_key("properties") {
                    members.insert("additionalProperties".into(), false.into());
                }
            }
            Value::Array(list) => list.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

/// `UPDATE_SCHEMAS=1 make test ARGS='-E "test(schemas)"'` writes them.
#[test]
fn the_published_schemas_are_those_of_the_program() {
    for (name, schema) in schemas() {
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(schema_file(name), &text).expect("writable");
        }
        assert_eq!(std::fs::read_to_string(schema_file(name)).expect("published"), text, "{name}");
    }
}

#[test]
fn everything_that_arrives_is_what_its_schema_says() {
    let broker = Broker::start();
    let mut heard = broker.subscribe("glimpsed/#", &[]);
    let text = format!(
        "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n[mqtt]\nurl = {:?}\nheartbeat = \"1s\"\n",
        broker.url()
    );
    let _daemon = ConfigFile::replay(3, &text).daemon();
    let port = broker.port.to_string();
    let ask = ["-h", "127.0.0.1", "-p", &port, "-t", "glimpsed/test/request/health", "-n"];
    let mut seen = BTreeSet::new();
    let wanted = BTreeSet::from(["classification", "event", "health", "info", "response", "state"].map(str::to_owned));
    while seen != wanted {
        let message = heard.find("a message", Some);
        let Some(below) = message.topic.strip_prefix("glimpsed/test/") else { continue };
        let (schema, payload) = match below {
            "classification" | "event" | "health" => (below, message.json()),
            "state" => ("classification", message.json()),
            "response/health" => {
                assert_eq!(complaints(&read(schema_file("health")), &message.json()["data"]), [""; 0]);
                ("response", message.json())
            }
            "info" => {
                assert!(Command::new("mosquitto_pub").args(ask).status().expect("installed").success());
                ("info", message.json())
            }
            _ => continue,
        };
        assert_eq!(complaints(&strict(read(schema_file(schema))), &payload), [""; 0], "{}", message.topic);
        seen.insert(below.split('/').next().expect("a name").to_owned());
    }
}

fn device() -> Device {
    Device {
        id: "shelf-1".into(),
        name: "Camera on the shelf".into(),
        board: "Raspberry Pi 4 Model B Rev 1.4".into(),
        models: vec!["efficientnet-lite0".into(), "mobilenet-v2".into()],
        heartbeat: std::time::Duration::from_secs(60),
        health_every: std::time::Duration::from_secs(60),
        pictures: true,
        views: vec![DeviceView {
            name: Name::ONLY,
            title: "shelf".into(),
            camera: Name::ONLY,
            accurate: true,
            taught: Some(vec!["closed".into(), "open".into()]),
            labels: Vec::new(),
        }],
        cameras: vec![Name::ONLY],
        temperature: true,
        page: Some("http://shelf.local:8080/".into()),
    }
}

fn discovered(device: &Device) -> Value {
    let text = discovery::payload(device, &Topics::new("home/glimpsed", &device.id, &Default::default()), &[]);
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn home_assistant_accepts_the_discovery_message() {
    let rules = read(fixture("homeassistant/device.schema.json"));
    let payload = discovered(&device());
    assert_eq!(complaints(&rules, &payload), [""; 0]);
    let platforms: BTreeSet<&str> = payload["components"]
        .as_object()
        .expect("components")
        .values()
        .map(|component| component["platform"].as_str().expect("a platform"))
        .collect();
    let expected = ["binary_sensor", "button", "event", "image", "number", "select", "sensor", "switch"];
    assert_eq!(platforms, BTreeSet::from(expected));
    // The rules can be broken.
    for (pointer, value) in [
        ("/components/label/state_topic", Value::Null),
        ("/components/model/options", Value::from("mobilenet-v2")),
        ("/components/restart/command_topic", Value::from("a/+/b")),
        ("/components/label/entity_category", Value::from("config")),
        ("/device/identifiers", Value::Array(Vec::new())),
    ] {
        let mut wrong = payload.clone();
        match wrong.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => wrong["components"]["label"]["entity_category"] = value,
        }
        assert!(!complaints(&rules, &wrong).is_empty(), "{pointer}");
    }
}

#[test]
fn the_manual_has_every_entity_by_its_name_and_its_id() {
    let page = std::fs::read_to_string(root().join("docs/home-assistant.md")).expect("the page");
    let payload = discovered(&Device { id: "shelf".into(), ..device() });
    let device = payload["device"]["name"].as_str().expect("a name");
    let entities = payload["components"].as_object().expect("components").values().map(|entity| {
        let name = entity["name"].as_str().unwrap_or(device);
        format!("| {name} | `{}` |", entity["default_entity_id"].as_str().expect("an id"))
    });
    let rows = page.lines().filter(|line| line.contains("`") && line.contains(".shelf_") && line.starts_with('|'));
    let told: BTreeSet<String> = rows.map(|row| row.split('|').take(3).collect::<Vec<_>>().join("|") + "|").collect();
    assert_eq!(told, entities.collect());
}

#[test]
fn entities_are_unavailable_with_the_daemon_or_the_camera_except_the_one_that_says_so() {
    let payload = discovered(&device());
    let components = payload["components"].as_object().expect("components");
    let mut ids = BTreeSet::new();
    for (name, component) in components {
        assert!(ids.insert(component["unique_id"].as_str().expect("an id")), "{name} is not unique");
        let topics: Vec<&str> = component["availability"]
            .as_array()
            .map(|list| list.iter().map(|one| one["topic"].as_str().expect("a topic")).collect())
            .unwrap_or_default();
        match name.as_str() {
            "connectivity" => assert!(topics.is_empty()),
            "label" | "opinion" | "confidence" | "change" | "fps" | "image" | "snapshot" | "teach_add" => {
                assert_eq!(topics, ["home/glimpsed/shelf-1/status", "home/glimpsed/shelf-1/camera/status"]);
                assert_eq!(component["availability_mode"], "all");
            }
            _ => assert_eq!(topics, ["home/glimpsed/shelf-1/status"], "{name}"),
        }
    }
    let expires = |name: &str| components[name]["expire_after"].as_u64().expect("a time");
    assert!(expires("label") > 60 && expires("temperature") > 60, "longer than the heartbeat");
    let attributes = components["label"]["json_attributes_template"].as_str().expect("a template");
    assert!(!attributes.contains("ts") && !attributes.contains("since") && !attributes.contains("timing"));
}

#[test]
fn a_label_that_holds_for_itself_is_a_binary_sensor_that_home_assistant_accepts() {
    let label = |label: &str, exists| ViewLabel { label: label.into(), key: label.to_lowercase(), exists };
    let labels = vec![label("Cat", true), label("Dog", false)];
    let payload = discovered(&Device { views: vec![DeviceView { labels, ..device().views[0].clone() }], ..device() });
    assert_eq!(complaints(&read(fixture("homeassistant/device.schema.json")), &payload), [""; 0]);
    let sensor = &payload["components"]["shows_cat"];
    assert_eq!((&sensor["name"], &sensor["state_topic"]), (&"Cat".into(), &"home/glimpsed/shelf-1/state".into()));
    assert_eq!(payload["components"]["shows_dog"], serde_json::json!({ "platform": "binary_sensor" }));
}

#[test]
fn what_a_device_does_not_have_is_removed_by_its_platform_alone() {
    let payload = discovered(&Device {
        views: vec![DeviceView { accurate: false, taught: None, ..device().views[0].clone() }],
        pictures: false,
        temperature: false,
        ..device()
    });
    assert_eq!(complaints(&read(fixture("homeassistant/device.schema.json")), &payload), [""; 0]);
    for (name, platform) in [
        ("temperature", "sensor"),
        ("image", "image"),
        ("snapshot", "button"),
        ("teach_label", "select"),
        ("teach", "button"),
    ] {
        assert_eq!(payload["components"][name], serde_json::json!({ "platform": platform }));
    }
}
