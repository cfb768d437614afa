//! Values that must not be seen.

use std::path::Path;

/// A password or token. It can be compared and handed to the protocol that needs it, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Shown wherever a secret would stand.
pub const MASK: &str = "********";

/// A password file larger than this is not a password file.
const MAX_BYTES: u64 = 4096;

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The first line of a file.
    ///
    /// # Errors
    /// A sentence that names the cause: unreadable, too long, empty, or not text.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is not a file".into());
        }
        let length = metadata.len();
        if length > MAX_BYTES {
            return Err(format!("it has {length} bytes; a password file has at most {MAX_BYTES}"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Self(line.to_owned())),
            _ => Err("its first line is empty".into()),
        }
    }

    /// The value itself, for the protocol that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}
