//! The destination of a download: a locked directory, the partial file, and the finished one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock, statvfs};

use super::super::catalog::Entry;
use super::failure::FetchError;
use glimpsed_base::files;

/// Disk space that is left free for other programs.
const RESERVE_BYTES: u64 = 16 << 20;

const MAX_ETAG_BYTES: u64 = 1024;

/// Options for writing a file. Links are not followed, because the directory may belong to another user.
fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    options
}

/// The first of the directories that can be written into, which only trying tells; if none can, the first.
pub fn writable(directories: &[PathBuf]) -> Option<&PathBuf> {
    let works = |directory: &&PathBuf| {
        std::fs::create_dir_all(directory).is_ok() && tempfile::NamedTempFile::new_in(directory).is_ok()
    };
    directories.iter().find(works).or(directories.first())
}

pub(super) struct Destination {
    directory: PathBuf,
    /// The finished file.
    pub file: PathBuf,
    part: PathBuf,
    etag: PathBuf,
    /// Holds the lock on the directory.
    _claim: File,
}

impl Destination {
    /// # Errors
    /// When the directory cannot be written, or another process downloads into it.
    pub(super) fn claim(directory: &Path, entry: &Entry) -> Result<Self, FetchError> {
        let cannot = |cause: io::Error| FetchError::Local { path: directory.to_owned(), cause: cause.to_string() };
        std::fs::create_dir_all(directory).map_err(cannot)?;
        let claim = own_file().truncate(false).open(directory.join(".fetching"));
        let claim = claim.map_err(cannot)?;
        match flock(&claim, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(FetchError::Locked(directory.to_owned())),
            Err(error) => return Err(cannot(error.into())),
        }
        Ok(Self {
            file: directory.join(&entry.file),
            part: directory.join(format!(".{}.part", entry.file)),
            etag: directory.join(format!(".{}.etag", entry.file)),
            directory: directory.to_owned(),
            _claim: claim,
        })
    }

    pub(super) fn cannot(&self, cause: io::Error) -> FetchError {
        FetchError::Local { path: self.directory.clone(), cause: cause.to_string() }
    }

    /// # Errors
    /// When the disk has no space for `bytes` more.
    pub(super) fn has_space(&self, bytes: u64) -> Result<(), FetchError> {
        let needed = bytes.saturating_add(RESERVE_BYTES);
        // If the free space is unknown, a full disk shows up as a write error.
        let Ok(disk) = statvfs(&self.directory) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        match free >= needed {
            true => Ok(()),
            false => Err(FetchError::NoSpace { directory: self.directory.clone(), needed, free }),
        }
    }

    pub(super) fn open_part(&self) -> io::Result<File> {
        own_file().truncate(false).read(true).open(&self.part)
    }

    /// Length of the partial file that a download can resume from.
    pub(super) fn usable_length(&self, entry: &Entry) -> u64 {
        let length = std::fs::metadata(&self.part).map_or(0, |metadata| metadata.len());
        if length < entry.bytes { length } else { 0 }
    }

    /// The version of the file that the partial one belongs to.
    pub(super) fn etag(&self) -> Option<String> {
        files::read_text(&self.etag, MAX_ETAG_BYTES).ok().filter(|etag| !etag.is_empty())
    }

    /// Best effort: without the ETag, the next attempt cannot verify the version before it resumes.
    pub(super) fn keep_etag(&self, etag: Option<&str>) {
        let _ = match etag {
            Some(etag) => {
                own_file().truncate(true).open(&self.etag).and_then(|mut file| file.write_all(etag.as_bytes()))
            }
            None => std::fs::remove_file(&self.etag),
        };
    }

    pub(super) fn forget_part(&self) {
        let _ = std::fs::remove_file(&self.part);
        let _ = std::fs::remove_file(&self.etag);
    }

    /// Syncs the file to the disk and renames it to its final name.
    ///
    /// # Errors
    /// When the disk reports an error.
    pub(super) fn finish(&self, part: &File) -> io::Result<()> {
        // Readable by the service's user, whichever user fetched it.
        part.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        part.sync_all()?;
        std::fs::rename(&self.part, &self.file)?;
        File::open(&self.directory)?.sync_all()?;
        let _ = std::fs::remove_file(&self.etag);
        Ok(())
    }
}
