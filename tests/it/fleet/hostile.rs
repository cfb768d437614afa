//! Devices that answer nonsense or megabytes, ids that two devices share, users without rights, ten thousand devices.

use std::process::Command;
use std::time::{Duration, Instant};

use super::devices::{Answering, Manner, publish, publish_as, says, well};
use super::fleet;
use crate::support::{Broker, ran, write_secret};

#[test]
fn a_device_that_sends_nonsense_or_megabytes_is_told_and_the_others_are_seen() {
    let broker = Broker::start();
    publish(broker.port, ["a", "b"].into_iter().flat_map(well));
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(300_000));
    publish(
        broker.port,
        [
            says("large", "status", "online"),
            says("large", "info", &large),
            says("odd", "status", "\u{1b}[2Jonline"),
            says("odd", "info", "[[[[[["),
            says("odd", "health", r#"{"fps": "many", "problems": 5}"#),
            says("not an id", "status", "online"),
        ]
        .into_iter(),
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("megabytes");
    std::fs::write(&file, vec![b'x'; 3 << 20]).expect("writable");
    let port = broker.port.to_string();
    let sent = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-r", "-t", "glimpsed/huge/info", "-f", file.to_str().expect("UTF-8")])
        .status();
    assert!(sent.expect("mosquitto_pub is installed").success());
    let ran = fleet(&broker, &["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("large  `info` is not understood: it has 300012 bytes, and at most 131072 are read"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("odd    `status` is not understood: it is `\\u{1b}[2Jonline`, neither `online` nor `offline`"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("odd    `health` is not understood: invalid type"), "{ran:?}");
    assert!(ran.stdout.contains("note: 1 messages were larger than 1 MiB and were not read"), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains("not an id"), "{ran:?}");
    assert!(ran.stderr.ends_with("2 of 4 devices are not well\n"), "{ran:?}");
    let ran = fleet(&broker, &["check", "--where", "device=a|b", "--json"]);
    assert_eq!((ran.code, &ran.json()["ok"], &ran.json()["unwell"]), (1, &false.into(), &0.into()), "{ran:?}");
    assert!(ran.stderr.contains("not everything that the devices say was read"), "{ran:?}");
}

#[test]
fn an_id_that_two_devices_share_is_told_before_and_after_they_are_asked() {
    let broker = Broker::start();
    publish(broker.port, well("a").into_iter());
    publish(broker.port, std::iter::once(says("a", "info", r#"{"version": "0.1.0", "twin": "`a` on a Pi"}"#)));
    let ran = fleet(&broker, &["check"]);
    assert!(ran.code == 1 && ran.stdout.contains("a  another device has the same id: `a` on a Pi"), "{ran:?}");
    publish(broker.port, well("b").into_iter());
    let _answering = Answering::start(broker.port, &[("a", Manner::AnswersTwice), ("b", Manner::Obeys)]);
    let ran = fleet(&broker, &["request", "health", "--yes", "--at-once", "1"]);
    assert!(
        ran.stdout.contains("1 of these ids are shared by several devices, and each of those will obey"),
        "{ran:?}"
    );
    assert!(ran.code == 0 && ran.stdout.contains("note: `a` answered twice: several devices have this id"), "{ran:?}");
}

/// A broker with a user for everything, one who only reads, and one who may nothing.
fn with_access_list() -> (Broker, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    write_secret(at("password").as_ref(), "secret");
    let (passwords, list) = (at("passwords"), at("list"));
    for (number, user) in ["all", "reader", "nobody", "operator"].into_iter().enumerate() {
        let flags: &[&str] = if number == 0 { &["-c", "-b"] } else { &["-b"] };
        let made = Command::new("mosquitto_passwd").args(flags).args([&passwords, user, "secret"]).status();
        assert!(made.expect("mosquitto_passwd is installed").success());
    }
    // That of the manual is for the operator.
    let page = include_str!("../../../docs/fleet.md");
    let operator = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an access list");
    let rules = format!("user all\ntopic readwrite glimpsed/#\nuser reader\ntopic read glimpsed/#\n{operator}");
    std::fs::write(&list, rules).expect("writable");
    for file in [&passwords, &list] {
        // mosquitto drops its rights before it reads them.
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    }
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let broker = Broker::with(&format!("allow_anonymous false\npassword_file {passwords}\nacl_file {list}"));
    (broker, directory)
}

#[test]
fn a_user_without_rights_is_told_which_are_missing() {
    let (broker, directory) = with_access_list();
    publish_as(broker.port, Some(("all", "secret")), ["a", "b"].into_iter().flat_map(well));
    let password = directory.path().join("password");
    let password = password.to_str().expect("UTF-8");
    let as_user = |user: &str, arguments: &[&str]| {
        fleet(&broker, &[arguments, &["--username", user, "--password-file", password]].concat())
    };
    assert_eq!(as_user("reader", &["check"]).code, 0);
    let ran = as_user("nobody", &["check"]);
    assert!(ran.code == 1 && ran.stderr.contains("or its access list does not let `nobody` read it"), "{ran:?}");
    let ran = as_user("stranger", &["check"]);
    assert!(ran.code == 69 && ran.stderr.contains("does not allow this client"), "{ran:?}");
    let ran = as_user("reader", &["set", "threshold", "0.4", "--yes", "--wait", "5s"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for id in ["a", "b"] {
        assert!(ran.stdout.contains(&format!("{id}  the broker does not let this user ask it: ")), "{ran:?}");
    }
    assert!(ran.stderr.contains("2 of 2 devices have not done it"), "{ran:?}");
    for arguments in
        [&["set", "threshold", "0.4", "--yes", "--wait", "1s"][..], &["request", "reload", "--yes", "--wait", "1s"]]
    {
        let ran = as_user("operator", arguments);
        assert!(
            ran.code == 1 && ran.stdout.contains("a  no answer within 1 s\n"),
            "asked, and nobody is there: {ran:?}"
        );
    }
}

/// A broker whose answers nobody may read: mosquitto's access lists let everybody subscribe, its plugin does not.
fn without_answers() -> Option<(Broker, tempfile::TempDir)> {
    let found =
        ["x86_64", "aarch64"].map(|machine| format!("/usr/lib/{machine}-linux-gnu/mosquitto_dynamic_security.so"));
    let Some(plugin) = found.iter().find(|plugin| std::path::Path::new(plugin).is_file()) else {
        eprintln!("SKIPPED: mosquitto's plugin for dynamic security is not here, so this test proved nothing");
        return None;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("security.json");
    let rules = serde_json::json!({
        "defaultACLAccess": { "publishClientSend": true, "publishClientReceive": true, "subscribe": true, "unsubscribe": true },
        "clients": [], "groups": [{ "groupname": "all", "roles": [{ "rolename": "all" }], "clients": [] }], "anonymousGroup": "all",
        "roles": [{ "rolename": "all", "acls": [
            { "acltype": "subscribePattern", "topic": "glimpsed/+/response/#", "priority": 0, "allow": false }
        ] }],
    });
    std::fs::write(&file, rules.to_string()).expect("writable");
    for (path, mode) in [(directory.path(), 0o777), (&file, 0o666)] {
        // mosquitto drops its rights before it reads them.
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("ours");
    }
    let lines = format!("allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {}", file.display());
    Some((Broker::with(&lines), directory))
}

#[test]
fn an_answer_that_may_not_be_read_is_told_at_once_and_not_waited_for() {
    let Some((broker, _directory)) = without_answers() else { return };
    publish(broker.port, ["a", "b"].into_iter().flat_map(well));
    let begun = Instant::now();
    let ran = fleet(&broker, &["request", "reload", "--yes", "--wait", "60s", "--json"]);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let told = ran.json();
    for id in ["a", "b"] {
        let (outcome, error) = (&told["devices"][id]["outcome"], told["devices"][id]["error"].as_str());
        let said = "was asked, and the broker does not let this user read the answer: ";
        assert!(outcome == "unreadable" && error.is_some_and(|error| error.starts_with(said)), "{ran:?}");
    }
    assert!(ran.code == 1 && ran.stderr.contains("2 of 2 devices have not done it"), "{ran:?}");
}

#[test]
fn more_devices_than_are_looked_at_are_told_and_none_of_them_is_asked() {
    let broker = Broker::with("allow_anonymous true\nmax_queued_messages 0");
    publish(broker.port, (0..20_100).map(|number| says(&format!("d{number}"), "status", "online")));
    let ran = fleet(&broker, &["check", "--patience", "5s"]);
    let said = "note: there are more than 20000 devices; the others were not looked at";
    assert!(ran.code == 1 && ran.stdout.contains(said), "{} {}", ran.code, ran.stderr);
    let ran = fleet(&broker, &["request", "reload", "--yes", "--patience", "5s"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("so none is asked") && ran.stderr.contains("more than 20000"),
        "{}",
        ran.stderr
    );
}

#[test]
fn ten_thousand_devices_some_of_which_share_an_id_are_seen_in_bounded_memory_and_time() {
    const DEVICES: usize = 10_000;
    // As it is installed: it queues a thousand messages for a client.
    let broker = Broker::start();
    publish(broker.port, (0..DEVICES).flat_map(|number| well(&format!("device-{number}"))));
    let twins = (0..50).map(|number| {
        says(
            &format!("device-{number}"),
            "info",
            r#"{"version": "0.1.0", "config_hash": "0123456789abcdef", "twin": "another"}"#,
        )
    });
    publish(broker.port, twins);
    let begun = Instant::now();
    let mut command = Command::new("sh");
    let (program, url) = (env!("CARGO_BIN_EXE_glimpsed"), broker.url());
    // Address space, of which half is what the program reserves and does not use.
    command.args([
        "-c",
        &format!("ulimit -v 400000; exec {program} fleet check --json --unlabelled 24h --broker {url} --patience 150s"),
    ]);
    let ran = ran(&mut command);
    let took = begun.elapsed();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let told = ran.json();
    assert_eq!((&told["devices"], &told["unwell"]), (&DEVICES.into(), &50.into()), "{:?}", told["notes"]);
    assert!(took < Duration::from_secs(180), "{took:?}");
}
