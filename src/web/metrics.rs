//! The metrics for Prometheus. Their names are a stable interface.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use super::exposition::{Exposition, Histogram, Kind};
use super::process::Process;
use crate::bus::hub::Sink;
use crate::domain::camera::CameraState;
use crate::domain::classification::{Classification, Status};
use crate::domain::event::Event;
use crate::domain::health::{Broker, Health, Tally};
use glimpsed_base::sync::Mutex;

/// Limit of models with histograms. The names come from the configuration, so it is never reached.
const MAX_MODELS: usize = 32;

/// Counts the hub's events.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    models: Mutex<Vec<(String, Arc<Stages>)>>,
    end_to_end: Histogram,
    label_changes: AtomicU64,
    unknown: AtomicU64,
    agreed: AtomicU64,
    disagreed: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    camera_up: AtomicBool,
    reload_failed: AtomicBool,
}

/// The histograms of one model.
#[derive(Debug, Default)]
struct Stages {
    capture: Histogram,
    decode: Histogram,
    preprocess: Histogram,
    infer: Histogram,
}

impl Sink for Metrics {
    fn publish(&mut self, event: &Event) {
        let counts = &self.0;
        match event {
            Event::Classified(frame) => counts.classified(frame),
            Event::SecondOpinion(opinion) => {
                let count = if opinion.agree() { &counts.agreed } else { &counts.disagreed };
                count.fetch_add(1, Ordering::Relaxed);
            }
            Event::Changed { .. } => {
                counts.label_changes.fetch_add(1, Ordering::Relaxed);
            }
            Event::Camera(status) => {
                counts.camera_up.store(status.state == CameraState::Online, Ordering::Relaxed);
            }
            Event::Info(info) => counts.reload_failed.store(!info["config_error"].is_null(), Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Counts {
    fn classified(&self, frame: &Classification) {
        let cache = if frame.cached { &self.hits } else { &self.misses };
        cache.fetch_add(1, Ordering::Relaxed);
        if frame.answer.status == Status::Unknown {
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
        self.end_to_end.observe(frame.answer.timing.total_ms / 1000.0);
        if let Some(stages) = self.stages(&frame.answer.model.name) {
            let timing = &frame.answer.timing;
            stages.capture.observe(timing.capture_ms / 1000.0);
            stages.decode.observe(timing.decode_ms / 1000.0);
            stages.preprocess.observe(timing.preprocess_ms / 1000.0);
            stages.infer.observe(timing.infer_ms / 1000.0);
        }
    }

    fn stages(&self, model: &str) -> Option<Arc<Stages>> {
        let mut models = self.models();
        if let Some((_, stages)) = models.iter().find(|(name, _)| name == model) {
            return Some(stages.clone());
        }
        let stages = Arc::<Stages>::default();
        (models.len() < MAX_MODELS).then(|| {
            models.push((model.to_owned(), stages.clone()));
            stages
        })
    }

    fn models(&self) -> MutexGuard<'_, Vec<(String, Arc<Stages>)>> {
        self.models.lock()
    }
}

/// Values that are sampled at a scrape.
pub struct Look {
    pub health: Health,
    /// Seconds since the newest labelled frame arrived.
    pub frame_age: Option<f64>,
    /// Uploads answered from the cache, and those that were not.
    pub uploads: (u64, u64),
    /// Number of viewers of the picture and the events.
    pub streams: usize,
    pub process: Process,
}

impl Metrics {
    /// The text of a scrape.
    pub fn page(&self, look: &Look) -> String {
        let mut page = Exposition::default();
        page.family("glimpsed_build_info", Kind::Gauge, "Which glimpsed this is; always 1.")
            .sample(&[("version", env!("CARGO_PKG_VERSION")), ("arch", std::env::consts::ARCH)], 1.0);
        self.frames(&mut page, look);
        self.labels(&mut page, look);
        broker(&mut page, look.health.broker.as_ref());
        let board = &look.health;
        page.gauge(
            "glimpsed_soc_temperature_celsius",
            "Of the warmest part of the board; absent where it has no sensor.",
            board.temperature_celsius,
        );
        page.gauge(
            "glimpsed_thermal_pace_ratio",
            "Part of the frames that the temperature lets be labelled: 1 all, 0 none.",
            Some(board.pace.share()),
        );
        page.gauge(
            "glimpsed_throttled",
            "Whether the supply is too weak, so that the board slows itself down; absent where it cannot say.",
            board.throttled.map(f64::from),
        );
        page.gauge(
            "glimpsed_config_last_reload_success",
            "Whether the configuration as it was edited last is in effect.",
            Some(f64::from(!self.0.reload_failed.load(Ordering::Relaxed))),
        );
        page.gauge(
            "glimpsed_http_streams",
            "How many watch the live picture or the events.",
            Some(look.streams as f64),
        );
        look.process.write(&mut page);
        page.finish()
    }

    fn frames(&self, page: &mut Exposition, look: &Look) {
        let health = &look.health;
        page.counter("glimpsed_frames_captured_total", "Whole frames that came from the camera.", health.captured);
        let mut dropped =
            page.family("glimpsed_frames_dropped_total", Kind::Counter, "Frames without a label, by the reason.");
        dropped.sample(&[("reason", "overwritten")], health.overwritten as f64);
        dropped.sample(&[("reason", "damaged")], health.damaged as f64);
        dropped.sample(&[("reason", "failed")], health.failed as f64);
        dropped.sample(&[("reason", "skipped")], health.skipped as f64);
        let help = "Since the last frame with a label was captured; absent before the first.";
        page.gauge("glimpsed_frame_age_seconds", help, look.frame_age);
        let up = self.0.camera_up.load(Ordering::Relaxed);
        page.gauge("glimpsed_camera_up", "Whether frames arrive.", Some(f64::from(up)));
        let help = "How often the camera was opened again.";
        page.counter("glimpsed_camera_reconnects_total", help, health.reconnects);
    }

    fn labels(&self, page: &mut Exposition, look: &Look) {
        let counts = &self.0;
        let help = "How long each stage took for a frame that was labelled.";
        let mut stages = page.family("glimpsed_stage_duration_seconds", Kind::Histogram, help);
        for (model, histograms) in counts.models().iter() {
            for (stage, histogram) in [
                ("capture", &histograms.capture),
                ("decode", &histograms.decode),
                ("preprocess", &histograms.preprocess),
                ("infer", &histograms.infer),
            ] {
                stages.histogram(&[("stage", stage), ("model", model)], histogram);
            }
        }
        let help = "From a frame's arrival to its label.";
        page.family("glimpsed_end_to_end_latency_seconds", Kind::Histogram, help).histogram(&[], &counts.end_to_end);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let help = "How often another label began to hold.";
        page.counter("glimpsed_label_changes_total", help, count(&counts.label_changes));
        page.counter("glimpsed_unknown_total", "Frames in which nothing was likely enough.", count(&counts.unknown));
        let help = "Frames of which the accurate model has said the same as the fast one, or something else.";
        let mut opinions = page.family("glimpsed_second_opinions_total", Kind::Counter, help);
        opinions.sample(&[("agree", "yes")], count(&counts.agreed) as f64);
        opinions.sample(&[("agree", "no")], count(&counts.disagreed) as f64);
        let help = "Pictures that were answered from the cache, or not.";
        let mut requests = page.family("glimpsed_cache_requests_total", Kind::Counter, help);
        let (hits, misses) = look.uploads;
        requests.sample(&[("result", "hit")], (count(&counts.hits) + hits) as f64);
        requests.sample(&[("result", "miss")], (count(&counts.misses) + misses) as f64);
    }
}

/// Left out if no broker is configured.
fn broker(page: &mut Exposition, traffic: Option<&Broker>) {
    let Some(Broker { connected, connects, published, dropped, waiting, .. }) = traffic else { return };
    page.gauge("glimpsed_mqtt_connected", "Whether there is a session with the broker.", Some(f64::from(*connected)));
    page.counter("glimpsed_mqtt_connects_total", "Sessions with the broker that have begun.", *connects);
    let help = "Messages for the broker, by what they are and what became of them.";
    let mut messages = page.family("glimpsed_mqtt_publish_total", Kind::Counter, help);
    for (result, Tally { live, latest, event, answer }) in [("published", published), ("dropped", dropped)] {
        for (class, count) in [("live", live), ("latest", latest), ("event", event), ("answer", answer)] {
            messages.sample(&[("class", class), ("result", result)], *count as f64);
        }
    }
    let help = "Messages that wait to be sent or acknowledged.";
    page.gauge("glimpsed_mqtt_outbox_messages", help, Some(*waiting as f64));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::camera::tests_support::status;
    use crate::domain::classification::tests_support::{frame, stable};

    #[test]
    fn what_the_hub_tells_is_counted_and_no_class_is_a_label() {
        let mut metrics = Metrics::default();
        metrics.publish(&Event::Classified(frame(1, Some("tabby cat"))));
        metrics.publish(&Event::Classified(frame(2, None)));
        metrics.publish(&Event::Changed { now: stable(Some("tabby cat")), before: None });
        metrics.publish(&Event::Camera(status(CameraState::Online)));
        let look = Look {
            health: Health { broker: Some(Broker::default()), ..Health::default() },
            frame_age: Some(0.25),
            uploads: (3, 4),
            streams: 2,
            process: Process::look(None),
        };
        let page = metrics.page(&look);
        for line in [
            "glimpsed_unknown_total 1",
            "glimpsed_label_changes_total 1",
            "glimpsed_camera_up 1",
            "glimpsed_frame_age_seconds 0.25",
            "glimpsed_stage_duration_seconds_count{stage=\"infer\",model=\"test\"} 2",
            "glimpsed_mqtt_publish_total{class=\"event\",result=\"dropped\"} 0",
            "glimpsed_cache_requests_total{result=\"hit\"} 3",
            "glimpsed_cache_requests_total{result=\"miss\"} 6",
            "glimpsed_config_last_reload_success 1",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line} in {page}");
        }
        assert!(!page.contains("tabby"), "{page}");
    }
}
