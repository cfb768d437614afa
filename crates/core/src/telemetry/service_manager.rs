//! Notifications to the service manager: readiness, a status line, and the watchdog. Without systemd they have no
//! effect.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::Notify;

use super::threads::Threads;
use crate::bus::hub::Sink;
use crate::domain::camera::{CameraState, CameraStatus, FaultKind};
use crate::domain::classification::{Stable, Status};
use crate::domain::event::Event;
use crate::domain::layout::{Layout, ViewEntry};
use crate::domain::name::Name;
use crate::domain::settings::Settings;
use crate::payload::status_name;
use glimpsed_base::sync::Mutex;

/// The state that is reported, collected from the hub's events.
#[derive(Debug, Clone, Default)]
pub struct Outlook(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    /// Wakes the watch at the first labelled frame, so that readiness is reported without delay.
    settled: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    labelled: bool,
    cameras: Vec<CameraStatus>,
    views: Vec<SeenView>,
}

#[derive(Debug, Default)]
struct SeenView {
    name: Name,
    camera: Name,
    enabled: bool,
    model: String,
    lacks_model: bool,
    label: Option<String>,
}

impl Sink for Outlook {
    fn publish(&mut self, event: &Event) {
        let mut seen = self.seen();
        match event {
            Event::Layout(layout) => seen.arrange(layout),
            Event::Classified(_) if !seen.labelled => {
                seen.labelled = true;
                self.0.settled.notify_one();
            }
            Event::Camera(status) => match seen.cameras.iter_mut().find(|known| known.camera == status.camera) {
                Some(known) => known.clone_from(status),
                None => seen.cameras.push(status.clone()),
            },
            Event::Settings(Settings { view, model, model_error, enabled, .. }) => {
                let view = seen.view(view);
                view.lacks_model = model_error.is_some();
                view.model.clone_from(model);
                view.enabled = *enabled;
            }
            Event::Changed { now, .. } | Event::Heartbeat(now) => seen.view(&now.frame.view).label = Some(label(now)),
            _ => {}
        }
    }
}

impl Seen {
    fn arrange(&mut self, layout: &Layout) {
        self.cameras.retain(|status| layout.cameras.contains(&status.camera));
        let entry = |entry: &ViewEntry| {
            let before = self.views.iter_mut().find(|view| view.name == entry.name).map(std::mem::take);
            SeenView { name: entry.name.clone(), camera: entry.camera.clone(), ..before.unwrap_or_default() }
        };
        self.views = layout.views.iter().map(entry).collect();
    }

    fn view(&mut self, name: &Name) -> &mut SeenView {
        let index = self.views.iter().position(|view| view.name == *name).unwrap_or_else(|| {
            self.views.push(SeenView { name: name.clone(), ..SeenView::default() });
            self.views.len() - 1
        });
        &mut self.views[index]
    }

    fn camera(&self, name: &Name) -> Option<&CameraStatus> {
        self.cameras.iter().find(|status| status.camera == *name)
    }

    /// The only view, which has no name.
    fn line_of_the_only(&self, view: &SeenView) -> String {
        let camera = self.camera(&view.camera);
        let fault = camera.and_then(|camera| camera.fault.as_ref());
        match (camera.map(|camera| camera.state), &view.label) {
            (Some(CameraState::Online), Some(label)) => format!("{}: {label}", view.model),
            (Some(CameraState::Online), None) => format!("{}: waiting for the first label", view.model),
            (Some(CameraState::Disabled), _) => "the camera is switched off".into(),
            (Some(CameraState::Offline) | None, _) => match fault {
                Some(fault) if fault.kind == FaultKind::NoModel => fault.reason.to_string(),
                Some(fault) => format!("no camera, trying again: {}", fault.reason),
                None => "no camera, trying again".into(),
            },
        }
    }

    /// A view with a name: the name, and in a few words how it is.
    fn part_of(&self, view: &SeenView) -> String {
        let says = match (self.camera(&view.camera).map(|camera| camera.state), &view.label) {
            _ if !view.enabled => "off",
            _ if view.lacks_model => "no model",
            (Some(CameraState::Online), Some(label)) => label,
            (Some(CameraState::Online), None) => "waiting",
            (Some(CameraState::Disabled), _) => "off",
            (Some(CameraState::Offline) | None, _) => "no camera",
        };
        format!("{}: {says}", view.name)
    }
}

fn label(stable: &Stable) -> String {
    match (stable.status, &stable.label) {
        (Status::Known, Some(label)) => label.to_string(),
        (status, _) => status_name(status).to_owned(),
    }
}

/// The status line's views with names; of more, their number is told.
const MAX_PARTS: usize = 6;

impl Outlook {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock()
    }

    /// The status line.
    fn line(&self) -> String {
        let seen = self.seen();
        match &seen.views[..] {
            [] => seen.line_of_the_only(&SeenView::default()),
            [only] if only.name.given().is_none() => seen.line_of_the_only(only),
            views => {
                let mut parts: Vec<String> = views.iter().take(MAX_PARTS).map(|view| seen.part_of(view)).collect();
                if views.len() > MAX_PARTS {
                    parts.push(format!("and {} more", views.len() - MAX_PARTS));
                }
                parts.join("; ")
            }
        }
    }
}

/// Sends the notifications.
pub struct Service {
    outlook: Outlook,
    threads: Threads,
    /// Interval of the watchdog notification; `None` if systemd's watchdog is disabled.
    pet_every: Option<Duration>,
    petted: Option<Duration>,
    ready: bool,
    status: String,
}

impl Service {
    pub fn new(outlook: Outlook, threads: Threads) -> Self {
        // Twice as often as required, so that a late notification is tolerated.
        let pet_every = sd_notify::watchdog_enabled().map(|every| every / 2);
        Self { outlook, threads, pet_every, petted: None, ready: false, status: String::new() }
    }

    /// Whether there is a label, a reason for having none, or a disabled camera.
    pub fn is_settled(&self) -> bool {
        let seen = self.outlook.seen();
        let no_model =
            |camera: &CameraStatus| camera.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::NoModel);
        let waits = |camera: &CameraStatus| camera.state == CameraState::Disabled || no_model(camera);
        seen.labelled
            || seen.views.iter().any(|view| view.label.is_some())
            || (!seen.cameras.is_empty() && seen.cameras.iter().all(waits))
    }

    /// Resolves once, at the first label.
    pub async fn settled(&self) {
        self.outlook.0.settled.notified().await;
    }

    /// Called periodically. `settled`: there is a label, or a known reason for having none yet.
    pub fn tick(&mut self, now: Duration, settled: bool) {
        for word in self.words(now, settled) {
            match word {
                Word::Ready => say(&[NotifyState::Ready]),
                Word::Status(line) => say(&[NotifyState::Status(&line)]),
                Word::Alive => say(&[NotifyState::Watchdog]),
            }
        }
    }

    fn words(&mut self, now: Duration, settled: bool) -> Vec<Word> {
        let mut words = Vec::new();
        let line = self.outlook.line();
        if line != self.status && settled {
            words.push(Word::Status(line.clone()));
            self.status = line;
        }
        if settled && !self.ready {
            self.ready = true;
            words.push(Word::Ready);
        }
        let due = |every| self.petted.is_none_or(|petted| now.saturating_sub(petted) >= every);
        if self.pet_every.is_some_and(due) {
            if self.threads.are_late(now) {
                tracing::error!(
                    "a thread has not been heard of for too long; the service manager's watchdog is left alone"
                );
            } else {
                words.push(Word::Alive);
            }
            self.petted = Some(now);
        }
        words
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Ready,
    Status(String),
    Alive,
}

/// Reports the start of a reload.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(_) => say(&[NotifyState::Reloading]),
    }
}

/// Reports the end of a reload, successful or not.
pub fn reloaded() {
    say(&[NotifyState::Ready]);
}

/// Reports that the daemon is stopping.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be notified");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::registry::Registry;
    use crate::domain::camera::Fault;
    use crate::domain::camera::tests_support::{missing, status};
    use crate::domain::classification::tests_support::{frame, stable};

    use glimpsed_base::liveness::Liveness;

    const SECOND: Duration = Duration::from_secs(1);

    fn service(liveness: &Liveness) -> (Service, Outlook) {
        let outlook = Outlook::default();
        let mut service =
            Service::new(outlook.clone(), Threads { main: vec![liveness.clone()], cameras: Registry::default() });
        service.pet_every = Some(SECOND * 10);
        (service, outlook)
    }

    #[test]
    fn ready_is_said_once_and_the_status_when_it_changes() {
        let (mut service, mut outlook) = service(&Liveness::default());
        assert_eq!(service.words(SECOND, false), [Word::Alive], "nothing is known yet");
        outlook.publish(&Event::Camera(status(CameraState::Online)));
        outlook.publish(&Event::Settings(Settings {
            view: Name::ONLY,
            enabled: true,
            model: "m".into(),
            model_error: None,
            precision: Default::default(),
            threshold: 0.2,
            accurate: None,
            max_fps: None,
        }));
        outlook.publish(&Event::Changed { now: stable(Some("cat")), before: None });
        assert_eq!(service.words(SECOND, true), [Word::Status("m: cat".into()), Word::Ready]);
        assert_eq!(service.words(SECOND, true), []);
        outlook.publish(&Event::Camera(status(CameraState::Offline)));
        assert_eq!(service.words(SECOND, true), [Word::Status("no camera, trying again".into())]);
        outlook.publish(&Event::Camera(missing("it is unplugged")));
        assert_eq!(service.words(SECOND, true), [Word::Status("no camera, trying again: it is unplugged".into())]);
    }

    #[test]
    fn a_label_that_is_stale_and_a_camera_that_is_off_settle_it() {
        let (service, mut outlook) = service(&Liveness::default());
        outlook.publish(&Event::Camera(status(CameraState::Offline)));
        assert!(!service.is_settled(), "as each start begins");
        let fault = Fault::new(FaultKind::NoModel, "its file is damaged");
        outlook.publish(&Event::Camera(CameraStatus { fault: Some(fault), ..status(CameraState::Offline) }));
        assert!(service.is_settled() && outlook.line() == "its file is damaged");
        outlook.publish(&Event::Camera(status(CameraState::Offline)));
        outlook.publish(&Event::Camera(status(CameraState::Disabled)));
        assert!(service.is_settled());
        outlook.publish(&Event::Camera(status(CameraState::Online)));
        assert!(!service.is_settled());
        outlook.publish(&Event::Changed { now: stable(None), before: None });
        assert!(service.is_settled());
    }

    #[test]
    fn a_view_without_its_model_says_so_beside_one_that_labels() {
        let (_, mut outlook) = service(&Liveness::default());
        let entry = |name: &str| ViewEntry {
            name: Name::new(name),
            title: name.to_owned(),
            camera: Name::ONLY,
            region: Default::default(),
        };
        let views = vec![entry("bin"), entry("door"), entry("gate")];
        outlook.publish(&Event::Layout(Arc::new(Layout { cameras: vec![Name::ONLY], views })));
        outlook.publish(&Event::Camera(status(CameraState::Online)));
        for (view, enabled, model_error) in
            [("bin", true, None), ("door", true, Some("it is gone")), ("gate", false, None)]
        {
            outlook.publish(&Event::Settings(Settings {
                view: Name::new(view),
                enabled,
                model: "m".into(),
                model_error: model_error.map(str::to_owned),
                max_fps: None,
                precision: Default::default(),
                threshold: 0.2,
                accurate: None,
            }));
        }
        assert_eq!(outlook.line(), "bin: waiting; door: no model; gate: off");
    }

    #[tokio::test]
    async fn the_first_label_wakes_its_waiters_and_no_later_one_does() {
        let (service, mut outlook) = service(&Liveness::default());
        let woken = async || tokio::time::timeout(Duration::ZERO, service.settled()).await.is_ok();
        outlook.publish(&Event::Camera(status(CameraState::Online)));
        assert!(!woken().await);
        outlook.publish(&Event::Classified(frame(0, Some("cat"))));
        assert!(woken().await);
        outlook.publish(&Event::Classified(frame(1, Some("cat"))));
        assert!(!woken().await);
    }

    #[test]
    fn the_watchdog_is_not_petted_while_a_thread_is_late() {
        let liveness = Liveness::default();
        let (mut service, _) = service(&liveness);
        assert_eq!(service.words(SECOND, false), [Word::Alive]);
        assert_eq!(service.words(SECOND * 5, false), [], "not due");
        liveness.expect_by(SECOND * 10);
        assert_eq!(service.words(SECOND * 11, false), [], "broken");
        liveness.expect_by(SECOND * 60);
        assert_eq!(service.words(SECOND * 21, false), [Word::Alive], "heard of again");
    }
}
