//! The metrics for Prometheus. Their names are a stable interface.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use super::exposition::{Exposition, Family, Histogram, Kind};
use super::process::Process;
use glimpsed_base::sync::Mutex;
use glimpsed_core::bus::hub::Sink;
use glimpsed_core::capture::registry::Totals;
use glimpsed_core::domain::camera::CameraState;
use glimpsed_core::domain::classification::{Classification, Status};
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::health::{Broker, Health, Notices, Tally};
use glimpsed_core::domain::layout::{Layout, ViewEntry};
use glimpsed_core::domain::name::Name;
use glimpsed_core::pipeline::counters::Missed;

/// Limit of models with histograms. The names come from the configuration, so it is never reached.
const MAX_MODELS: usize = 32;

/// Counts the hub's events.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    models: Mutex<Vec<(String, Arc<Stages>)>>,
    /// In the order of the configuration; those of a view that was removed are gone.
    views: Mutex<Vec<Arc<OfView>>>,
    cameras: Mutex<Vec<(Name, CameraState)>>,
    reload_failed: AtomicBool,
}

/// The counters of one view.
#[derive(Debug, Default)]
struct OfView {
    view: Name,
    camera: Name,
    end_to_end: Histogram,
    label_changes: AtomicU64,
    unknown: AtomicU64,
    agreed: AtomicU64,
    disagreed: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl OfView {
    fn labels(&self, more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &str)> {
        labels(&self.camera, Some(&self.view)).into_iter().chain(more.iter().copied()).collect()
    }
}

/// The labels of a sample; the only view and the only camera have none.
fn labels<'a>(camera: &'a Name, view: Option<&'a Name>) -> Vec<(&'static str, &'a str)> {
    let camera = camera.given().map(|name| ("camera", name));
    let view = view.and_then(Name::given).map(|name| ("view", name));
    camera.into_iter().chain(view).collect()
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
            Event::Layout(layout) => counts.arrange(layout),
            Event::Classified(frame) => counts.classified(frame),
            Event::SecondOpinion(opinion) => {
                if let Some(view) = counts.view(&opinion.fast.view) {
                    let count = if opinion.agree() { &view.agreed } else { &view.disagreed };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            Event::Changed { now, .. } => {
                if let Some(view) = counts.view(&now.frame.view) {
                    view.label_changes.fetch_add(1, Ordering::Relaxed);
                }
            }
            Event::Camera(status) => {
                let mut cameras = counts.cameras.lock();
                if let Some((_, state)) = cameras.iter_mut().find(|(name, _)| *name == status.camera) {
                    *state = status.state;
                }
            }
            Event::Info(info) => counts.reload_failed.store(!info["config_error"].is_null(), Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Counts {
    fn arrange(&self, layout: &Layout) {
        let mut views = self.views.lock();
        let entry = |entry: &ViewEntry| {
            let known = views.iter().find(|view| view.view == entry.name && view.camera == entry.camera);
            let new = || OfView { view: entry.name.clone(), camera: entry.camera.clone(), ..OfView::default() };
            known.cloned().unwrap_or_else(|| Arc::new(new()))
        };
        let next = layout.views.iter().map(entry).collect();
        *views = next;
        let mut cameras = self.cameras.lock();
        let state = |name: &Name| cameras.iter().find(|(known, _)| known == name).map(|(_, state)| *state);
        let next =
            layout.cameras.iter().map(|name| (name.clone(), state(name).unwrap_or(CameraState::Offline))).collect();
        *cameras = next;
    }

    fn view(&self, name: &Name) -> Option<Arc<OfView>> {
        self.views.lock().iter().find(|view| view.view == *name).cloned()
    }

    fn classified(&self, frame: &Classification) {
        let Some(view) = self.view(&frame.view) else { return };
        let cache = if frame.cached { &view.hits } else { &view.misses };
        cache.fetch_add(1, Ordering::Relaxed);
        if frame.answer.status == Status::Unknown {
            view.unknown.fetch_add(1, Ordering::Relaxed);
        }
        view.end_to_end.observe(frame.answer.timing.total_ms / 1000.0);
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
    pub views: Vec<ViewLook>,
    pub cameras: Vec<(Name, Totals)>,
    /// Uploads answered from the cache, and those that were not.
    pub uploads: (u64, u64),
    /// Number of viewers of the picture and the events.
    pub streams: usize,
    /// Pictures for viewers that were encoded, and that were passed on as the camera made them.
    pub pictures: [u64; 2],
    pub process: Process,
}

/// What is sampled of a view.
pub struct ViewLook {
    pub view: Name,
    pub camera: Name,
    /// Seconds since its newest labelled frame arrived; `None` before the first, and while it is switched off.
    pub frame_age: Option<f64>,
    /// Seconds between two frames that it may label, at least.
    pub interval: f64,
    /// Its frames without an answer.
    pub missed: Missed,
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
        notices(&mut page, look.health.notices.as_ref());
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
        let help = "Pictures for viewers: encoded here, or passed on as the camera made them. None while nobody looks.";
        let mut pictures = page.family("glimpsed_http_pictures_total", Kind::Counter, help);
        for (made, count) in ["encoded", "passed"].into_iter().zip(look.pictures) {
            pictures.sample(&[("made", made)], count as f64);
        }
        look.process.write(&mut page);
        page.finish()
    }

    fn frames(&self, page: &mut Exposition, look: &Look) {
        let help = "Whole frames that came from the camera.";
        let mut captured = page.family("glimpsed_frames_captured_total", Kind::Counter, help);
        for (camera, totals) in &look.cameras {
            captured.sample(&labels(camera, None), totals.frames as f64);
        }
        let help = "Frames without a label, by the reason; overwritten and damaged are a camera's, failed and skipped a view's.";
        let mut dropped = page.family("glimpsed_frames_dropped_total", Kind::Counter, help);
        for (camera, totals) in &look.cameras {
            for (reason, count) in [("overwritten", totals.overwritten), ("damaged", totals.corrupt)] {
                let labels = labels(camera, None);
                dropped.sample(&[&labels[..], &[("reason", reason)]].concat(), count as f64);
            }
        }
        for ViewLook { view, camera, missed, .. } in &look.views {
            for (reason, count) in [("failed", missed.failed), ("skipped", missed.skipped)] {
                let labels = labels(camera, Some(view));
                dropped.sample(&[&labels[..], &[("reason", reason)]].concat(), count as f64);
            }
        }
        let ages: Vec<_> = look.views.iter().filter_map(|view| Some((view, view.frame_age?))).collect();
        if !ages.is_empty() {
            let help = "Since the last frame with a label was captured; absent before the first, and while the view is switched off.";
            let mut family = page.family("glimpsed_frame_age_seconds", Kind::Gauge, help);
            for (view, age) in &ages {
                family.sample(&labels(&view.camera, Some(&view.view)), *age);
            }
            let help = "Shortest time between two labels, of the same views: one by `max_fps`, or 0.";
            let mut family = page.family("glimpsed_label_interval_seconds", Kind::Gauge, help);
            for (view, _) in &ages {
                family.sample(&labels(&view.camera, Some(&view.view)), view.interval);
            }
        }
        let mut up = page.family("glimpsed_camera_up", Kind::Gauge, "Whether frames arrive.");
        for (camera, state) in self.0.cameras.lock().iter() {
            up.sample(&labels(camera, None), f64::from(*state == CameraState::Online));
        }
        let help = "How often the camera was opened again.";
        let mut reconnects = page.family("glimpsed_camera_reconnects_total", Kind::Counter, help);
        for (camera, totals) in &look.cameras {
            reconnects.sample(&labels(camera, None), totals.reconnects as f64);
        }
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
        let views = counts.views.lock().clone();
        let mut each = |name: &'static str, kind, help: &str, write: &dyn Fn(&mut Family<'_>, &Arc<OfView>)| {
            let mut family = page.family(name, kind, help);
            views.iter().for_each(|view| write(&mut family, view));
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let help = "From a frame's arrival to its label.";
        each("glimpsed_end_to_end_latency_seconds", Kind::Histogram, help, &|family, view| {
            family.histogram(&view.labels(&[]), &view.end_to_end);
        });
        let help = "How often another label began to hold.";
        each("glimpsed_label_changes_total", Kind::Counter, help, &|family, view| {
            family.sample(&view.labels(&[]), count(&view.label_changes));
        });
        let help = "Frames in which nothing was likely enough.";
        each("glimpsed_unknown_total", Kind::Counter, help, &|family, view| {
            family.sample(&view.labels(&[]), count(&view.unknown));
        });
        let help = "Frames of which the accurate model has said the same as the fast one, or something else.";
        each("glimpsed_second_opinions_total", Kind::Counter, help, &|family, view| {
            family.sample(&view.labels(&[("agree", "yes")]), count(&view.agreed));
            family.sample(&view.labels(&[("agree", "no")]), count(&view.disagreed));
        });
        let help = "Pictures that were answered from the cache, or not.";
        let mut requests = page.family("glimpsed_cache_requests_total", Kind::Counter, help);
        let sum = |counter: fn(&OfView) -> &AtomicU64| views.iter().map(|view| count(counter(view))).sum::<f64>();
        let (hits, misses) = look.uploads;
        requests.sample(&[("result", "hit")], sum(|view| &view.hits) + hits as f64);
        requests.sample(&[("result", "miss")], sum(|view| &view.misses) + misses as f64);
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

/// Left out if nobody is told anything.
fn notices(page: &mut Exposition, notices: Option<&Notices>) {
    let Some(Notices { sent, waiting, too_soon, lost, .. }) = notices else { return };
    let help = "Notices to people, by what became of them.";
    let mut family = page.family("glimpsed_notices_total", Kind::Counter, help);
    for (result, count) in [("sent", sent), ("too_soon", too_soon), ("lost", lost)] {
        family.sample(&[("result", result)], *count as f64);
    }
    page.gauge("glimpsed_notices_waiting", "Notices that wait to be sent, or to be sent again.", Some(*waiting as f64));
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpsed_core::domain::camera::tests_support::status;
    use glimpsed_core::domain::classification::tests_support::{frame, stable};
    use glimpsed_core::domain::framing::Region;

    /// A scrape in which nothing is absent.
    fn scrape() -> String {
        let mut metrics = Metrics::default();
        let entry = ViewEntry { name: Name::ONLY, title: String::new(), camera: Name::ONLY, region: Region::default() };
        metrics.publish(&Event::Layout(Arc::new(Layout { cameras: vec![Name::ONLY], views: vec![entry] })));
        metrics.publish(&Event::Classified(frame(1, Some("tabby cat"))));
        metrics.publish(&Event::Classified(frame(2, None)));
        metrics.publish(&Event::Changed { now: stable(Some("tabby cat")), before: None });
        metrics.publish(&Event::Camera(status(CameraState::Online)));
        let look = Look {
            health: Health {
                broker: Some(Broker::default()),
                notices: Some(Notices { lost: 2, ..Notices::default() }),
                temperature_celsius: Some(50.0),
                throttled: Some(false),
                ..Health::default()
            },
            views: vec![ViewLook {
                view: Name::ONLY,
                camera: Name::ONLY,
                frame_age: Some(0.25),
                interval: 20.0,
                missed: Missed { failed: 6, skipped: 8 },
            }],
            cameras: vec![(Name::ONLY, Totals::default())],
            uploads: (3, 4),
            streams: 2,
            pictures: [5, 7],
            process: Process::look(Some(jiff::Timestamp::UNIX_EPOCH)),
        };
        metrics.page(&look)
    }

    #[test]
    fn what_the_hub_tells_is_counted_and_no_class_is_a_label() {
        let page = scrape();
        for line in [
            "glimpsed_unknown_total 1",
            "glimpsed_label_changes_total 1",
            "glimpsed_camera_up 1",
            "glimpsed_frame_age_seconds 0.25",
            "glimpsed_frames_dropped_total{reason=\"failed\"} 6",
            "glimpsed_frames_dropped_total{reason=\"skipped\"} 8",
            "glimpsed_label_interval_seconds 20",
            "glimpsed_stage_duration_seconds_count{stage=\"infer\",model=\"test\"} 2",
            "glimpsed_mqtt_publish_total{class=\"event\",result=\"dropped\"} 0",
            "glimpsed_notices_total{result=\"lost\"} 2",
            "glimpsed_cache_requests_total{result=\"hit\"} 3",
            "glimpsed_cache_requests_total{result=\"miss\"} 6",
            "glimpsed_config_last_reload_success 1",
            "glimpsed_http_pictures_total{made=\"passed\"} 7",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line} in {page}");
        }
        assert!(!page.contains("tabby"), "{page}");
    }

    #[test]
    fn the_table_of_the_documentation_is_that_of_a_scrape() {
        let page = scrape();
        let families = page.split("# HELP ").skip(1).map(|family| {
            let (name, rest) = family.split_once(' ').expect("a name");
            let (help, kind) = rest.split_once("\n# TYPE ").expect("a type");
            let kind = kind.lines().next().and_then(|line| line.split(' ').nth(1)).expect("a type");
            format!("| `{name}` | {kind} | {help} |\n")
        });
        let table: String = families.collect();
        let documented =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md")).expect("the page");
        assert!(documented.contains(&format!("|---|---|---|\n{table}\n")), "docs/http.md lacks\n{table}");
    }
}
