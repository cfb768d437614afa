//! The event hub: every thread publishes to it, and it forwards each event to all sinks.

use std::sync::{Arc, MutexGuard};

use crate::domain::camera::CameraStatus;
use crate::domain::event::{Event, Subject};
use crate::domain::name::Name;
use crate::domain::teaching::Strange;
use glimpsed_base::sync::Mutex;

/// Receives events on the thread that published them. It must never block: a hung broker or pipe must not stop
/// labelling.
pub trait Sink: Send {
    /// Handles the event; an event that does not concern the sink is ignored.
    fn publish(&mut self, event: &Event);
}

/// Shared by all threads. Publishing never blocks, because no sink does.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sinks: Vec<(&'static str, Box<dyn Sink>)>,
    /// The newest event of each subject, for sinks that are attached later.
    newest: Vec<(Subject, Event)>,
}

impl State {
    fn cameras(&self) -> impl Iterator<Item = &CameraStatus> {
        self.newest.iter().filter_map(|(_, event)| match event {
            Event::Camera(status) => Some(status),
            _ => None,
        })
    }
}

impl Hub {
    pub fn publish(&self, event: &Event) {
        let mut state = self.lock();
        if let Event::Layout(layout) = event {
            state.newest.retain(|(subject, _)| !subject.is_gone(layout));
        }
        for (_, sink) in &mut state.sinks {
            sink.publish(event);
        }
        if let Some((subject, lasting)) = event.lasting() {
            match state.newest.iter_mut().find(|(known, _)| *known == subject) {
                Some((_, newest)) => *newest = lasting,
                None => state.newest.push((subject, lasting)),
            }
        }
    }

    /// Adds a sink, replacing one of the same name, and sends it the newest event of each subject.
    pub fn attach(&self, name: &'static str, mut sink: Box<dyn Sink>) {
        let mut state = self.lock();
        for (_, event) in &state.newest {
            sink.publish(event);
        }
        state.sinks.retain(|(known, _)| *known != name);
        state.sinks.push((name, sink));
    }

    /// The newest status of a camera; `None` before the first.
    pub fn camera(&self, name: &Name) -> Option<CameraStatus> {
        self.lock().cameras().find(|status| status.camera == *name).cloned()
    }

    /// The newest status of each camera.
    pub fn cameras(&self) -> Vec<CameraStatus> {
        self.lock().cameras().cloned().collect()
    }

    /// The views of whose frames most are strange.
    pub fn strange(&self) -> Vec<Strange> {
        let state = self.lock();
        let told = state.newest.iter().filter_map(|(_, event)| match event {
            Event::Strange(strange) if strange.since.is_some() => Some(strange.clone()),
            _ => None,
        });
        told.collect()
    }

    pub fn detach(&self, name: &'static str) {
        self.lock().sinks.retain(|(known, _)| *known != name);
    }

    /// Drops all sinks, so that their threads find their queues closed and end.
    pub fn detach_all(&self) {
        self.lock().sinks.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A sink that panicked is as good as any other for the next event.
        self.0.lock()
    }
}

/// Examples for tests, those of the daemon included, which is another crate; a program that uses none of them has none.
#[doc(hidden)]
pub mod tests_support {
    use std::sync::Arc;

    use super::*;
    use crate::domain::camera::CameraState;

    /// Records the events it receives.
    #[derive(Clone, Default)]
    pub struct Told(Arc<Mutex<Vec<Event>>>);

    impl Told {
        pub fn events(&self) -> Vec<Event> {
            self.0.lock().clone()
        }

        /// Only those of the camera.
        pub fn statuses(&self) -> Vec<CameraStatus> {
            let status = |event| match event {
                Event::Camera(status) => Some(status),
                _ => None,
            };
            self.events().into_iter().filter_map(status).collect()
        }

        /// The states of the camera, one after another.
        pub fn states(&self) -> Vec<CameraState> {
            let mut states: Vec<CameraState> = self.statuses().into_iter().map(|status| status.state).collect();
            states.dedup();
            states
        }
    }

    /// A hub with this sink attached.
    pub fn hub_with(told: &Told) -> Hub {
        let hub = Hub::default();
        hub.attach("told", Box::new(told.clone()));
        hub
    }

    impl Sink for Told {
        fn publish(&mut self, event: &Event) {
            self.0.lock().push(event.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tests_support::Told;
    use super::*;
    use crate::domain::camera::CameraState::{Offline, Online};
    use crate::domain::camera::tests_support::status;
    use crate::domain::classification::tests_support::{frame, stable};

    #[test]
    fn a_sink_that_comes_late_is_told_how_things_are_but_not_what_happened() {
        let (hub, early, late) = (Hub::default(), Told::default(), Told::default());
        hub.attach("early", Box::new(early.clone()));
        for event in [
            Event::Camera(status(Offline)),
            Event::Classified(frame(1, Some("cat"))),
            Event::Changed { now: stable(Some("cat")), before: None },
            Event::Camera(status(Online)),
        ] {
            hub.publish(&event);
        }
        hub.attach("late", Box::new(late.clone()));
        assert_eq!(early.events().len(), 4);
        assert_eq!(late.events(), [Event::Camera(status(Online)), Event::Heartbeat(stable(Some("cat")))]);
    }

    #[test]
    fn a_sink_replaces_the_one_of_its_name() {
        let (hub, old, new) = (Hub::default(), Told::default(), Told::default());
        hub.attach("broker", Box::new(old.clone()));
        hub.attach("broker", Box::new(new.clone()));
        hub.publish(&Event::Camera(status(Online)));
        assert_eq!((old.events().len(), new.events().len()), (0, 1));
    }
}
