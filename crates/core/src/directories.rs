//! Directories for the state and downloads of glimpsed.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use glimpsed_base::hex::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};

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

/// The name of a file of the state directory that belongs to the configuration in `path`: several daemons can share the directory.
pub fn name_for(path: &Path, kind: &str, extension: &str) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let digest = Sha256::digest(absolute.as_os_str().as_bytes());
    let name = hex(&digest[..4]);
    format!("{kind}-{name}.{extension}")
}

/// Why a file was not kept: the last of the directories that were tried.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("there is no directory for it")]
    NoDirectory,
    #[error("cannot write into `{}`: {cause}", directory.display())]
    Write { directory: PathBuf, cause: io::Error },
}

/// Why the contents of a file were not replaced.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {cause}", path.display())]
pub struct NotReplaced {
    path: PathBuf,
    cause: io::Error,
}

/// Writes a file of this name and mode into the first state directory that is writable. A reader sees the old contents or the new
/// ones, also after a power cut.
///
/// # Errors
/// When none is writable.
pub fn keep_state(file: &str, bytes: &[u8], mode: u32) -> Result<PathBuf, NotKept> {
    keep_within(&state(), file, bytes, mode)
}

/// As [`keep_state`], with the directories of the caller.
///
/// # Errors
/// When none is writable.
pub fn keep_within(directories: &[PathBuf], file: &str, bytes: &[u8], mode: u32) -> Result<PathBuf, NotKept> {
    let mut last = NotKept::NoDirectory;
    for directory in directories {
        match write(&directory.join(file), bytes, mode) {
            Ok(()) => return Ok(directory.join(file)),
            Err(cause) => last = NotKept::Write { directory: directory.clone(), cause },
        }
    }
    Err(last)
}

/// As [`keep_within`], with the value as JSON.
///
/// # Errors
/// When none is writable.
pub fn keep_json_within(
    directories: &[PathBuf],
    file: &str,
    value: &impl Serialize,
    mode: u32,
) -> Result<PathBuf, NotKept> {
    let json = serde_json::to_vec(value);
    let json = json.map_err(|cause| NotKept::Write { directory: PathBuf::from(file), cause: cause.into() })?;
    keep_within(directories, file, &json, mode)
}

/// Writes a temporary file beside `path`, and renames it. The directory is created if it is missing.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_for(path, bytes, mode, None)
}

/// For this user and group, as far as the user who runs this may give it to them.
fn write_for(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory)?;
    let mut beside = tempfile::NamedTempFile::new_in(directory)?;
    beside.write_all(bytes)?;
    if let Some((user, group)) = owner {
        let given = fchown(beside.as_file(), Some(user), Some(group));
        let _ = given.or_else(|_| fchown(beside.as_file(), None, Some(group)));
    }
    beside.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
    // Otherwise the rename could reach the disk before the contents.
    beside.as_file().sync_all()?;
    beside.persist(path).map(drop).map_err(|error| error.error)
}

/// Replaces the contents of a file that may be written; a reader sees the old ones or the new ones.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<(), NotReplaced> {
    let cannot = |cause| NotReplaced { path: path.to_owned(), cause };
    // Behind a link, that stays one.
    let target = path.canonicalize().map_err(cannot)?;
    rustix::fs::access(&target, rustix::fs::Access::WRITE_OK).map_err(|error| cannot(error.into()))?;
    let before = std::fs::metadata(&target).map_err(cannot)?;
    // A file for the service alone stays one when root writes it.
    let owner = Some((before.uid(), before.gid()));
    write_for(&target, text.as_bytes(), before.mode() & 0o7777, owner).map_err(cannot)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_mode_and_its_link() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("real.toml"), directory.path().join("glimpsed.toml"));
        std::fs::write(&file, "old").expect("writable");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("ours");
        symlink(&file, &link).expect("a link");
        replace(&link, "new").expect("written");
        assert_eq!(std::fs::read_to_string(&file).expect("there"), "new");
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o7777, 0o640);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(7), Some(9)).expect("root may");
            replace(&link, "newer").expect("written");
            let after = std::fs::metadata(&file).expect("there");
            assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (7, 9, 0o640));
        }
        assert!(
            replace(&directory.path().join("none.toml"), "x")
                .is_err_and(|error| error.to_string().contains("cannot be written"))
        );
    }
}
