//! Notifications to the service manager: readiness, a status line, and the watchdog. Without systemd they have no
//! effect.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::Notify;

use crate::bus::hub::Sink;
use crate::domain::camera::{CameraState, CameraStatus, FaultKind};
use crate::domain::classification::{Stable, Status};
use crate::domain::event::Event;
use crate::domain::settings::Settings;
use crate::payload::status_name;
use glimpsed_base::liveness::Liveness;
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
    camera: Option<CameraStatus>,
    model: String,
    label: Option<String>,
}

impl Sink for Outlook {
    fn publish(&mut self, event: &Event) {
        let mut seen = self.seen();
        match event {
            Event::Classified(_) if !seen.labelled => {
                seen.labelled = true;
                self.0.settled.notify_one();
            }
            Event::Camera(status) => seen.camera = Some(status.clone()),
            Event::Settings(Settings { model, .. }) => seen.model.clone_from(model),
            Event::Changed { now, .. } | Event::Heartbeat(now) => seen.label = Some(label(now)),
            _ => {}
        }
    }
}

fn label(stable: &Stable) -> String {
    match (stable.status, &stable.label) {
        (Status::Known, Some(label)) => label.to_string(),
        (status, _) => status_name(status).to_owned(),
    }
}

impl Outlook {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock()
    }

    /// The status line.
    fn line(&self) -> String {
        let seen = self.seen();
        let fault = seen.camera.as_ref().and_then(|camera| camera.fault.as_ref());
        match (seen.camera.as_ref().map(|camera| camera.state), &seen.label) {
            (Some(CameraState::Online), Some(label)) => format!("{}: {label}", seen.model),
            (Some(CameraState::Online), None) => format!("{}: waiting for the first label", seen.model),
            (Some(CameraState::Disabled), _) => "the camera is switched off".into(),
            (Some(CameraState::Offline) | None, _) => match fault {
                Some(fault) if fault.kind == FaultKind::NoModel => fault.reason.to_string(),
                Some(fault) => format!("no camera, trying again: {}", fault.reason),
                None => "no camera, trying again".into(),
            },
        }
    }
}

/// Sends the notifications.
pub struct Service {
    outlook: Outlook,
    liveness_of_threads: Vec<Liveness>,
    /// Interval of the watchdog notification; `None` if systemd's watchdog is disabled.
    pet_every: Option<Duration>,
    petted: Option<Duration>,
    ready: bool,
    status: String,
}

impl Service {
    pub fn new(outlook: Outlook, liveness_of_threads: Vec<Liveness>) -> Self {
        // Twice as often as required, so that a late notification is tolerated.
        let pet_every = sd_notify::watchdog_enabled().map(|every| every / 2);
        Self { outlook, liveness_of_threads, pet_every, petted: None, ready: false, status: String::new() }
    }

    /// Whether there is a label, a reason for having none, or a disabled camera.
    pub fn is_settled(&self) -> bool {
        let seen = self.outlook.seen();
        let no_model =
            |camera: &CameraStatus| camera.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::NoModel);
        let waits = |camera: &CameraStatus| camera.state == CameraState::Disabled || no_model(camera);
        seen.label.is_some() || seen.labelled || seen.camera.as_ref().is_some_and(waits)
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
            if self.liveness_of_threads.iter().any(|liveness| liveness.is_overdue(now)) {
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
    use crate::domain::camera::Fault;
    use crate::domain::camera::tests_support::{missing, status};
    use crate::domain::classification::tests_support::{frame, stable};

    const SECOND: Duration = Duration::from_secs(1);

    fn service(liveness: &Liveness) -> (Service, Outlook) {
        let outlook = Outlook::default();
        let mut service = Service::new(outlook.clone(), vec![liveness.clone()]);
        service.pet_every = Some(SECOND * 10);
        (service, outlook)
    }

    #[test]
    fn ready_is_said_once_and_the_status_when_it_changes() {
        let (mut service, mut outlook) = service(&Liveness::default());
        assert_eq!(service.words(SECOND, false), [Word::Alive], "nothing is known yet");
        outlook.publish(&Event::Camera(status(CameraState::Online)));
        outlook.publish(&Event::Settings(Settings {
            enabled: true,
            model: "m".into(),
            precision: Default::default(),
            threshold: 0.2,
            accurate: None,
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

    #[tokio::test]
    async fn the_first_label_wakes_whoever_waits_for_it_and_no_later_one_does() {
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
