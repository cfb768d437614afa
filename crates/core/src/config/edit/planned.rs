//! A change of a configuration file, and what the file would be then.

use std::path::Path;

use super::super::sources::Sources;
use super::super::typed::Config;
use super::change::change;
use super::edited::{EditError, Edited};
use crate::domain::file_edit::FileEdit;

/// A change that can work. Nothing is written yet.
pub struct Planned {
    /// The text of the file.
    pub before: String,
    pub edited: Edited,
    /// The configuration as it would be.
    pub config: Config,
}

/// Reads the file, makes the change in its text, and checks that the result can work.
///
/// # Errors
/// See [`EditError`].
pub fn planned(path: &Path, edit: &FileEdit) -> Result<Planned, EditError> {
    let Sources { path, text: before, environment } = Sources::read(path)?;
    let mut edited = change(&before, edit)?;
    edited.text = with_line_ends_of(&before, edited.text);
    let config = Sources { path, text: edited.text.clone(), environment }.load_awaiting_models()?;
    Ok(Planned { before, edited, config })
}

/// An editor of another system ends lines with CR LF, which a change of a few keys is not to make a change of all lines.
fn with_line_ends_of(before: &str, text: String) -> String {
    let (ends, of_windows) = (before.matches('\n').count(), before.matches("\r\n").count());
    match ends > 0 && ends == of_windows {
        true => text.replace("\r\n", "\n").replace('\n', "\r\n"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::with_line_ends_of;

    #[test]
    fn the_ends_of_lines_stay_as_they_are() {
        let (unix, windows) = ("a = 1\nb = 2\n", "a = 1\r\nb = 2\r\n");
        for changed in [unix, windows, "a = 1\r\nb = 2\n"] {
            assert_eq!(with_line_ends_of(windows, changed.to_owned()), windows);
        }
        assert_eq!(with_line_ends_of(unix, unix.to_owned()), unix);
        assert_eq!(with_line_ends_of("a = 1\r\nb = 2\n", unix.to_owned()), unix, "no line is changed for another");
        assert_eq!(with_line_ends_of("", unix.to_owned()), unix);
    }
}
