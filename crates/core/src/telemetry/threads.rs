//! Whether the daemon's threads keep their word.

use std::time::Duration;

use crate::capture::registry::Registry;
use glimpsed_base::liveness::Liveness;

/// The threads with a liveness deadline. Clones watch the same threads.
#[derive(Clone)]
pub struct Threads {
    /// Those that everything depends on.
    pub main: Vec<Liveness>,
    pub cameras: Registry,
}

impl Threads {
    /// Whether the daemon has stopped working: a thread that everything depends on has not been heard of for too long, or every camera's.
    /// While one of several cameras works, a new process would help only the others.
    pub fn are_late(&self, now: Duration) -> bool {
        let cameras = self.cameras.cameras();
        self.main.iter().any(|liveness| liveness.is_overdue(now))
            || (!cameras.is_empty() && cameras.iter().all(|camera| camera.liveness.is_overdue(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::registry::tests_support::idle;
    use crate::domain::name::Name;

    #[test]
    fn one_camera_of_several_that_is_late_is_no_reason_to_end_the_daemon() {
        let (main, cameras) = (Liveness::default(), Registry::default());
        let threads = Threads { main: vec![main.clone()], cameras: cameras.clone() };
        let now = Duration::from_secs(10);
        assert!(!threads.are_late(now));
        for name in ["yard", "desk"] {
            cameras.add(idle(Name::new(name)));
        }
        let [yard, desk] = &cameras.cameras()[..] else { panic!("two") };
        yard.liveness.expect_by(Duration::from_secs(5));
        assert!(!threads.are_late(now));
        desk.liveness.expect_by(Duration::from_secs(5));
        assert!(threads.are_late(now));
        desk.liveness.pause();
        main.expect_by(Duration::from_secs(5));
        assert!(threads.are_late(now));
    }
}
