//! Monitors the capture threads from outside.
//!
//! Waits for frames have a deadline, but system calls have none. A driver whose ioctl never returns hangs the capture
//! thread, which then cannot report anything; so does a file system that does not answer.

use std::sync::Arc;
use std::time::Duration;

use super::registry::{Registered, Registry};
use crate::bus::hub::Hub;
use crate::domain::camera::{CameraState, CameraStatus, Fault, FaultKind};
use crate::domain::event::Event;
use crate::domain::name::Name;
use glimpsed_base::clock::Clock;

/// How long the source may take to recover after that, before only a new process can help. Opening a USB camera takes
/// seconds, and the kernel gives up a transfer after five. It counts from the check that found the call stuck: a
/// process that was suspended for an hour finds every call an hour old.
const HOPELESS_AFTER: Duration = Duration::from_secs(60);

/// Checked periodically from a thread that no driver can block.
pub struct Watchdog {
    pub cameras: Registry,
    pub clock: Arc<dyn Clock>,
    pub hub: Hub,
    /// The calls for which cameras were declared offline.
    pub declared: Vec<(Name, Declared)>,
}

/// A stuck call, when it was found, and whether it was told that only a new process could help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    call_began: Duration,
    at: Duration,
    told: bool,
}

/// The state of the capture threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// None is stuck for too long, or others capture.
    Alive,
    /// One is stuck in one call for so long that it will not return, and no other camera works.
    Hopeless(Hung),
}

/// A call that will not return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hung {
    pub callee: &'static str,
    pub stuck: Duration,
}

impl Watchdog {
    /// Publishes that a camera is offline if its thread is stuck in a call.
    pub fn look(&mut self) -> Verdict {
        let cameras = self.cameras.cameras();
        self.declared.retain(|(name, _)| cameras.iter().any(|camera| camera.name == *name));
        // With a new process all cameras would be away for a while.
        let others_work = self.hub.cameras().iter().any(|status| status.state == CameraState::Online);
        match cameras.iter().filter_map(|camera| self.look_at(camera, others_work)).max_by_key(|hung| hung.stuck) {
            Some(hung) if !others_work => Verdict::Hopeless(hung),
            _ => Verdict::Alive,
        }
    }

    /// The call that a camera is stuck in, if it is hopeless.
    fn look_at(&mut self, camera: &Registered, others_work: bool) -> Option<Hung> {
        // Held while publishing, so that a call that returns right now publishes its state after this one.
        let call = camera.call.lock();
        let now = self.clock.now();
        let (began, stuck) = call.stuck(now)?;
        let callee = call.callee;
        let declared = self.declared.iter_mut().find(|(name, _)| *name == camera.name).map(|(_, declared)| declared);
        if let Some(declared) = declared.filter(|declared| declared.call_began == began) {
            let hopeless = now.saturating_sub(declared.at) >= HOPELESS_AFTER;
            if hopeless && others_work && !std::mem::replace(&mut declared.told, true) {
                let (camera, seconds) = (camera.name.given(), stuck.as_secs());
                tracing::error!(
                    camera,
                    stuck_s = seconds,
                    "a call to {callee} does not return; only a new process can open this camera again"
                );
            }
            return hopeless.then_some(Hung { callee, stuck });
        }
        self.declared.retain(|(name, _)| *name != camera.name);
        self.declared.push((camera.name.clone(), Declared { call_began: began, at: now, told: false }));
        let name = camera.name.given();
        let stuck_ms = stuck.as_millis() as u64;
        tracing::warn!(camera = name, stuck_ms, "a call to {callee} does not return");
        let fault = Fault::new(FaultKind::Silent, &format!("{callee} does not respond"));
        let wall = self.clock.wall();
        let since = wall.checked_sub(stuck).unwrap_or(wall);
        let before = self.hub.camera(&camera.name);
        let status = CameraStatus::after(before.as_ref(), &camera.name, CameraState::Offline, Some(fault), since);
        if let Some(status) = status {
            self.hub.publish(&Event::Camera(status));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::hub::tests_support::{Told, hub_with};
    use crate::capture::call::CallInProgress;
    use crate::capture::registry::tests_support::idle;
    use crate::domain::camera::tests_support::status;
    use glimpsed_base::clock::ManualClock;

    fn watchdog() -> (Watchdog, ManualClock, Told) {
        let (clock, told) = (ManualClock::default(), Told::default());
        let cameras = Registry::default();
        cameras.add(idle(Name::ONLY));
        let watchdog = Watchdog { cameras, clock: Arc::new(clock.clone()), hub: hub_with(&told), declared: Vec::new() };
        (watchdog, clock, told)
    }

    fn only(watchdog: &Watchdog) -> CallInProgress {
        watchdog.cameras.cameras()[0].call.clone()
    }

    #[test]
    fn while_another_camera_works_a_hopeless_one_does_not_end_the_daemon() {
        let (mut watchdog, clock, told) = watchdog();
        let other = Name::new("other");
        watchdog.cameras.add(idle(other.clone()));
        watchdog.hub.publish(&Event::Camera(CameraStatus { camera: other, ..status(CameraState::Online) }));
        only(&watchdog).during(&clock, || {
            for _ in 0..10 {
                clock.advance(Duration::from_secs(60));
                assert_eq!(watchdog.look(), Verdict::Alive);
            }
        });
        let offline: Vec<CameraStatus> =
            told.statuses().into_iter().filter(|status| status.state == CameraState::Offline).collect();
        assert_eq!(offline.iter().map(|status| &status.camera).collect::<Vec<_>>(), [&Name::ONLY]);
    }

    #[test]
    fn a_call_that_does_not_return_makes_the_camera_offline_once_and_then_is_hopeless() {
        let (mut watchdog, clock, told) = watchdog();
        clock.advance(Duration::from_secs(1000));
        assert_eq!(watchdog.look(), Verdict::Alive, "no call, no matter how long");
        only(&watchdog).during(&clock, || {
            clock.advance(Duration::from_secs(9));
            assert_eq!(watchdog.look(), Verdict::Alive);
            assert_eq!(told.states(), []);
            for _ in 0..2 {
                clock.advance(Duration::from_secs(1));
                assert_eq!(watchdog.look(), Verdict::Alive);
                assert_eq!(told.states(), [CameraState::Offline]);
            }
            clock.advance(Duration::from_secs(59));
            assert_eq!(
                watchdog.look(),
                Verdict::Hopeless(Hung { callee: "the camera's driver", stuck: Duration::from_secs(70) })
            );
        });
        assert_eq!(watchdog.look(), Verdict::Alive, "it came back after all");
    }

    #[test]
    fn what_hangs_is_named_by_the_source_that_is_open() {
        let (mut watchdog, clock, told) = watchdog();
        only(&watchdog).set_camera(Duration::from_secs(1), "the camera's web server");
        only(&watchdog).during(&clock, || {
            clock.advance(Duration::from_secs(2));
            watchdog.look();
        });
        let faults: Vec<_> = told.statuses().into_iter().filter_map(|status| status.fault).collect();
        assert_eq!(
            faults.iter().map(|fault| &*fault.reason).collect::<Vec<_>>(),
            ["the camera's web server does not respond"]
        );
    }

    #[test]
    fn a_process_that_was_stopped_for_an_hour_gives_its_camera_time_to_come_back() {
        let (mut watchdog, clock, told) = watchdog();
        only(&watchdog).during(&clock, || {
            clock.advance(Duration::from_secs(3600));
            assert_eq!(watchdog.look(), Verdict::Alive);
            assert_eq!(told.states(), [CameraState::Offline]);
        });
        only(&watchdog).during(&clock, || {
            assert_eq!(watchdog.look(), Verdict::Alive, "another call");
        });
    }
}
