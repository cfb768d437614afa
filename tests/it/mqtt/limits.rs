//! Brokers that can do less: no QoS 1, nothing retained, small packets, narrow access lists.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use glimpsed_core::sinks::mqtt::Topics;
use glimpsed_core::sinks::mqtt::table::{Writes, table};

use super::{Device, settings};
use crate::support::{Broker, ConfigFile, PATIENCE, Ran, run};

/// A user `shelf` whose rights are these lines, and one who may do everything.
fn broker_with(acl: &str) -> (Broker, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("ours");
    let file = directory.path().join("acl");
    std::fs::write(&file, format!("{acl}\nuser all\ntopic readwrite #\n")).expect("writable");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("ours");
    (Broker::with(&format!("allow_anonymous true\nacl_file {}", file.display())), directory)
}

fn config(broker: &Broker, rest: &str) -> ConfigFile {
    let url = broker.url();
    ConfigFile::replay(5, &format!("[mqtt]\nurl = {url:?}\nusername = \"shelf\"\n{rest}"))
}

fn tested(config: &ConfigFile) -> Ran {
    run(&["mqtt", "test", "-c", &config.path()])
}

/// What the documentation says a device's user needs, for the device `test`.
fn documented() -> String {
    let page = std::fs::read_to_string(crate::support::root().join("docs/mqtt.md")).expect("the page");
    let block = page.split("```text\n").find(|block| block.starts_with("user shelf\n")).expect("the access list");
    let (device, _) = block.split_once("\n\nuser homeassistant").expect("two users");
    device.replace("shelf/", "test/")
}

const VERSIONS: [&str; 2] = ["version = \"5\"\n", "version = \"3.1.1\"\n"];

#[test]
fn the_documented_access_list_is_enough_for_the_daemon_the_test_and_the_cleaning() {
    let (broker, _directory) = broker_with(&documented());
    for version in VERSIONS {
        let file = config(&broker, version);
        let path = file.path();
        let mut daemon = file.daemon();
        let all = ["-u", "all"];
        broker.subscribe("#", &all).next("/test/state");
        let ran = run(&["mqtt", "test", "-c", &path]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let ran = run(&["mqtt", "clean", "-c", &path]);
        assert!(ran.code == 1 && ran.stderr.contains("stop the daemon first"), "{ran:?}");
        daemon.signal(rustix::process::Signal::TERM);
        let log = daemon.rest().join("\n");
        assert!(!log.contains("refused"), "{log}");
        let ran = run(&["mqtt", "clean", "-c", &path]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.stdout.contains("homeassistant/device/test/config") && ran.stdout.contains("are removed"),
            "{ran:?}"
        );
        let mut left = broker.subscribe("#", &all);
        left.find("only what the subscriber sent", |message| (message.topic == "ready").then_some(()));
    }
}

#[test]
fn discovery_that_is_denied_is_found_and_nothing_is_said_to_be_removed_that_stays() {
    let acl = "user shelf\ntopic write glimpsed/test/#\ntopic read glimpsed/test/#";
    let (broker, _directory) = broker_with(acl);
    for version in VERSIONS {
        let ran = tested(&config(&broker, version));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stdout.contains("FAILED  discovery") && ran.stdout.contains("homeassistant/device/test/config"),
            "{ran:?}"
        );
    }
    // Without Home Assistant there is nothing to deny.
    let ran = tested(&config(&broker, "[homeassistant]\nenabled = false\n"));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_user_who_may_only_write_is_told_that_nobody_can_see_what_is_there() {
    let acl = "user shelf\ntopic write glimpsed/test/#\ntopic write homeassistant/device/test/config";
    let (broker, _directory) = broker_with(acl);
    for version in VERSIONS {
        let file = config(&broker, version);
        let path = file.path();
        let mut daemon = file.daemon();
        broker.subscribe("#", &["-u", "all"]).next("/test/state");
        daemon.signal(rustix::process::Signal::TERM);
        daemon.rest();
        let ran = run(&["mqtt", "clean", "-c", &path]);
        assert!(ran.code == 0 && ran.stdout.contains("may not read what `test` wrote"), "{ran:?}");
        let mut everything = broker.subscribe("#", &["-u", "all"]);
        everything.find("only what the subscriber sent", |message| {
            assert!(message.topic == "ready", "{message:?} is left after {ran:?}");
            Some(())
        });
    }
}

#[test]
fn a_broker_that_retains_nothing_gets_everything_else_and_the_test_says_so() {
    let broker = Broker::with("allow_anonymous true\nretain_available false");
    let mut heard = broker_heard(&broker);
    let device = Device::start(settings(&broker.url(), ""));
    device.events(0..10);
    assert_eq!(device.idle().published.event, 10);
    assert_eq!(heard.next("/status").payload, "online");
    let ran = tested(&config(&broker, ""));
    assert!(ran.code == 1 && ran.stdout.contains("retain_available false"), "{ran:?}");
}

/// A subscriber to a broker that retains nothing, which cannot say when it is subscribed.
fn broker_heard(broker: &Broker) -> crate::support::Subscriber {
    let subscriber = broker.listen("glimpsed/#");
    std::thread::sleep(std::time::Duration::from_millis(500));
    subscriber
}

#[test]
fn a_broker_with_qos_0_only_gets_everything_and_the_test_says_so() {
    let broker = Broker::with("allow_anonymous true\nmax_qos 0");
    let device = Device::start(settings(&broker.url(), ""));
    device.events(0..10);
    let counters = device.idle();
    assert_eq!((counters.published.event, counters.connects, counters.failures), (10, 1, 0), "{counters:?}");
    assert_eq!(broker.retained_payload("glimpsed/test/status"), "online");
    let ran = tested(&config(&broker, ""));
    assert!(ran.code == 1 && ran.stdout.contains("QoS 0 only"), "{ran:?}");
}

#[test]
fn a_broker_that_takes_less_and_was_not_to_be_asked_is_told_from_one_that_expects_tls() {
    for limit in ["max_qos 0", "retain_available false"] {
        let broker = Broker::with(&format!("allow_anonymous true\n{limit}"));
        let file = config(&broker, VERSIONS[1]);
        let path = file.path();
        let cause = "the broker closes the connection when the last will has QoS 1 and is retained";
        let ran = tested(&file);
        assert!(ran.code == 69 && ran.stdout.contains(cause) && !ran.stdout.contains("TLS"), "{limit}: {ran:?}");
        let mut daemon = file.daemon();
        let line = daemon.line_with("not connected to the broker");
        assert!(line.contains(cause) && !line.contains("TLS"), "{limit}: {line}");
        // What the line advises.
        let text = std::fs::read_to_string(&path).expect("the file").replace(VERSIONS[1], "");
        std::fs::write(&path, text).expect("writable");
        daemon.line_with("connected to the broker broker=");
    }
}

#[test]
fn what_is_too_large_for_the_broker_is_named_and_left_out() {
    let broker = Broker::with("allow_anonymous true\nmax_packet_size 3000");
    let ran = tested(&config(&broker, ""));
    assert!(ran.code == 1 && ran.stdout.contains("packets of at most 3000 bytes"), "{ran:?}");
    for version in ["", VERSIONS[1]] {
        let mut daemon = config(&broker, version).daemon();
        let line = daemon.find("the message by name", |line| {
            let found = line.contains("larger than the broker takes") || line.contains("ends session after session");
            found.then(|| line.to_owned())
        });
        assert!(line.contains("topic=") && line.contains("bytes="), "{line}");
        assert!(broker.retained_or_live("glimpsed/test/state", PATIENCE).is_some());
    }
}

#[test]
fn everything_that_is_published_is_in_the_table_with_its_qos_and_retained_as_it_says() {
    let broker = Broker::start();
    let mut heard = broker.subscribe("#", &[]);
    let rest = format!("[mqtt]\nurl = {:?}\n[privacy]\npublish_image = true\n", broker.url());
    let _daemon = ConfigFile::replay(10, &rest).daemon();
    let topics = Topics::new("glimpsed", "test", &Default::default());
    let rows = table(&topics, "test", Some("homeassistant"));
    let row = |topic: &str| rows.iter().find(|row| row.topic == topic).and_then(|row| row.writes);
    let mut seen = BTreeSet::new();
    heard.find("many topics", |message| {
        if message.topic != "ready" {
            let writes = row(&message.topic).unwrap_or_else(|| panic!("{message:?} is in no row"));
            assert_eq!(message.qos == 0, writes == Writes::Live, "{message:?}");
            seen.insert(message.topic);
        }
        (seen.contains(&topics.cameras[0].image)
            && seen.contains(&topics.health)
            && seen.contains(&topics.views[0].event))
        .then_some(())
    });
    let kept: BTreeSet<String> = broker.retained("#").into_iter().filter(|topic| topic != "ready").collect();
    assert!(kept.contains("homeassistant/device/test/config") && kept.contains("glimpsed/test/status"), "{kept:?}");
    for topic in kept {
        assert_eq!(row(&topic), Some(Writes::Retained), "{topic}");
    }
}

#[test]
fn a_limit_of_the_size_that_the_broker_does_not_say_is_found() {
    for (limit, version) in [("message_size_limit 3000", VERSIONS[0]), ("max_packet_size 3000", VERSIONS[1])] {
        let broker = Broker::with(&format!("allow_anonymous true\n{limit}"));
        let ran = tested(&config(&broker, version));
        assert!(ran.code == 1 && ran.stdout.contains("FAILED  size"), "{limit}: {ran:?}");
        assert!(ran.stdout.contains("has the broker a limit, as `max_packet_size`"), "{limit}: {ran:?}");
    }
    let broker = Broker::with("allow_anonymous true\nmessage_size_limit 3000");
    let mut daemon = config(&broker, "").daemon();
    let line = daemon.line_with("the broker refused a message");
    assert!(line.contains("packet too large") && line.contains("a limit for the size"), "{line}");
}

#[test]
fn with_qos_0_only_everything_is_removed_all_the_same() {
    let broker = Broker::with("allow_anonymous true\nmax_qos 0");
    let file = config(&broker, "");
    let path = file.path();
    let mut daemon = file.daemon();
    broker.retained_json("glimpsed/test/state", |_| true);
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait();
    let ran = run(&["mqtt", "clean", "-c", &path]);
    assert!(ran.code == 0 && ran.stdout.contains("are removed"), "{ran:?}");
    assert_eq!(broker.retained("#"), Vec::<String>::new());
}

#[test]
fn who_may_not_read_is_told_so_in_one_sentence() {
    let (broker, _directory) = broker_with("user shelf\ntopic write #\n");
    let ran = tested(&config(&broker, ""));
    assert!(ran.code == 1 && ran.stdout.contains("let this user read and write them?"), "{ran:?}");
    assert!(!ran.stdout.contains("/camera/status"), "not one by one: {ran:?}");
}
