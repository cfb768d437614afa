//! `glimpsed mqtt test` and `glimpsed mqtt clean`.

use super::{Device, settings};
use crate::support::{Broker, ConfigFile, Ran, free_port, run};

fn config(url: &str, rest: &str) -> ConfigFile {
    ConfigFile::new(&format!("[device]\nid = \"test\"\n[mqtt]\nurl = {url:?}\n{rest}"))
}

fn tested(url: &str, rest: &str) -> Ran {
    run(&["mqtt", "test", "-c", &config(url, rest).path()])
}

#[test]
fn a_broker_that_allows_everything_is_seen_step_by_step() {
    let broker = Broker::start();
    for version in ["5", "3.1.1"] {
        let config = config(&broker.url(), &format!("version = \"{version}\"\n"));
        let ran = run(&["mqtt", "test", "--json", "-c", &config.path()]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let report = ran.json();
        let steps: Vec<&str> =
            report["steps"].as_array().expect("steps").iter().filter_map(|step| step["step"].as_str()).collect();
        assert_eq!(
            steps,
            ["address", "tcp", "session", "limits", "commands", "messages", "retain", "discovery", "size"]
        );
        assert_eq!((&report["ok"], &report["reachable"]), (&true.into(), &true.into()));
    }
}

#[test]
fn what_keeps_a_session_from_beginning_is_exit_code_69_with_a_hint() {
    let ran = tested(&format!("mqtt://127.0.0.1:{}", free_port()), "");
    assert!(ran.code == 69 && ran.stdout.contains("is the broker running, and is this its port?"), "{ran:?}");
    let ran = tested("mqtt://no-such-host.invalid", "");
    assert!(ran.code == 69 && ran.stdout.contains("is it spelled right"), "{ran:?}");
    let broker = Broker::with("allow_anonymous false");
    let ran = tested(&broker.url(), "");
    assert!(ran.code == 69 && ran.stdout.contains("check `username`, `password_file`"), "{ran:?}");
}

#[test]
fn topics_that_may_not_be_written_or_read_are_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let acl = directory.path().join("acl");
    std::fs::write(&acl, "topic deny glimpsed/test/camera/status\ntopic readwrite #\n").expect("writable");
    std::fs::set_permissions(&acl, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let broker = Broker::with(&format!("allow_anonymous true\nacl_file {}", acl.display()));
    for version in ["5", "3.1.1"] {
        let ran = tested(&broker.url(), &format!("version = \"{version}\"\n"));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains("none came back on glimpsed/test/camera/status; does the broker's ACL"), "{ran:?}");
    }
}

#[test]
fn clean_removes_what_the_device_left_and_nothing_else() {
    let broker = Broker::start();
    Device::start(settings(&broker.url(), "")).idle();
    let publish = |topic: &str| {
        let port = broker.port.to_string();
        let mut command = std::process::Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-r", "-q", "1", "-t", topic, "-m", "x"]);
        assert!(command.status().expect("installed").success());
    };
    for number in 0..40 {
        publish(&format!("glimpsed/test/old{number}/state"));
    }
    publish("homeassistant/device/test/config");
    publish("glimpsed/tester/state");
    let config = config(&broker.url(), "");
    let clean = |flags: &[&str]| run(&[&["mqtt", "clean", "-c", &config.path()], flags].concat());

    // The device was dropped without a goodbye: it may still say that it is online.
    let dry = clean(&["--dry-run", "--json"]).json();
    let topics = dry["topics"].as_array().expect("a list").len();
    assert_eq!((topics, &dry["removed"]), (42, &false.into()), "{dry}");
    let ran = clean(&["--force"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("homeassistant/device/test/config") && ran.stdout.contains("42 retained"), "{ran:?}");
    assert!(clean(&[]).stdout.contains("keeps nothing of `test`"));
    let mut left = broker.subscribe("glimpsed/#", &[]);
    assert_eq!(left.next("/state").topic, "glimpsed/tester/state");
}

#[test]
fn clean_spares_a_device_that_is_online() {
    let broker = Broker::start();
    let device = Device::start(settings(&broker.url(), ""));
    device.idle();
    let ran = run(&["mqtt", "clean", "-c", &config(&broker.url(), "").path()]);
    assert!(ran.code == 1 && ran.stderr.contains("stop the daemon first"), "{ran:?}");
    assert_eq!(device.counters().connects, 1, "a client id of its own throws nobody out");
}
