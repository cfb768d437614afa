//! A download with its retries, up to the finished file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::destination::Destination;
use super::failure::Limits;
use super::http;
use crate::models::catalog::Entry;
use crate::models::fetch::failure::{Failure, FetchError, Stream};
use glimpsed_inference::{hex, sha256_of};

/// How often a wait between two attempts looks whether to go on.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The result of a successful call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Fetched,
    AlreadyThere,
}

/// Downloads the model's file into `directory`, unless it is there already. `from` is a mirror to use instead of the
/// catalogue's address: a directory, or the URL of one. `tell` receives the number of bytes so far, and may stop it.
///
/// # Errors
/// Why the download failed. A file that was at the destination before is untouched then, and the next attempt resumes where this
/// one ended.
pub fn fetch(
    entry: &Entry,
    directory: &Path,
    from: Option<&str>,
    limits: &Limits,
    mut tell: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Outcome, FetchError> {
    let address = address(entry, from)?;
    let destination = Destination::claim(directory, entry)?;
    if sha256_of(&destination.file).is_ok_and(|found| found == entry.sha256) {
        return Ok(Outcome::AlreadyThere);
    }
    let mut pauses = limits.pauses.iter();
    loop {
        match once(entry, &destination, &address, limits, &mut tell) {
            Ok(()) => return Ok(Outcome::Fetched),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again(error)) => match pauses.next() {
                Some(pause) => {
                    tracing::info!(%error, "trying again");
                    let have = destination.usable_length(entry);
                    wait(*pause, || tell(have))?;
                }
                None => return Err(error),
            },
        }
    }
}

/// Waits, and asks meanwhile whether to go on.
fn wait(pause: Duration, mut tell: impl FnMut() -> ControlFlow<()>) -> Result<(), FetchError> {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        if tell().is_break() {
            return Err(FetchError::Stopped);
        }
        std::thread::sleep(left.min(LOOK_EVERY));
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
    destination: &Destination,
    address: &str,
    limits: &Limits,
    tell: &mut impl FnMut(u64) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let local = |cause| Failure::Final(destination.cannot(cause));
    let mut part = destination.open_part().map_err(local)?;
    let have = destination.usable_length(entry);
    let stream = match address.contains("://") {
        true => http::open(address, entry.bytes, have, destination.etag(), limits)?,
        false => open_file(address, entry.bytes, have)?,
    };
    destination.keep_etag(stream.etag.as_deref());
    destination.has_space(entry.bytes - stream.offset).map_err(Failure::Final)?;
    let hasher = begin(&mut part, stream.offset).map_err(local)?;
    let mut writing = Writing { part, hasher, length: stream.offset };
    writing.copy(stream.reader, address, entry, limits, tell).inspect_err(|failure| {
        if matches!(failure, Failure::Final(FetchError::WrongSize { .. })) {
            destination.forget_part();
        }
    })?;
    let found = hex(writing.hasher);
    if found != entry.sha256 {
        destination.forget_part();
        let wrong = FetchError::WrongHash { from: address.to_owned(), found, expected: entry.sha256.clone() };
        // The parts of two attempts may belong to different versions of the file, so a retry is worthwhile.
        return Err(if stream.offset > 0 { Failure::Again(wrong) } else { Failure::Final(wrong) });
    }
    destination.finish(&writing.part).map_err(local)
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

/// Hashes the part that is kept again, and truncates the file behind it.
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
        tell: &mut impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let broken = |cause: String| Failure::Again(FetchError::Source { from: from.to_owned(), cause });
        let mut piece = vec![0; 1 << 16];
        let (mut window, mut at_its_start) = (Instant::now(), self.length);
        loop {
            if tell(self.length).is_break() {
                return Err(Failure::Final(FetchError::Stopped));
            }
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
