//! A device that was set up before cameras and views had names, with what it has left on its broker.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::support::{Broker, ConfigFile, fixture, photos};

const PREFIX: &str = "homeassistant/device/porch/config";

/// Its configuration, as it was.
fn configuration(url: &str) -> String {
    format!(
        "[device]\nid = \"porch\"\nname = \"Porch\"\n[camera]\nsource = \"replay\"\npath = {:?}\nfps = 2.0\n\
         [mqtt]\nurl = {url:?}\n[homeassistant]\nenabled = true\n[http]\nenabled = false\n\
         [accurate]\nenabled = true\nmodel = \"efficientnet-lite0-int8\"\n",
        photos().join("rocket.jpg")
    )
}

fn publish(broker: &Broker, topic: &str, payload: &str) {
    let port = broker.port.to_string();
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-r", "-q", "1", "-t", topic, "-m", payload]);
    assert!(command.status().expect("installed").success());
}

#[test]
fn topics_and_entities_of_a_device_without_names_stay() {
    let text = std::fs::read_to_string(fixture("retained_before_views.json")).expect("the fixture");
    let before: BTreeMap<String, String> = serde_json::from_str(&text).expect("JSON");
    let broker = Broker::start();
    for (topic, payload) in &before {
        publish(&broker, topic, payload);
    }
    let entities = |payload: &str| -> Value {
        let message: Value = serde_json::from_str(payload).expect("JSON");
        message["components"].clone()
    };
    let had = entities(&before[PREFIX]);
    let mut daemon = ConfigFile::new(&configuration(&broker.url())).daemon();
    daemon.line_with("connected to the broker");
    let now = broker.retained_json(PREFIX, |message| message["components"] != had)["components"].clone();
    for (name, entity) in had.as_object().expect("entities") {
        for key in ["platform", "unique_id", "state_topic", "command_topic", "topic"] {
            assert_eq!(now[name][key], entity[key], "{key} of {name}");
        }
    }
    broker.retained_json("glimpsed/porch/state", |state| state["label"] == "missile");
    for topic in before.keys() {
        assert!(!broker.retained_payload(topic).trim().is_empty(), "{topic}");
    }
    assert!(broker.retained("glimpsed/porch/view/#").is_empty(), "the only view has no name");
}
