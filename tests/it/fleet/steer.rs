//! What is asked of devices: `fleet set` and `fleet request`.

use std::time::{Duration, Instant};

use super::devices::{Answering, Manner, publish, says, well};
use super::fleet;
use crate::support::{Broker, ConfigFile, PATIENCE, Running, glimpsed};

#[test]
fn each_device_is_asked_and_those_that_did_not_do_it_are_told_with_the_reason() {
    let broker = Broker::start();
    publish(broker.port, ["a", "b", "c", "d"].into_iter().flat_map(well));
    publish(broker.port, std::iter::once(says("d", "status", "offline")));
    let answering = Answering::start(
        broker.port,
        &[("a", Manner::Obeys), ("b", Manner::Refuses), ("c", Manner::Silent), ("d", Manner::Obeys)],
    );
    let ran = fleet(&broker, &["set", "threshold", "0.40", "--yes", "--wait", "4s"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let (question, report) = ran.stdout.split_once("set threshold to `0.40`: 3 devices\n").expect("the question");
    assert!(question.contains("1 of them are not online and will not be asked"), "{ran:?}");
    assert_eq!(
        report,
        "b  refused: it stays `0.3`; the device's log says why\nc  no answer within 4 s\nd  offline, not asked\n1 of 4 devices have done it\n"
    );
    assert_eq!((answering.asked(), ran.stderr.as_str()), (3, "error: 3 of 4 devices have not done it\n"));
    let ran = fleet(&broker, &["request", "reload", "--yes", "--wait", "3s", "--where", "device=a|b", "--json"]);
    let told = ran.json();
    assert_eq!(
        (ran.code, &told["devices"]["a"]["outcome"], &told["devices"]["a"]["data"]["id"]),
        (1, &"done".into(), &"a".into())
    );
    assert_eq!(told["devices"]["b"]["error"], "refused: there is \\u{1b}[2J no model");
}

#[test]
fn nobody_is_asked_without_a_yes_and_a_value_that_no_device_takes_is_refused_at_once() {
    let broker = Broker::start();
    publish(broker.port, well("a").into_iter());
    let answering = Answering::start(broker.port, &[("a", Manner::Obeys)]);
    let ran = fleet(&broker, &["set", "threshold", "0.4"]);
    assert!(ran.code == 1 && ran.stderr.contains("standard input is no terminal; `--yes` goes on without"), "{ran:?}");
    for (arguments, cause) in [
        (
            &["set", "threshold", "2", "--yes"][..],
            "`threshold` cannot be set: the value is \"2\", not a number from 0 to 1",
        ),
        (&["set", "colour", "red", "--yes"], "there is no setting `colour`"),
        (&["request", "snapshot", "--yes"], "there is no request `snapshot`"),
        (&["request", "reload", "--yes", "--where", "device=z"], "none of 1 devices is meant"),
        (&["request", "reload", "--yes", "--patience", "100ms"], "not all devices are known, so none is asked: not"),
        (
            &["targets", "--address", "{device}:{port}", "--patience", "100ms"],
            "not all devices had said where they are, so no targets are written",
        ),
        (&["check", "--where", "device=z"], "none of 1 devices is meant: `--where` is true of none"),
    ] {
        let ran = fleet(&broker, arguments);
        assert!(ran.code == 1 && ran.stderr.contains(cause), "{ran:?}");
    }
    assert_eq!(answering.asked(), 0);
}

#[test]
fn when_the_broker_goes_away_in_the_middle_every_device_is_told_once() {
    const DEVICES: [&str; 5] = ["a", "b", "c", "d", "e"];
    let mut broker = Broker::start();
    publish(broker.port, DEVICES.into_iter().flat_map(well));
    let answering =
        Answering::start(broker.port, &[("a", Manner::Obeys), ("b", Manner::Silent), ("c", Manner::Silent)]);
    let url = broker.url();
    let arguments =
        ["fleet", "set", "threshold", "0.4", "--yes", "--json", "--at-once", "2", "--wait", "25s", "--broker", &url];
    let mut running = Running::start(&mut glimpsed(&arguments));
    let deadline = Instant::now() + PATIENCE;
    while answering.asked() < 3 {
        assert!(Instant::now() < deadline, "{} were asked", answering.asked());
        std::thread::sleep(Duration::from_millis(10));
    }
    // The third is asked when the answer of the first has arrived.
    broker.kill();
    let code = running.wait().code();
    let text = running.rest().join("\n");
    assert_eq!(code, Some(69), "{text}");
    // Both streams are in it, in either order.
    let (error, json): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("error: "));
    let (error, json) = (error.concat(), json.join("\n"));
    let told: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|cause| panic!("{cause}: {text}"));
    let outcomes = DEVICES.map(|id| told["devices"][id]["outcome"].as_str().expect("an outcome").to_owned());
    assert_eq!(outcomes, ["done", "unknown", "unknown", "not_asked", "not_asked"], "{text}");
    assert!(told["lost"].is_string() && error.contains("of 5 devices 4 have not answered"), "{text}");
}

#[test]
fn the_daemon_does_what_it_is_asked_and_its_answer_is_waited_for() {
    let broker = Broker::start();
    let mut daemon = ConfigFile::replay(5, &format!("[mqtt]\nurl = {:?}\n", broker.url())).daemon();
    daemon.line_with("connected to the broker");
    broker.retained_json("glimpsed/test/info", |info| info["version"].is_string());
    let ran = fleet(&broker, &["set", "threshold", "0.45", "--yes"]);
    assert!(ran.code == 0 && ran.stdout.ends_with("1 of 1 devices have done it\n"), "{ran:?}");
    assert_eq!(broker.retained_payload("glimpsed/test/threshold/state"), "0.45");
    let ran = fleet(&broker, &["set", "model", "no-such-model", "--yes"]);
    assert!(ran.code == 1 && ran.stdout.contains("test  refused: it stays `efficientnet-lite0`"), "{ran:?}");
    let ran = fleet(&broker, &["request", "health", "--yes", "--json"]);
    assert!(ran.code == 0 && ran.json()["devices"]["test"]["data"]["uptime_s"].is_u64(), "{ran:?}");
    let ran = fleet(&broker, &["request", "restart", "--yes"]);
    assert!(ran.code == 0, "{ran:?}");
    daemon.line_with("connected to the broker");
}

#[test]
fn the_reports_of_all_devices_become_one_with_a_page_and_those_that_gave_none_are_told() {
    let broker = Broker::start();
    publish(broker.port, ["a1", "a2", "b1", "c1", "c2"].into_iter().flat_map(well));
    let _answering = Answering::start(
        broker.port,
        &[
            ("a1", Manner::Obeys),
            ("a2", Manner::Obeys),
            ("b1", Manner::Obeys),
            ("c1", Manner::Odd),
            ("c2", Manner::Absurd),
        ],
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    let page = directory.path().join("page.html");
    let ran = fleet(&broker, &["compare", "--yes", "--html", page.to_str().expect("UTF-8")]);
    assert!(ran.code == 1 && ran.stderr.contains("2 of 5 devices have not done it"), "{ran:?}");
    let table: Vec<&str> = ran.stdout.lines().skip_while(|line| !line.starts_with("board")).collect();
    assert!(table[1].starts_with("Raspberry Pi 4  small  fp32       1        24.00"), "{ran:?}");
    assert!(table[3].starts_with("Raspberry Pi 5  small  fp32       2        8.00"), "{ran:?}");
    assert!(table[5].starts_with("no figures: c1: refused: its report is not understood: "), "{ran:?}");
    let absurd = "no figures: c2: refused: its report cannot be: `large` has a median of 1e300 ms, and a picture takes";
    assert!(table[6].starts_with(absurd), "{ran:?}");
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.contains("<svg") && page.contains("No figures: c1") && page.matches("<circle").count() == 6, "{page}");
    let ran = fleet(&broker, &["compare", "--yes", "--json", "--where", "device=a*"]);
    let told = ran.json();
    assert_eq!((ran.code, &told["boards"][0]["devices"], &told["boards"][0]["p50_ms"]), (0, &2.into(), &8.0.into()));
    assert_eq!(told["devices"]["a1"]["data"]["models"][0]["name"], "large");
    let ran = fleet(&broker, &["compare", "--yes", "--each", "--where", "device=a1"]);
    assert!(ran.code == 0 && ran.stdout.contains("a1      Raspberry Pi 5  large  fp32       16.00"), "{ran:?}");
}
