//! Directories for the state and downloads of glimpsed.

use std::path::{Path, PathBuf};

/// The service's own directory, shared by commands that run as root.
const SYSTEM: &str = "/var/lib/glimpsed";

/// Directories for what was measured on this device, best first. None of them has to exist or be writable.
pub fn state() -> Vec<PathBuf> {
    directories("XDG_STATE_HOME", ".local/state")
}

/// Directories for downloaded models, best first. None of them has to exist or be writable.
pub fn fetched_models() -> Vec<PathBuf> {
    directories("XDG_DATA_HOME", ".local/share").into_iter().map(|directory| directory.join("models")).collect()
}

/// The directory set by the service manager; without one, the service's directory and then the user's.
fn directories(variable: &str, below_home: &str) -> Vec<PathBuf> {
    // systemd separates several directories with colons.
    let given = std::env::var_os("STATE_DIRECTORY").and_then(|list| std::env::split_paths(&list).next());
    if let Some(given) = given.filter(|directory| directory.is_absolute()) {
        return vec![given];
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_the_user = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)));
    [Some(Path::new(SYSTEM).to_owned()), of_the_user.map(|directory| directory.join("glimpsed"))]
        .into_iter()
        .flatten()
        .collect()
}
