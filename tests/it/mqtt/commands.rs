//! What arrives at the device.

use std::process::{Command, Stdio};
use std::time::Duration;

use glimpsed_mqtt::Delivery;

use super::{Device, memory, settings};
use crate::support::{Broker, ConfigFile, Running};

fn publish(broker: &Broker, arguments: &[&str]) -> Command {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &broker.port.to_string()]).args(arguments);
    command
}

#[test]
fn a_command_arrives_and_a_retained_one_says_that_it_is_old() {
    for version in ["5", "3.1.1"] {
        let broker = Broker::start();
        let old = publish(&broker, &["-r", "-q", "1", "-t", "glimpsed/test/enabled/set", "-m", "OFF"]).status();
        assert!(old.expect("installed").success());
        let mut device = Device::start(settings(&broker.url(), &format!("version = \"{version}\"\n")));
        device.until("told", |counters| counters.received == 1);
        let new = publish(&broker, &["-q", "1", "-t", "glimpsed/test/request/reload", "-m", "{}"]).status();
        assert!(new.expect("installed").success());
        let commands = [device.commands.blocking_recv(), device.commands.blocking_recv()];
        let seen = commands.map(|command| {
            let command = command.expect("running");
            (command.topic, String::from_utf8(command.payload).expect("text"), command.retained)
        });
        assert_eq!(seen[0], ("glimpsed/test/enabled/set".into(), "OFF".into(), true));
        assert_eq!(seen[1], ("glimpsed/test/request/reload".into(), "{}".into(), false));
    }
}

#[test]
fn a_flood_of_commands_is_cut_off_counted_and_stops_nothing_else() {
    let broker = Broker::with("allow_anonymous true\nmax_queued_messages 0");
    let mut subscriber = broker.subscribe("glimpsed/test/event", &[]);
    let device = Device::start(settings(&broker.url(), ""));
    device.idle();
    let before = memory();
    let mut flood = publish(&broker, &["-q", "1", "-t", "glimpsed/test/enabled/set", "-l"]);
    let mut flood = flood.stdin(Stdio::piped()).spawn().expect("installed");
    std::io::Write::write_all(&mut flood.stdin.take().expect("piped"), "ON\n".repeat(10_000).as_bytes()).expect("read");
    device.push("event", "in the middle", Delivery::Event);
    assert_eq!(subscriber.next("/event").payload, "in the middle");
    let counters = device.until("over", |counters| counters.received + counters.refused == 10_000);
    assert!(flood.wait().expect("ends").success());
    assert_eq!((counters.received, counters.refused, counters.connects), (64, 9_936, 1));
    let grown = memory().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} KiB");
}

#[test]
fn a_payload_of_two_megabytes_is_refused_without_losing_the_session() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("large");
    std::fs::write(&file, vec![b'x'; 2 << 20]).expect("writable");
    for version in ["5", "3.1.1"] {
        let broker = Broker::start();
        let device = Device::start(settings(&broker.url(), &format!("version = \"{version}\"\n")));
        device.idle();
        let file = file.to_str().expect("UTF-8");
        for arguments in [
            ["-q", "1", "-t", "glimpsed/test/model/set", "-f", file],
            ["-q", "0", "-t", "glimpsed/test/x/set", "-f", file],
        ] {
            assert!(publish(&broker, &arguments).status().expect("installed").success());
        }
        assert!(
            publish(&broker, &["-q", "1", "-t", "glimpsed/test/model/set", "-m", "small"])
                .status()
                .expect("installed")
                .success()
        );
        let counters = device.until("told", |counters| counters.received == 1);
        assert_eq!(counters.refused, 2);
        assert_eq!((counters.connects, counters.failures), (1, 0), "{counters:?}");
    }
}

#[test]
fn a_topic_that_the_acl_denies_is_counted_and_the_others_go_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let acl = directory.path().join("acl");
    std::fs::write(&acl, "topic deny glimpsed/test/event\ntopic deny glimpsed/test/request/+\ntopic readwrite #\n")
        .expect("writable");
    std::fs::set_permissions(&acl, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let broker = Broker::with(&format!("allow_anonymous true\nacl_file {}", acl.display()));
    let device = Device::start(settings(&broker.url(), ""));
    device.events(0..3);
    device.push("state", "cat", Delivery::Latest);
    let counters = device.until("all", |counters| counters.connected && counters.waiting == 0);
    assert_eq!((counters.dropped.event, counters.published.event, counters.published.latest), (3, 0, 2));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(device.counters().connects, 1, "a refused subscription does not end the session");
}

/// mosquitto before 2.1 does not say why it closes, even with MQTT 5; so three short sessions in a row have to tell.
#[test]
fn a_second_client_with_the_same_id_is_named() {
    let broker = Broker::start();
    let rest = format!("[mqtt]\nurl = {:?}\nclient_id = \"twin\"\n", broker.url());
    let mut daemon = ConfigFile::replay(5, &rest).daemon();
    daemon.line_with("connected to the broker");
    let mut twin = Command::new("mosquitto_sub");
    twin.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-i", "twin", "-t", "nothing"]);
    let _twin = Running::start(&mut twin);
    let warning = daemon.line_with("another client seems to use the same client id");
    assert!(warning.contains("client_id=\"twin\"") && warning.contains("give each its own"), "{warning}");
}
