//! Monitors the capture thread from outside.
//!
//! Waits for frames have a deadline, but system calls have none. A driver whose ioctl never returns hangs the capture
//! thread, which then cannot report anything; so does a file system that does not answer.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use crate::bus::hub::Hub;
use crate::domain::camera::{CameraState, CameraStatus, Fault, FaultKind};
use crate::domain::event::Event;
use glimpsed_base::clock::Clock;
use glimpsed_base::sync::Mutex;

/// After this many frame timeouts in one call, the camera is offline, whatever state it was in.
const OFFLINE_AFTER_TIMEOUTS: u32 = 2;

/// How long the source may take to recover after that, before only a new process can help. Opening a USB camera takes
/// seconds, and the kernel gives up a transfer after five. It counts from the check that found the call stuck: a
/// process that was suspended for an hour finds every call an hour old.
const HOPELESS_AFTER: Duration = Duration::from_secs(60);

/// The start of the call into the source that has not returned yet. Shared by all successive cameras.
#[derive(Debug, Clone)]
pub struct CallInProgress(Arc<Mutex<Call>>);

#[derive(Debug)]
struct Call {
    began: Option<Duration>,
    frame_timeout: Duration,
    /// [`Opener::callee`](super::source::Opener::callee).
    callee: &'static str,
}

impl CallInProgress {
    pub fn new(frame_timeout: Duration, callee: &'static str) -> Self {
        Self(Arc::new(Mutex::new(Call { began: None, frame_timeout, callee })))
    }

    /// Sets what is known of the next camera.
    pub fn set_camera(&self, frame_timeout: Duration, callee: &'static str) {
        let mut call = self.lock();
        (call.frame_timeout, call.callee) = (frame_timeout, callee);
    }

    /// What the calls wait for.
    pub fn callee(&self) -> &'static str {
        self.lock().callee
    }

    /// Marks the call while it runs.
    pub fn during<T>(&self, clock: &dyn Clock, call: impl FnOnce() -> T) -> T {
        self.lock().began = Some(clock.now());
        let result = call();
        self.lock().began = None;
        result
    }

    fn lock(&self) -> MutexGuard<'_, Call> {
        self.0.lock()
    }
}

/// Checked periodically from a thread that no driver can block.
pub struct Watchdog {
    pub call: CallInProgress,
    pub clock: Arc<dyn Clock>,
    pub hub: Hub,
    /// The call for which the camera was declared offline.
    pub declared: Option<Declared>,
}

/// A stuck call, and when it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    call_began: Duration,
    at: Duration,
}

/// The state of the capture thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not in a call, or not for too long.
    Alive,
    /// Stuck in one call for so long that it will not return.
    Hopeless(Hung),
}

/// A call that will not return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hung {
    pub callee: &'static str,
    pub stuck: Duration,
}

impl Watchdog {
    /// Publishes that the camera is offline if its thread is stuck in a call.
    pub fn look(&mut self) -> Verdict {
        // Held while publishing, so that a call that returns right now publishes its state after this one.
        let call = self.call.lock();
        let Some(began) = call.began else { return Verdict::Alive };
        let now = self.clock.now();
        let stuck = now.saturating_sub(began);
        if stuck < call.frame_timeout * OFFLINE_AFTER_TIMEOUTS {
            return Verdict::Alive;
        }
        if let Some(declared) = self.declared.filter(|declared| declared.call_began == began) {
            return match now.saturating_sub(declared.at) >= HOPELESS_AFTER {
                true => Verdict::Hopeless(Hung { callee: call.callee, stuck }),
                false => Verdict::Alive,
            };
        }
        self.declared = Some(Declared { call_began: began, at: now });
        let callee = call.callee;
        tracing::warn!(stuck_ms = stuck.as_millis() as u64, "a call to {callee} does not return");
        let fault = Fault::new(FaultKind::Silent, &format!("{callee} does not respond"));
        let wall = self.clock.wall();
        let since = wall.checked_sub(stuck).unwrap_or(wall);
        let before = self.hub.camera();
        if let Some(status) = CameraStatus::after(before.as_ref(), CameraState::Offline, Some(fault), since) {
            self.hub.publish(&Event::Camera(status));
        }
        Verdict::Alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::hub::tests_support::{Told, hub_with};
    use glimpsed_base::clock::ManualClock;

    fn watchdog() -> (Watchdog, ManualClock, Told) {
        let (clock, told) = (ManualClock::default(), Told::default());
        let watchdog = Watchdog {
            call: CallInProgress::new(Duration::from_secs(5), "the camera's driver"),
            clock: Arc::new(clock.clone()),
            hub: hub_with(&told),
            declared: None,
        };
        (watchdog, clock, told)
    }

    #[test]
    fn a_call_that_does_not_return_makes_the_camera_offline_once_and_then_is_hopeless() {
        let (mut watchdog, clock, told) = watchdog();
        clock.advance(Duration::from_secs(1000));
        assert_eq!(watchdog.look(), Verdict::Alive, "no call, no matter how long");
        watchdog.call.clone().during(&clock, || {
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
        watchdog.call.set_camera(Duration::from_secs(1), "the camera's web server");
        watchdog.call.clone().during(&clock, || {
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
        watchdog.call.clone().during(&clock, || {
            clock.advance(Duration::from_secs(3600));
            assert_eq!(watchdog.look(), Verdict::Alive);
            assert_eq!(told.states(), [CameraState::Offline]);
        });
        watchdog.call.clone().during(&clock, || {
            assert_eq!(watchdog.look(), Verdict::Alive, "another call");
        });
    }
}
