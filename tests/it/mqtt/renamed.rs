//! What a device that got another name, base topic or prefix while it was stopped has left at the broker.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Broker, ConfigFile, PATIENCE, Running, glimpsed};

/// A device whose configuration is edited while it is stopped.
struct Device {
    config: String,
    text: String,
    state: tempfile::TempDir,
    _directory: tempfile::TempDir,
}

impl Device {
    fn new(url: &str) -> Self {
        let (config, directory) =
            ConfigFile::replay(5, &format!("[http]\nenabled = false\n[mqtt]\nurl = {url:?}\n")).keep();
        let text = std::fs::read_to_string(&config).expect("readable");
        Self { config, text, state: tempfile::tempdir().expect("a directory"), _directory: directory }
    }

    fn edit(&mut self, from: &str, to: &str) {
        self.text = self.text.replace(from, to);
        std::fs::write(&self.config, &self.text).expect("writable");
    }

    fn start(&self) -> Running {
        let mut daemon =
            Running::start(glimpsed(&["run", "-c", &self.config]).env("STATE_DIRECTORY", self.state.path()));
        daemon.line_with("connected to the broker");
        daemon
    }

    fn published(&self) -> String {
        let entries =
            std::fs::read_dir(self.state.path()).expect("readable").map(|entry| entry.expect("readable").path());
        let mut files = entries.filter(|path| path.to_string_lossy().contains("/published-"));
        files.next().map_or_else(String::new, |path| std::fs::read_to_string(path).expect("readable"))
    }
}

fn stop(mut daemon: Running) {
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Renames the device, moves it, and changes the prefix, each while it is stopped. `retained` says what is retained on a topic.
pub(super) fn nothing_is_left_behind(url: &str, retained: impl Fn(&str) -> String) {
    let mut device = Device::new(url);
    let there = |topic: &str| !retained(topic).is_empty();
    let daemon = device.start();
    until("published", || there("glimpsed/test/state") && there("homeassistant/device/test/config"));
    stop(daemon);

    device.edit("id = \"test\"", "id = \"shelf\"");
    let mut daemon = device.start();
    daemon.line_with("what the device had left under its former name, prefix, views or cameras was removed");
    for below in ["status", "info", "state", "health", "camera/status", "model/state"] {
        assert!(!there(&format!("glimpsed/test/{below}")), "{below}");
        until(below, || there(&format!("glimpsed/shelf/{below}")));
    }
    assert!(!there("homeassistant/device/test/config") && there("homeassistant/device/shelf/config"));
    stop(daemon);

    device.edit("[mqtt]", "[mqtt]\nbase_topic = \"home\"");
    let mut daemon = device.start();
    daemon.line_with("was removed");
    assert!(!there("glimpsed/shelf/status") && there("home/shelf/status"));
    assert!(there("homeassistant/device/shelf/config"), "the discovery topic is the same as before");
    stop(daemon);

    device.edit("[mqtt]", "[homeassistant]\nprefix = \"ha\"\n[mqtt]");
    let mut daemon = device.start();
    daemon.line_with("was removed");
    assert!(!there("homeassistant/device/shelf/config") && there("ha/device/shelf/config"));
    assert!(there("home/shelf/status") && there("home/shelf/info"));
    until("forgotten", || !device.published().contains("homeassistant"));
    let published = device.published();
    stop(daemon);
    // Nothing has changed, so nothing is written and nothing removed.
    let daemon = device.start();
    until("published", || retained("home/shelf/status") == "online");
    assert_eq!(device.published(), published);
    stop(daemon);
}

#[test]
fn a_device_that_was_renamed_while_it_was_stopped_leaves_nothing_behind() {
    let broker = Broker::start();
    nothing_is_left_behind(&broker.url(), |topic| {
        broker
            .retained_or_live(topic, Duration::from_secs(1))
            .map_or_else(String::new, |payload| String::from_utf8_lossy(&payload).into_owned())
    });
}

#[test]
fn topics_that_another_device_uses_now_are_left_to_it() {
    let broker = Broker::start();
    let mut device = Device::new(&broker.url());
    stop(device.start());
    let port = broker.port.to_string();
    let mut other = Command::new("mosquitto_pub");
    other.args(["-h", "127.0.0.1", "-p", &port, "-r", "-t", "glimpsed/test/status", "-m", "online"]);
    assert!(other.status().expect("mosquitto_pub is installed").success());
    device.edit("id = \"test\"", "id = \"shelf\"");
    let mut daemon = device.start();
    daemon.line_with("another one uses them now; nothing is removed");
    assert_eq!(broker.retained_payload("glimpsed/test/status"), "online");
    assert_eq!(
        broker.retained("homeassistant/device/#"),
        ["homeassistant/device/shelf/config", "homeassistant/device/test/config"]
    );
    until("forgotten", || !device.published().contains("\"test\""));
}
