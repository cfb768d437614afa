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
    let edited = change(&before, edit)?;
    let config = Sources { path, text: edited.text.clone(), environment }.load_awaiting_models()?;
    Ok(Planned { before, edited, config })
}
