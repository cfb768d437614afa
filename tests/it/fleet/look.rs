//! What all devices say: `fleet top` and `fleet check`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::devices::{publish, says, well};
use super::fleet;
use crate::support::{Broker, ConfigFile, PATIENCE, Running, free_port, glimpsed, run};

#[test]
fn devices_that_are_well_are_told_with_exit_code_0_and_others_each_with_the_reason_and_1() {
    let broker = Broker::start();
    publish(broker.port, ["gate-2", "gate-10", "hall"].into_iter().flat_map(well));
    let ran = fleet(&broker, &["check"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "3 devices, all well\n"), "{ran:?}");
    publish(
        broker.port,
        [
            says("gate-2", "status", "offline"),
            says("gate-10", "health", r#"{"temperature_c": 84.5, "uptime_s": 5, "problems": ["it is unplugged"]}"#),
            says("hall", "state", r#"{"status": "stale", "ts": "2026-01-01T00:00:00Z"}"#),
            says("new", "info", r#"{"version": "0.2.0", "config_hash": "ffffffffffffffff"}"#),
        ]
        .into_iter(),
    );
    let ran = fleet(&broker, &["check", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = ran.json();
    let kinds: Vec<(&str, &str)> = (told["findings"].as_array().expect("a list").iter())
        .map(|finding| (finding["device"].as_str().expect("an id"), finding["kind"].as_str().expect("a word")))
        .collect();
    let expected = [
        ("gate-2", "offline"),
        ("gate-10", "too_warm"),
        ("gate-10", "problem"),
        ("hall", "no_labels"),
        ("new", "missing"),
        ("new", "other_version"),
        ("new", "other_configuration"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!((&told["unwell"], &told["devices"], &told["ok"]), (&4.into(), &4.into(), &false.into()));
    let ran = fleet(&broker, &["check", "--where", "device=hall", "--unlabelled", "87600h"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = fleet(&broker, &["check", "--where", "online & device=gate-*", "--warm", "90"]);
    assert_eq!(ran.stdout, "gate-10  it is unplugged\n", "{ran:?}");
    let ran = fleet(
        &broker,
        &["check", "--where", "device=hall", "--version", "0.2.0", "--config-hash", "any", "--unlabelled", "87600h"],
    );
    assert!(
        ran.stdout == "hall  version 0.1.0, not 0.2.0\n" && ran.stderr == "error: 1 of 1 devices are not well\n",
        "{ran:?}"
    );
}

#[test]
fn devices_of_a_list_are_missed_if_nothing_is_heard_of_them() {
    let broker = Broker::start();
    publish(broker.port, well("a").into_iter());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let list = directory.path().join("ids");
    std::fs::write(&list, "# the hall\na\n\nb\n").expect("writable");
    let list = list.to_str().expect("UTF-8");
    let ran = fleet(&broker, &["check", "--devices", list]);
    assert!(ran.code == 1 && ran.stdout == "b  nothing was ever heard of it\n", "{ran:?}");
    std::fs::write(list, "a\nb/#\n").expect("writable");
    let ran = fleet(&broker, &["check", "--devices", list]);
    assert!(ran.code == 1 && ran.stderr.contains("line 2: `b/#` is no device id"), "{ran:?}");
}

#[test]
fn mistakes_and_a_broker_that_is_not_there_have_the_exit_codes_of_the_other_commands() {
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let ran = run(&["fleet", "check", "--broker", &url]);
    assert!(ran.code == 69 && ran.stderr.contains("connection refused"), "{ran:?}");
    let ran = run(&["fleet", "check"]);
    assert!(ran.code == 1 && ran.stderr.contains("no broker is named; use `--broker mqtt://HOST`"), "{ran:?}");
    let ran = run(&["fleet", "check", "--broker", "nonsense://x"]);
    assert!(ran.code == 78 && ran.stderr.contains("is not the address of a broker"), "{ran:?}");
    let ran = run(&["fleet", "check", "--broker", &url, "--where", "temprature>3"]);
    assert!(ran.code == 64 && ran.stderr.contains("did you mean `temperature`?"), "{ran:?}");
    let broker = Broker::start();
    let ran = fleet(&broker, &["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("has told nothing below `glimpsed/+`"), "{ran:?}");
}

#[test]
fn the_table_is_printed_once_where_no_terminal_is_in_the_order_of_a_column_and_as_json() {
    let broker = Broker::start();
    publish(broker.port, ["gate-10", "gate-2"].into_iter().flat_map(well));
    let ran = fleet(&broker, &["top"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(ran.code == 0 && lines[0].starts_with("device   status  since"), "{ran:?}");
    assert!(lines[1].starts_with("gate-2   online  1h 0m  0.1.0    efficientnet-lite0  tabby  5.0  51.5"), "{ran:?}");
    let ran = fleet(&broker, &["top", "--once", "--sort", "device", "--descending", "--json"]);
    let told = ran.json();
    assert_eq!((&told["devices"][0]["device"], &told["devices"][0]["labels"][0]), (&"gate-10".into(), &"tabby".into()));
    let url = broker.url();
    let mut following = Running::start(&mut glimpsed(&["fleet", "top", "--broker", &url, "--json", "--follow"]));
    following.line_with("gate-2");
    publish(broker.port, std::iter::once(says("gate-2", "state", r#"{"status": "known", "label": "lynx"}"#)));
    let line: Value = serde_json::from_str(&following.line_with("lynx")).expect("JSON in a line");
    assert!(line["device"] == "gate-2" && line["ts"].is_string(), "{line}");
}

#[test]
fn the_daemon_is_seen_with_all_that_it_says_and_two_of_one_configuration_have_one_hash() {
    let broker = Broker::start();
    let daemon = |id: &str, client: &str, rest: &str| {
        let mut command = glimpsed(&["run", "-c"]);
        let file = ConfigFile::replay(5, &format!("[mqtt]\nurl = {:?}\n{rest}", broker.url()));
        command.arg(file.path()).env("GLIMPSED_DEVICE_ID", id).env("GLIMPSED_MQTT_CLIENT_ID", client);
        (Running::start(&mut command), file)
    };
    let running = [daemon("a", "one", ""), daemon("b", "two", ""), daemon("c", "three", "[labels]\nhold = \"2s\"\n")];
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        let told = fleet(&broker, &["top", "--json"]);
        let is_whole = told.code == 0 && {
            let devices = told.json()["devices"].as_array().cloned().unwrap_or_default();
            devices.len() == 3
                && devices.iter().all(|device| !device["labels"][0].is_null() && !device["fps"].is_null())
        };
        if is_whole {
            break told.json();
        }
        assert!(Instant::now() < deadline, "{told:?}");
    };
    let hash = |at: usize| told["devices"][at]["config_hash"].as_str().expect("a hash").to_owned();
    assert_eq!((hash(0) == hash(1), hash(0) == hash(2), hash(0).len()), (true, false, 16), "{told}");
    let ran = fleet(&broker, &["check"]);
    assert!(ran.code == 1 && ran.stdout.contains("c  configuration ") && !ran.stdout.contains("a  "), "{ran:?}");
    drop(running);
}

#[test]
fn the_live_table_is_drawn_in_a_terminal_and_a_key_ends_it() {
    let broker = Broker::start();
    publish(broker.port, well("gate-1").into_iter());
    let url = broker.url();
    let program = env!("CARGO_BIN_EXE_glimpsed");
    // `script` has a terminal for it.
    let mut command = Command::new("script");
    command.args(["-qec", &format!("stty rows 20 cols 120; {program} fleet top --broker {url}"), "/dev/null"]);
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("`script` is installed (Debian package bsdutils)");
    let mut keys = child.stdin.take().expect("piped");
    let mut out = child.stdout.take().expect("piped");
    let (sender, drawn) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = out.read(&mut part) {
            let _ = sender.send(part[..count].to_vec());
        }
    });
    let (mut output, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    let has = |output: &[u8], text: &str| String::from_utf8_lossy(output).contains(text);
    // What is typed before it has the terminal is lost.
    while !has(&output, "\u{1b}[?1049h") || !has(&output, "gate-1") {
        let left = deadline.saturating_duration_since(Instant::now());
        output.extend(drawn.recv_timeout(left).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output))));
    }
    keys.write_all(b"/gate\rq").expect("it reads");
    while child.try_wait().expect("a child").is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.join().expect("it ends with the terminal");
    output.extend(drawn.iter().flatten());
    let text = String::from_utf8_lossy(&output);
    assert!(child.wait().expect("a child").success(), "{text}");
    assert!(text.contains("\u{1b}[?1049h") && text.contains("gate-1") && text.contains("\u{1b}[?1049l"), "{text}");
}
