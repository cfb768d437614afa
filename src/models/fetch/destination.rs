//! Where a download goes: a directory that is claimed for as long as it takes, the unfinished file, and the finished one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock, statvfs};

use super::super::catalog::Entry;
use super::failure::FetchError;
use glimpsed_base::files;

/// What is left free for everybody else.
const RESERVE_BYTES: u64 = 16 << 20;

const MAX_ETAG_BYTES: u64 = 1024;

/// A file to be written. No link is followed: the directory may belong to another user than the one who fetches.
fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    options
}

pub struct Destination {
    directory: PathBuf,
    /// The finished file.
    pub file: PathBuf,
    part: PathBuf,
    etag: PathBuf,
    /// The lock goes with it.
    _claim: File,
}

impl Destination {
    /// # Errors
    /// When the directory cannot be written, or somebody else downloads into it.
    pub fn claim(directory: &Path, entry: &Entry) -> Result<Self, FetchError> {
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

    pub fn cannot(&self, cause: io::Error) -> FetchError {
        FetchError::Local { path: self.directory.clone(), cause: cause.to_string() }
    }

    /// # Errors
    /// When the disk has no room for `bytes` more.
    pub fn has_space(&self, bytes: u64) -> Result<(), FetchError> {
        let needed = bytes.saturating_add(RESERVE_BYTES);
        // Where it cannot be asked, writing tells.
        let Ok(disk) = statvfs(&self.directory) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        match free >= needed {
            true => Ok(()),
            false => Err(FetchError::NoSpace { directory: self.directory.clone(), needed, free }),
        }
    }

    pub fn open_part(&self) -> io::Result<File> {
        own_file().truncate(false).read(true).open(&self.part)
    }

    /// How much of the unfinished file can be gone on from.
    pub fn usable_length(&self, entry: &Entry) -> u64 {
        let length = std::fs::metadata(&self.part).map_or(0, |metadata| metadata.len());
        if length < entry.bytes { length } else { 0 }
    }

    /// Which version of the file the unfinished one is of.
    pub fn etag(&self) -> Option<String> {
        files::read_text(&self.etag, MAX_ETAG_BYTES).ok().filter(|etag| !etag.is_empty())
    }

    /// That it cannot be noted only means that the next try is less certain.
    pub fn keep_etag(&self, etag: Option<&str>) {
        let _ = match etag {
            Some(etag) => {
                own_file().truncate(true).open(&self.etag).and_then(|mut file| file.write_all(etag.as_bytes()))
            }
            None => std::fs::remove_file(&self.etag),
        };
    }

    pub fn forget_part(&self) {
        let _ = std::fs::remove_file(&self.part);
        let _ = std::fs::remove_file(&self.etag);
    }

    /// Gives the file its name, once it is on the disk.
    ///
    /// # Errors
    /// When the disk says so.
    pub fn finish(&self, part: &File) -> io::Result<()> {
        // Whoever fetches it, the service's user reads it.
        part.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        part.sync_all()?;
        std::fs::rename(&self.part, &self.file)?;
        File::open(&self.directory)?.sync_all()?;
        let _ = std::fs::remove_file(&self.etag);
        Ok(())
    }
}
