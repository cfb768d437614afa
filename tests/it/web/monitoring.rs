//! For those who watch over it: metrics, probes, dashboard and alerts.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::labelling;
use crate::support::{Broker, ConfigFile, root};
use crate::web::client::Server;

/// The contract with the users.
const NAMES: [&str; 34] = [
    "glimpsed_build_info",
    "glimpsed_frames_captured_total",
    "glimpsed_frames_dropped_total",
    "glimpsed_frame_age_seconds",
    "glimpsed_label_interval_seconds",
    "glimpsed_camera_up",
    "glimpsed_camera_reconnects_total",
    "glimpsed_stage_duration_seconds",
    "glimpsed_end_to_end_latency_seconds",
    "glimpsed_label_changes_total",
    "glimpsed_unknown_total",
    "glimpsed_cache_requests_total",
    "glimpsed_mqtt_connected",
    "glimpsed_mqtt_connects_total",
    "glimpsed_mqtt_publish_total",
    "glimpsed_mqtt_outbox_messages",
    "glimpsed_notices_total",
    "glimpsed_notices_waiting",
    "glimpsed_config_last_reload_success",
    "glimpsed_http_pictures_total",
    "glimpsed_http_streams",
    "glimpsed_second_opinions_total",
    "glimpsed_soc_temperature_celsius",
    "glimpsed_thermal_pace_ratio",
    "glimpsed_throttled",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_threads",
    "process_start_time_seconds",
    "up",
    "scrape_duration_seconds",
];

/// Depends on the machine, or comes from Prometheus itself.
const MAY_BE_ABSENT: [&str; 4] =
    ["glimpsed_soc_temperature_celsius", "glimpsed_throttled", "up", "scrape_duration_seconds"];

fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (Debian package prometheus)");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_metrics_are_those_of_the_contract_and_promtool_finds_nothing_wrong() {
    let broker = Broker::start();
    let rest = format!("[mqtt]\nurl = {:?}\n[[notify]]\nurl = \"http://127.0.0.1:9/\"\n", broker.url());
    let (_daemon, server) = labelling(10, "", &rest);
    server.until("/api/v1/state", |state| state["health"]["mqtt"]["connected"] == true);
    let answer = server.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = answer.text();
    promtool(&["check", "metrics"], &page);
    let mut found: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    found.sort_unstable();
    for name in NAMES.iter().filter(|name| !MAY_BE_ABSENT.contains(name)) {
        assert!(found.contains(name), "no {name} in {page}");
    }
    assert!(found.iter().all(|name| NAMES.contains(name)), "{found:?}");
    assert!(page.contains("glimpsed_mqtt_connected 1\n"), "{page}");
    for class in ["espresso", "missile", "cat"] {
        assert!(!page.contains(class), "a class is a label: {page}");
    }
}

/// What stands in the expressions of a document.
fn names_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("glimpsed_") || word.starts_with("process_")).map(str::to_owned).collect()
}

fn are_known(names: &[String], what: &str) {
    assert!(names.len() > 5, "{what} asks for too little: {names:?}");
    for name in names {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(NAMES.contains(&base), "{what} asks for `{name}`, which there is not");
    }
}

#[test]
fn the_alerts_are_sound_and_fire_when_they_should() {
    promtool(&["check", "rules", "docs/prometheus-alerts.yml"], "");
    promtool(&["test", "rules", "tests/fixtures/prometheus-alerts-test.yml"], "");
    let text = std::fs::read_to_string(root().join("docs/prometheus-alerts.yml")).expect("readable");
    let expressions: String = text.lines().filter(|line| line.contains("expr:")).collect();
    are_known(&names_in(&expressions), "an alert");
    let tested = std::fs::read_to_string(root().join("tests/fixtures/prometheus-alerts-test.yml")).expect("readable");
    for alert in text.lines().filter_map(|line| line.split_once("alert: ")).map(|(_, name)| name) {
        let named = |expected: &str| {
            tested.split("alertname: ").skip(1).any(|test| test.starts_with(alert) && test.contains(expected))
        };
        assert!(named("exp_labels") && named("exp_alerts: []"), "{alert} is not seen to be silent and then to fire");
    }
}

#[test]
fn the_dashboards_ask_for_what_there_is() {
    for page in ["docs/grafana-dashboard.json", "docs/grafana-dashboard-fleet.json"] {
        asks_for_what_there_is(page);
    }
}

fn asks_for_what_there_is(page: &str) {
    let text = std::fs::read_to_string(root().join(page)).expect("readable");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut expressions = String::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(panel["title"].is_string() && panel["gridPos"]["w"].is_number(), "{panel}");
        for target in panel["targets"].as_array().expect("targets") {
            expressions += target["expr"].as_str().expect("an expression");
            expressions.push('\n');
        }
    }
    are_known(&names_in(&expressions), page);
    // Each expression is one: as a rule, Prometheus checks it.
    let rules: Vec<String> = (expressions.lines().enumerate())
        .map(|(number, line)| format!("      - {{ record: 'r:{number}', expr: '{}' }}", line.replace('\'', "''")))
        .collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("rules.yml");
    std::fs::write(&file, format!("groups:\n  - name: g\n    rules:\n{}\n", rules.join("\n"))).expect("writable");
    promtool(&["check", "rules", file.to_str().expect("UTF-8")], "");
}

#[test]
fn readiness_follows_the_camera_and_health_says_where_the_page_is() {
    let broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/test/health", &[]);
    let (_daemon, server) = labelling(10, "", &format!("[mqtt]\nurl = {:?}\n", broker.url()));
    assert_eq!(server.get("/readyz").json()["state"], "labelling");
    assert_eq!(server.get("/livez").text(), "ok\n");
    let health = subscriber.next("/health").json();
    assert_eq!(health["http"]["listening"], true);
    assert_eq!(health["http"]["address"], server.address.to_string());
    let mut absent = ConfigFile::new("[camera]\ndevice = \"/dev/video-none\"\n").daemon();
    let absent = Server::of(&mut absent);
    absent.until("/readyz", |answer| answer["state"] == "waiting for the camera" && answer["ready"] == true);
}

#[test]
fn a_view_that_may_label_seldom_is_ready_and_one_that_is_switched_off_has_no_age() {
    let config = ConfigFile::replay(10, "frame_timeout = \"500ms\"\n[http]\n[gate]\nmax_fps = 0.2\n");
    let mut daemon = config.daemon();
    let server = Server::of(&mut daemon);
    server.until("/api/v1/state", |state| !state["state"].is_null());
    let metric = |name: &str| {
        let page = server.get("/metrics").text();
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
    };
    assert_eq!(metric("glimpsed_label_interval_seconds "), Some(5.0));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let answer = server.get("/readyz");
        assert_eq!(answer.status, 200, "{}", answer.text());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(metric("glimpsed_frame_age_seconds ").is_some());
    let off = server.post("/api/v1/settings", "{\"enabled\":false}");
    assert_eq!(off.status, 200, "{}", off.text());
    assert_eq!(metric("glimpsed_frame_age_seconds "), None);
}

#[test]
fn frames_that_came_too_soon_are_counted_for_the_view_that_did_not_want_them() {
    let config = ConfigFile::replay(10, "[http]\n[views.each]\n[views.seldom]\nmax_fps = 1.0\n");
    let mut daemon = config.daemon();
    let server = Server::of(&mut daemon);
    let skipped = |view: &str| {
        let sample = format!("glimpsed_frames_dropped_total{{view=\"{view}\",reason=\"skipped\"}} ");
        let page = server.get("/metrics").text();
        let value = page.lines().find_map(|line| line.strip_prefix(&sample)?.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no {sample}in {page}"))
    };
    let begun = Instant::now();
    while skipped("seldom") < 3.0 {
        assert!(begun.elapsed() < crate::support::PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(skipped("each"), 0.0);
}

#[test]
fn without_a_page_nothing_listens_and_labels_go_on() {
    let config = ConfigFile::replay(20, "[http]\nenabled = false\n[stdout]\nformat = \"text\"\n");
    let mut daemon = config.daemon();
    daemon.line_with("espresso");
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success());
    assert!(daemon.rest().iter().all(|line| !line.contains("the web page")));
}
