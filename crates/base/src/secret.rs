//! Values that must not appear in logs or answers.

use std::path::Path;

use crate::files::{self, ReadError};
use crate::known;

/// A password or token. It can be compared and handed to the protocol that needs it; its `Debug` form is [`MASK`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is shown in place of a secret.
pub const MASK: &str = "********";

/// The largest password file.
const MAX_BYTES: u64 = 4096;

/// Why a secret was not taken from its file. The text continues the file's name.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file was not read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The file has these permissions.
    #[error("has mode {0:04o}: others could read or replace it; chmod 0600 it, or 0640 with the daemon's group")]
    TooOpen(u32),
    /// There is nothing in its first line.
    #[error("has an empty first line")]
    Empty,
}

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Reads the first line of a file of at most 4 KiB, which is [`known`] as a secret from then on.
    ///
    /// # Errors
    /// When the file is unreadable, too long, empty, not text, or open to other users.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let text = files::read_text(path, MAX_BYTES)?;
        if let Some(mode) = files::too_open(path) {
            return Err(SecretError::TooOpen(mode));
        }
        // Editors of other systems begin a file with a mark of its encoding.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        match text.lines().next() {
            Some(line) if !line.is_empty() => {
                known::remember(line);
                Ok(Self(line.to_owned()))
            }
            _ => Err(SecretError::Empty),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_other_users_can_read_or_replace_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "secret\n").expect("writable");
        assert_eq!(files::too_open(Path::new("/run/secrets/nobody")), None);
        let around = Path::new("/run/secrets/../..").join(file.path().strip_prefix("/").expect("absolute"));
        for (mode, taken) in [(0o600, true), (0o640, true), (0o644, false), (0o660, false), (0o604, false)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("changed");
            let read = Secret::from_file(file.path());
            assert_eq!(read.is_ok(), taken, "{mode:o}: {read:?}");
            // Not every machine has such a directory to go around by.
            assert!(!around.exists() || files::too_open(&around).is_none() == taken, "{mode:o}");
            assert!(taken || matches!(read, Err(SecretError::TooOpen(found)) if found == mode));
        }
    }

    #[test]
    fn the_mark_of_the_encoding_and_the_end_of_the_line_are_not_part_of_a_secret() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "\u{feff}secret\r\nmore").expect("writable");
        assert_eq!(Secret::from_file(file.path()).expect("a secret"), Secret::new("secret"));
        std::fs::write(file.path(), "\u{feff}\n").expect("writable");
        assert!(matches!(Secret::from_file(file.path()), Err(SecretError::Empty)));
    }
}
