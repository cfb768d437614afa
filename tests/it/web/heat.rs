//! A heat wave: the built program on a board that grows warm, and what it does, says and counts.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Broker, ConfigFile, Running, Subscriber, glimpsed};
use crate::web::client::Server;

/// The daemon looks at its sensors every 5 s, and lets half a minute pass between two steps.
const A_STEP: Duration = Duration::from_secs(50);

const FPS: f64 = 8.0;

/// A daemon on a board whose temperature is ours to set.
struct Shelf {
    server: Server,
    heard: Subscriber,
    broker: Broker,
    _daemon: Running,
    _config: tempfile::TempDir,
    board: tempfile::TempDir,
}

impl Shelf {
    fn at(celsius: f64) -> Self {
        Self::with(celsius, "")
    }

    /// With these tables of views.
    fn with(celsius: f64, views: &str) -> Self {
        let board = tempfile::tempdir().expect("a temporary directory");
        warm(board.path(), celsius);
        let broker = Broker::start();
        let heard = broker.subscribe("glimpsed/test/#", &[]);
        let (file, config) =
            ConfigFile::replay(FPS as u32, &format!("[mqtt]\nurl = {:?}\n{views}", broker.url())).keep();
        let mut daemon = Running::start(glimpsed(&["run", "-c", &file]).env("GLIMPSED_BOARD_ROOT", board.path()));
        let server = Server::of(&mut daemon);
        server.until("/api/v1/state", |state| !state["state"].is_null());
        Self { server, heard, broker, _daemon: daemon, _config: config, board }
    }

    fn becomes(&self, celsius: f64) {
        warm(self.board.path(), celsius);
    }

    fn metric(&self, name: &str) -> f64 {
        let page = self.server.get("/metrics").text();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {page}"))
    }

    /// Waits until that part of the frames is labelled.
    fn until_pace(&self, share: f64) {
        let deadline = Instant::now() + A_STEP;
        while self.metric("glimpsed_thermal_pace_ratio") != share {
            assert!(Instant::now() < deadline, "not {share}: {}", self.metric("glimpsed_thermal_pace_ratio"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Frames labelled a second.
    fn rate(&self) -> f64 {
        const COUNT: &str = "glimpsed_end_to_end_latency_seconds_count";
        let (start, before) = (Instant::now(), self.metric(COUNT));
        std::thread::sleep(Duration::from_secs(8));
        (self.metric(COUNT) - before) / start.elapsed().as_secs_f64()
    }

    fn until_health_says(&mut self, thermal: &str) -> serde_json::Value {
        self.heard.find(thermal, |message| {
            (message.topic.ends_with("/health") && message.json()["thermal"] == thermal).then(|| message.json())
        })
    }
}

fn warm(board: &Path, celsius: f64) {
    let zone = board.join("sys/class/thermal/thermal_zone0");
    std::fs::create_dir_all(&zone).expect("writable");
    // Put there as a whole: the daemon may be reading it.
    std::fs::write(zone.join("new"), format!("{}\n", celsius * 1000.0)).expect("writable");
    std::fs::rename(zone.join("new"), zone.join("temp")).expect("writable");
}

#[test]
fn a_board_that_grows_hot_labels_less_and_then_nothing_and_says_so() {
    let mut shelf = Shelf::at(60.0);
    assert_eq!(shelf.metric("glimpsed_thermal_pace_ratio"), 1.0);
    shelf.becomes(76.0);
    shelf.until_pace(0.5);
    assert_eq!(shelf.until_health_says("reduced")["temperature_c"], 76.0);

    shelf.becomes(85.0);
    shelf.until_pace(0.0);
    assert_eq!(shelf.until_health_says("paused")["temperature_c"], 85.0);
    shelf.broker.retained_json("glimpsed/test/state", |state| state["status"] == "stale");
    let labelled = shelf.metric("glimpsed_end_to_end_latency_seconds_count");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(shelf.metric("glimpsed_end_to_end_latency_seconds_count"), labelled);
    assert!(shelf.metric("glimpsed_frame_age_seconds") > 1.0);
    assert_eq!(shelf.server.get("/readyz").status, 200, "to start it again would not cool it");
    assert_eq!(shelf.metric("glimpsed_camera_up"), 1.0);
}

/// The views take turns, so a pace that counted all turns together would give one view every frame and the other none.
#[test]
fn on_a_warm_board_each_of_several_views_labels_its_part_of_the_frames() {
    let shelf = Shelf::with(76.0, "[gate]\nmin_change = 0.0\n[views.left]\nregion = { width = 0.5 }\n[views.right]\n");
    shelf.until_pace(0.5);
    let labelled = || {
        ["left", "right"]
            .map(|view| shelf.metric(&format!("glimpsed_end_to_end_latency_seconds_count{{view=\"{view}\"}}")))
    };
    let before = labelled();
    let deadline = Instant::now() + A_STEP;
    let enough = |now: [f64; 2]| now.iter().zip(before).map(|(now, before)| now - before).sum::<f64>() >= 24.0;
    while !enough(labelled()) {
        assert!(Instant::now() < deadline, "{:?} after {before:?}", labelled());
        std::thread::sleep(Duration::from_millis(100));
    }
    let [left, right] = [0, 1].map(|view| labelled()[view] - before[view]);
    assert!((left - right).abs() <= 2.0, "{left} and {right} frames");
}

#[test]
#[ignore = "takes five minutes; make soak"]
fn a_heat_wave_from_its_first_step_to_its_last() {
    let shelf = Shelf::at(60.0);
    let paced = |share: f64| {
        shelf.until_pace(share);
        let rate = shelf.rate();
        eprintln!("{share}: {rate:.2} frames a second");
        assert!((rate - FPS * share).abs() <= 0.15 * FPS * share + 0.25, "{rate} at {share}");
    };
    paced(1.0);
    shelf.becomes(76.0);
    for share in [0.5, 0.25, 0.125] {
        paced(share);
    }
    shelf.becomes(84.0);
    paced(0.0);
    shelf.becomes(69.0);
    for share in [0.125, 0.25, 0.5, 1.0] {
        paced(share);
    }
}
