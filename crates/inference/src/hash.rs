//! The SHA-256 of model files.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes that are read at once: few enough for the second-level cache, and many enough for few system calls.
const PIECE_BYTES: usize = 1 << 16;

/// The SHA-256 of a file, in lower-case hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_of(path: &Path) -> std::io::Result<String> {
    sha256_of_all(File::open(path)?)
}

/// The SHA-256 of all the remaining bytes of a reader, in lower-case hexadecimal.
///
/// # Errors
/// When the reader fails.
pub fn sha256_of_all(mut reader: impl Read) -> std::io::Result<String> {
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(hex(hasher)),
            Ok(read) => hasher.update(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The digest of a hasher, in lower-case hexadecimal.
pub fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
