//! Two boards with one id; a device that is renamed; answers as MQTT 5 has them; events that wait over a restart.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Broker, ConfigFile, PATIENCE, Running, glimpsed};

fn daemon(broker: &Broker, client_id: &str) -> Running {
    let url = broker.url();
    ConfigFile::replay(5, &format!("[mqtt]\nurl = {url:?}\nclient_id = {client_id:?}\n")).daemon()
}

#[test]
fn another_device_of_the_same_id_is_named_and_contradicted_when_it_says_offline() {
    let broker = Broker::start();
    let mut first = daemon(&broker, "first");
    first.line_with("connected to the broker");
    let mut second = daemon(&broker, "second");
    for daemon in [&mut first, &mut second] {
        let line = daemon.line_with("another device has the same id");
        assert!(line.contains("`test` on") && line.contains("give each its own `id`"), "{line}");
    }
    let mut heard = broker.subscribe("glimpsed/test/#", &[]);
    let asked = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "glimpsed/test/request/health", "-n"])
        .status();
    assert!(asked.expect("installed").success());
    let health = heard.next("response/health").json();
    assert!(health["data"]["mqtt"]["twin"].as_str().is_some_and(|twin| twin.contains("`test`")), "{health}");
    assert!(health["data"]["problems"][0].as_str().is_some_and(|why| why.contains("the same id")), "{health}");
    second.signal(Signal::TERM);
    assert!(second.wait().success());
    let mut said = Vec::new();
    heard.find("a contradiction", |message| {
        if message.topic == "glimpsed/test/status" {
            said.push(message.payload);
        }
        said.ends_with(&["offline".into(), "online".into()]).then_some(())
    });
    assert_eq!(broker.retained_payload("glimpsed/test/status"), "online");
}

#[test]
fn what_another_client_writes_over_the_description_is_replaced() {
    let broker = Broker::start();
    let mut daemon = daemon(&broker, "only");
    let mut heard = broker.subscribe("glimpsed/test/info", &[]);
    heard.next("/info");
    let port = broker.port.to_string();
    let written = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-r", "-q", "1", "-t", "glimpsed/test/info", "-m", "nonsense"])
        .status();
    assert!(written.expect("installed").success());
    daemon.line_with("another client wrote over what this device is");
    let mut nonsense = false;
    heard.find("its own words behind the others", |message| {
        nonsense |= message.payload == "nonsense";
        (nonsense && message.payload.contains("\"instance\"")).then_some(())
    });
}

#[test]
fn a_renamed_device_leaves_nothing_behind() {
    let broker = Broker::start();
    let (path, _directory) = ConfigFile::replay(5, &format!("[mqtt]\nurl = {:?}\n", broker.url())).keep();
    let mut daemon = Running::start(&mut glimpsed(&["run", "-c", &path]));
    broker.retained_json("glimpsed/test/state", |_| true);
    let text = std::fs::read_to_string(&path).expect("readable").replace("id = \"test\"", "id = \"renamed\"");
    std::fs::write(&path, text).expect("writable");
    broker.retained_json("glimpsed/renamed/state", |_| true);
    let left = [broker.retained("glimpsed/test/#"), broker.retained("homeassistant/device/test/config")].concat();
    assert_eq!(left, [""; 0]);
    daemon.signal(Signal::TERM);
    daemon.wait();
}

#[test]
fn an_answer_goes_to_the_response_topic_with_the_correlation_data() {
    let broker = Broker::start();
    let mut running = daemon(&broker, "one");
    running.line_with("connected to the broker");
    let port = broker.port.to_string();
    let ask = |topic: &str| {
        let mut command = Command::new("mosquitto_rr");
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            "mqttv5",
            "-t",
            "glimpsed/test/request/health",
            "-m",
            "{}",
        ]);
        command.args(["-e", topic, "-D", "publish", "correlation-data", "number 7", "-W", "10", "-F", "%D|%p"]);
        String::from_utf8(command.output().expect("mosquitto_rr is installed").stdout).expect("UTF-8")
    };
    let answer = ask("me/answers");
    let (correlation, payload) = answer.split_once('|').unwrap_or_else(|| panic!("{answer:?}"));
    let payload: Value = serde_json::from_str(payload).expect("JSON");
    assert_eq!((correlation, &payload["status"]), ("number 7", &"ok".into()));
}

#[test]
fn events_that_wait_when_the_daemon_stops_arrive_after_its_next_start() {
    let mut broker = Broker::start();
    let state = tempfile::tempdir().expect("a temporary directory");
    let text = format!("[labels]\nsmoothing = \"none\"\nconsecutive = 1\n[mqtt]\nurl = {:?}\n", broker.url());
    let (path, _directory) = ConfigFile::replay(10, &text).keep();
    let start = || {
        let mut command = glimpsed(&["run", "-c", &path]);
        Running::start(command.env("STATE_DIRECTORY", state.path()))
    };
    let mut daemon = start();
    daemon.line_with("connected to the broker");
    broker.kill();
    daemon.line_with("not connected to the broker");
    // A few changes of the label.
    std::thread::sleep(std::time::Duration::from_secs(2));
    daemon.signal(Signal::TERM);
    let kept: usize = daemon.find("what is kept", |line| {
        let (_, rest) = line.split_once("events=").filter(|_| line.contains("are sent after the next start"))?;
        rest.split_whitespace().next()?.parse().ok()
    });
    assert!(kept > 3, "{kept}");
    daemon.wait();
    let file = std::fs::read_dir(state.path())
        .expect("readable")
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with("unsent-events-"))
        .expect("the file");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let kept_events: Value = serde_json::from_slice(&std::fs::read(file.path()).expect("readable")).expect("JSON");
    broker.restart();
    let mut heard = broker.subscribe("glimpsed/test/event", &[]);
    let mut daemon = start();
    for event in kept_events["events"].as_array().expect("a list") {
        assert_eq!(heard.next("/event").payload, event.as_str().expect("text"));
    }
    let deadline = std::time::Instant::now() + PATIENCE;
    while file.path().exists() {
        assert!(std::time::Instant::now() < deadline, "the file stays");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    daemon.signal(Signal::TERM);
    daemon.wait();
}
