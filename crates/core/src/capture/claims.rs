//! Which devices the cameras of this process have for themselves, so that `auto` takes none of them.

use std::path::{Path, PathBuf};

use glimpsed_base::sync::Mutex;

static TAKEN: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A device that belongs to one camera, until this is dropped.
#[derive(Debug)]
pub(super) struct Claim(PathBuf);

impl Claim {
    /// The device that the configuration names. It does not have to be there yet.
    pub(super) fn named(path: &Path) -> Self {
        TAKEN.lock().push(path.to_owned());
        Self(path.to_owned())
    }

    /// A device that was found. `None` if another camera has it.
    pub(super) fn found(path: &Path) -> Option<Self> {
        let mut taken = TAKEN.lock();
        // Stable names are links.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if taken.iter().any(|taken| real(taken) == real(path)) {
            return None;
        }
        taken.push(path.to_owned());
        Some(Self(path.to_owned()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock();
        if let Some(index) = taken.iter().position(|taken| *taken == self.0) {
            taken.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_one_camera_s_by_whatever_name_and_then_free_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let (device, link) = (directory.path().join("video0"), directory.path().join("by-id"));
        std::fs::write(&device, "").expect("writable");
        std::os::unix::fs::symlink(&device, &link).expect("a link");
        let named = Claim::named(&link);
        assert!(Claim::found(&device).is_none());
        drop(named);
        let found = Claim::found(&device).expect("free");
        assert!(Claim::found(&device).is_none() && Claim::found(&link).is_none());
        drop(found);
        assert!(Claim::found(&device).is_some());
    }
}
