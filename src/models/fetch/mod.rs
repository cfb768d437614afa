//! Downloads models of the catalogue: to the end or not at all, and never anything else than what the catalogue says.
//!
//! What has arrived is kept in a file that begins with a dot, so that the next try goes on from there. It gets its name when it
//! is whole, hashes to what it should, and is on the disk.

mod http;
mod place;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::catalog::Entry;
use glimpsed_inference::{hex, sha256_of};
use place::Place;

/// How patient a download is.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the name, the connection, the head of the answer, and each piece of the file.
    pub silence: Duration,
    /// In each such time, at least so many bytes have to come.
    pub window: Duration,
    pub least_bytes: u64,
    /// Before another try after a broken connection, one each.
    pub pauses: Vec<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            // A kilobyte a second: MobileNet-v2 int8 would take an hour.
            window: Duration::from_secs(60),
            least_bytes: 60 << 10,
            pauses: [1, 3, 10].map(Duration::from_secs).to_vec(),
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Fetched,
    AlreadyThere,
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error(
        "comes with glimpsed and has no address to download it from; reinstall glimpsed, or name a mirror with --from"
    )]
    NoAddress,
    #[error("another download into `{0}` is under way; wait for its end")]
    Locked(PathBuf),
    #[error("there is not enough space in `{directory}`: {needed} bytes are needed, {free} are free")]
    NoSpace { directory: PathBuf, needed: u64, free: u64 },
    #[error("cannot write into `{path}`: {cause}")]
    Local { path: PathBuf, cause: String },
    #[error("{from}: {cause}")]
    Source { from: String, cause: String },
    #[error("{from}: has {found} bytes, but the model has {expected}; this is another file")]
    WrongSize { from: String, found: u64, expected: u64 },
    #[error(
        "{from}: what arrived is not the model that the catalogue means (its sha256 is {found}, not {expected}), so it was \
         deleted; somebody has replaced the file, or a proxy has answered in its place"
    )]
    WrongHash { from: String, found: String, expected: String },
}

/// Where the bytes come from, from some offset on.
struct Stream {
    reader: Box<dyn Read>,
    /// Where they begin: at the beginning where the source cannot begin elsewhere, or has another file by now.
    offset: u64,
    /// What tells this version of the file from others.
    etag: Option<String>,
}

/// A broken connection is worth another try, a wrong file is not.
enum Failure {
    Again(FetchError),
    Final(FetchError),
}

/// Puts the model's file into `directory`, unless it is there already. `from` is a mirror instead of the catalogue's address: a
/// directory, or the URL of one. `tell` hears how many bytes there are.
///
/// # Errors
/// Why there is no file. What was at its place before is untouched then.
pub fn fetch(
    entry: &Entry,
    directory: &Path,
    from: Option<&str>,
    limits: &Limits,
    mut tell: impl FnMut(u64),
) -> Result<Outcome, FetchError> {
    let address = address(entry, from)?;
    let place = Place::claim(directory, entry)?;
    if sha256_of(&place.file).is_ok_and(|found| found == entry.sha256) {
        return Ok(Outcome::AlreadyThere);
    }
    let mut pauses = limits.pauses.iter();
    loop {
        match once(entry, &place, &address, limits, &mut tell) {
            Ok(()) => return Ok(Outcome::Fetched),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again(error)) => match pauses.next() {
                Some(pause) => {
                    tracing::info!(%error, "trying again");
                    std::thread::sleep(*pause);
                }
                None => return Err(error),
            },
        }
    }
}

fn address(entry: &Entry, from: Option<&str>) -> Result<String, FetchError> {
    match (from, &entry.url) {
        (Some(mirror), _) => Ok(format!("{}/{}", mirror.trim_end_matches('/'), entry.file)),
        (None, Some(url)) => Ok(url.clone()),
        (None, None) => Err(FetchError::NoAddress),
    }
}

fn once(
    entry: &Entry,
    place: &Place,
    address: &str,
    limits: &Limits,
    tell: &mut impl FnMut(u64),
) -> Result<(), Failure> {
    let local = |cause| Failure::Final(place.cannot(cause));
    let mut part = place.open_part().map_err(local)?;
    let have = place.usable_length(entry);
    let stream = match address.contains("://") {
        true => http::open(address, entry.bytes, have, place.etag(), limits)?,
        false => open_file(address, entry.bytes, have)?,
    };
    place.keep_etag(stream.etag.as_deref());
    place.has_space(entry.bytes - stream.offset).map_err(Failure::Final)?;
    let hasher = begin(&mut part, stream.offset).map_err(local)?;
    let mut writing = Writing { part, hasher, length: stream.offset };
    writing.copy(stream.reader, address, entry, limits, tell).inspect_err(|failure| {
        if matches!(failure, Failure::Final(FetchError::WrongSize { .. })) {
            place.forget_part();
        }
    })?;
    let found = hex(writing.hasher);
    if found != entry.sha256 {
        place.forget_part();
        let wrong = FetchError::WrongHash { from: address.to_owned(), found, expected: entry.sha256.clone() };
        // What was put together of two tries may be of two files.
        return Err(if stream.offset > 0 { Failure::Again(wrong) } else { Failure::Final(wrong) });
    }
    place.finish(&writing.part).map_err(local)
}

fn open_file(path: &str, expected: u64, have: u64) -> Result<Stream, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Final(FetchError::Source { from: path.to_owned(), cause: format!("cannot be read: {error}") })
    };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::Final(FetchError::Source { from: path.to_owned(), cause: "is not a file".into() }));
    }
    if metadata.len() != expected {
        let (from, found) = (path.to_owned(), metadata.len());
        return Err(Failure::Final(FetchError::WrongSize { from, found, expected }));
    }
    file.seek(SeekFrom::Start(have)).map_err(failed)?;
    Ok(Stream { reader: Box::new(file), offset: have, etag: None })
}

/// The part that is kept is hashed again, and what is behind it is cut off.
fn begin(part: &mut File, offset: u64) -> std::io::Result<Sha256> {
    part.set_len(offset)?;
    part.seek(SeekFrom::Start(0))?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match part.read(&mut piece)? {
            0 => return Ok(hasher),
            read => hasher.update(&piece[..read]),
        }
    }
}

struct Writing {
    part: File,
    hasher: Sha256,
    length: u64,
}

impl Writing {
    fn copy(
        &mut self,
        mut reader: impl Read,
        from: &str,
        entry: &Entry,
        limits: &Limits,
        tell: &mut impl FnMut(u64),
    ) -> Result<(), Failure> {
        let broken = |cause: String| Failure::Again(FetchError::Source { from: from.to_owned(), cause });
        let mut piece = vec![0; 1 << 16];
        let (mut window, mut at_its_start) = (Instant::now(), self.length);
        loop {
            tell(self.length);
            let read = match reader.read(&mut piece) {
                Ok(0) if self.length == entry.bytes => return Ok(()),
                Ok(0) => {
                    let (has, whole) = (self.length, entry.bytes);
                    return Err(broken(format!("the connection ended after {has} of {whole} bytes")));
                }
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(http::describe_io(&error, limits))),
            };
            if self.length + read as u64 > entry.bytes {
                let (found, expected) = (self.length + read as u64, entry.bytes);
                return Err(Failure::Final(FetchError::WrongSize { from: from.to_owned(), found, expected }));
            }
            self.part.write_all(&piece[..read]).map_err(|error| {
                Failure::Final(FetchError::Local { path: entry.file.clone().into(), cause: error.to_string() })
            })?;
            self.hasher.update(&piece[..read]);
            self.length += read as u64;
            if window.elapsed() >= limits.window {
                if self.length - at_its_start < limits.least_bytes {
                    return Err(broken(format!("sends less than {} bytes in {:?}", limits.least_bytes, limits.window)));
                }
                (window, at_its_start) = (Instant::now(), self.length);
            }
        }
    }
}
