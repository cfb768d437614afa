//! Values that must not be seen.

use std::path::Path;

use crate::bounded;

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
        let text = bounded::read_text(path, MAX_BYTES)?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Self(line.to_owned())),
            _ => Err("has an empty first line".into()),
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
