//! The cameras that are in use, for those who look at all of them: the watchdog, the health monitor, the viewers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::call::CallInProgress;
use super::supervisor::Counters;
use crate::bus::preview::Preview;
use crate::domain::frame::Frame;
use crate::domain::name::Name;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::slot::Slot;
use glimpsed_base::sync::Mutex;

/// What a camera shares with others. Its clones are the same camera.
#[derive(Clone)]
pub struct Registered {
    pub name: Name,
    pub slot: Arc<Slot<Frame>>,
    pub counters: Arc<Counters>,
    /// Marks calls for the watchdog; shared by all successive threads of the camera.
    pub call: CallInProgress,
    pub liveness: Liveness,
    pub preview: Arc<Preview>,
}

/// Counters of all cameras since the start, those that are gone included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub frames: u64,
    pub reconnects: u64,
    pub corrupt: u64,
    pub overwritten: u64,
}

/// All cameras; clones share them.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    cameras: Vec<Registered>,
    gone: Totals,
}

impl Registry {
    pub fn add(&self, camera: Registered) {
        self.0.lock().cameras.push(camera);
    }

    pub fn remove(&self, name: &Name) {
        let mut inner = self.0.lock();
        if let Some(index) = inner.cameras.iter().position(|camera| camera.name == *name) {
            let camera = inner.cameras.remove(index);
            inner.gone = inner.gone.plus(camera.totals());
        }
    }

    /// The same camera with another slot.
    pub fn replace(&self, camera: Registered) {
        let mut inner = self.0.lock();
        if let Some(index) = inner.cameras.iter().position(|other| other.name == camera.name) {
            let former = std::mem::replace(&mut inner.cameras[index], camera);
            inner.gone.overwritten += former.slot.overwritten();
        }
    }

    pub fn cameras(&self) -> Vec<Registered> {
        self.0.lock().cameras.clone()
    }

    /// Whether this camera is in use, and not only another one that was added later under its name.
    pub fn has(&self, camera: &Registered) -> bool {
        self.0.lock().cameras.iter().any(|other| Arc::ptr_eq(&other.preview, &camera.preview))
    }

    pub fn totals(&self) -> Totals {
        let inner = self.0.lock();
        inner.cameras.iter().fold(inner.gone, |sum, camera| sum.plus(camera.totals()))
    }
}

impl Registered {
    /// The counters of this camera.
    pub fn totals(&self) -> Totals {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { frames, reconnects, corrupt } = &*self.counters;
        Totals {
            frames: read(frames),
            reconnects: read(reconnects),
            corrupt: read(corrupt),
            overwritten: self.slot.overwritten(),
        }
    }
}

impl Totals {
    fn plus(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            reconnects: self.reconnects + other.reconnects,
            corrupt: self.corrupt + other.corrupt,
            overwritten: self.overwritten + other.overwritten,
        }
    }
}

#[cfg(test)]
pub mod tests_support {
    use super::*;
    use glimpsed_base::slot::WhenFull;
    use std::time::Duration;

    /// A camera that nothing captures from.
    pub fn idle(name: Name) -> Registered {
        Registered {
            name,
            slot: Arc::new(Slot::new(WhenFull::Overwrite)),
            counters: Arc::default(),
            call: CallInProgress::new(Duration::from_secs(5), "the camera's driver"),
            liveness: Liveness::default(),
            preview: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tests_support::idle;
    use super::*;

    #[test]
    fn counters_never_go_back_when_a_camera_is_removed() {
        let registry = Registry::default();
        for name in ["yard", "desk"] {
            let camera = idle(Name::new(name));
            camera.counters.frames.store(10, Ordering::Relaxed);
            registry.add(camera);
        }
        assert_eq!(registry.totals().frames, 20);
        let yard = registry.cameras().remove(0);
        assert!(registry.has(&yard));
        registry.remove(&Name::new("yard"));
        assert_eq!((registry.totals().frames, registry.cameras().len()), (20, 1));
        registry.add(idle(Name::new("yard")));
        assert!(!registry.has(&yard), "another one of that name");
    }
}
