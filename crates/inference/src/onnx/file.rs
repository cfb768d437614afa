//! An open model file: decoding it, hashing it, and comparing its hash with the expected one.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use super::stored::{Positioned, Stored, elsewhere, open_beside, place};
use crate::error::Error;
use crate::hash::sha256_of_all;
use crate::source::Source;

/// The largest file. The largest classifiers in use have some 600 MB, and larger ones do not fit on the supported
/// boards.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// An open file. Its hash is computed beside everything else that is done with it, so the user of what is in it asks
/// [`OnnxFile::verify`] before anybody relies on it.
pub(crate) struct OnnxFile {
    pub path: String,
    /// The file that holds weights beside it.
    pub weights: Option<String>,
    place: PathBuf,
    stored: Arc<Stored>,
    opened: (Metadata, Option<Metadata>),
    expected: Option<String>,
    hash: Option<JoinHandle<std::io::Result<String>>>,
    /// Ends the thread before its end: nobody needs the hash of a file that is refused.
    given_up: Arc<AtomicBool>,
    /// The result of the thread.
    found: Option<Result<String, String>>,
}

/// A decoded file, of which the larger weights are still in `file`; see [`Extent`](super::extent::Extent).
#[derive(Clone)]
pub(crate) struct Decoded {
    pub proto: super::pb::ModelProto,
    pub file: Arc<Stored>,
}

impl OnnxFile {
    /// Opens the file, and starts to hash it.
    ///
    /// # Errors
    /// When it cannot be read or is too large.
    pub(crate) fn open(source: &Source<'_>) -> Result<Self, Error> {
        let path = source.path.display().to_string();
        let unreadable = |cause: String| Error::Unreadable { path: path.clone(), cause };
        // The kind of file is checked before it is opened, because opening a pipe would wait for a writer.
        let found = std::fs::metadata(source.path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::NotFound { path: path.clone(), cause: "there is no such file".into() },
            _ => unreadable(error.to_string()),
        })?;
        if !found.is_file() {
            return Err(unreadable("it is not a file".into()));
        }
        let file = File::open(source.path).map_err(|error| unreadable(error.to_string()))?;
        let opened = file.metadata().map_err(|error| unreadable(error.to_string()))?;
        match opened.len() {
            0 => Err(Error::NotOnnx { path, cause: "it is empty (0 bytes)".into() }),
            length if length > MAX_FILE_BYTES => {
                Err(unreadable(format!("it has {length} bytes; at most 1 GiB is read")))
            }
            bytes => {
                let stored = Arc::new(Stored::new(file, bytes));
                let given_up = Arc::<AtomicBool>::default();
                let hash = begin_hash(&stored, &given_up);
                let (expected, place) = (source.sha256.map(str::to_owned), source.path.to_owned());
                let opened = (opened, None);
                Ok(Self { path, weights: None, place, stored, opened, expected, hash, given_up, found: None })
            }
        }
    }

    /// Whether the file has to have a certain hash.
    pub(crate) fn is_expected(&self) -> bool {
        self.expected.is_some()
    }

    /// The number of its bytes, those of its weights' file included.
    pub(crate) fn bytes(&self) -> u64 {
        self.stored.length()
    }

    /// Decodes the file without its larger weights, and rewrites operators that have a plainer form.
    ///
    /// # Errors
    /// When it cannot be read, or is no ONNX file.
    pub(crate) fn decode(&mut self) -> Result<Decoded, Error> {
        let mut proto = super::skeleton::decode(&self.stored).map_err(|error| self.wrong(&error))?;
        if let Some(location) = elsewhere(&proto)? {
            self.add_weights(&mut proto, &location)?;
        }
        super::qoperator::expand(&mut proto);
        super::one_picture::rewrite(&mut proto);
        Ok(Decoded { proto, file: self.stored.clone() })
    }

    /// Takes weights from a second file.
    fn add_weights(&mut self, proto: &mut super::pb::ModelProto, location: &str) -> Result<(), Error> {
        let before = self.stored.first_length();
        if self.weights.is_none() {
            let (file, bytes) = open_beside(&self.place, location, MAX_FILE_BYTES.saturating_sub(before))?;
            self.opened.1 = Some(file.metadata().map_err(|error| self.wrong(&error))?);
            self.stored = Arc::new(self.stored.followed_by(file, bytes).map_err(|error| self.wrong(&error))?);
            // Begun again, because now there is more to hash.
            self.given_up.store(true, Ordering::Relaxed);
            self.given_up = Arc::default();
            self.hash = begin_hash(&self.stored, &self.given_up);
            self.found = None;
            self.weights = Some(location.to_owned());
        }
        if !place(proto, before, self.stored.length() - before) {
            let cause =
                "which does not hold as many bytes as the model says; it belongs to another model, or is cut short";
            return Err(Error::ExternalData { location: location.to_owned(), cause: cause.into() });
        }
        super::skeleton::fill_small(proto, &self.stored).map_err(|error| self.wrong(&error))
    }

    /// Decodes the file with all weights.
    ///
    /// # Errors
    /// When it cannot be read, or is no ONNX file.
    pub(crate) fn decode_whole(&mut self) -> Result<super::pb::ModelProto, Error> {
        let mut proto = self.decode()?.proto;
        super::skeleton::fill(&mut proto, &self.stored).map_err(|error| self.wrong(&error))?;
        Ok(proto)
    }

    /// The SHA-256 of the whole file, followed by that of its weights if it has one, in lower-case hexadecimal.
    ///
    /// # Errors
    /// When the file is not the one that was meant, could not be read, or was written to since it was opened: whatever
    /// was found in it is worth nothing then.
    pub(crate) fn verify(&mut self) -> Result<String, Error> {
        let unreadable = |cause: String| Error::Unreadable { path: self.path.clone(), cause };
        let (stored, hash) = (&self.stored, &mut self.hash);
        let found = self.found.get_or_insert_with(|| {
            let joined = hash.take().and_then(|thread| thread.join().ok());
            joined.unwrap_or_else(|| hash_of(stored, &AtomicBool::new(false))).map_err(|error| error.to_string())
        });
        let found = found.clone().map_err(unreadable)?;
        if let Some(expected) = self.expected.clone().filter(|expected| *expected != found) {
            return Err(Error::WrongHash { path: self.path.clone(), expected, found });
        }
        match self.stored.metadata() {
            Ok((now, weights))
                if is_same(&self.opened.0, &now)
                    && self.opened.1.iter().zip(&weights).all(|(opened, now)| is_same(opened, now)) =>
            {
                Ok(found)
            }
            Ok(_) => Err(unreadable("it changes while it is read".into())),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    fn wrong(&self, error: &std::io::Error) -> Error {
        let path = self.path.clone();
        match error.kind() {
            ErrorKind::InvalidData => Error::NotOnnx { path, cause: "its protobuf is cut short or damaged".to_owned() },
            _ => Error::Unreadable { path, cause: error.to_string() },
        }
    }
}

impl Drop for OnnxFile {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// Starts a thread that hashes, which takes a fifth of the time that a large model takes to load, and more if the processor has no
/// instructions for it. If none can be started, `verify` computes the hash.
fn begin_hash(stored: &Arc<Stored>, given_up: &Arc<AtomicBool>) -> Option<JoinHandle<std::io::Result<String>>> {
    let (stored, given_up) = (stored.clone(), given_up.clone());
    Builder::new().name("hash".into()).spawn(move || hash_of(&stored, &given_up)).ok()
}

/// The hash of the bytes that were there at first: another process may append to the file for ever.
fn hash_of(stored: &Stored, given_up: &AtomicBool) -> std::io::Result<String> {
    sha256_of_all(Until { reader: Positioned { stored, at: 0 }.take(stored.length()), given_up })
}

/// A reader that fails once it is given up.
struct Until<'a, R> {
    reader: R,
    given_up: &'a AtomicBool,
}

impl<R: Read> Read for Until<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.given_up.load(Ordering::Relaxed) {
            true => Err(std::io::Error::other("given up")),
            false => self.reader.read(buffer),
        }
    }
}

fn is_same(before: &Metadata, now: &Metadata) -> bool {
    before.len() == now.len() && before.modified().ok() == now.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::input::{Backend, InputHints};

    fn stored(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("writable");
        file
    }

    fn open(file: &tempfile::NamedTempFile, sha256: Option<&str>) -> OnnxFile {
        let source = Source { path: file.path(), sha256, input: &InputHints::default(), backend: Backend::Auto };
        OnnxFile::open(&source).expect("readable")
    }

    #[test]
    fn the_hash_is_that_of_the_whole_file() {
        let file = stored(b"abc");
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(open(&file, None).verify().expect("the same"), expected);
        let refused = open(&file, Some(&"0".repeat(64))).verify();
        assert!(matches!(refused, Err(Error::WrongHash { found, .. }) if found == expected));
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        let mut file = stored(&[0; 1000]);
        let mut open = open(&file, None);
        file.write_all(&[1; 1000]).expect("writable");
        let refused = open.verify().map_err(|error| error.to_string()).expect_err("changed");
        assert!(refused.contains("it changes while it is read"), "{refused}");
    }
}
